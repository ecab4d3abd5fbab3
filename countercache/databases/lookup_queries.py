"""Small queries about keys and names, as literal SQL text: of lookup tables and of single columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select

from countercache.databases.dialect import Dialect
from countercache.databases.expressions import column, enclosed, listed, relation
from countercache.model.table import Key, split_name
from countercache.settings import Lookup


def lookup_sql(dialect: Dialect, lookup: Lookup) -> str:
    """Key and name of each row of a lookup table that has both, in its order; without one, and where two rows have the
    same, in that of the names.
    """
    key, name = column(None, lookup.key), column(None, lookup.name)
    shown = [dialect.read_key(key), dialect.read_key(name)]
    query = sa.select(*shown).select_from(relation(split_name(lookup.table)))
    query = query.where(key.is_not(None), name.is_not(None), *listed(lookup))
    order = dialect.nulls_first(column(None, lookup.order)) if lookup.order else []
    return dialect.text(query.order_by(*order, column(None, lookup.name), key))


def named_sql(dialect: Dialect, lookup: Lookup, keys: Iterable[Key]) -> str:
    """Key and name of those rows of a lookup table that have one of these keys."""
    key, name = column(None, lookup.key), column(None, lookup.name)
    shown = [dialect.read_key(key), dialect.read_key(name)]
    query = sa.select(*shown).select_from(relation(split_name(lookup.table))).where(name.is_not(None), *listed(lookup))
    return dialect.text(query.where(key.in_([dialect.key(wanted) for wanted in keys])))


def more_sql(dialect: Dialect, table: str, limit: int) -> str:
    """A row if a table has more than so many."""
    one: ColumnElement[Any] = sa.literal_column("1")
    rows = sa.select(one.label("k")).select_from(relation(split_name(table))).limit(limit + 1).subquery("f")
    counted = sa.select(sa.func.count().label("n")).select_from(rows).subquery("c")
    return dialect.text(sa.select(column("c", "n")).select_from(counted).where(column("c", "n") > limit))


def unlisted_sql(dialect: Dialect, table: str, name: str, lookup: Lookup, limit: int) -> str:
    """How many rows, among so many of a table, have a key in a column that the lookup table does not list."""
    key, used, known = column(None, lookup.key), column("u", "k"), column("l", "k")
    sample = _some(table, [column("f", name).label("k")], limit).subquery("u")
    keys = sa.select(key.label("k")).select_from(relation(split_name(lookup.table)))
    keys = keys.where(key.is_not(None), *listed(lookup))
    # A join, since PostgreSQL would go through all of a large list for each row to see that a key is NOT IN it.
    rows = sample.outerjoin(keys.subquery("l"), used == known)
    query = sa.select(sa.func.count()).select_from(rows).where(used.is_not(None), known.is_(None))
    return dialect.text(query)


def doubles_sql(dialect: Dialect, table: str, names: Iterable[str], limit: int) -> str:
    """A row if, among so many rows, two have the same keys in all of these columns."""
    keys = [column("f", name) for name in names]
    query: Select[Any] = sa.select(sa.literal_column("1")).select_from(_some(table, keys, limit).subquery("f"))
    query = query.where(*(key.is_not(None) for key in keys)).group_by(*keys)
    return dialect.text(query.having(sa.func.count() > 1).limit(1))


def mixed_sql(dialect: Dialect, table: str, entity: str, where: str, limit: int) -> str:
    """How many entities have, among so many rows, some for which a condition holds and others for which it does not."""
    flag = sa.case((enclosed(where), sa.literal(1)), else_=sa.literal(0))
    flagged = sa.select(column(None, entity).label("k"), flag.label("flag")).select_from(relation(split_name(table)))
    rows = flagged.limit(limit).subquery("u")
    key, of = column("u", "k"), column("u", "flag")
    mixed = sa.select(key).select_from(rows).where(key.is_not(None)).group_by(key)
    mixed = mixed.having(sa.func.max(of) > sa.func.min(of))
    return dialect.text(sa.select(sa.func.count()).select_from(mixed.subquery("m")))


def several_sql(dialect: Dialect, table: str, entity: str, name: str, limit: int) -> str:
    """How many entities have, among so many rows, more than one value in a column; an empty text is none."""
    columns = [column("f", entity).label("k"), column("f", name).label("v")]
    rows = _some(table, columns, limit).subquery("u")
    key, value = column("u", "k"), column("u", "v")
    several = sa.select(key).select_from(rows).where(key.is_not(None), dialect.as_text(value) != sa.literal(""))
    several = several.group_by(key).having(sa.func.count(value.distinct()) > 1)
    return dialect.text(sa.select(sa.func.count()).select_from(several.subquery("m")))


def _some(table: str, places: Sequence[ColumnElement[Any]], limit: int) -> Select[Any]:
    """Columns of so many rows of a table, called `f`. A condition does not belong in here: it would read on."""
    figures = relation(split_name(table)).alias("f")
    return sa.select(*places).select_from(figures).limit(limit)


def repeated_sql(dialect: Dialect, lookup: Lookup) -> str:
    """A key that the table has in more than one row; no row if there is none."""
    key = column(None, lookup.key)
    shown = dialect.read_key(key)
    query = sa.select(shown).select_from(relation(split_name(lookup.table))).where(key.is_not(None), *listed(lookup))
    query = query.group_by(key).having(sa.func.count() > 1)
    return dialect.text(query.limit(1))


def distinct_sql(dialect: Dialect, table: str, name: str, *, where: str | None = None, limit: int | None = None) -> str:
    """The different values of a column, in their order."""
    inner = sa.select(column(None, name).label("k")).distinct().select_from(relation(split_name(table)))
    inner = inner.where(column(None, name).is_not(None), *([] if where is None else [enclosed(where)]))
    values: FromClause = (inner.limit(limit) if limit else inner).subquery("d")
    key = column("d", "k")
    shown = dialect.read_key(key)
    return dialect.text(sa.select(shown).select_from(values).order_by(key))


def sample_sql(dialect: Dialect, table: str, name: str, rows: int) -> str:
    """The different values of a column in so many of its rows, each with how many of these have it."""
    inner = sa.select(column(None, name).label("k")).select_from(relation(split_name(table)))
    sample = inner.limit(rows).subquery("d")
    key = column("d", "k")
    shown = dialect.read_key(key)
    query = sa.select(shown, sa.func.count()).select_from(sample).group_by(key).order_by(key)
    return dialect.text(query)


def equals_sql(dialect: Dialect, table: str, name: str, *keys: Key) -> str:
    """One row if some row's key in a column is equal to each of these."""
    conditions = [column(None, name) == dialect.key(key) for key in keys]
    query: Select[Any] = sa.select(sa.literal_column("1")).select_from(relation(split_name(table))).where(*conditions)
    return dialect.text(query.limit(1))


def equal_sql(dialect: Dialect, table: str, name: str, key: Key, others: Iterable[Key]) -> str:
    """One row that says, of each of the others, whether it is equal to a key that the column has."""
    is_equal = [sa.case((column(None, name) == dialect.key(other), 1), else_=0) for other in others]
    nothing: Select[Any] = sa.select()
    query = nothing.add_columns(*is_equal).select_from(relation(split_name(table)))
    query = query.where(column(None, name) == dialect.key(key))
    return dialect.text(query.limit(1))


def spellings_sql(dialect: Dialect, table: str, name: str, keys: Iterable[Key]) -> str:
    """Of each of these keys of a column, in its order, the first spelling of all that are equal to it."""
    key = column(None, name)
    query: Select[Any] = sa.select(dialect.first_spelling(name))
    query = query.select_from(relation(split_name(table))).where(key.in_([dialect.key(wanted) for wanted in keys]))
    return dialect.text(query.group_by(key).order_by(key))
