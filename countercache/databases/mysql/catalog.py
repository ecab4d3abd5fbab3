"""What MariaDB's and MySQL's information_schema says of tables, and what the server says of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import ClassVar

from countercache.databases.catalog import SNAPSHOT, Catalog
from countercache.model.clock_comparison import clock
from countercache.model.results import Finding, Health
from countercache.model.table import Column, Kind, Table

_KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit"), Kind.INTEGER),
    "decimal": Kind.NUMERIC,
    **dict.fromkeys(("float", "double"), Kind.FLOAT),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"), Kind.TEXT),
}
_EXACT = {"date", "datetime", "timestamp", "time", "uuid", "inet4", "inet6", "binary", "varbinary", "enum", "set"}
"""Types, beside whole numbers and decimals, whose values are written in one way."""

_BYTES = ("_nopad_bin", "_0900_bin")
"""Collations of which every difference is one: all others forget spaces at the end, or more."""

_LEFT_OUT = ("information_schema", "mysql", "performance_schema", "sys")


class MySQLCatalog(Catalog):
    """The catalogue of a connection."""

    slow_query: ClassVar[str] = "SELECT SLEEP(2)"

    def describe(self, name: Sequence[str]) -> Table | None:
        """A table or view by the parts of its name: that of a database and its own, or only the latter."""
        schema = self.dialect.quoted(name[0]) if len(name) > 1 else "DATABASE()"
        where = f"TABLE_SCHEMA = {schema} AND TABLE_NAME = {self.dialect.quoted(name[-1])}"
        found = self.rows(_TABLE.format(where=where))
        if not found:
            return None
        columns = dict(map(_column, self.rows(_COLUMNS.format(where=where))))
        indexes: dict[str, list[tuple[bool, str | None]]] = {}
        for index, others, column in self.rows(_INDEXES.format(where=where)):
            indexes.setdefault(index, []).append((not int(others), column))
        unique = tuple(
            frozenset(column for _, column in parts if column is not None)
            for parts in indexes.values()
            if all(is_unique and column is not None for is_unique, column in parts)
        )
        leading = frozenset(parts[0][1] for parts in indexes.values() if parts[0][1] is not None)
        ((rows,),) = found
        # Not its foreign keys: they are not looked at while a dump is loaded.
        return Table(tuple(name), columns, None if rows is None else int(rows), None, unique, leading)

    def table_names(self) -> list[str]:
        """The tables and views that the user may see, those of other databases with their names."""
        return [name for (name,) in self.rows(_NAMES)]

    def examine(self, area: str) -> Iterator[Finding]:
        """The server, the user's rights, and what ends a query."""
        before = time.time()
        ((version, user, read_only, now, plain),) = self.rows(_SERVER)
        took = time.time() - before
        where = self.url.query.get("unix_socket") or f"{self.url.host or 'localhost'}:{self.url.port or 3306}"
        more = "; it takes no writes" if int(read_only) else ""
        yield Finding(area, "server", Health.OK, f"{version} at {where}, as {user}{more}", SNAPSHOT)
        grants = " ".join(grant for (grant,) in self.rows("SHOW GRANTS"))
        why = "a run only reads: a user who may do no more cannot do harm, whatever a configuration says"
        if writes := sorted(word for word in _WRITES if word in grants):
            cure = "give it a user with SELECT only; docs/databases.md has the three lines of SQL"
            yield Finding(area, "rights", Health.WARNING, f"{user} may {', '.join(writes)}", why, cure)
        else:
            yield Finding(area, "rights", Health.OK, f"{user} may read and do no more", why)
        if plain:
            why = (
                "only InnoDB has snapshots: what is written to another table while a run reads it may be in its totals"
            )
            cure = "run: ALTER TABLE … ENGINE = InnoDB"
            yield Finding(area, "snapshot", Health.WARNING, f"tables that are not InnoDB's: {plain}", why, cure)
        yield clock(area, float(now) - before - took / 2, took)

    def cost(self, statement: str) -> float:
        """The rows that the server expects to read."""
        rows = [str(row[-2]) for row in self.rows(f"EXPLAIN {statement}")]
        return float(sum(int(text) for text in rows if text.isdigit()))

    def create_index(self, table: Table, column: str) -> str:
        """It can be made while others write."""
        return f"run: CREATE INDEX {self.dialect.short(f'{table.name[-1]}_{column}')} ON {self.indexed(table, column)}"


def _column(row: Sequence[str | None]) -> tuple[str, Column]:
    """A column as its row of the catalogue says."""
    name, type_, declared, nullable, collation = (str(each or "") for each in row)
    kind = _KINDS.get(type_, Kind.OTHER)
    exact = kind in {Kind.INTEGER, Kind.NUMERIC} or type_ in _EXACT or collation.endswith(_BYTES)
    order = {Kind.INTEGER: "integer", Kind.NUMERIC: "decimal", Kind.TEXT: f"text {collation}"}.get(kind, "")
    if type_ in {"enum", "set", "bit"}:
        order = ""
    elif type_ in {"date", "datetime", "timestamp"}:
        order = type_
    return name, Column(name, declared, kind, nullable == "YES", order, exact=exact)


_WRITES = ("ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "DROP", "CREATE", "ALTER", "FILE", "SUPER")
_TABLE = "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE {where}"
_COLUMNS = """
SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLLATION_NAME
FROM information_schema.COLUMNS WHERE {where} ORDER BY ORDINAL_POSITION
"""
_INDEXES = """
SELECT INDEX_NAME, NON_UNIQUE, CASE WHEN SUB_PART IS NULL THEN COLUMN_NAME END
FROM information_schema.STATISTICS WHERE {where} AND INDEX_TYPE = 'BTREE' ORDER BY INDEX_NAME, SEQ_IN_INDEX
"""
_NAMES = f"""
SELECT CASE WHEN TABLE_SCHEMA = DATABASE() THEN TABLE_NAME ELSE concat(TABLE_SCHEMA, '.', TABLE_NAME) END
FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ({", ".join(f"'{name}'" for name in _LEFT_OUT)}) LIMIT 10000
"""  # noqa: S608 - our own text
_SERVER = """
SELECT concat(VERSION(), ' (', @@version_comment, ')'), CURRENT_USER(), @@read_only, UNIX_TIMESTAMP(SYSDATE(6)), (
  SELECT substr(group_concat(TABLE_NAME ORDER BY TABLE_NAME SEPARATOR ', '), 1, 60) FROM information_schema.TABLES
  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB'
)
"""
