"""Partial sums to cells. Pure: what was read comes in as mergeable parts, cells with exact decimals come out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from countercache.formula import EXACT, Name, evaluate, plain, quotient
from countercache.plan import LISTED, Group, Period, Plan, Spec, configured_cells, no_period
from countercache.settings import Aggregate, Missing, Over
from countercache.states import ALL, LATEST, CellId, Computed, Coverage, Failure, Reason
from countercache.tables import Key


class Totals(msgspec.Struct, frozen=True):
    """Of some values: the sum of those that are numbers, how many these are, and how many are none."""

    total: Decimal = Decimal(0)
    figures: int = 0
    rejected: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(EXACT.add(self.total, other.total), self.figures + other.figures, self.rejected + other.rejected)


class Spread(msgspec.Struct, frozen=True):
    """Of some entities' results: how many there are, their sum, the least and the greatest.

    `complete` entities have figures of every field of the formula (its division by zero leaves some without a result),
    `rows`    have at least one. `example` is the key of one that lacks a field.
    """

    count: int = 0
    total: Decimal = Decimal(0)
    low: Decimal | None = None
    high: Decimal | None = None
    complete: int = 0
    rows: int = 0
    rejected: int = 0
    example: Key | None = None

    def __add__(self, other: Spread) -> Spread:
        return Spread(
            self.count + other.count,
            EXACT.add(self.total, other.total),
            _pick(min, self.low, other.low),
            _pick(max, self.high, other.high),
            self.complete + other.complete,
            self.rows + other.rows,
            self.rejected + other.rejected,
            other.example if self.example is None else self.example,
        )


class Parts:
    """What the passes found, by raw period and mask; batches and passes add to it.

    `figured` are the periods that have numbers.
    """

    def __init__(self) -> None:
        self.totals: defaultdict[tuple[Key, str, int], Totals] = defaultdict(Totals)
        self.spreads: defaultdict[tuple[Key, str, int], Spread] = defaultdict(Spread)
        self.figured: set[Key] = set()

    def add_totals(self, period: Key, field: str, mask: int, part: Totals) -> None:
        """Take the totals of a field."""
        self.totals[period, field, mask] += part
        if part.figures:
            self.figured.add(period)

    def add(self, other: Parts) -> None:
        """Take what another query found."""
        for place, part in other.totals.items():
            self.totals[place] += part
        for place, spread in other.spreads.items():
            self.spreads[place] += spread
        self.figured |= other.figured


class Known(msgspec.Struct, frozen=True):
    """What else is known when the passes are over.

    `periods` in their order; `figured` those with numbers in any field, also such as no lookup table names; `sizes` the
    number of entities in each group; `failures` what is wrong with a group.
    """

    periods: tuple[Period, ...]
    figured: frozenset[Key]
    sizes: Mapping[str, int]
    failures: Mapping[str, Failure] = {}


class _NoValueError(Exception):
    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(reason, message)


class Outcome(msgspec.Struct, frozen=True):
    """One counter in one group and period."""

    value: Decimal | None = None
    failure: Failure | None = None
    reported: int = 0
    rejected: int = 0


_Span = tuple[Key, ...]
"""The periods that a cell is over: one, or all."""


class Fold:
    """Makes the cells of a plan from the parts."""

    def __init__(self, plan: Plan, known: Known, parts: Parts) -> None:
        self._plan = plan
        self._known = known
        self._labels = {period.key: period.label for period in known.periods}
        self._latest = next((p for p in reversed(known.periods) if p.key in known.figured), None)
        self._outcomes: dict[tuple[str, str, _Span], Outcome] = {}
        groups = [(ALL, -1), *((group.name, 1 << group.bit) for group in plan.groups)]
        self._totals: defaultdict[tuple[str, Key, str], Totals] = defaultdict(Totals)
        for (period, field, mask), part in parts.totals.items():
            for group, bit in groups:
                if bit < 0 or mask & bit:
                    self._totals[group, period, field] += part
        self._spreads: defaultdict[tuple[str, Key, str], Spread] = defaultdict(Spread)
        for (period, counter, mask), spread in parts.spreads.items():
            for group, bit in groups:
                if bit < 0 or mask & bit:
                    self._spreads[group, period, counter] += spread

    def cells(self, counter: str, duration: float) -> Iterator[Computed]:
        """All cells of a counter, each with a value or a failure."""
        settings = self._plan.wanted[counter]
        figured = [period.label for period in self._known.periods if period.key in self._known.figured]
        for cell in configured_cells(counter, settings, figured):
            yield self._cell(cell, duration, compare=settings.compare)

    def _check_group(self, group: str) -> None:
        if failure := self._known.failures.get(group):
            raise _NoValueError(failure.reason, failure.message)

    def _cell(self, cell: CellId, duration: float, *, compare: bool) -> Computed:
        label = cell.period
        try:
            self._check_group(cell.group)
            span = self._span(cell.period)
            label = label if cell.period == ALL else self._labels[span[0]]
        except _NoValueError as error:
            return Computed(cell, label, duration=duration, failure=error.failure)
        outcome = self._outcome(cell.counter, cell.group, span)
        size = self._known.sizes.get(cell.group, 0) * (len(span) if cell.period == ALL else 1)
        coverage = Coverage(outcome.reported, size)
        previous = self._previous(cell, span) if compare and outcome.value is not None else None
        points = self._plan.wanted[cell.counter].format.percent
        return Computed(
            cell,
            label,
            value=None if outcome.value is None else plain(outcome.value),
            previous=None if previous is None else plain(previous),
            change=_change(outcome.value, previous, points=points),
            points=points,
            coverage=coverage,
            duration=duration,
            rejected=outcome.rejected,
            failure=outcome.failure,
        )

    def _span(self, period: str) -> _Span:
        """The keys of the periods that a configured period means."""
        if not self._known.figured:
            raise _NoValueError(Reason.NO_FIGURES, f"{self._plan.settings.table} has no figures")
        if period == ALL:
            return tuple(sorted(self._known.figured, key=repr))
        if period == LATEST:
            if self._latest is None:
                message = f"no period that the periods table names has figures in {self._plan.settings.table}"
                raise _NoValueError(Reason.NO_FIGURES, message)
            return (self._latest.key,)
        for each in self._known.periods:
            if each.label == period:
                return (each.key,)
        raise _NoValueError(Reason.CONFIG, no_period(period, self._known.periods))

    def _previous(self, cell: CellId, span: _Span) -> Decimal | None:
        if cell.period == ALL:
            return None
        at = next(i for i, period in enumerate(self._known.periods) if period.key == span[0])
        if not at:
            return None
        return self._outcome(cell.counter, cell.group, (self._known.periods[at - 1].key,)).value

    def _outcome(self, counter: str, group: str, span: _Span) -> Outcome:
        key = (counter, group, span)
        if key not in self._outcomes:
            spec = self._plan.specs[counter]
            compute = self._over_totals if spec.over is Over.TOTALS else self._over_entities
            self._outcomes[key] = compute(spec, group, span)
        return self._outcomes[key]

    def _over_totals(self, spec: Spec, group: str, span: _Span) -> Outcome:
        sums = {field: self._total(group, field, span) for field in spec.fields}
        values = {counter: self._outcome(counter, group, span) for counter in spec.values}
        reported = min([*(part.figures for part in sums.values()), *(outcome.reported for outcome in values.values())])
        rejected = sum(part.rejected for part in sums.values()) + sum(each.rejected for each in values.values())

        def lookup(name: Name) -> Decimal:
            if name.name in values:
                value, failure = values[name.name].value, values[name.name].failure
                if value is None:
                    reason = failure.reason if failure else Reason.NO_FIGURES
                    raise _NoValueError(reason, f'"{name.name}" has no value: {failure.message if failure else ""}')
                return value
            part = sums[name.name]
            if not part.figures and spec.missing is not Missing.ZERO:
                message = f'"{name.name}" has no figures in {self._place(group, span)}'
                raise _NoValueError(Reason.NO_FIGURES, message)
            return part.total

        try:
            value = evaluate(spec.node, lookup)
        except _NoValueError as error:
            return Outcome(failure=error.failure, reported=reported, rejected=rejected)
        except ZeroDivisionError:
            message = f"the formula divides by zero in {self._place(group, span)}"
            return Outcome(failure=Failure(Reason.DIVISION_BY_ZERO, message), reported=reported, rejected=rejected)
        return Outcome(value, reported=reported, rejected=rejected)

    def _over_entities(self, spec: Spec, group: str, span: _Span) -> Outcome:
        spread = self._spread(spec, group, span)
        lacking = spread.rows - spread.complete
        undefined = spread.complete - spread.count
        failure: Failure | None = None
        place = self._place(group, span)
        if spec.missing is Missing.FAIL and lacking:
            example = "" if spread.example is None else f", the one with key {spread.example!s} for one"
            failure = Failure(Reason.MISSING, f"{lacking} of {spread.rows} entities lack a field in {place}{example}")
        elif undefined and (spec.missing is Missing.FAIL or not spread.count):
            failure = Failure(
                Reason.DIVISION_BY_ZERO, f"the formula divides by zero for {undefined} entities in {place}"
            )
        elif not spread.count:
            what = f'the figures that "{spec.name}" needs' if len(spec.fields) > 1 else f'figures of "{spec.fields[0]}"'
            failure = Failure(Reason.NO_FIGURES, f"no entity has {what} in {place}")
        value = None if failure else _aggregate(spec.aggregate, spread)
        return Outcome(value, failure, spread.count, spread.rejected)

    def _spread(self, spec: Spec, group: str, span: _Span) -> Spread:
        """The spread over the periods; entities without any figure count where the counter's rule says so."""
        spread = Spread()
        for period in span:
            part = self._spreads[group, period, spec.name]
            spread += part
            if spec.missing is not Missing.SKIP:
                listed = self._spreads[LISTED if self._lists(group) else group, period, spec.name].rows
                spread += self._absent(spec, max(0, self._known.sizes.get(group, 0) - listed))
        return spread

    def _lists(self, group: str) -> bool:
        """Whether `group` may have entities that the entities table does not list."""
        return group == ALL and any(each.name == LISTED for each in self._plan.groups)

    def _absent(self, spec: Spec, count: int) -> Spread:
        """What entities without any figure add: each the formula of zeros, or one that lacks its fields."""
        if spec.missing is Missing.FAIL or not count:
            return Spread(rows=count)
        try:
            value = evaluate(spec.node, lambda _: Decimal(0))
        except ZeroDivisionError:
            return Spread(complete=count, rows=count)
        if value is None:
            return Spread(rows=count)
        return Spread(count, EXACT.multiply(value, Decimal(count)), value, value, count, count)

    def _total(self, group: str, field: str, span: _Span) -> Totals:
        return sum((self._totals[group, period, field] for period in span), Totals())

    def _place(self, group: str, span: _Span) -> str:
        period = self._labels.get(span[0], "") if len(span) == 1 else "all periods"
        return f'group "{group}" in {period}' if group != ALL else period


