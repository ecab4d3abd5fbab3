"""Parts of a table that are queried one after another or side by side, and what a query over entities gives. Pure."""

from __future__ import annotations

from typing import Protocol

import msgspec

from countercache.model.table import Key


class Range(msgspec.Struct, frozen=True):
    """Entities with `low` < key <= `high`; `None`: no bound."""

    low: Key | None = None
    high: Key | None = None


class Blocks(msgspec.Struct, frozen=True):
    """Rows by where they lie, as the dialect's `in_blocks` has it."""

    low: int | None
    high: int | None


Part = Range | Blocks


class EntityQuery(msgspec.Struct, frozen=True):
    """A query over entities. After period and masks come the columns; `at` tells which, by counter and by what.

    Of the counter "" is `present`, whether there is any value; the `sums` are finite if all numbers are.
    """

    sql: str
    at: dict[str, dict[str, int]]
    sums: tuple[int, ...]


class EntityColumns:
    """The columns of a query over entities, each text once; `at` as in `EntityQuery`."""

    def __init__(self, first: int) -> None:
        self.at: dict[str, dict[str, int]] = {}
        self._first = first
        self._texts: dict[str, int] = {}

    def add(self, column: str) -> int:
        """The position of this column."""
        return self._texts.setdefault(column, self._first + len(self._texts))

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns to select."""
        return tuple(self._texts)


class KeyPacking(Protocol):
    """Period, field and mask as one whole number, where an engine sorts faster by that."""

    def sql(self, period: str, field: str, mask: str | None) -> str:
        """The key of a row. Only rows of a known field may be asked for."""

    def condition(self, field: str) -> str:
        """That a row is of a field within the limits."""

    def unpack(self, key: object) -> tuple[int, int, int] | None:
        """Period, field and mask; `None` where a row could not be packed."""
