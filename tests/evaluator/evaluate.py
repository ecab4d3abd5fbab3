"""What each cell of a configuration becomes, section by section of docs/semantics.md."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.evaluator.formulas import NoValue, names, parse, quotient, reckon
from tests.evaluator.numerals import NoFigure
from tests.evaluator.places import Declared, Place
from tests.evaluator.sources import ALL, Figure, Period, Source

NO_FIGURES, REJECTED, MISSING = "no figures", "rejected values", "missing figures"
ZERO_DIVISION, CONFIG = "division by zero", "config"
LATEST, EACH = "latest", "each"


@dataclass(frozen=True)
class Outcome:
    """What a cell becomes: a value, or the reason why it has none. `label` is that of its period, if there is one."""

    value: Fraction | None = None
    reason: str | None = None
    label: str = ""
    previous: Fraction | None = None
    change: Fraction | None = None
    coverage: tuple[int, int] | None = None
    rejected: int = 0


@dataclass(frozen=True)
class Use:
    """A field in a formula, with the settings of the counter in whose formula it is named."""

    field: Hashable
    missing: str
    rejected: str


@dataclass(frozen=True)
class Scope:
    """A group and a period (or all of them): what a cell is about."""

    members: frozenset[Hashable]
    periods: frozenset[Hashable]


Cells = dict[tuple[str, str, str], Outcome]


def evaluate(settings: Mapping[str, Any], place: Place, declared: Declared) -> Cells:
    """All cells of all counters. One of a counter that fails as a whole is under the words of its configuration."""
    cells: Cells = {}
    for name in settings["sources"]:
        counters = {k: v for k, v in settings["counters"].items() if v["source"] == name}
        try:
            evaluation = Evaluation(settings, counters, Source(place, declared, settings["sources"][name]), name)
        except NoValue as error:
            for counter, mine in counters.items():
                cells |= _failed(settings, counter, mine, error.reason)
            continue
        for counter in counters:
            cells |= evaluation.cells(counter)
    return cells


def _failed(settings: Mapping[str, Any], counter: str, mine: Mapping[str, Any], reason: str) -> Cells:
    """A counter that fails as a whole."""
    words = _words(mine) if "period" in settings["sources"][mine["source"]] else (ALL,)
    return {(counter, group, word): Outcome(reason=reason) for group in mine.get("groups", (ALL,)) for word in words}


def _words(mine: Mapping[str, Any]) -> tuple[str, ...]:
    periods = mine.get("periods", (LATEST,))
    return (EACH,) if periods == EACH else tuple(periods)


class Evaluation:
    """The counters of one source."""

    def __init__(
        self, settings: Mapping[str, Any], counters: Mapping[str, Mapping[str, Any]], source: Source, name: str
    ) -> None:
        self.settings, self.counters, self.source = settings, counters, source
        self.defaults = settings["sources"][name]
        self.formulas = {counter: parse(mine["formula"]) for counter, mine in counters.items()}
        self.figures: dict[tuple[Hashable, Hashable, Hashable], list[Figure]] = {}
        for figure in source.figures:
            self.figures.setdefault((figure.entity, figure.field, figure.period), []).append(figure)

    # Names

    def field(self, name: str) -> Hashable | None:
        """The field of that name; a name that is none is a counter's."""
        if self.source.without_fields and name not in self.counters:
            return ("to come", name)
        return self.source.field(name)

    def check(self, counter: str, above: tuple[str, ...] = ()) -> None:
        """Whether every name is a field or a counter, and no counter uses itself."""
        if counter in above or counter not in self.counters:
            raise NoValue(CONFIG)
        for name in names(self.formulas[counter]):
            if name in self.source.names_used_twice:
                raise NoValue(CONFIG)
            if self.field(name) is None:
                self.check(name, (*above, counter))

    def own(self, counter: str, key: str, default: Any) -> Any:
        """A setting that stands at a source, and at a counter where that one differs."""
        return self.counters[counter].get(key, self.defaults.get(key, default))

    def uses(self, counter: str, *, entities: bool = False, complete: bool = False) -> Iterator[Use]:
        """The fields of a counter's formula, other counters' formulas written out.

        Every field of a `complete` one is required. One that is used over `entities` lends but its formula.
        """
        mine = self.counters[counter]
        complete = complete or (not entities and mine.get("complete", False))
        entities = entities or mine.get("over") == "entities"
        missing, rejected = "skip" if complete else mine.get("missing", "skip"), self.own(counter, "rejected", "fail")
        for name in names(self.formulas[counter]):
            field = self.field(name)
            if field is None:
                yield from self.uses(name, entities=entities, complete=complete)
            else:
                yield Use(field, missing, rejected)

    # Cells

    def cells(self, counter: str) -> Cells:
        """The cells of one counter."""
        mine = self.counters[counter]
        try:
            self.check(counter)
            groups, words = self.groups(mine), self.words(mine)
        except NoValue as error:
            return _failed(self.settings, counter, mine, error.reason)
        return {
            (counter, name, word): self.cell(counter, name, group, word)
            for name, group in groups.items()
            for word in words
        }

    def groups(self, mine: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """The groups of a counter with their settings; one with `group_by` is those of the column's values."""
        configured = self.settings.get("groups", {})
        found: dict[str, Mapping[str, Any]] = {}
        for name in mine.get("groups", (ALL,)):
            settings = configured.get(name, {})
            names = self.source.by_value(settings["group_by"]) if "group_by" in settings else {name: None}
            others = {taken for taken, other in found.items() if other.get("group_by") != settings.get("group_by")}
            if not names or ("group_by" in settings and names.keys() & {ALL, *configured, *others}):
                raise NoValue(CONFIG)
            found |= dict.fromkeys(names, settings)
        return found

    def words(self, mine: Mapping[str, Any]) -> Sequence[str]:
        """The periods of a counter as its cells have them."""
        if "period" not in self.defaults:
            return (ALL,)
        if mine.get("periods") != EACH:
            return _words(mine)
        found = [period for period in self.source.periods if period.id in self.source.with_values]
        if any(period.label in {ALL, LATEST, EACH} for period in found):
            raise NoValue(CONFIG)
        if not found:
            raise NoValue(NO_FIGURES)
        return [period.label for period in found]

    def cell(self, counter: str, name: str, group: Mapping[str, Any], word: str) -> Outcome:
        """One cell."""
        period, absent, rejected, label = None, None, 0, ""
        try:
            period = self.meant(counter, word)
            label = period.label if period else ALL
        except NoValue as error:
            absent = error
        try:
            members = self.source.members(name, group)
            if absent:
                raise absent
            scope = self.scope(members, period)
            rejected = self.count_rejected(counter, scope)
            value = self.value(counter, scope)
        except NoValue as error:
            return Outcome(reason=error.reason, label=label, rejected=rejected)
        previous, change = self.compared(counter, members, period, value)
        return Outcome(value, None, label, previous, change, self.coverage(counter, scope), rejected)

    def meant(self, counter: str, word: str) -> Period | None:
        """The period that a word means; `None` is all of them."""
        if word == ALL:
            return None
        if word == LATEST:
            return self.latest(counter)
        period = self.source.period(word)
        if period is None:
            # Without any value in the source there is no period, and any may come.
            raise NoValue(CONFIG if self.source.periods else NO_FIGURES)
        return period

    def scope(self, members: frozenset[Hashable], period: Period | None) -> Scope:
        """The period `all`: those in which some field of the source has a value."""
        return Scope(members, frozenset({period.id} if period else self.source.with_values))

    def compared(
        self, counter: str, members: frozenset[Hashable], period: Period | None, value: Fraction
    ) -> tuple[Fraction | None, Fraction | None]:
        """The previous period is the one before in that order, whether or not it has figures."""
        mine = self.counters[counter]
        place = self.source.periods.index(period) if period else 0
        if not mine.get("compare") or place == 0:
            return None, None
        try:
            previous = self.value(counter, self.scope(members, self.source.periods[place - 1]))
        except NoValue:
            return None, None
        if mine.get("format", {}).get("percent"):
            return previous, to_tenths((value - previous) * 100)
        return previous, to_tenths((value - previous) * 100 / abs(previous)) if previous else None

    # Rejected values

    def values_in(self, field: Hashable, scope: Scope) -> Iterator[Figure]:
        """The values of a field in a group and period."""
        for entity, period in _pairs(scope):
            yield from self.figures.get((entity, field, period), ())

    def count_rejected(self, counter: str, scope: Scope) -> int:
        """How many values of the fields that a counter uses were rejected."""
        fields = {use.field for use in self.uses(counter)}
        return sum(figure.value is NoFigure.REJECTED for field in fields for figure in self.values_in(field, scope))

    def refuse_rejected(self, uses: Iterable[Use], scope: Scope) -> None:
        """A cell fails if any value that belongs to it was rejected."""
        for use in uses:
            if use.rejected == "fail" and any(f.value is NoFigure.REJECTED for f in self.values_in(use.field, scope)):
                raise NoValue(REJECTED)

    # Formulas over totals

    def value(self, counter: str, scope: Scope) -> Fraction:
        """The value of a counter in a group and period."""
        if self.counters[counter].get("over") == "entities":
            return self.over_entities(counter, scope)
        if self.counters[counter].get("complete"):
            return self.over_complete(counter, scope)
        formula, missing = self.formulas[counter], self.counters[counter].get("missing", "skip")
        rejected = self.own(counter, "rejected", "fail")
        own = [field for name in names(formula) if (field := self.field(name)) is not None]
        self.refuse_rejected([Use(field, missing, rejected) for field in own], scope)

        def value_of(name: str) -> Fraction:
            field = self.field(name)
            if field is None:
                return self.value(name, scope)
            numbers = self.numbers(field, scope)
            if not numbers and missing != "zero":
                raise NoValue(NO_FIGURES)
            return sum(numbers, Fraction(0))

        return reckon(formula, value_of)

    def numbers(self, field: Hashable, scope: Scope) -> list[Fraction]:
        """The figures of a field in a group and period."""
        return [f.value for f in self.values_in(field, scope) if isinstance(f.value, Fraction)]

    def over_complete(self, counter: str, scope: Scope) -> Fraction:
        """Only entities that have a figure of every field count, in all of these fields, period by period."""
        self.refuse_rejected(self.uses(counter), scope)
        pairs = self.complete_pairs(counter, scope)
        if not pairs:
            raise NoValue(NO_FIGURES)

        def total(use: Use) -> Fraction:
            return sum((self.of(pair, use.field) or Fraction(0) for pair in pairs), Fraction(0))

        return self.written_out(counter, total)

    def complete_pairs(self, counter: str, scope: Scope) -> list[tuple[Hashable, Hashable]]:
        """The entities that have everything, each in each period."""
        fields = {use.field for use in self.uses(counter)}
        return [pair for pair in _pairs(scope) if all(self.of(pair, field) is not None for field in fields)]

    def of(self, pair: tuple[Hashable, Hashable], field: Hashable) -> Fraction | None:
        """An entity's own total of a field in a period."""
        found = self.numbers(field, Scope(frozenset({pair[0]}), frozenset({pair[1]})))
        return sum(found, Fraction(0)) if found else None

    def written_out(self, counter: str, value_of: Callable[[Use], Fraction]) -> Fraction:
        """A formula in which other counters' names stand for their formulas."""
        missing, rejected = self.counters[counter].get("missing", "skip"), self.own(counter, "rejected", "fail")

        def one(name: str) -> Fraction:
            field = self.field(name)
            return self.written_out(name, value_of) if field is None else value_of(Use(field, missing, rejected))

        return reckon(self.formulas[counter], one)

    # Formulas over entities

    def over_entities(self, counter: str, scope: Scope) -> Fraction:
        """The formula is computed for each entity in each period, and `aggregate` combines the results."""
        self.refuse_rejected(self.uses(counter), scope)
        found, divided = self.results(counter, scope)
        if divided and (not found or self.counters[counter].get("missing") == "fail"):
            raise NoValue(ZERO_DIVISION)
        if not found:
            raise NoValue(NO_FIGURES)
        return _AGGREGATES[self.counters[counter].get("aggregate", "sum")](found)

    def results(self, counter: str, scope: Scope) -> tuple[list[Fraction], int]:
        """The results of the entities that take part, and for how many the formula divides by zero."""
        uses, found, divided = set(self.uses(counter)), [], 0
        for pair in _pairs(scope):
            totals = {use.field: self.of(pair, use.field) for use in uses}
            lacking = {use.missing for use in uses if totals[use.field] is None}
            if "fail" in lacking:
                raise NoValue(MISSING)
            if "skip" in lacking:
                continue
            try:
                found.append(self.written_out(counter, lambda use, totals=totals: totals[use.field] or Fraction(0)))  # type: ignore[misc]
            except NoValue:
                divided += 1
        return found, divided

    # The latest period

    def latest(self, counter: str) -> Period:
        """The newest period in which enough of the counter's own fields has been reported."""
        uses = set(self.uses(counter))
        share = Fraction(self.own(counter, "min_coverage", "50%").removesuffix("%")) / 100
        failing = {use.field for use in uses if use.rejected == "fail"}
        single = [{use.field} for use in uses if use.missing != "zero"]
        # Counted together are those that follow "only" `zero`.
        together = {use.field for use in uses}.difference(*single)

        def reported(fields: Collection[Hashable], period: Period) -> int:
            """How many figures, of all entities; where rejected values fail the cell they count as reported."""
            return sum(
                isinstance(f.value, Fraction) or (f.value is NoFigure.REJECTED and field in failing)
                for field in fields
                for f in self.values_in(field, Scope(self.source.entities, frozenset({period.id})))
            )

        def enough(fields: Collection[Hashable], place: int, *, none_before: bool = False) -> bool:
            *earlier, now = [reported(fields, period) for period in self.source.periods[: place + 1]]
            before = [count for count in earlier if count][-2:]
            return (now > 0 or (none_before and not before)) and all(now >= share * count for count in before)

        for place in reversed(range(len(self.source.periods))):
            # Beside other fields there need not be any of those that count as zero where there was none before.
            zeros = not together or enough(together, place, none_before=bool(single))
            if zeros and all(enough(fields, place) for fields in single):
                return self.source.periods[place]
        if self.source.periods and all(use.missing == "zero" for use in uses):
            return self.source.periods[-1]
        raise NoValue(NO_FIGURES)

    # Coverage

    def coverage(self, counter: str, scope: Scope) -> tuple[int, int] | None:
        """How many entities stand behind a value, and how many the group has. Where it has no meaning: `None`."""
        reported, entities = self.reported(counter, scope), len(_pairs(scope))
        return None if reported is None or reported > entities else (reported, entities)

    def reported(self, counter: str, scope: Scope) -> int | None:
        """The first of the two numbers."""
        if self.counters[counter].get("over") == "entities":
            return len(self.results(counter, scope)[0])
        if self.counters[counter].get("complete"):
            return len(self.complete_pairs(counter, scope))
        found = []
        for name in names(self.formulas[counter]):
            field = self.field(name)
            found.append(self.reported(name, scope) if field is None else len(self.numbers(field, scope)))
        known = [each for each in found if each is not None]
        return min(known) if known else None


def _pairs(scope: Scope) -> list[tuple[Hashable, Hashable]]:
    """Each entity in each period."""
    return [(entity, period) for entity in scope.members for period in scope.periods]


def to_tenths(change: Fraction) -> Fraction:
    """A change "rounded to one decimal, half away from zero"."""
    tenths = Fraction(int(abs(change) * 10 + Fraction(1, 2)), 10)
    return -tenths if change < 0 else tenths


_AGGREGATES: dict[str, Callable[[list[Fraction]], Fraction]] = {
    "sum": lambda found: sum(found, Fraction(0)),
    "avg": lambda found: quotient(sum(found, Fraction(0)), Fraction(len(found))),
    "min": min,
    "max": max,
    "count": lambda found: Fraction(len(found)),
}
