"""How PostgreSQL's SQL is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from countercache.databases.conditions import Lexer
from countercache.databases.dialect import STYLE, Dialect
from countercache.model.table import Column, Key


class PostgresDialect(Dialect):
    """PostgreSQL. A key is read as text, which every type has and takes back."""

    lexer: ClassVar[Lexer] = Lexer(line_ends="\r\n", nested_comments=True, dollar_quotes=True, escaped_texts=True)

    has_filter: ClassVar[bool] = True
    has_nulls_first: ClassVar[bool] = True

    def compiler(self) -> sa.Dialect:
        """SQLAlchemy's own for the driver."""
        return PGDialect_psycopg(paramstyle=STYLE)  # type: ignore[no-untyped-call]

    def literal(self, key: Key) -> str:
        """A key as a text of no type, which takes that of what it is compared to."""
        if isinstance(key, str) and "\0" in key:
            return f"CAST(X'{key.encode().hex()}' AS TEXT)"
        return super().literal(key) if isinstance(key, bytes) else self.quoted(str(key))

    def read_key(self, of: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column of keys as text."""
        return self.as_text(of)

    def in_blocks(self, low: int | None, high: int | None) -> list[str]:
        """Pages `low` <= page < `high`."""
        pages = [(">=", low), ("<", high)]
        return [f"f.ctid {sign} '({page},0)'::tid" for sign, page in pages if page is not None]

    def sorted_keys(self, table: str, of: Column, keys: Iterable[Key]) -> str:
        """The keys are of the column's type before they are sorted."""
        values = ", ".join(f"({self.literal(key)})" for key in keys)
        typed = f"SELECT v.k::{of.type} FROM (VALUES {values}) AS v(k)"  # noqa: S608 - literals, the catalogue's word
        united = f"{self.text(self.no_rows(table, of))} UNION ALL {typed}"
        return f"SELECT k::text FROM ({united}) AS s ORDER BY s.k"  # noqa: S608

    def first_spelling(self, name: str) -> ColumnElement[Any]:
        """The first by the codes of its characters, whatever the column's collation."""
        return sa.literal_column(f'min({self.reference(None, name)}::text COLLATE "C")')


DIALECT = PostgresDialect()
