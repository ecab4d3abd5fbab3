"""How SQL is written by a dialect of SQLAlchemy's, of whose database nothing else is known."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from countercache.databases.conditions import Lexer, flaw
from countercache.databases.dialect import Dialect
from countercache.databases.expressions import column
from countercache.model.table import Key

_TYPES: Final[dict[type, sa.types.TypeEngine[Any]]] = {
    dt.datetime: sa.DateTime(),
    dt.date: sa.Date(),
    dt.time: sa.Time(),
    uuid.UUID: sa.Uuid(),
    Decimal: sa.Numeric(),
}
"""Types of keys that are none of ours, by what their driver makes of them."""


class GenericDialect(Dialect):
    """A dialect of SQLAlchemy's. A key is what the driver makes of it; `text` is a type that can be grouped by."""

    def __init__(self, compiler: sa.Dialect, text: sa.types.TypeEngine[str]) -> None:
        self._given = compiler
        self._text = text
        super().__init__()
        quotes = compiler.identifier_preparer
        pairs = ("''", '""', f"{quotes.initial_quote}{quotes.final_quote}")
        # Whether a comment holds others, and what a dollar means, is not known: a condition must be right either way.
        self._lexers = (
            Lexer(quotes=tuple(dict.fromkeys(pairs))),
            Lexer(quotes=tuple(dict.fromkeys(pairs)), line_ends="\r\n", nested_comments=True, dollar_quotes=True),
        )

    def compiler(self) -> sa.Dialect:
        """The one that was given."""
        return self._given

    def as_text(self, of: ColumnElement[Any]) -> ColumnElement[Any]:
        """A value as text."""
        return sa.cast(of, self._text)

    def literal(self, key: Key) -> str:
        """A key in its own type, as strict databases compare nothing else with its column."""
        if type_ := _TYPES.get(type(key)):
            return self._literals.render_literal_value(key, type_)
        return super().literal(key)

    def first_spelling(self, name: str) -> ColumnElement[Any]:
        """The first by the codes of its characters, where what is made of a column has lost its collation."""
        return sa.func.min(self.as_text(column(None, name)).concat(sa.literal("")))

    def flaw(self, condition: str) -> str:
        """Why a condition is not one expression by itself, however the database reads it."""
        if "\\" in condition:
            return 'it has a "\\", which databases read differently'
        return next(filter(None, (flaw(condition, lexer) for lexer in self._lexers)), "")