def group_sizes(groups: Sequence[Group], sizes: Mapping[int, int]) -> dict[str, int]:
    """The number of entities in each group, from the number with each mask; `all` is everybody."""
    found = {group.name: sum(n for mask, n in sizes.items() if mask & (1 << group.bit)) for group in groups}
    return found | {ALL: sum(sizes.values())}


def _aggregate(aggregate: Aggregate, spread: Spread) -> Decimal | None:
    match aggregate:
        case Aggregate.SUM:
            return spread.total
        case Aggregate.AVG:
            return quotient(spread.total, Decimal(spread.count))
        case Aggregate.MIN:
            return spread.low
        case Aggregate.MAX:
            return spread.high
        case Aggregate.COUNT:
            return Decimal(spread.count)


def _change(value: Decimal | None, previous: Decimal | None, *, points: bool) -> Decimal | None:
    """The change in percent, or of ratios in percentage points, to one decimal, half away from zero."""
    if value is None or previous is None or not (previous or points):
        return None
    difference = EXACT.multiply(EXACT.subtract(value, previous), Decimal(100))
    return EXACT.plus(quotient(difference, Decimal(1) if points else previous.copy_abs(), 1))  # plus turns -0 into 0


def _pick(choose: Callable[[Decimal, Decimal], Decimal], one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)
