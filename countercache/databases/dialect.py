"""How an engine's SQL is written. What stands here is standard SQL; an engine says where it departs from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause
from sqlalchemy.engine.default import DefaultDialect

from countercache.databases.conditions import Lexer, flaw
from countercache.databases.expressions import column, quoted, reference, relation
from countercache.model.table import Column, Key, split_name

STYLE: Final = "named"
"""Of all styles of parameters, of which there are none, the one in which percent signs are not doubled."""


class Dialect:
    """How SQL is written."""

    lexer: ClassVar[Lexer] = Lexer()
    """How the engine reads a condition that somebody else wrote."""

    def __init__(self) -> None:
        self._compiler = self.compiler()

    def compiler(self) -> sa.Dialect:
        """What makes text of SQLAlchemy's constructs."""
        return DefaultDialect(paramstyle=STYLE)

    def text(self, query: sa.SelectBase) -> str:
        """A query as the text that is sent."""
        return str(query.compile(dialect=self._compiler, compile_kwargs={"literal_binds": True}))

    def literal(self, key: Key) -> str:
        """A key as it is written in a statement."""
        if isinstance(key, bytes):
            return f"X'{key.hex()}'"
        return quoted(key) if isinstance(key, str) else repr(key)

    def key(self, key: Key) -> ColumnElement[Any]:
        """The same, as a part of a query."""
        return sa.literal_column(self.literal(key))

    def read_key(self, of: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column of keys as it is selected."""
        return of

    def flaw(self, condition: str) -> str:
        """Why a condition is not one expression by itself, in words; empty where it is one."""
        return flaw(condition, self.lexer)

    def in_blocks(self, low: int | None, high: int | None) -> list[str]:
        """The conditions that a row of the table `f` lies in these blocks; see `Features.block_scan`."""
        raise NotImplementedError

    def block_boundary(self, table: FromClause, low: int | None, size: int) -> str:
        """A query for the last of the next `size` row numbers after `low`; see `BlockScan.ROWIDS`."""
        raise NotImplementedError

    def sorted_keys(self, table: str, of: Column, keys: Iterable[Key]) -> str:
        """A query for keys in the order of a column: that of its type and its collation."""
        # What is united with the column, though with no row of it, takes its collation.
        values = "".join(f" UNION ALL SELECT {self.literal(key)}" for key in keys)
        return f"SELECT k FROM ({self._column(table, of)} WHERE 1 = 0{values}) AS s ORDER BY k"  # noqa: S608 - literals

    def first_spelling(self, name: str) -> str:
        """The aggregate that chooses one of several spellings of a key, always the same."""
        return f"min({reference(None, name)})"

    def _column(self, table: str, of: Column) -> str:
        return self.text(sa.select(column(None, of.name).label("k")).select_from(relation(split_name(table))))
