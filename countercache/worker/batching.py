"""How a pass over a table is cut into queries: not at all, by so many entities, or by how long each should take.

Entities are told apart by ranges of their keys, never by counting rows from the start. Where only sums are wanted, it
does not matter which rows are read together: then the table is cut by where its rows lie, which needs no index.
Some engines work side by side on the parts of one query.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import msgspec

from countercache.databases.base import Database
from countercache.databases.features import BlockScan
from countercache.databases.query_parts import Blocks, Part, Range
from countercache.databases.statements import Statements
from countercache.model.table import Key, Table

SECONDS = 0.5
"""How long a query should take that is one of many."""

QUICK = 64_000_000
"""Rows that are added up in about ten seconds: to cut them would cost more than to see it move is worth."""

QUICK_TOGETHER = 200_000
"""Rows that are soon brought together by entity: no need to do it side by side."""

ROWS = 50_000
"""Rows that are added up at a time where the engine sorts them by itself: they then fit into its cache."""

_FIRST = 500_000
"""Rows of the first of many queries, from which the size of the others follows."""

_WAYS = 4
"""Parts of one query."""

_CHEAP_WAYS = 8
"""Parts of one query that cost little themselves: the more, the more evenly is the work shared."""

_GROWTH = 4.0

_OVERHEAD = 1 / 60
"""How much of a query's time may be for what it does however little it reads, such as to hash all entities. (Where
processes share a query each of them does that, and what is sent to it comes on top.)
"""

_LONGEST = 3.0
"""Seconds that a query may take for the sake of that."""


class Batch(msgspec.Struct, frozen=True):
    """The parts of one query, and how many entities come before it."""

    parts: tuple[Part, ...]
    done: int


class Cut:
    """Cuts the passes over one table, which has so many entities."""

    def __init__(self, database: Database, statements: Statements, table: Table, entity: str, entities: int) -> None:
        self._database = database
        self._features = database.features
        self._statements = statements
        self._table = table
        self._entity = entity
        self._entities = entities

    def totals(self, batch_size: int | str) -> Iterator[Batch]:
        """The queries of a pass in which it does not matter what is read together."""
        if isinstance(batch_size, int):
            yield from self._by_entities(batch_size)
        elif self._table.blocks is None or self._features.block_scan is BlockScan.NONE:
            yield Batch((Range(),), 0)
        elif self._features.block_scan is BlockScan.ROWIDS:
            yield from self._by_rowids(self._table.blocks)
        elif (self._table.rows or 0) <= QUICK:
            yield Batch((Range(),), 0)
        else:
            yield from self._by_pages(self._table.blocks, self._table.rows or 1)

    def entities(self, batch_size: int | str) -> Iterator[Batch]:
        """The queries of a pass that brings together what belongs to one entity."""
        # Where a table lists the entities it costs little to find where a range ends.
        listed = self._statements.lists_in_order()
        if isinstance(batch_size, int):
            yield from self._by_entities(batch_size)
        elif not (listed and self._features.reads_ranges_cheaply) or (self._table.rows or 0) <= QUICK_TOGETHER:
            yield Batch((Range(),), 0)
        elif self._entity in self._table.leading & self._table.sorted:
            yield from self._by_pace(self._table.rows or 1)
        else:
            # Each part reads the whole table, so that more than two would cost more than they save.
            half = max(1, (self._entities + 1) // 2)
            middle = self._end(None, half)
            yield Batch((Range(),) if middle is None else (Range(None, middle), Range(middle, None)), 0)

    def _by_entities(self, size: int) -> Iterator[Batch]:
        low: Key | None = None
        done = 0
        while True:
            high = self._end(low, size)
            yield Batch((Range(low, high),), done)
            if high is None:
                return
            low, done = high, done + size

    def _by_pace(self, rows: int) -> Iterator[Batch]:
        low: Key | None = None
        done = 0
        pace = _Pace(self._entities * _FIRST // rows)
        while True:
            size = max(1, pace.size() // _WAYS)
            parts: list[Part] = []
            for _ in range(_WAYS):
                high = self._end(low, size)
                parts.append(Range(low, high))
                low = high
                if high is None:
                    break
            yield Batch(tuple(parts), done)
            if low is None:
                return
            done += size * _WAYS

    def _by_pages(self, pages: int, rows: int) -> Iterator[Batch]:
        low = 0
        ways = _CHEAP_WAYS if self._statements.parts_are_cheap else _WAYS
        pace = _Pace(pages * _FIRST // rows)
        while low is not None:
            size = max(1, pace.size() // ways)
            ends = [low + size * way for way in range(1, ways + 1)]
            last = ends[-1] >= pages
            # The last part has no end: pages may have been added since they were counted.
            highs = [*ends[:-1], None if last else ends[-1]]
            yield Batch(
                tuple(Blocks(a, b) for a, b in zip([low, *ends[:-1]], highs, strict=True)),
                self._entities * low // max(pages, 1),
            )
            if last:
                return
            low = ends[-1]

    def _by_rowids(self, highest: int) -> Iterator[Batch]:
        low: int | None = None
        while True:
            parts: list[Blocks] = []
            while len(parts) < _WAYS and (end := self._last_rowid(low)) is not None:
                parts.append(Blocks(low, end))
                low = end
            if not parts:
                return
            before = parts[0].low if parts[0].low is not None else (parts[0].high or 0) - 1
            yield Batch(tuple(parts), self._entities * max(before, 0) // max(highest, 1))

    def _last_rowid(self, low: int | None) -> int | None:
        ((found,),) = self._database.rows(self._statements.block_boundary(low, ROWS))
        return None if found is None else int(found)

    def _end(self, low: Key | None, size: int) -> Key | None:
        """The last of the next `size` entities after `low`; `None` if there are no more behind them."""
        found = self._database.rows(self._statements.boundary(low, size))
        return found[0][0] if found and found[0][1] == size else None


class _Pace:
    """Sizes that grow or shrink until a query takes the time that it should: half a second, or longer where much of
    it goes into what the query does however little it reads, such as to hash all entities.

    To find that out the first size is the least there is; from the `second` on they are adapted.
    """

    def __init__(self, second: int) -> None:
        self._sizes = [second, 1]
        self._size = 1.0
        self._aim = SECONDS
        self._began = math.inf

    def size(self) -> int:
        """The size of the next query. The last one has run since this was last asked."""
        now = time.monotonic()
        took = now - self._began
        if self._sizes:
            self._size = float(self._sizes.pop())
            self._aim = min(max(SECONDS, took / _OVERHEAD), _LONGEST)
        else:
            self._size *= min(max(self._aim / max(took, 0.001), 1 / _GROWTH), _GROWTH)
        self._began = now
        return max(1, int(self._size))
