"""Pieces of SQL that every engine writes alike, as SQLAlchemy's constructs: tables, columns, conditions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, quoted_name
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import IdentifierPreparer, SQLCompiler

from countercache.settings import Lookup


def write_reference(preparer: IdentifierPreparer, table: str | None, name: str) -> str:
    """A column as a dialect writes it: always quoted. The `table` is an alias of ours."""
    identifier = preparer.quote_identifier(name)
    return identifier if table is None else f"{preparer.quote(table)}.{identifier}"


class _Reference(sa.ColumnClause[Any]):
    """A column by its name, quoted by the dialect that compiles it."""

    inherit_cache = False
    _constructor = sa.ColumnClause  # of a subquery's own columns, which are no references

    def __init__(self, table: str | None, name: str) -> None:
        # A cast of it is labelled with this text. It must not be the column's name, since ORDER BY prefers labels.
        text = f'"{name}"' if table is None else f'{table}."{name}"'
        super().__init__(text, is_literal=True)
        self.reference = (table, name)


@compiles(_Reference)
def _write(element: _Reference, compiler: SQLCompiler, **_: object) -> str:
    return write_reference(compiler.preparer, *element.reference)


class _Condition(sa.types.UserDefinedType[str]):
    """The type of a condition that is written already."""

    cache_ok = True

    def literal_processor(self, dialect: sa.Dialect) -> Callable[[str], str]:  # noqa: ARG002
        """It is put into the query as it is."""
        return str


class _InPart(ColumnElement[bool]):
    """That a row is of the part of this number, which is told after the query has been compiled."""

    inherit_cache = False

    def __init__(self, number: int) -> None:
        self.parameter = sa.bindparam(part_name(number), type_=_Condition(), literal_execute=True)


@compiles(_InPart)
def _write_part(element: _InPart, compiler: SQLCompiler, **options: object) -> str:
    return compiler.process(element.parameter, **{**options, "literal_binds": False})


def in_part(number: int) -> ColumnElement[bool]:
    """That a row is of a part; see `Dialect.compiled`."""
    return _InPart(number)


def part_name(number: int) -> str:
    """The name of the parameter for the condition of a part."""
    return f"part{number}"


def relation(parts: Sequence[str]) -> FromClause:
    """A table by the parts of its name, each quoted."""
    schema = quoted_name(parts[0], quote=True) if len(parts) > 1 else None
    return sa.table(quoted_name(parts[-1], quote=True), schema=schema)


def column(table: str | None, name: str) -> ColumnElement[Any]:
    """A column by its name; it brings no table of its own into a query."""
    return _Reference(table, name)


def enclosed(condition: str) -> ColumnElement[bool]:
    """A condition that somebody wrote: on lines of its own, so that a comment at its end hides nothing of ours."""
    return sa.literal_column(f"(\n{condition}\n)")


def listed(lookup: Lookup | None) -> list[ColumnElement[bool]]:
    """The conditions under which a lookup table's row counts."""
    return [enclosed(lookup.where)] if lookup and lookup.where is not None else []
