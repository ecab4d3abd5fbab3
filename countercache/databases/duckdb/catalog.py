"""DuckDB's catalogue: what its tables are, and which file it is. A table may also be a file, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from countercache.databases.base import Refused
from countercache.databases.catalog import Catalog
from countercache.model.results import Finding, Health
from countercache.model.table import Column, Kind, Table

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")

_KINDS = {
    **dict.fromkeys(_INTEGERS, Kind.INTEGER),
    # The last ones are whole numbers that DuckDB itself adds up as floats.
    **dict.fromkeys(("FLOAT", "DOUBLE", "UHUGEINT", "BIGNUM", "VARINT"), Kind.FLOAT),
    "VARCHAR": Kind.TEXT,
}

_EXACT = {"VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BOOLEAN", "UUID", *_INTEGERS}
"""Types of which equal values are written alike; decimals are too, and enumerations."""


class DuckDBCatalog(Catalog):
    """The catalogue of a connection."""

    slow_query: ClassVar[str] = "SELECT count(*) FROM range(200000) a (i), range(200000) b (i) WHERE a.i * b.i % 7 = 3"

    def describe(self, name: Sequence[str]) -> Table | None:
        """A table, a view or a file with its columns."""
        called = ".".join(self.dialect.reference(None, part) for part in name)
        try:
            described = self.rows(f"DESCRIBE SELECT * FROM {called}")  # noqa: S608 - quoted
        except Refused as error:
            if re.search("does not exist|No files found", error.message):
                return None
            raise
        required: set[str] = set()
        unique: list[frozenset[str]] = []
        rows, identity = self._table(name)
        for kind, columns in self._constraints(identity) if identity else ():
            if kind == "NOT NULL":
                required.update(columns)
            elif kind in {"PRIMARY KEY", "UNIQUE"}:
                unique.append(frozenset(columns))
                required.update(columns if kind == "PRIMARY KEY" else ())
        collates = self._collates()
        found = {column: _column(column, type_, column in required, collates) for column, type_, *_ in described}
        return Table(tuple(name), found, rows, unique=tuple(unique), identity=identity)

    def table_names(self) -> list[str]:
        """The tables and views."""
        views = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
        return [name for (name,) in self.rows(f"SELECT table_name FROM duckdb_tables() UNION ALL {views}")]  # noqa: S608

    def examine(self, area: str) -> Iterator[Finding]:
        """The file, and the library that reads it."""
        ((version,),) = self.rows("SELECT version()")
        file = self.url.database
        seen = f"DuckDB {version}, {file}, opened read-only" if file else f"DuckDB {version}, without a file"
        why = "while it is opened nobody can write to it, so that a run sees it as it was at its beginning"
        yield Finding(area, "server", Health.OK, seen, why if file else "it reads the files that sources name")

    def _table(self, name: Sequence[str]) -> tuple[int | None, str]:
        """About how many rows a table has, and its number; of a view or a file neither is known."""
        where = f"lower(table_name) = lower({self.dialect.quoted(name[-1])}) AND schema_name = "
        where += f"{self.dialect.quoted(name[0])}" if len(name) > 1 else "current_schema()"
        query = f"SELECT estimated_size, table_oid FROM duckdb_tables() WHERE {where}"  # noqa: S608 - quoted
        found = self.rows(f"{query} AND database_name = current_database()")
        return (int(found[0][0]), str(found[0][1])) if found else (None, "")

    def _constraints(self, table: str) -> list[tuple[str, Sequence[str]]]:
        """The constraints of a table, with their columns; a unique index is one too."""
        query = "SELECT constraint_type, constraint_column_names FROM duckdb_constraints()"
        found = [(kind, columns) for kind, columns in self.rows(f"{query} WHERE table_oid = {table}")]
        indexes = f"SELECT expressions FROM duckdb_indexes() WHERE is_unique AND table_oid = {table}"  # noqa: S608
        for (expressions,) in self.rows(indexes):
            if re.fullmatch(r"\[\w+(, \w+)*\]", expressions):
                found.append(("UNIQUE", expressions[1:-1].split(", ")))
        return found

    def _collates(self) -> bool:
        """Whether some column may compare texts by a collation: which one it is, DuckDB does not tell."""
        tables = "SELECT sql FROM duckdb_tables() UNION ALL SELECT sql FROM duckdb_views() WHERE NOT internal"
        ((count,),) = self.rows(f"SELECT count(*) FROM ({tables}) AS s WHERE sql ILIKE '%collate%'")  # noqa: S608
        return bool(count)


def _column(name: str, type_: str, required: bool, collates: bool) -> Column:
    base = type_.partition("(")[0]
    kind = Kind.NUMERIC if base == "DECIMAL" else _KINDS.get(base, Kind.OTHER)
    collated = collates and kind is Kind.TEXT
    order = "" if collated else "integer" if kind is Kind.INTEGER else type_
    exact = (base in _EXACT or base in {"DECIMAL", "ENUM"}) and not collated
    return Column(name, type_, kind, not required, order, exact=exact)
