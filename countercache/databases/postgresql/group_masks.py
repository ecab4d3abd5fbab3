"""Masks in PostgreSQL: joined; or, where the keys are small whole numbers with few gaps, looked up in an array.

The array is read before, and is sent with each query. It costs half of what a join does. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select

from countercache.databases.expressions import column
from countercache.databases.group_masks import Masks

MAX_ARRAY = 1_000_000
"""The largest key whose mask still goes into an array."""

_SMALLINT = 16
"""Groups from which on a mask needs more than a `smallint`."""

_PLACES = 4
"""How many elements an array may have for each entity."""

_FENCE = "'0'"
"""An OFFSET that keeps PostgreSQL from pulling the subquery up. Otherwise it would expect as many groups as entities,
and not plan a parallel query. It is written as text, which is a `bigint` at once: for the number 0, which is cast
later, it would not plan one either."""


class PostgresMasks(Masks, frozen=True):
    """The masks of a source's entities."""

    def beside(
        self,
        figures: FromClause,
        alias: str,
        entity: str,
        used: Sequence[str] = (),
        conditions: Sequence[ColumnElement[bool]] = (),
    ) -> tuple[Select[Any], list[ColumnElement[Any]]]:
        """As `Masks.beside`; of the array where there is one."""
        if not (self.array and used and self.groups):
            return Masks.beside(self, figures, alias, entity, used, conditions)
        key = self.dialect.reference(alias, entity)
        if self.table.columns[self.settings.entity].type not in {"smallint", "integer"}:
            key = f"CASE WHEN {key} BETWEEN 1 AND {MAX_ARRAY} THEN {key}::integer END"
        mask: sa.Label[Any] = sa.literal_column(f"('{self.array}'::smallint[])[{key}]").label("m0")
        inner = sa.select(*(column(alias, name) for name in used), mask).select_from(figures).where(*conditions)
        nothing: Select[Any] = sa.select()
        return nothing.select_from(_fenced(inner, alias)), [column(alias, "m0")]

    def array_query(self, count: int, lowest: int, highest: int) -> str | None:
        """Where the keys are so dense that an array of all of them is not much larger than what it holds."""
        dense = lowest >= 1 and highest <= min(MAX_ARRAY, _PLACES * count)
        if not dense or len(self.groups) >= _SMALLINT:
            return None
        masks = self.dialect.text(self.select(self.groups))
        elements = f"SELECT m0 FROM ({masks}) AS m ORDER BY key"  # noqa: S608 - our own text
        if count < highest:
            places = f"generate_series(1, {highest}) AS n"
            elements = f"SELECT coalesce(m.m0, 0) FROM {places} LEFT JOIN ({masks}) AS m ON m.key = n ORDER BY n"  # noqa: S608
        return f"SELECT ARRAY({elements})::text"

    def source(self, alias: str) -> FromClause:
        """Where keys and masks are read from."""
        return _fenced(self.select(self.groups), alias)


def _fenced(query: Select[Any], alias: str) -> FromClause:
    return query.offset(sa.literal_column(_FENCE)).subquery(alias)
