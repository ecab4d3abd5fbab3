"""Partial sums to cells. Pure: what was read comes in as mergeable parts, cells with exact decimals come out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from countercache.compute.formula import EXACT, Name, evaluate, plain, quotient
from countercache.compute.partial_sums import CompleteTotals, EntityStats, Known, PartialSums, Totals
from countercache.compute.plan import LISTED, Group, Plan, Spec, bits_of, no_period
from countercache.compute.rejections import Rejection, rejected_values
from countercache.model.states import ALL, EACH, LATEST, CellId, Computed, Coverage, Failure, Reason, cells_of
from countercache.model.table import Key
from countercache.settings import Aggregate, Missing, Over

_Part = TypeVar("_Part", Totals, CompleteTotals, EntityStats, Rejection)


class _NoValueError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Outcome(msgspec.Struct, frozen=True):
    """One counter in one group and period."""

    value: Decimal | None = None
    failure: Failure | None = None
    reported: int = 0
    rejected: int = 0


_Span = tuple[Key, ...]
"""The periods that a cell is over: one, or all."""


class Aggregation:
    """Makes the cells of a plan from the parts."""

    def __init__(self, plan: Plan, known: Known, parts: PartialSums) -> None:
        self._plan = plan
        self._known = known
        self._labels = {period.key: period.label for period in known.periods}
        # Figures of a period that the periods table does not list are not counted.
        self._present = tuple(period.key for period in known.periods if period.key in known.present)
        self._outcomes: dict[tuple[str, str, _Span], Outcome] = {}
        groups = {group.bit: group.name for group in plan.groups if group.name != LISTED}
        self._totals = _by_group(parts.totals, groups, Totals())
        self._completes = _by_group(parts.completes, groups, CompleteTotals())
        self._entity_stats = _by_group(parts.entity_stats, groups, EntityStats())
        self._rejections = _by_group(known.rejections, groups, Rejection())

    def cells(self, counter: str, duration: float) -> Iterator[Computed]:
        """All cells of a counter, each with a value or a failure."""
        settings = self._plan.wanted[counter]
        present = [self._labels[key] for key in self._present]
        reserved = sorted({ALL, LATEST, EACH}.intersection(present)) if settings.periods == EACH else []
        for cell in cells_of(counter, settings, present):
            if reserved and self._plan.settings.period is not None:
                message = f'a period is called "{reserved[0]}", which has a meaning of its own'
                failure = Failure(Reason.CONFIG, message, "give it another name")
                yield Computed(cell, cell.period, duration=duration, failure=failure)
            else:
                yield self._cell(cell, duration, compare=settings.compare)

    def _check_group(self, group: str) -> None:
        if failure := self._known.failures.get(group):
            raise _NoValueError(failure)

    def _cell(self, cell: CellId, duration: float, *, compare: bool) -> Computed:
        label = cell.period
        note = self._known.latest[cell.counter].note if cell.period == LATEST else ""
        try:
            self._check_group(cell.group)
            span = self._span(cell)
            label = label if cell.period == ALL else self._labels[span[0]]
        except _NoValueError as error:
            return Computed(cell, label, duration=duration, failure=error.failure, note=note)
        outcome = self._outcome(cell.counter, cell.group, span)
        size = self._known.sizes.get(cell.group, 0) * (len(span) if cell.period == ALL else 1)
        previous = self._previous(cell, span) if compare and outcome.value is not None else None
        points = self._plan.wanted[cell.counter].format.percent
        return Computed(
            cell,
            label,
            value=None if outcome.value is None else plain(outcome.value),
            previous=None if previous is None else plain(previous),
            change=_change(outcome.value, previous, points=points),
            points=points,
            # More figures than entities say nothing about how many entities there are.
            coverage=Coverage(outcome.reported, size) if outcome.reported <= size else None,
            duration=duration,
            rejected=outcome.rejected,
            failure=outcome.failure,
            note=note,
        )

    def _span(self, cell: CellId) -> _Span:
        """The keys of the periods that a configured period means."""
        if cell.period == ALL:
            return self._present
        if cell.period == LATEST:
            latest = self._known.latest[cell.counter]
            if latest.period is None:
                fields = " and ".join(sorted({f for spec in self._plan.used(cell.counter) for f in spec.fields}))
                message = f"no period has figures of {fields} in {self._plan.settings.table}"
                raise _NoValueError(Failure(Reason.NO_FIGURES, message))
            return (latest.period,)
        for period in self._known.periods:
            if period.label == cell.period:
                return (period.key,)
        if not self._known.periods:
            raise _NoValueError(Failure(Reason.NO_FIGURES, f"{self._plan.settings.table} has no figures"))
        raise _NoValueError(no_period(cell.period, self._known.periods))

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
            compute = self._over_entities if spec.over is Over.ENTITIES else self._over_totals
            outcome = compute(spec, group, span)
            if failure := self._rejected(spec, group, span):
                outcome = msgspec.structs.replace(outcome, value=None, failure=failure)
            self._outcomes[key] = outcome
        return self._outcomes[key]

    def _over_totals(self, spec: Spec, group: str, span: _Span) -> Outcome:
        if spec.complete:
            complete = self._add(self._completes, CompleteTotals(), group, spec.name, span)
            sums = {field: complete.totals.get(field, Decimal(0)) for field in spec.fields}
            figures = dict.fromkeys(spec.fields, complete.entities)
        else:
            totals = {field: self._add(self._totals, Totals(), group, field, span) for field in spec.fields}
            sums = {field: part.total for field, part in totals.items()}
            figures = {field: part.figures for field, part in totals.items()}
        values = {counter: self._outcome(counter, group, span) for counter in spec.values}
        reported = min([*figures.values(), *(outcome.reported for outcome in values.values())])
        rejected = self._count_rejected(spec, group, span)
        failed = Outcome(reported=reported, rejected=rejected)

        def lookup(name: Name) -> Decimal:
            if name.name in values:
                value, failure = values[name.name].value, values[name.name].failure
                if value is None:
                    why = failure or Failure(Reason.NO_FIGURES, "")
                    raise _NoValueError(Failure(why.reason, f'"{name.name}" has no value: {why.message}', why.hint))
                return value
            if not figures[name.name] and not name.zero:
                raise _NoValueError(Failure(Reason.NO_FIGURES, self._no_figures(spec, name.name, group, span)))
            return sums[name.name]

        try:
            value = evaluate(spec.node, lookup)
        except _NoValueError as error:
            return msgspec.structs.replace(failed, failure=error.failure)
        except ZeroDivisionError:
            message = f"the formula divides by zero{self._in(group, span)}"
            return msgspec.structs.replace(failed, failure=Failure(Reason.DIVISION_BY_ZERO, message))
        return msgspec.structs.replace(failed, value=value)

    def _no_figures(self, spec: Spec, field: str, group: str, span: _Span) -> str:
        if spec.complete and len(spec.fields) > 1:
            return (
                f"no entity has figures of {', '.join(spec.fields[:-1])} and {spec.fields[-1]}{self._in(group, span)}"
            )
        return f'"{field}" has no figures{self._in(group, span)}'

    def _over_entities(self, spec: Spec, group: str, span: _Span) -> Outcome:
        stats = self._stats(spec, group, span)
        undefined = stats.complete - stats.count
        failure: Failure | None = None
        where = self._in(group, span)
        if stats.lacking:
            example = (
                "" if stats.example is None else f", such as {self._known.names.get(stats.example, stats.example)!s}"
            )
            lack = f"{stats.lacking} of {stats.rows} entities {'lacks' if stats.lacking == 1 else 'lack'}"
            fields = " or ".join(sorted(spec.strict))
            failure = Failure(Reason.MISSING, f"{lack} a figure of {fields}{where}{example}")
        elif undefined and (spec.missing is Missing.FAIL or not stats.count):
            entities = "1 entity" if undefined == 1 else f"{undefined} entities"
            failure = Failure(Reason.DIVISION_BY_ZERO, f"the formula divides by zero for {entities}{where}")
        elif not stats.count:
            what = f'the figures that "{spec.name}" needs' if len(spec.fields) > 1 else f'figures of "{spec.fields[0]}"'
            failure = Failure(Reason.NO_FIGURES, f"no entity has {what}{where}")
        value = None if failure else _aggregate(spec.aggregate, stats)
        return Outcome(value, failure, stats.count, self._count_rejected(spec, group, span))

    def _stats(self, spec: Spec, group: str, span: _Span) -> EntityStats:
        """The statistics over the periods; entities without any figure count where the fields' rules say so."""
        stats = EntityStats()
        for period in span:
            part = self._entity_stats[group, period, spec.name]
            stats += part
            if spec.strict or spec.optional == frozenset(spec.fields):
                stats += self._absent(spec, max(0, self._known.sizes.get(group, 0) - part.rows))
        return stats

    def _absent(self, spec: Spec, count: int) -> EntityStats:
        """What entities without any figure add: each the formula of zeros, or one that lacks its fields."""
        if spec.strict or not count:
            return EntityStats(rows=count, lacking=count)
        try:
            value = evaluate(spec.node, lambda _: Decimal(0))
        except ZeroDivisionError:
            return EntityStats(complete=count, rows=count)
        if value is None:
            return EntityStats(rows=count)
        return EntityStats(count, EXACT.multiply(value, Decimal(count)), value, value, count, count)

    def _count_rejected(self, spec: Spec, group: str, span: _Span) -> int:
        fields = {field for used in self._plan.used(spec.name) for field in used.fields}
        return sum(self._rejections[group, period, field].rejected for period in span for field in fields)

    def _rejected(self, spec: Spec, group: str, span: _Span) -> Failure | None:
        """The failure of a cell to which a rejected value belongs, where it must not."""
        rejections = {
            field: self._add(self._rejections, Rejection(), group, field, span) for field in sorted(spec.trusted)
        }
        rejections = {field: rejection for field, rejection in rejections.items() if rejection.rejected}
        if not rejections:
            return None
        names = {str(key): name for key, name in self._known.names.items()}
        return rejected_values(rejections, self._place(group, span), self._known.spellings, names)

    def _add(
        self, parts: Mapping[tuple[str, Key, str], _Part], start: _Part, group: str, name: str, span: _Span
    ) -> _Part:
        """The sum of the parts of a field or counter over the periods."""
        for period in span:
            start += parts[group, period, name]
        return start

    def _place(self, group: str, span: _Span) -> str:
        """The group and period of a cell as text; empty for all entities and periods."""
        period = self._labels.get(span[0], "") if len(span) == 1 else "all periods"
        if self._plan.settings.period is None:
            return "" if group == ALL else f'group "{group}"'
        return f'group "{group}" in {period}' if group != ALL else period

    def _in(self, group: str, span: _Span) -> str:
        name = self._place(group, span)
        return f" in {name}" if name else ""


