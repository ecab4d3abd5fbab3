"""Masks in ClickHouse: joined; or, where the keys are whole numbers with few gaps, looked up in an array.

The array is made within the query itself, and costs half of what a join does. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select

from countercache.databases.expressions import column
from countercache.databases.group_masks import BITS, Masks

_LONGEST = 20_000_000
"""The largest key whose mask still goes into an array."""

_PLACES = 4
"""An array may have so many places for each entity."""


class ClickHouseMasks(Masks, frozen=True):
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
        width = next(width for width in (8, 16, 32, 64) if len(self.groups) <= width)
        array = f"groupArrayInsertAt(0)(toUInt{width}(`m0`), toUInt32(assumeNotNull(`key`)))"
        masks = f"(SELECT {array} FROM ({self.dialect.text(self.select(self.groups))}))"  # noqa: S608 - our own text
        # Places are counted from 1, and from the end where they are negative; behind the end there is 0.
        mask: sa.Label[Any] = sa.literal_column(f"if({key} >= 0, {masks}[{key} + 1], 0)").label("m0")
        inner = sa.select(*(column(alias, name) for name in used), mask).select_from(figures).where(*conditions)
        nothing: Select[Any] = sa.select()
        return nothing.select_from(inner.subquery(alias)), [column(alias, "m0")]

    def array_query(self, count: int, lowest: int, highest: int) -> str | None:
        """Where the keys are so dense that an array of all of them is not much larger than what it holds.

        The array is made where it is used, so nothing of it is read before.
        """
        narrow = all("128" not in each and "256" not in each for each in self._key_types())
        dense = narrow and lowest >= 0 and highest <= min(_LONGEST, _PLACES * count)
        return "SELECT 1" if dense and len(self.groups) <= BITS else None

    def _key_types(self) -> list[str]:
        return [self.table.columns[self.settings.entity].type, self.key_column().type]
