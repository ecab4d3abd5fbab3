"""How MariaDB's and MySQL's SQL is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

from countercache.databases.conditions import Lexer
from countercache.databases.dialect import STYLE, Dialect
from countercache.databases.expressions import column, relation
from countercache.model.table import Column, Key, Kind, split_name

_OWN_ORDER = ("enum", "set", "time")
"""Types that do not sort as their texts do, and that no literal has."""


_SIGNED = ("tinyint", "smallint", "mediumint", "int", "bigint")


class MySQLDialect(Dialect):
    """MariaDB and MySQL, with the quotes that both have when nobody configures others.

    A key is an integer or a text: the driver reads what is neither (dates, decimals) as the text that it prints as.
    """

    lexer: ClassVar[Lexer] = Lexer(
        quotes=("''", '""', "``"), backslashes=True, hash_comments=True, spaced_dashes=True, conditional_comments=True
    )

    def compiler(self) -> sa.Dialect:
        """SQLAlchemy's own for the driver."""
        made = MySQLDialect_pymysql(paramstyle=STYLE)
        # It would double the backslashes of what is put in for a part as well, where `quoted` has done so.
        made._backslash_escapes = False  # noqa: SLF001 - it has no other way
        return made

    def quoted(self, text: str) -> str:
        """A text, in which a backslash takes the next character's meaning away."""
        return super().quoted(text).replace("\\", "\\\\")

    def sorted_keys(self, table: str, of: Column, keys: Iterable[Key]) -> str:
        """Keys in the order of the column; where only its own rows tell it, those are read."""
        if of.type.startswith(_OWN_ORDER):
            key = column(None, of.name)
            rows = sa.select(key).select_from(relation(split_name(table))).where(key.in_(map(self.key, keys)))
            return self.text(rows.group_by(key).order_by(key))
        if of.kind is Kind.INTEGER:
            # United with the column, or with each other, they could become decimals or texts.
            cast = "SIGNED" if of.type.startswith(_SIGNED) and "unsigned" not in of.type else "UNSIGNED"
            texts = [f"CAST({self.literal(key)} AS {cast})" for key in keys]
            whole: list[sa.Select[Any]] = [sa.select(sa.literal_column(text).label("k")) for text in texts]
            every = sa.union_all(*whole).subquery("s")
            return self.text(sa.select(column("s", "k")).select_from(every).order_by(column("s", "k")))
        if of.kind in {Kind.NUMERIC, Kind.FLOAT}:
            numbers: list[sa.Select[Any]] = [sa.select(sa.literal_column(str(key))) for key in keys]
            united = sa.union_all(self.no_rows(table, of), *numbers).subquery("s")
            return self.text(sa.select(column("s", "k")).select_from(united).order_by(column("s", "k")))
        return super().sorted_keys(table, of, keys)

    def first_spelling(self, name: str) -> ColumnElement[Any]:
        """The first by the codes of its characters, whatever the column's collation."""
        text = f"CAST(CONVERT({self.reference(None, name)} USING utf8mb4) AS BINARY)"
        return sa.literal_column(f"CONVERT(min({text}) USING utf8mb4)")
