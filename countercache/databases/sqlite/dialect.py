"""How SQLite's SQL is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from countercache.databases.conditions import Lexer
from countercache.databases.dialect import STYLE, Dialect
from countercache.model.table import Column, Key


class SQLiteDialect(Dialect):
    """SQLite. A key is a value of any type, also in one column."""

    lexer: ClassVar[Lexer] = Lexer(quotes=("''", '""', "``", "[]"))

    has_filter: ClassVar[bool] = True
    has_nulls_first: ClassVar[bool] = True

    def compiler(self) -> sa.Dialect:
        """SQLAlchemy's own for the driver."""
        return SQLiteDialect_pysqlite(paramstyle=STYLE)

    def literal(self, key: Key) -> str:
        """A key as a value of its own type."""
        if isinstance(key, str):
            return f"CAST(X'{key.encode().hex()}' AS TEXT)" if "\0" in key else super().literal(key)
        # SQLite has no word for infinity.
        return super().literal(key) if isinstance(key, bytes) else repr(key).replace("inf", "9e999")

    def in_blocks(self, low: int | None, high: int | None) -> list[str]:
        """Rows `low` < rowid <= `high`."""
        return [f"f.rowid {sign} {row}" for sign, row in ((">", low), ("<=", high)) if row is not None]

    def without_index(self, reference: str) -> str:
        """SQLite uses no index for a column behind a plus (its documentation, "Disqualifying WHERE Clause Terms")."""
        return f"+{reference}"

    def block_boundary(self, table: FromClause, low: int | None, size: int) -> str:
        """The last of the next `size` rowids after `low`."""
        rowid: ColumnElement[Any] = sa.literal_column("rowid")
        rows = sa.select(rowid.label("r")).select_from(table).order_by(rowid).limit(size)
        if low is not None:
            rows = rows.where(rowid > low)
        return self.text(sa.select(sa.func.max(sa.literal_column("r"))).select_from(rows.subquery("a")))

    def sorted_keys(self, table: str, of: Column, keys: Iterable[Key]) -> str:
        """Keys in the order of the column."""
        values = ", ".join(f"({self.literal(key)})" for key in keys)
        united = f"{self.text(self.no_rows(table, of))} UNION ALL SELECT column1 FROM (VALUES {values})"  # noqa: S608
        return f"SELECT k FROM ({united}) ORDER BY k"  # noqa: S608 - literals

    def first_spelling(self, name: str) -> ColumnElement[Any]:
        """The first by its bytes; a whole number before a text that is equal to it."""
        key = self.reference(None, name)
        whole = f"min(CASE typeof({key}) WHEN 'integer' THEN {key} END)"
        return sa.literal_column(f"coalesce({whole}, min({key} COLLATE BINARY))")


DIALECT = SQLiteDialect()
