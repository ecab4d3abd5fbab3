"""Small queries about keys and names, as literal SQL text: of lookup tables and of single columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import FromClause, Select

from countercache.expressions import literal
from countercache.masks import column, relation, text
from countercache.settings import Lookup
from countercache.tables import Key, split_name


def lookup_sql(kind: str, lookup: Lookup) -> str:
    """Key and name of each row of a lookup table that has both, in its order (without one: that of the names)."""
    key, name = column(None, lookup.key), column(None, lookup.name)
    shown = [sa.cast(key, sa.Text), sa.cast(name, sa.Text)] if kind == "postgresql" else [key, name]
    query = sa.select(*shown).select_from(relation(split_name(lookup.table)))
    query = query.where(key.is_not(None), name.is_not(None)).order_by(column(None, lookup.order or lookup.name), key)
    return text(query, kind)


def named_sql(kind: str, lookup: Lookup, keys: Iterable[Key]) -> str:
    """Key and name of those rows of a lookup table that have one of these keys."""
    key, name = column(None, lookup.key), column(None, lookup.name)
    shown = [sa.cast(key, sa.Text), sa.cast(name, sa.Text)] if kind == "postgresql" else [key, name]
    query = sa.select(*shown).select_from(relation(split_name(lookup.table))).where(name.is_not(None))
    return text(query.where(key.in_([sa.literal_column(literal(each, kind)) for each in keys])), kind)


def distinct_sql(kind: str, table: str, name: str, limit: int | None = None) -> str:
    """The different values of a column, in their order."""
    inner = sa.select(column(None, name).label("k")).distinct().select_from(relation(split_name(table)))
    inner = inner.where(column(None, name).is_not(None))
    found: FromClause = (inner.limit(sa.literal_column(str(limit))) if limit else inner).subquery("d")
    key = column("d", "k")
    shown = sa.cast(key, sa.Text) if kind == "postgresql" else key
    return text(sa.select(shown).select_from(found).order_by(key), kind)


def sample_sql(kind: str, table: str, name: str, rows: int) -> str:
    """The different values of a column in so many of its rows, each with how many of these have it."""
    inner = sa.select(column(None, name).label("k")).select_from(relation(split_name(table)))
    found = inner.limit(sa.literal_column(str(rows))).subquery("d")
    key = column("d", "k")
    shown = sa.cast(key, sa.Text) if kind == "postgresql" else key
    query = sa.select(shown, sa.func.count(sa.literal_column("*"))).select_from(found).group_by(key).order_by(key)
    return text(query, kind)


def equals_sql(kind: str, table: str, name: str, *keys: Key) -> str:
    """One row if some row's key in a column is equal to each of these."""
    conditions = [column(None, name) == sa.literal_column(literal(key, kind)) for key in keys]
    query: Select[Any] = sa.select(sa.literal_column("1")).select_from(relation(split_name(table))).where(*conditions)
    return text(query.limit(sa.literal_column("1")), kind)


def sorted_sql(type_: str, keys: Iterable[Key]) -> str:
    """PostgreSQL: keys in the order of their type (as the catalogue writes it)."""
    values = ", ".join(f"({literal(key, 'postgresql')}::{type_})" for key in keys)
    return f"SELECT k::text FROM (VALUES {values}) AS v(k) ORDER BY v.k"  # noqa: S608 - literals, and the catalogue's word
