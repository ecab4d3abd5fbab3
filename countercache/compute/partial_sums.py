"""Partial sums: what is read of a database, in any order and in any number of queries, adds up to the same. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from countercache.compute.formula import EXACT
from countercache.compute.latest_period import Count, Latest
from countercache.compute.plan import Period
from countercache.compute.rejections import Rejection, Spelling
from countercache.model.states import Failure
from countercache.model.table import Key


class Totals(msgspec.Struct, frozen=True):
    """Of some values: the sum of those that are numbers, how many these are, and how many were rejected."""

    total: Decimal = Decimal(0)
    figures: int = 0
    rejected: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(EXACT.add(self.total, other.total), self.figures + other.figures, self.rejected + other.rejected)


class CompleteTotals(msgspec.Struct, frozen=True):
    """Of some entities those that have figures of all fields: how many they are, and the total of each field."""

    entities: int = 0
    totals: Mapping[str, Decimal] = {}

    def __add__(self, other: CompleteTotals) -> CompleteTotals:
        fields = self.totals.keys() | other.totals.keys()
        zero = Decimal(0)
        totals = {f: EXACT.add(self.totals.get(f, zero), other.totals.get(f, zero)) for f in fields}
        return CompleteTotals(self.entities + other.entities, totals)


class EntityStats(msgspec.Struct, frozen=True):
    """Of some entities' results: how many there are, their sum, the least and the greatest.

    `complete` entities have figures of every field that is required (a division by zero leaves some of them without a
    result), `rows` have at least one figure. `lacking` ones lack a field that must not be missing; `example` is the key
    of one of them.
    """

    count: int = 0
    total: Decimal = Decimal(0)
    low: Decimal | None = None
    high: Decimal | None = None
    complete: int = 0
    rows: int = 0
    lacking: int = 0
    example: Key | None = None

    def __add__(self, other: EntityStats) -> EntityStats:
        return EntityStats(
            self.count + other.count,
            EXACT.add(self.total, other.total),
            _pick(min, self.low, other.low),
            _pick(max, self.high, other.high),
            self.complete + other.complete,
            self.rows + other.rows,
            self.lacking + other.lacking,
            other.example if self.example is None else self.example,
        )


class PartialSums:
    """What the passes found, by raw period and mask; batches and passes add to it.

    `present` are the periods that have values; `any_rejected` tells whether any value was rejected.
    """

    def __init__(self) -> None:
        self.totals: defaultdict[tuple[Key, str, int], Totals] = defaultdict(Totals)
        self.completes: defaultdict[tuple[Key, str, int], CompleteTotals] = defaultdict(CompleteTotals)
        self.entity_stats: defaultdict[tuple[Key, str, int], EntityStats] = defaultdict(EntityStats)
        self.present: set[Key] = set()
        self.any_rejected = False

    def add_totals(self, period: Key, field: str, mask: int, part: Totals) -> None:
        """Take the totals of a field."""
        self.totals[period, field, mask] += part
        if part.figures or part.rejected:
            self.present.add(period)
        self.any_rejected |= part.rejected > 0

    def add(self, other: PartialSums) -> None:
        """Take what another query found."""
        for key, part in other.totals.items():
            self.totals[key] += part
        for key, complete in other.completes.items():
            self.completes[key] += complete
        for key, stats in other.entity_stats.items():
            self.entity_stats[key] += stats
        self.present |= other.present
        self.any_rejected |= other.any_rejected

    def counts(self) -> dict[tuple[Key, str], Count]:
        """How many values there are of each field in each period, of which the totals were read."""
        counts: dict[tuple[Key, str], Count] = {}
        for (period, field, _), part in self.totals.items():
            before = counts.get((period, field), Count())
            counts[period, field] = Count(before.figures + part.figures, before.rejected + part.rejected)
        return counts


class Known(msgspec.Struct, frozen=True):
    """What else is known when the passes are over.

    `periods` in their order; `present` the keys of those in which any field has a value; `sizes` the number of entities
    in each group; `failures` what is wrong with a group; `latest` by counter; `rejections` by period, field and mask;
    `names` of the entities that serve as examples; `spellings` of the fields whose values are texts.
    """

    periods: tuple[Period, ...]
    present: frozenset[Key]
    sizes: Mapping[str, int]
    failures: Mapping[str, Failure] = {}
    latest: Mapping[str, Latest] = {}
    rejections: Mapping[tuple[Key, str, int], Rejection] = {}
    names: Mapping[Key, str] = {}
    spellings: Mapping[str, Spelling] = {}


def _pick(choose: Callable[[Decimal, Decimal], Decimal], one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)
