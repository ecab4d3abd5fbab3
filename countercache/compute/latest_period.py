"""Which period is the latest for a counter: the newest one of which enough has been reported. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import msgspec

from countercache.compute.plan import Period, Plan, only
from countercache.model.states import LATEST
from countercache.model.table import Key

PERIODS_BEFORE = 2
"""With so many periods before it a period is compared, so that two that are still coming in do not vouch for each
other, and one in which less is reported for good is not waited for longer than that.
"""


def likely(periods: Sequence[Period], wanted: Collection[str], *, compare: bool) -> set[Key]:
    """The keys of the periods to read first: those that are `wanted`, and of the newest as many as mostly tell which
    one is the latest.
    """
    newest = [period.key for period in periods[-1 - PERIODS_BEFORE :]] if LATEST in wanted else []
    return only(periods, wanted, newest, compare=compare)


class Count(msgspec.Struct, frozen=True):
    """How many values of a field there are in a period: those that are figures, and those that were rejected."""

    figures: int = 0
    rejected: int = 0


class Latest(msgspec.Struct, frozen=True):
    """The latest period of a counter (`None`: there is none), and in words what a newer one lacks, if there is one."""

    period: Key | None
    note: str = ""


class _Unit(msgspec.Struct, frozen=True):
    """Fields that are counted together. Of the `trusted` ones a rejected value counts as reported; `least` is how much
    there must be in any case.
    """

    fields: tuple[str, ...]
    trusted: frozenset[str]
    least: int = 1

    def count(self, counts: Mapping[tuple[Key, str], Count], period: Key) -> int:
        """How much was reported."""
        total = 0
        for field in self.fields:
            count = counts.get((period, field), Count())
            total += count.figures + (count.rejected if field in self.trusted else 0)
        return total

    def rejected(self, counts: Mapping[tuple[Key, str], Count], period: Key) -> bool:
        """Whether any value was rejected."""
        return any(counts.get((period, field), Count()).rejected for field in self.fields)


def latest(
    plan: Plan, counter: str, periods: Sequence[Period], counts: Mapping[tuple[Key, str], Count], *, some_unread: bool
) -> Latest | None:
    """The latest of the `periods` that were counted, in their order; `None` where others have to be counted first.

    `some_unread`: there are periods before these that were not counted.
    """
    units = _units(plan, counter)
    settings = plan.wanted[counter]
    share = plan.settings.min_coverage if settings.min_coverage is None else settings.min_coverage
    note = ""
    for at in range(len(periods) - 1, -1, -1):
        lacking = ""
        numbers = [unit.count(counts, periods[at].key) for unit in units]
        if not any(numbers) and not any(unit.rejected(counts, periods[at].key) for unit in units):
            continue
        for unit, number in zip(units, numbers, strict=True):
            before = _before(unit, periods[:at], counts)
            if len(before) < PERIODS_BEFORE and some_unread:
                return None
            # Of what was reported before there is something, also where no share of it is asked.
            needed = max(unit.least, int(bool(before)), math.ceil(share * max(before, default=0)))
            if number < needed:
                lacking = lacking or _lacking(periods[at].label, unit, number, max(before, default=0), needed)
        if not lacking:
            return Latest(periods[at].key, note)
        note = note or lacking
    if some_unread:
        return None
    if periods and all(spec.optional == frozenset(spec.fields) for spec in plan.used(counter)):
        return Latest(periods[-1].key)
    return Latest(None, note)


def _units(plan: Plan, counter: str) -> list[_Unit]:
    """What has to be reported for a counter: each of its fields, and together those that count as zero if missing."""
    specs = plan.used(counter)
    trusted = frozenset().union(*(spec.trusted for spec in specs))
    required = {field for spec in specs for field in spec.fields if field not in spec.optional}
    optional = {field for spec in specs for field in spec.fields} - required
    units = [_Unit((field,), trusted) for field in sorted(required)]
    return [*units, _Unit(tuple(sorted(optional)), trusted, least=0 if units else 1)] if optional else units


def _before(unit: _Unit, periods: Sequence[Period], counts: Mapping[tuple[Key, str], Count]) -> list[int]:
    """How much was reported in the last of these periods in which anything was."""
    earlier: list[int] = []
    for period in reversed(periods):
        if number := unit.count(counts, period.key):
            earlier.append(number)
        if len(earlier) == PERIODS_BEFORE:
            break
    return earlier


def _lacking(label: str, unit: _Unit, number: int, before: int, needed: int) -> str:
    fields = " and ".join(unit.fields)
    if not before:
        return f"{label} has no figures of {fields}"
    return f"{label} has {number} of {before} figures of {fields}: shown from {needed} on (min_coverage)"
