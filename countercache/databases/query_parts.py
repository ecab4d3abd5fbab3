"""Parts of a table that are queried one after another or side by side, and what a query over entities gives. Pure."""

from __future__ import annotations

from typing import Protocol

import msgspec

from countercache.model.table import Key


class Range(msgspec.Struct, frozen=True):
    """Entities with `low` < key <= `high`; `None`: no bound. `scan`: to be found by reading the whole table."""

    low: Key | None = None
    high: Key | None = None
    scan: bool = False


class Blocks(msgspec.Struct, frozen=True):
    """Rows by where they lie, as the dialect's `in_blocks` has it."""

    low: int | None
    high: int | None


Part = Range | Blocks


class KeyPacking(Protocol):
    """Period, field and mask as one whole number, where an engine sorts faster by that."""

    def sql(self, period: str, field: str, mask: str | None) -> str:
        """The key of a row. Only rows of a known field may be asked for."""

    def condition(self, field: str) -> str:
        """That a row is of a field within the limits."""

    def unpack(self, key: object) -> tuple[int, int, int] | None:
        """Period, field and mask; `None` where a row could not be packed."""
