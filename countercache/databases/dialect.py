"""How an engine's SQL is written. What stands here is standard SQL; an engine says where it departs from it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause
from sqlalchemy.engine.default import DefaultDialect

from countercache.databases.conditions import Lexer, flaw
from countercache.databases.expressions import column, part_name, relation, write_reference
from countercache.model.table import Column, Key, split_name

STYLE: Final = "named"
"""The style of parameters. We send none; in this style SQLAlchemy does not double percent signs."""


class Dialect:
    """How SQL is written."""

    lexer: ClassVar[Lexer] = Lexer()
    """How the engine reads a condition that somebody else wrote."""

    has_filter: ClassVar[bool] = False
    """Whether an aggregate may have a FILTER, which SQL:2003 has and many engines have not."""

    has_nulls_first: ClassVar[bool] = False
    """Whether ORDER BY may say NULLS FIRST, likewise."""

    def __init__(self) -> None:
        self._compiler = self.compiler()
        self._literals = self._compiler.statement_compiler(self._compiler, None)

    def compiler(self) -> sa.Dialect:
        """What makes text of SQLAlchemy's constructs."""
        return DefaultDialect(paramstyle=STYLE)

    def text(self, query: sa.SelectBase) -> str:
        """A query as the text that is sent."""
        return self.compiled(query)()

    def compiled(self, query: sa.SelectBase) -> Callable[..., str]:
        """What gives the text of a query with `in_part` in it for the conditions of its parts, as often as needed.

        To compile a query takes some milliseconds, which is much for a query that reads a small part.
        """
        compiled = query.compile(dialect=self._compiler, compile_kwargs={"literal_binds": True})

        def text(*conditions: str) -> str:
            if not conditions:
                return str(compiled)
            parameters = {part_name(number): condition for number, condition in enumerate(conditions)}
            return compiled.construct_expanded_state(parameters).statement

        return text

    def reference(self, table: str | None, name: str) -> str:
        """A column, of a table by its alias, as it is written in a statement."""
        return write_reference(self._compiler.identifier_preparer, table, name)

    def short(self, name: str) -> str:
        """A name as a person writes it: in quotes only where that is needed."""
        return self._compiler.identifier_preparer.quote(name)

    def quoted(self, text: str) -> str:
        """A text as it is written in a statement."""
        return self._literals.render_literal_value(text, sa.Unicode())

    def literal(self, key: Key) -> str:
        """A key as it is written in a statement."""
        if isinstance(key, bytes):
            return f"X'{key.hex()}'"
        return self.quoted(key) if isinstance(key, str) else repr(key)

    def key(self, key: Key) -> ColumnElement[Any]:
        """The same, as a part of a query."""
        return sa.literal_column(self.literal(key))

    def as_text(self, of: ColumnElement[Any]) -> ColumnElement[Any]:
        """A value of any type as text."""
        return sa.cast(of, sa.Text)

    def read_key(self, of: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column of keys as it is selected."""
        return of

    def aggregate(self, function: str, of: str, condition: str) -> str:
        """An aggregate of the rows that meet a condition (empty: of all)."""
        if not condition:
            return f"{function}({of})"
        if self.has_filter:
            return f"{function}({of}) FILTER (WHERE {condition})"
        return f"{function}(CASE WHEN {condition} THEN {'1' if of == '*' else of} END)"

    def nulls_first(self, of: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """What to order by so that rows without a value come first."""
        if self.has_nulls_first:
            return [of.nulls_first()]
        return [sa.case((of.is_(None), sa.literal(0)), else_=sa.literal(1)), of]

    def flaw(self, condition: str) -> str:
        """Why a condition is not one expression by itself, in words; empty where it is one."""
        return flaw(condition, self.lexer)

    def in_blocks(self, low: int | None, high: int | None) -> list[str]:
        """The conditions that a row of the table `f` lies in these blocks; see `Features.block_scan`."""
        raise NotImplementedError

    def without_index(self, reference: str) -> str:
        """A column in a condition for which no index is to be used; see `Features.shares_scans`."""
        return reference

    def block_boundary(self, table: FromClause, low: int | None, size: int) -> str:
        """A query for the last of the next `size` row numbers after `low`; see `BlockScan.ROWIDS`."""
        raise NotImplementedError

    def sorted_keys(self, table: str, of: Column, keys: Iterable[Key]) -> str:
        """A query for keys in the order of a column: that of its type and its collation."""
        # In a UNION with the column, though it gives no row, the keys take its collation.
        values = [sa.select(self.key(key)) for key in keys]
        united = sa.union_all(self.no_rows(table, of), *values).subquery("s")
        return self.text(sa.select(column("s", "k")).select_from(united).order_by(column("s", "k")))

    def first_spelling(self, name: str) -> ColumnElement[Any]:
        """The aggregate that chooses one of several spellings of a key, always the same."""
        return sa.func.min(column(None, name))

    @staticmethod
    def no_rows(table: str, of: Column) -> sa.Select[Any]:
        """A column, called `k`, without any row."""
        key = column(None, of.name).label("k")
        return sa.select(key).select_from(relation(split_name(table))).where(sa.literal(1) == sa.literal(0))
