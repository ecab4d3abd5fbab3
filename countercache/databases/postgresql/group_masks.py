"""Masks in PostgreSQL: joined; or, where the keys are small whole numbers with few gaps, looked up in an array.

The array is read before, and is sent with each query. It costs half of what a join does. Pure.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import FromClause, Select

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

    def array_mask(self, key: str) -> str:
        """The element at the place of the key."""
        if self.table.columns[self.settings.entity].type not in {"smallint", "integer"}:
            key = f"CASE WHEN {key} BETWEEN 1 AND {MAX_ARRAY} THEN {key}::integer END"
        return f"('{self.array}'::smallint[])[{key}]"

    def fenced(self, query: Select[Any], alias: str) -> FromClause:
        """A subquery that is not pulled up."""
        return query.offset(sa.literal_column(_FENCE)).subquery(alias)

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
        return self.fenced(self.select(self.groups), alias)
