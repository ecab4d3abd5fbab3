"""Masks in ClickHouse: joined; or, where the keys are whole numbers with few gaps, looked up in an array.

The array is made within the query itself, and costs half of what a join does. Pure.
"""

from __future__ import annotations

from countercache.databases.group_masks import BITS, Masks

_LONGEST = 20_000_000
"""The largest key whose mask still goes into an array."""

_PLACES = 4
"""An array may have so many places for each entity."""


class ClickHouseMasks(Masks, frozen=True):
    """The masks of a source's entities."""

    def array_mask(self, key: str) -> str:
        """The element behind the place of the key."""
        width = next(width for width in (8, 16, 32, 64) if len(self.groups) <= width)
        array = f"groupArrayInsertAt(0)(toUInt{width}(`m0`), toUInt32(assumeNotNull(`key`)))"
        masks = f"(SELECT {array} FROM ({self.dialect.text(self.select(self.groups))}))"  # noqa: S608 - our own text
        # Places are counted from 1, and from the end where they are negative; behind the end there is 0.
        return f"if({key} >= 0, {masks}[{key} + 1], 0)"

    def array_query(self, count: int, lowest: int, highest: int) -> str | None:
        """Where the keys are so dense that an array of all of them is not much larger than what it holds.

        The array is made where it is used, so nothing of it is read before.
        """
        narrow = all("128" not in each and "256" not in each for each in self._key_types())
        dense = narrow and lowest >= 0 and highest <= min(_LONGEST, _PLACES * count)
        return "SELECT 1" if dense and len(self.groups) <= BITS else None

    def _key_types(self) -> list[str]:
        return [self.table.columns[self.settings.entity].type, self.key_column().type]
