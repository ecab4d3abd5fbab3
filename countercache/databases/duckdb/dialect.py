"""How DuckDB's SQL is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from countercache.databases.conditions import Lexer
from countercache.databases.dialect import Dialect
from countercache.model.table import Column, Key


class DuckDBDialect(Dialect):
    """DuckDB. A key is read as text, which every type has and takes back."""

    lexer: ClassVar[Lexer] = Lexer(line_ends="\r\n", nested_comments=True, dollar_quotes=True, escaped_texts=True)

    has_filter: ClassVar[bool] = True
    has_nulls_first: ClassVar[bool] = True

    def literal(self, key: Key) -> str:
        """A key as a text, which takes the type of what it is compared to."""
        return " || chr(0) || ".join(map(self.quoted, str(key).split("\0")))

    def read_key(self, of: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column of keys as text."""
        return self.as_text(of)

    def sorted_keys(self, table: str, of: Column, keys: Iterable[Key]) -> str:
        """The keys are of the column's type before they are sorted."""
        values = ", ".join(f"({self.literal(key)})" for key in keys)
        typed = f"SELECT CAST(v.k AS {of.type}) FROM (VALUES {values}) AS v(k)"  # noqa: S608 - literals, the catalogue's word
        united = f"{self.text(self.no_rows(table, of))} UNION ALL {typed}"
        return f"SELECT CAST(s.k AS TEXT) FROM ({united}) AS s ORDER BY s.k"  # noqa: S608

    def first_spelling(self, name: str) -> ColumnElement[Any]:
        """The first by the codes of its characters, whatever the column's collation."""
        return sa.literal_column(f"min(CAST({self.reference(None, name)} AS TEXT) COLLATE C)")


DIALECT = DuckDBDialect()
