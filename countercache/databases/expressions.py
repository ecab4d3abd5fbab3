"""Pieces of SQL that every engine writes alike: names, texts, tables, conditions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, quoted_name

from countercache.settings import Lookup


def reference(table: str | None, name: str) -> str:
    """A column as it is written."""
    identifier = '"' + name.replace('"', '""') + '"'
    return identifier if table is None else f"{table}.{identifier}"


def quoted(text: str) -> str:
    """A text as it is written in a statement."""
    return "'" + text.replace("'", "''") + "'"


def relation(parts: Sequence[str]) -> FromClause:
    """A table by the parts of its name, each quoted."""
    schema = quoted_name(parts[0], quote=True) if len(parts) > 1 else None
    return sa.table(quoted_name(parts[-1], quote=True), schema=schema)


def column(table: str | None, name: str) -> ColumnElement[Any]:
    """A column by its name; it brings no table of its own into a query."""
    return sa.literal_column(reference(table, name))


def enclosed(condition: str) -> ColumnElement[bool]:
    """A condition that somebody wrote: on lines of its own, so that a comment at its end hides nothing of ours."""
    return sa.literal_column(f"(\n{condition}\n)")


def listed(lookup: Lookup | None) -> list[ColumnElement[bool]]:
    """The conditions under which a lookup table's row counts."""
    return [enclosed(lookup.where)] if lookup and lookup.where is not None else []
