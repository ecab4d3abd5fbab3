"""What has to be computed: settings and the names that a database has become a frozen `Plan`. Pure.

A counter of a source becomes a `Spec`: its formula with the counters that it uses written out, so that only fields are
left in it. One thing is not written out: a counter over entities inside one over totals. It stands for the value of its
own cell in the same group and period. Inside a counter over entities, every counter stands for its formula.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from countercache.errors import ConfigError, FormulaError
from countercache.formula import Name, Node, names, nearest, parse, size, substitute
from countercache.settings import Aggregate, CounterSettings, GroupSettings, Missing, Over, Settings, SourceSettings
from countercache.states import ALL, EACH, LATEST, CellId, Failure, Reason
from countercache.tables import Key

MAX_NODES = 10_000
MAX_DEPTH = 150
"""How large and how deep a formula may get when the counters it uses are written out."""

_LISTED_PERIODS = 12

LISTED = ""
"""The name of the group of all entities that the entities table lists, which `all` is not: it has every figure."""


class Spec(msgspec.Struct, frozen=True):
    """A counter to compute: `fields` are those of its formula, `values` the counters whose cells it uses."""

    name: str
    node: Node
    over: Over
    aggregate: Aggregate
    missing: Missing
    fields: tuple[str, ...]
    values: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """A group of entities; in a mask it is bit `bit`."""

    name: str
    bit: int
    where: str | None = None
    entities: tuple[str, ...] = ()


class Period(msgspec.Struct, frozen=True):
    """A period as the table has it and as people call it."""

    key: Key
    label: str


class Plan(msgspec.Struct, frozen=True):
    """What is read from one source, and what is made of it.

    `wanted` are the counters to report; `specs` has those that they use as values too. `totals` are the fields whose
    totals are needed. `periods` are the keys of the only periods to read (`None`: all).
    """

    source: str
    settings: SourceSettings
    wanted: dict[str, CounterSettings]
    specs: dict[str, Spec]
    failures: dict[str, Failure]
    groups: tuple[Group, ...]
    totals: tuple[str, ...] = ()
    periods: tuple[Key, ...] | None = None

    @property
    def entity_specs(self) -> tuple[Spec, ...]:
        """The counters that are computed for each entity."""
        return tuple(spec for spec in self.specs.values() if spec.over is Over.ENTITIES)

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that are needed, each once, in order of their names."""
        return tuple(sorted({field for spec in self.specs.values() for field in spec.fields}))


def ambiguous(settings: Settings, source: str, counters: Iterable[str]) -> set[str]:
    """The names in formulas that are counters too, so that one has to know whether there is such a field."""
    found: set[str] = set()
    known = _formulas(settings, source)
    for counter in counters:
        for name in _reachable(counter, known):
            found.add(name)
    return found


def make_plan(
    settings: Settings, source: str, counters: Sequence[str], fields: Collection[str], *, complete: bool
) -> Plan:
    """The plan for some counters of a source that has these fields.

    `complete`: `fields` are all there are. If not (a long table without a lookup table), every name that is no counter
    is taken for a field, and reading tells.
    """
    formulas = _formulas(settings, source)
    resolver = _Resolver(formulas, fields if complete else None, known=fields)
    specs: dict[str, Spec] = {}
    failures: dict[str, Failure] = {}
    for counter in counters:
        try:
            found = {counter: resolver.spec(counter)}
            found |= {name: resolver.spec(name) for name in found[counter].values}
        except ConfigError as error:
            failures[counter] = Failure(Reason.CONFIG, str(error))
        else:
            specs |= found
    wanted = {counter: settings.counters[counter] for counter in counters}
    groups = _groups(settings, source, [wanted[name] for name in counters if name not in failures], specs.values())
    totals = sorted({field for spec in specs.values() if spec.over is Over.TOTALS for field in spec.fields})
    return Plan(source, settings.sources[source], wanted, specs, failures, groups, tuple(totals))


def labels(counters: Iterable[CounterSettings]) -> set[str] | None:
    """The periods to read by their labels (`latest` among them, as that); `None`: all of them."""
    wanted: set[str] = set()
    for counter in counters:
        if counter.periods == EACH or ALL in counter.periods:
            return None
        wanted.update(counter.periods)
    return wanted


def only(periods: Sequence[Period], wanted: Collection[str], latest: Key | None, *, compare: bool) -> tuple[Key, ...]:
    """The keys of the wanted periods, and with `compare` of those before them."""
    chosen: set[int] = set()
    for at, period in enumerate(periods):
        if period.label in wanted or (LATEST in wanted and period.key == latest):
            chosen.add(at)
            if compare and at:
                chosen.add(at - 1)
    return tuple(periods[at].key for at in sorted(chosen))


