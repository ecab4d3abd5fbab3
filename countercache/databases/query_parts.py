"""Parts of a table that are queried one after another or side by side, and what a query over entities gives. Pure."""

from __future__ import annotations

import msgspec

from countercache.model.table import Key


class Range(msgspec.Struct, frozen=True):
    """Entities with `low` < key <= `high`; `None`: no bound."""

    low: Key | None = None
    high: Key | None = None


class Blocks(msgspec.Struct, frozen=True):
    """Rows by where they lie: pages `low` <= page < `high` of PostgreSQL, `low` < rowid <= `high` of SQLite."""

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
