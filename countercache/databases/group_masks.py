"""Groups as masks: one integer (or several, of 62 groups each) for each entity, put beside what is grouped.

How it gets there is a matter of speed only. PostgreSQL joins it; or, where the keys are small whole numbers with few
gaps, looks it up in an array that is read before, which costs half of that. SQLite, which would work it out anew for
each figure, gets it in a temporary table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select, quoted_name
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from countercache.compute.plan import Group
from countercache.databases.expressions import literal, reference
from countercache.model.table import Column, Kind, Table, split_name
from countercache.settings import Lookup, SourceSettings

BITS = 62
"""Groups in one integer."""

TEMPORARY = "countercache_masks"

MAX_ARRAY = 1_000_000
"""The largest key whose mask still goes into an array."""

_SMALLINT = 16
"""Groups from which on a mask needs more than a `smallint`."""

_PLACES = 4
"""An array may have so many places for each entity."""

_FENCE = "'0'"
"""An OFFSET that keeps PostgreSQL from working a mask out by its parts: it would expect as many masks as there are
entities, and not share the work among processes. (With the number 0, not yet a `bigint` when it looks, it would not
either.)"""

# "named": of all styles the one that does not double percent signs; there are no parameters.
_DIALECTS: dict[str, sa.Dialect] = {
    "postgresql": PGDialect_psycopg(paramstyle="named"),  # type: ignore[no-untyped-call]
    "sqlite": SQLiteDialect_pysqlite(paramstyle="named"),
}


class Masks(msgspec.Struct, frozen=True):
    """The masks of a source's entities. `array` has them by key from 1 on, as PostgreSQL writes it."""

    kind: str
    settings: SourceSettings
    table: Table
    entities: Table | None
    groups: tuple[Group, ...]
    array: str | None = None

    def beside(
        self,
        figures: FromClause,
        alias: str,
        entity: str,
        used: Sequence[str] = (),
        conditions: Sequence[ColumnElement[bool]] = (),
    ) -> tuple[Select[Any], list[ColumnElement[Any]]]:
        """A select from the figures called `alias`, under the conditions, and the masks to select and group by.

        `entity` is the name of the column with the entity's key. Given the columns that are `used`, the array may be.
        """
        words = words_of(self.groups)
        nothing: Select[Any] = sa.select()
        if not words:
            return nothing.select_from(figures).where(*conditions), []
        key = reference(alias, entity)
        if self.array and used:
            if self.table.columns[self.settings.entity].type not in {"smallint", "integer"}:
                key = f"CASE WHEN {key} BETWEEN 1 AND {MAX_ARRAY} THEN {key}::integer END"
            mask: sa.Label[Any] = sa.literal_column(f"('{self.array}'::smallint[])[{key}]").label("m0")
            inner = sa.select(*(column(alias, name) for name in used), mask).select_from(figures).where(*conditions)
            return nothing.select_from(self._fenced(inner, alias)), [column(alias, "m0")]
        masks = self._source("m")
        joined = figures.outerjoin(masks, column("m", "key") == sa.literal_column(key))
        return nothing.select_from(joined).where(*conditions), [column("m", f"m{word}") for word in range(words)]

    def select(self, groups: Sequence[Group]) -> Select[Any]:
        """Key and masks of each entity."""
        lookup = self.settings.entities
        source = relation(split_name(lookup.table if lookup else self.settings.table))
        key = column(None, lookup.key if lookup else self.settings.entity)
        # One row an entity, also where nothing says that the key is unique.
        once = lookup is None or self.entities is None or not self.entities.is_unique({lookup.key})
        words: list[list[ColumnElement[Any]]] = [[] for _ in range(words_of(groups))]
        for place, group in enumerate(groups):
            if group.where is not None:
                condition: ColumnElement[Any] = enclosed(group.where)
            else:
                condition = self._is_named(group.entities)
            flag = sa.case((condition, sa.literal_column(str(1 << place % BITS))), else_=sa.literal_column("0"))
            words[place // BITS].append(sa.func.max(flag) if once else flag)
        masks = [_sum(flags).label(f"m{word}") for word, flags in enumerate(words)]
        query = sa.select(key.label("key"), *masks).select_from(source).where(key.is_not(None), *listed(lookup))
        return query.group_by(key) if once else query

    def sizes(self) -> str:
        """Masks, the number of entities that have them, and of their keys (if whole numbers) the least and greatest."""
        ends: list[ColumnElement[Any]] = [sa.literal_column("NULL")] * 2
        if self._keys_are_integers():
            ends = [sa.func.min(column("m", "key")), sa.func.max(column("m", "key"))]
        masks = [column("m", f"m{word}") for word in range(words_of(self.groups))]
        query = sa.select(*masks, sa.func.count(), *ends).select_from(self._source("m"))
        return text(query.group_by(*masks) if masks else query, self.kind)

    def attempt(self, group: Group) -> str:
        """A query that fails if the group's condition is wrong."""
        # Something is made of each mask: what nobody wants a database does not work out.
        return text(
            sa.select(sa.func.max(column("m", "m0"))).select_from(self.select([group]).subquery("m")), self.kind
        )

    def named(self, names: Iterable[str]) -> str:
        """Those of the names that some entity has."""
        lookup = self.settings.entities
        source = relation(split_name(lookup.table if lookup else self.settings.table))
        name = sa.cast(column(None, lookup.name if lookup else self.settings.entity), sa.Text)
        query = sa.select(name).distinct().select_from(source).where(self._is_named(names), *listed(lookup))
        return text(query, self.kind)

    def temporary(self) -> list[str]:
        """The statements that make SQLite's temporary table."""
        made = f"temp.{TEMPORARY}"
        columns = ", ".join(f"m{word}" for word in range(words_of(self.groups)))
        filled = text(self.select(self.groups), self.kind)
        insert, index = f"INSERT INTO {made} {filled}", f"CREATE INDEX {made}_key ON {TEMPORARY} (key, {columns})"
        if self._key_is_rowid():
            create = [f"CREATE TABLE {made} (key INTEGER PRIMARY KEY, {columns})", insert]
        elif order := self._key_column().order:
            kept, collation = order.split()
            create = [f"CREATE TABLE {made} (key {kept} COLLATE {collation}, {columns})", insert, index]
        else:
            create = [f"CREATE TABLE {made} AS {filled}", index]
        return [f"DROP TABLE IF EXISTS {made}", *create]

    def worth_an_array(self, count: int, lowest: int, highest: int) -> bool:
        """Whether the keys are so dense that an array of all of them is not much larger than what it holds."""
        dense = lowest >= 1 and highest <= min(MAX_ARRAY, _PLACES * count)
        return self.kind == "postgresql" and len(self.groups) < _SMALLINT and dense

    def array_sql(self, count: int, highest: int) -> str:
        """The array in one row, of so many entities with keys up to the highest."""
        masks = text(self.select(self.groups), self.kind)
        found = f"SELECT m0 FROM ({masks}) AS m ORDER BY key"  # noqa: S608 - our own text
        if count < highest:
            places = f"generate_series(1, {highest}) AS n"
            found = f"SELECT coalesce(m.m0, 0) FROM {places} LEFT JOIN ({masks}) AS m ON m.key = n ORDER BY n"  # noqa: S608
        return f"SELECT ARRAY({found})::text"

    def _source(self, alias: str) -> FromClause:
        """Where keys and masks are read from."""
        if self.kind == "sqlite" and self.groups:
            return sa.table(TEMPORARY, schema="temp").alias(alias)
        return self._fenced(self.select(self.groups), alias)

    def _fenced(self, query: Select[Any], alias: str) -> FromClause:
        if self.kind == "sqlite":
            return query.subquery(alias)
        return query.offset(sa.literal_column(_FENCE)).subquery(alias)

    def _keys_are_integers(self) -> bool:
        lookup = self.settings.entities
        keys = [self.table.columns[self.settings.entity]]
        if lookup and self.entities:
            keys.append(self.entities.columns[lookup.key])
        return all(key.kind is Kind.INTEGER for key in keys)

    def _key_column(self) -> Column:
        """Where the entities' keys are read from."""
        lookup = self.settings.entities
        return (
            self.entities.columns[lookup.key] if lookup and self.entities else self.table.columns[self.settings.entity]
        )

    def _key_is_rowid(self) -> bool:
        lookup = self.settings.entities
        return bool(lookup and self.entities and lookup.key == self.entities.rowid)

    def _is_named(self, names: Iterable[str]) -> ColumnElement[bool]:
        """That an entity has one of these names, as its column compares text."""
        lookup = self.settings.entities
        names_of = self.entities.columns[lookup.name] if lookup and self.entities else self._key_column()
        name = reference(None, names_of.name)
        if names_of.kind is not Kind.TEXT:
            name = f"CAST({name} AS TEXT)"
        if names_of.collation:
            name = f"{name} COLLATE {names_of.collation}"
        found: ColumnElement[Any] = sa.literal_column(name)
        return found.in_([sa.literal_column(literal(each, self.kind)) for each in names])


def words_of(groups: Sequence[Group]) -> int:
    """How many integers the masks of these groups are."""
    return (len(groups) + BITS - 1) // BITS


@lru_cache(maxsize=4096)
def unmask(words: tuple[int | None, ...]) -> int:
    """The masks of an entity as one integer; one that is in no group has none."""
    return sum((word or 0) << BITS * place for place, word in enumerate(words))


def text(query: sa.SelectBase, kind: str) -> str:
    """A query as the text that is sent."""
    return str(query.compile(dialect=_DIALECTS[kind], compile_kwargs={"literal_binds": True}))


def relation(parts: Sequence[str]) -> FromClause:
    """A table by the parts of its name, each quoted."""
    schema = quoted_name(parts[0], quote=True) if len(parts) > 1 else None
    return sa.table(quoted_name(parts[-1], quote=True), schema=schema)


def enclosed(condition: str) -> ColumnElement[bool]:
    """A condition that somebody wrote: on lines of its own, so that a comment at its end hides nothing of ours."""
    return sa.literal_column(f"(\n{condition}\n)")


def listed(lookup: Lookup | None) -> list[ColumnElement[bool]]:
    """The conditions under which a lookup table's row counts."""
    return [enclosed(lookup.where)] if lookup and lookup.where is not None else []


def column(table: str | None, name: str) -> ColumnElement[Any]:
    """A column by its name; it brings no table of its own into a query."""
    return sa.literal_column(reference(table, name))


def _sum(flags: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    total = flags[0]
    for flag in flags[1:]:
        total = total + flag
    return total
