"""How ClickHouse's SQL is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect as DriversDialect
from clickhouse_connect.cc_sqlalchemy.sql.compiler import ChStatementCompiler
from clickhouse_connect.cc_sqlalchemy.sql.preparer import ChIdentifierPreparer
from sqlalchemy import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from countercache.databases.conditions import Lexer
from countercache.databases.dialect import STYLE, Dialect
from countercache.model.table import Column, Key

_NULS = "'\\\\0+$'"
"""What a text of fixed length is filled with."""


class _Preparer(ChIdentifierPreparer):
    """Quotes every name, also one that looks as if it were quoted already."""

    def __init__(self, dialect: sa.Dialect, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        super().__init__(dialect, **options)
        self.quote_identifier = self._quote_raw_identifier


class _Compiler(ChStatementCompiler):
    """Doubles the backslashes of texts only, not those of conditions that are written already."""

    def render_literal_value(self, value: Any, type_: TypeEngine[Any]) -> str:  # noqa: ANN401 - SQLAlchemy's
        """A value as it is written in a statement."""
        if isinstance(type_, sa.String):
            return str(super().render_literal_value(value, type_))  # type: ignore[no-untyped-call]
        return SQLCompiler.render_literal_value(self, value, type_)


class _DriversDialect(DriversDialect):
    preparer = _Preparer
    statement_compiler = _Compiler
    supports_statement_cache = False


class ClickHouseDialect(Dialect):
    """ClickHouse. A key is read as text, which every type can be compared with."""

    lexer: ClassVar[Lexer] = Lexer(
        quotes=("''", '""', "``", "\u2018\u2019", "\u201c\u201d"),
        nested_comments=True,
        dollar_quotes=True,
        backslashes=True,
        backslashed_names=True,
        hash_comments=True,
        slash_comments=True,
    )

    has_filter: ClassVar[bool] = True
    has_nulls_first: ClassVar[bool] = True

    def compiler(self) -> sa.Dialect:
        """The driver's own."""
        return _DriversDialect(paramstyle=STYLE)

    def literal(self, key: Key) -> str:
        """A key as a text, which takes the type of what it is compared to."""
        if isinstance(key, bytes):
            return f"unhex('{key.hex()}')"
        return self.quoted(str(key))

    def as_text(self, of: ColumnElement[Any]) -> ColumnElement[Any]:
        """A value of any type as text; NULL stays NULL, which a CAST would refuse."""
        return sa.func.toString(of)

    def read_key(self, of: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column of keys as text."""
        return self.as_text(of)

    def sorted_keys(self, table: str, of: Column, keys: Iterable[Key]) -> str:  # noqa: ARG002 - its type is enough
        """The keys are of the column's type before they are sorted."""
        texts = ", ".join(map(self.literal, keys))
        typed = f"arrayJoin(CAST([{texts}], {self.quoted(f'Array({of.type})')}))"
        return f"SELECT toString(k) FROM (SELECT {typed} AS k) ORDER BY k"  # noqa: S608 - literals

    def first_spelling(self, name: str) -> ColumnElement[Any]:
        """The first by its bytes, without what fills a text of fixed length."""
        return sa.literal_column(f"min(replaceRegexpOne(toString({self.reference(None, name)}), {_NULS}, ''))")


def inner_type(type_: str) -> str:
    """A type without what only says how it is kept, and whether it has NULL."""
    while found := re.fullmatch(r"(?:Nullable|LowCardinality)\((.*)\)|SimpleAggregateFunction\(\w+, (.*)\)", type_):
        type_ = found[1] or found[2]
    return type_


DIALECT = ClickHouseDialect()
