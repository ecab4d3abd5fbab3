"""SQLite's catalogue: what its tables are, as its pragmas tell, and what the file is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from countercache.databases.base import Refused
from countercache.databases.catalog import SNAPSHOT, Catalog
from countercache.model.results import Finding, Health
from countercache.model.table import Column, Kind, Table

_NOT_NUMERIC = ("CHAR", "CLOB", "TEXT", "BLOB", "BOOL", "DATE", "TIME")
"""Declared types of columns that are not meant for figures."""


class SQLiteCatalog(Catalog):
    """The catalogue of a connection."""

    slow_query: ClassVar[str] = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000000) SELECT count(*) FROM n"
    )

    def describe(self, name: Sequence[str]) -> Table | None:
        """The table from SQLite's own pragmas."""
        table, schema = self.dialect.quoted(name[-1]), self.dialect.quoted(name[0]) if len(name) > 1 else "NULL"
        rows = self.rows(f'SELECT name, type, "notnull", pk FROM pragma_table_xinfo({table}, {schema})')  # noqa: S608
        if not rows:
            return None
        # A column may take the name of the rowid, which then has none.
        keys = [column for column, _, _, pk in rows if pk]
        rowid = (
            keys[0] if len(keys) == 1 and any(c == keys[0] and t.upper() == "INTEGER" for c, t, _, _ in rows) else None
        )
        hidden = any(column.lower() == "rowid" for column, *_ in rows) and (rowid or "").lower() != "rowid"
        highest = None if hidden else self._highest_rowid(name)
        columns: dict[str, Column] = {}
        for column, type_, required, _ in rows:
            kept, collation = affinity(type_), self._collation(name, column)
            # A view's columns do not keep to their affinity.
            order = f"{kept} {collation}" if highest is not None and collation else ""
            exact = order in {"NUMERIC BINARY", "TEXT BINARY"}
            figures = not any(word in type_.upper() for word in _NOT_NUMERIC)
            columns[column] = Column(column, type_, Kind.ANY, not required, order, collation, exact, figures)
        unique: list[frozenset[str]] = []
        leading: set[str] = set()
        if rowid is not None:
            unique.append(frozenset(keys))
            leading.add(rowid)
        indexes = self.rows(f'SELECT name, "unique" FROM pragma_index_list({table}, {schema}) WHERE NOT partial')  # noqa: S608
        for index, is_unique in indexes:
            query = f"SELECT name FROM pragma_index_info({self.dialect.quoted(index)}, {schema}) ORDER BY seqno"  # noqa: S608 - quoted
            names = [column for (column,) in self.rows(query)]
            if names and names[0] is not None:
                leading.add(names[0])
            if is_unique and None not in names:
                unique.append(frozenset(names))
        return Table(tuple(name), columns, highest, highest, tuple(unique), frozenset(leading), frozenset(), rowid)

    def table_names(self) -> list[str]:
        """The tables and views of the file."""
        return [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]

    def examine(self, area: str) -> Iterator[Finding]:
        """The file, and who can write to it."""
        ((version,),) = self.rows("SELECT sqlite_version()")
        ((mode,),) = self.rows("PRAGMA journal_mode")
        file = str(self.url.database)
        yield Finding(area, "server", Health.OK, f"SQLite {version}, {file}, opened read-only", SNAPSHOT)
        why = "without a write-ahead log nobody can write to the file while a run reads it"
        state = f"journal_mode is {mode}"
        yield Finding(area, "journal", Health.OK, state, why)

    def cost(self, statement: str) -> float:
        """SQLite only tells whether it reads all of the table: 1 or 0."""
        steps = self.rows(f"EXPLAIN QUERY PLAN {statement}")
        return float(any(re.match(r"SCAN f\b", detail) for *_, detail in steps))

    def create_index(self, table: Table, column: str) -> str:
        """An index has a name of its own."""
        name = re.sub(r"\W", "_", f"{table.name[-1]}_{column}")
        return f"in sqlite3: CREATE INDEX {name} ON {self.indexed(table, column)}"

    def _highest_rowid(self, name: Sequence[str]) -> int | None:
        """The largest rowid: about how many rows there are. A view has none, some tables neither, nor empty ones."""
        try:
            ((highest,),) = self.rows(f"SELECT max(rowid) FROM {self._called(name)}")  # noqa: S608 - quoted
        except Refused:
            return None
        return highest if isinstance(highest, int) else None

    def _collation(self, name: Sequence[str], column: str) -> str:
        """The collation of text in a column, whatever its type says that it holds; empty where that is not known.

        SQLite does not tell it, but goes by it when it unites this column with other values.
        """
        none = f"SELECT {self.dialect.reference(None, column)} FROM {self._called(name)} WHERE 0"  # noqa: S608 - quoted
        pairs = ("SELECT 'a' UNION SELECT 'A'", "SELECT 'a' UNION SELECT 'a '")
        counts = ", ".join(f"(SELECT count(*) FROM ({none} UNION {pair}))" for pair in pairs)  # noqa: S608
        try:
            (numbers,) = self.rows(f"SELECT {counts}")
        except Refused:  # a collation of somebody's own
            return ""
        return {(2, 2): "BINARY", (1, 2): "NOCASE", (2, 1): "RTRIM"}.get(numbers, "")

    def _called(self, name: Sequence[str]) -> str:
        return ".".join(self.dialect.reference(None, part) for part in name)


def affinity(type_: str) -> str:
    """What a column of this declared type makes of what is stored in it (SQLite's documentation, datatype3, 3.1).

    INTEGER and REAL are NUMERIC here: numbers are compared as numbers, however they are kept.
    """
    declared = type_.upper()
    rules = {"NUMERIC": ("INT",), "TEXT": ("CHAR", "CLOB", "TEXT"), "BLOB": ("BLOB",)}
    kept = next((name for name, words in rules.items() if any(word in declared for word in words)), "NUMERIC")
    return kept if declared else "BLOB"
