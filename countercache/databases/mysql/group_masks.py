"""Masks in MariaDB and MySQL: joined; or, where the keys are small whole numbers with few gaps, bytes of one text.

That text is read before, and is sent with each query: the mask of a key is the byte at its place. It costs half of what
a join does. Pure.
"""

from __future__ import annotations

from countercache.databases.group_masks import Masks

MAX_KEY = 250_000
"""The largest key that has a place: two hexadecimal digits each, within the smallest `max_allowed_packet` in use."""

_GROUPS = 8
"""As many groups as a byte has bits."""

_PLACES = 4
"""There may be so many places for each entity."""


class MySQLMasks(Masks, frozen=True):
    """The masks of a source's entities."""

    def array_mask(self, key: str) -> str:
        """The byte at the place of the key."""
        # A place below 1 is one from the end; behind the end there is nothing, of which the byte is 0.
        return f"CASE WHEN {key} > 0 THEN ascii(substr(X'{self.array}', {key}, 1)) ELSE 0 END"

    def array_query(self, count: int, lowest: int, highest: int) -> str | None:
        """Where the keys are so dense that the bytes are not many more than entities."""
        dense = lowest >= 1 and highest <= min(MAX_KEY, _PLACES * count)
        if not dense or len(self.groups) > _GROUPS:
            return None
        masks = self.dialect.text(self.select(self.groups))
        before = "coalesce(lag(m.`key`) OVER (ORDER BY m.`key`), 0)"
        places = f"SELECT m.`key` AS k, m.m0 AS mask, {before} AS b FROM ({masks}) AS m"  # noqa: S608 - our own text
        byte = "concat(repeat('00', k - b - 1), lpad(hex(mask), 2, '0'))"
        return f"SELECT group_concat({byte} ORDER BY k SEPARATOR '') FROM ({places}) AS g"  # noqa: S608