def no_period(label: str, periods: Sequence[Period]) -> str:
    """What is wrong with a period that does not exist, and which do (the newest of many)."""
    newest = [f'"{period.label}"' for period in periods[-_LISTED_PERIODS:]]
    more = "… " if len(periods) > _LISTED_PERIODS else ""
    return (
        f'there is no period "{label}"; there {"is" if len(newest) == 1 else "are"} {more}{", ".join(newest) or "none"}'
    )


def configured_cells(name: str, counter: CounterSettings, labels_: Sequence[str] | None) -> list[CellId]:
    """The cells of a counter; `each` is each of the labels, or itself while they are not known (`None`)."""
    periods: Sequence[str] = counter.periods
    if counter.periods == EACH:
        periods = (EACH,) if labels_ is None else labels_
    return [CellId(name, group, period) for group in counter.groups for period in periods]


def _formulas(settings: Settings, source: str) -> dict[str, CounterSettings]:
    return {
        name: counter
        for name, counter in settings.counters.items()
        if counter.source == source and counter.formula is not None
    }


def _reachable(counter: str, formulas: Mapping[str, CounterSettings]) -> set[str]:
    """The counters that a counter names, directly or not. What does not parse names nothing."""
    found: set[str] = set()
    todo = [counter]
    while todo:
        current = todo.pop()
        try:
            used = {name.name for name in names(parse(formulas[current].formula or ""))}
        except FormulaError:
            continue
        # Its own name can only be a field's.
        new = (used & formulas.keys()) - found - {current}
        found |= new
        todo += new
    return found


class _Resolver:
    """Turns counters into specs; each formula is parsed once."""

    def __init__(
        self, formulas: Mapping[str, CounterSettings], fields: Collection[str] | None, known: Collection[str]
    ) -> None:
        self._formulas = formulas
        self._fields = fields
        self._known = known
        self._parsed: dict[str, Node] = {}

    def spec(self, counter: str) -> Spec:
        """The spec of one counter. Raises `ConfigError`."""
        settings = self._formulas[counter]
        values: list[str] = []
        node = self._expand(counter, settings.over, (counter,), values)
        fields = tuple(dict.fromkeys(name.name for name in names(node) if name.name not in values))
        if not fields and not values:
            raise FormulaError(f"the formula of counter {counter} names no field")
        return Spec(
            counter, node, settings.over, settings.aggregate, settings.missing, fields, tuple(dict.fromkeys(values))
        )

    def _expand(self, counter: str, over: Over, path: tuple[str, ...], values: list[str]) -> Node:
        if counter not in self._parsed:
            try:
                self._parsed[counter] = parse(self._formulas[counter].formula or "")
            except FormulaError as error:
                raise FormulaError(f"the formula of counter {counter}: {error.message}", hint=error.hint) from None
        if len(path) > MAX_DEPTH:
            raise FormulaError(f"counter {path[0]} uses counters that use counters, more than {MAX_DEPTH} deep")

        def replace(name: Name) -> Node:
            if self._is_field(name.name, counter):
                return name
            if name.name not in self._formulas:
                raise self._unknown(name.name, counter)
            if name.name in path:
                cycle = " → ".join((*path[path.index(name.name) :], name.name))
                raise FormulaError(f"counters use each other in a circle: {cycle}")
            if over is Over.TOTALS and self._formulas[name.name].over is Over.ENTITIES:
                values.append(name.name)
                return name
            return self._expand(name.name, over, (*path, name.name), values)

        node = substitute(self._parsed[counter], replace)
        count, depth = size(node)
        if count > MAX_NODES or depth > MAX_DEPTH:
            message = f"the formula of counter {path[0]} is too large when the counters that it uses are written out"
            raise FormulaError(message, hint=f"at most {MAX_NODES} terms, {MAX_DEPTH} deep")
        return node

    def _is_field(self, name: str, counter: str) -> bool:
        if self._fields is not None:
            return name in self._fields
        return name in self._known or name == counter or name not in self._formulas

    def _unknown(self, name: str, counter: str) -> ConfigError:
        known = {*(self._fields or ()), *self._formulas}
        hint = nearest(name, known) or "see the fields with: countercache config check"
        return FormulaError(f'counter {counter}: no field or counter is called "{name}"', hint=hint)


def _groups(
    settings: Settings, source: str, counters: Iterable[CounterSettings], specs: Iterable[Spec]
) -> tuple[Group, ...]:
    """The groups that some counter uses, `all` apart; and where absent entities matter, the listed ones."""
    used = dict.fromkeys(group for counter in counters for group in counter.groups if group != ALL)
    absent_matter = any(spec.over is Over.ENTITIES and spec.missing is not Missing.SKIP for spec in specs)
    found: list[Group] = []
    if absent_matter and settings.sources[source].entities:
        found.append(Group(LISTED, 0, where="1 = 1"))
    for name in used:
        group: GroupSettings = settings.groups[name]
        found.append(Group(name, len(found), group.where, group.entities or ()))
    return tuple(found)