def _by_group(
    parts: Mapping[tuple[Key, str, int], _Part], groups: Mapping[int, str], nothing: _Part
) -> defaultdict[tuple[str, Key, str], _Part]:
    """The parts by group, period and name; `groups` by their bits."""
    sums: defaultdict[tuple[str, Key, str], _Part] = defaultdict(lambda: nothing)
    for (period, name, mask), part in parts.items():
        sums[ALL, period, name] += part
        for bit in bits_of(mask):
            if bit in groups:
                sums[groups[bit], period, name] += part
    return sums


def group_sizes(groups: Sequence[Group], sizes: Mapping[int, int]) -> dict[str, int]:
    """The number of entities in each group, from the number with each mask; `all` is everybody."""
    by_name = {group.name: 0 for group in groups}
    for mask, count in sizes.items():
        for bit in bits_of(mask):
            by_name[groups[bit].name] += count
    return by_name | {ALL: sum(sizes.values())}


def _aggregate(aggregate: Aggregate, stats: EntityStats) -> Decimal | None:
    match aggregate:
        case Aggregate.SUM:
            return stats.total
        case Aggregate.AVG:
            return quotient(stats.total, Decimal(stats.count))
        case Aggregate.MIN:
            return stats.low
        case Aggregate.MAX:
            return stats.high
        case Aggregate.COUNT:
            return Decimal(stats.count)


def _change(value: Decimal | None, previous: Decimal | None, *, points: bool) -> Decimal | None:
    """The change in percent, or of ratios in percentage points, to one decimal, half away from zero."""
    if value is None or previous is None or not (previous or points):
        return None
    difference = EXACT.multiply(EXACT.subtract(value, previous), Decimal(100))
    return EXACT.plus(quotient(difference, Decimal(1) if points else previous.copy_abs(), 1))  # plus turns -0 into 0
