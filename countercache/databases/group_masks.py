"""Groups as masks: one integer (or several, of 62 groups each) for each entity, put beside what is grouped.

How it gets there is a matter of speed only. What stands here joins it; an engine that is faster otherwise has a
class of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select

from countercache.compute.plan import Group
from countercache.databases.dialect import Dialect
from countercache.databases.expressions import column, enclosed, listed, relation
from countercache.model.table import Column, Kind, Table, split_name
from countercache.settings import SourceSettings

BITS = 62
"""Groups in one integer."""


class Masks(msgspec.Struct, frozen=True):
    """The masks of a source's entities. `array` has them by key from 1 on, where the engine made one of them."""

    dialect: Dialect
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
        if self.array and used and words:
            mask: sa.Label[Any] = sa.literal_column(self.array_mask(self.dialect.reference(alias, entity))).label("m0")
            inner = sa.select(*(column(alias, name) for name in used), mask).select_from(figures).where(*conditions)
            return nothing.select_from(self.fenced(inner, alias)), [column(alias, "m0")]
        if not words:
            return nothing.select_from(figures).where(*conditions), []
        masks = self.source("m")
        joined = figures.outerjoin(masks, column("m", "key") == column(alias, entity))
        return nothing.select_from(joined).where(*conditions), [column("m", f"m{word}") for word in range(words)]

    def array_mask(self, key: str) -> str:
        """The mask of the entity with this key as the array has it, for an engine whose `array_query` makes one."""
        raise NotImplementedError

    def fenced(self, query: Select[Any], alias: str) -> FromClause:
        """A subquery that is planned by itself, where an engine would otherwise do worse."""
        return query.subquery(alias)

    def select(self, groups: Sequence[Group]) -> Select[Any]:
        """Key and masks of each entity."""
        lookup = self.settings.entities
        source = relation(split_name(lookup.table if lookup else self.settings.table))
        key = column(None, lookup.key if lookup else self.settings.entity)
        # One row an entity, also where nothing says that the key is unique.
        once = lookup is None or self.entities is None or not self.entities.is_unique({lookup.key})
        words: list[list[ColumnElement[Any]]] = [[] for _ in range(words_of(groups))]
        for bit, group in enumerate(groups):
            if group.where is not None:
                condition: ColumnElement[Any] = enclosed(group.where)
            else:
                condition = self._is_named(group.entities)
            flag = sa.case((condition, sa.literal(1 << bit % BITS)), else_=sa.literal(0))
            words[bit // BITS].append(sa.func.max(flag) if once else flag)
        masks = [_sum(flags).label(f"m{word}") for word, flags in enumerate(words)]
        query = sa.select(key.label("key"), *masks).select_from(source).where(key.is_not(None), *listed(lookup))
        return query.group_by(key) if once else query

    def sizes(self) -> str:
        """Masks, the number of entities that have them, and of their keys (if whole numbers) the least and greatest."""
        ends: list[ColumnElement[Any]] = [sa.literal_column("NULL")] * 2
        if self._keys_are_integers():
            ends = [sa.func.min(column("m", "key")), sa.func.max(column("m", "key"))]
        masks = [column("m", f"m{word}") for word in range(words_of(self.groups))]
        query = sa.select(*masks, sa.func.count(), *ends).select_from(self.source("m"))
        return self.dialect.text(query.group_by(*masks) if masks else query)

    def attempt(self, group: Group) -> str:
        """A query that fails if the group's condition is wrong."""
        # max() makes the database compute every mask; it would skip a column that nothing uses.
        return self.dialect.text(
            sa.select(sa.func.max(column("m", "m0"))).select_from(self.select([group]).subquery("m"))
        )

    def named(self, names: Iterable[str]) -> str:
        """Those of the names that some entity has."""
        lookup = self.settings.entities
        source = relation(split_name(lookup.table if lookup else self.settings.table))
        name = self.dialect.as_text(column(None, lookup.name if lookup else self.settings.entity))
        query = sa.select(name).distinct().select_from(source).where(self._is_named(names), *listed(lookup))
        return self.dialect.text(query)

    def preparation(self) -> list[str]:
        """The statements that have to run before any query; most engines need none."""
        return []

    def array_query(self, count: int, lowest: int, highest: int) -> str | None:  # noqa: ARG002
        """A query for the `array` of so many entities with keys in these bounds; `None` where none is worth it."""
        return None

    def source(self, alias: str) -> FromClause:
        """Where keys and masks are read from."""
        return self.select(self.groups).subquery(alias)

    def _keys_are_integers(self) -> bool:
        lookup = self.settings.entities
        keys = [self.table.columns[self.settings.entity]]
        if lookup and self.entities:
            keys.append(self.entities.columns[lookup.key])
        return all(key.kind is Kind.INTEGER for key in keys)

    def key_column(self) -> Column:
        """Where the entities' keys are read from."""
        lookup = self.settings.entities
        return (
            self.entities.columns[lookup.key] if lookup and self.entities else self.table.columns[self.settings.entity]
        )

    def _is_named(self, names: Iterable[str]) -> ColumnElement[bool]:
        """That an entity has one of these names, as its column compares text."""
        lookup = self.settings.entities
        names_of = self.entities.columns[lookup.name] if lookup and self.entities else self.key_column()
        name: ColumnElement[Any] = column(None, names_of.name)
        if names_of.kind is not Kind.TEXT:
            name = self.dialect.as_text(name)
        if names_of.collation:
            name = sa.collate(name, names_of.collation)
        return name.in_([self.dialect.key(text) for text in names])


def words_of(groups: Sequence[Group]) -> int:
    """How many integers the masks of these groups are."""
    return (len(groups) + BITS - 1) // BITS


@lru_cache(maxsize=4096)
def unmask(words: tuple[int | None, ...]) -> int:
    """The masks of an entity as one integer; one that is in no group has none."""
    return sum((word or 0) << BITS * number for number, word in enumerate(words))


def _sum(flags: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    total = flags[0]
    for flag in flags[1:]:
        total = total + flag
    return total
