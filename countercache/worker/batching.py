"""How a pass over a table is split into queries: not at all, by a number of entities, or by time.

Entities are told apart by ranges of their keys, never by counting rows from the start. Where only sums are wanted, it
does not matter which rows are read together: then the table is split by where its rows lie, which needs no index.
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
"""About as many rows are added up in ten seconds. Splitting fewer costs more than seeing progress is worth."""

QUICK_TOGETHER = 200_000
"""So few rows are grouped by entity quickly enough that parallel parts gain nothing."""

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
"""The share of a query's time that its fixed costs may take, such as hashing all entities. (Each process that works on
a query has these costs, and sending it the data comes on top.)
"""

_LONGEST = 3.0
"""The longest that a query may take, in seconds, to keep that share."""


class Batch(msgspec.Struct, frozen=True):
    """The parts of one query, and how many entities come before it."""

    parts: tuple[Part, ...]
    done: int


class Batcher:
    """Splits the passes over one table, which has so many entities, into batches."""

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
        elif not listed or (self._table.rows or 0) <= QUICK_TOGETHER:
            yield Batch((Range(),), 0)
        elif self._features.shares_scans:
            yield Batch(self._halves(), 0)
        elif not self._features.reads_ranges_cheaply:
            yield Batch((Range(),), 0)
        elif self._entity in self._table.leading & self._table.sorted:
            yield from self._by_adaptive_ranges(self._table.rows or 1)
        else:
            # Each part reads the whole table, so that more than two would cost more than they save.
            yield Batch(self._halves(), 0)

    def _halves(self) -> tuple[Range, ...]:
        middle = self._end(None, max(1, (self._entities + 1) // 2))
        return (Range(),) if middle is None else (Range(None, middle, scan=True), Range(middle, None, scan=True))

    def _by_entities(self, size: int) -> Iterator[Batch]:
        low: Key | None = None
        done = 0
        while True:
            high = self._end(low, size)
            yield Batch((Range(low, high),), done)
            if high is None:
                return
            low, done = high, done + size

    def _by_adaptive_ranges(self, rows: int) -> Iterator[Batch]:
        low: Key | None = None
        done = 0
        sizes = AdaptiveBatchSize(self._entities * _FIRST // rows)
        while True:
            size = max(1, sizes.next() // _WAYS)
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
        sizes = AdaptiveBatchSize(pages * _FIRST // rows)
        while low is not None:
            size = max(1, sizes.next() // ways)
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
        ((rowid,),) = self._database.rows(self._statements.block_boundary(low, ROWS))
        return None if rowid is None else int(rowid)

    def _end(self, low: Key | None, size: int) -> Key | None:
        """The last of the next `size` entities after `low`; `None` if there are no more behind them."""
        last = self._database.rows(self._statements.boundary(low, size))
        return last[0][0] if last and last[0][1] == size else None


class AdaptiveBatchSize:
    """Batch sizes that grow or shrink until a query takes half a second, or longer where its fixed costs are high.

    The first batch is as small as possible, to measure these costs. Sizes are adapted from the `second` on.
    """

    def __init__(self, second: int) -> None:
        self._sizes = [second, 1]
        self._size = 1.0
        self._aim = SECONDS
        self._began = math.inf

    def next(self) -> int:
        """The size of the next query; the previous query has run since the last call."""
        now = time.monotonic()
        took = now - self._began
        if self._sizes:
            self._size = float(self._sizes.pop())
            self._aim = min(max(SECONDS, took / _OVERHEAD), _LONGEST)
        else:
            self._size *= min(max(self._aim / max(took, 0.001), 1 / _GROWTH), _GROWTH)
        self._began = now
        return max(1, int(self._size))
