"""What has to be computed: settings and the names that a database has become a frozen `Plan`. Pure.

A counter of a source becomes a `Spec`. Over totals, the name of another counter in its formula stands for the value of
that counter's cell in the same group and period. Where a formula is computed for single entities (over entities, and
over totals with `complete`), other counters' formulas are written out in it, so that only fields are left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from countercache.compute.formula import Name, Node, names, nearest, parse, size, some, substitute
from countercache.errors import ConfigError, FormulaError
from countercache.model.states import ALL, EACH, LATEST, Failure, Reason
from countercache.model.table import Key
from countercache.settings import (
    Aggregate,
    CounterSettings,
    GroupSettings,
    Missing,
    Over,
    Rejected,
    Settings,
    SourceSettings,
)

MAX_NODES = 10_000
MAX_DEPTH = 150
"""How large and how deep a formula may get when the counters it uses are written out."""

_LISTED_PERIODS = 12

LISTED = ""
"""The name of the group of all entities that the entities table lists, where there may be figures of others."""


class Spec(msgspec.Struct, frozen=True):
    """A counter to compute: `fields` are those of its formula, `values` the counters whose cells it uses.

    Of the fields, `optional` are those that count as zero where they are missing, `strict` those that must not be
    missing, and of `trusted` no value may be rejected. `complete`: only entities that have all fields count.
    """

    name: str
    node: Node
    over: Over
    aggregate: Aggregate
    missing: Missing
    fields: tuple[str, ...]
    values: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    strict: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()
    complete: bool = False

    @property
    def by_entity(self) -> bool:
        """Whether what belongs to one entity has to be brought together."""
        return self.complete or self.over is Over.ENTITIES


class Group(msgspec.Struct, frozen=True):
    """A group of entities; in a mask it is bit `bit`. One with `group_by` stands for those of its column's values."""

    name: str
    bit: int
    where: str | None = None
    entities: tuple[str, ...] = ()
    group_by: str | None = None


def bits_of(mask: int) -> Iterator[int]:
    """The bits of the groups that a mask says an entity is in."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


class Period(msgspec.Struct, frozen=True):
    """A period as the table has it and as people call it."""

    key: Key
    label: str


class Plan(msgspec.Struct, frozen=True):
    """What is read from one source, and what is made of it.

    `wanted` are the counters to report; `specs` has those that they use as values too. `totals` are the fields whose
    totals are needed, be it only to find out which period is the latest. `periods` are the keys of the only periods to
    read (`None`: all).
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
        """The counters for which what belongs to one entity is brought together."""
        return tuple(spec for spec in self.specs.values() if spec.by_entity)

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that are needed, each once, in order of their names."""
        return tuple(sorted({field for spec in self.specs.values() for field in spec.fields}))

    def used(self, counter: str) -> tuple[Spec, ...]:
        """The spec of a counter and those of the counters that it uses as values, directly or not."""
        specs: dict[str, Spec] = {}
        todo = [counter]
        while todo:
            name = todo.pop()
            if name not in specs:
                specs[name] = self.specs[name]
                todo += specs[name].values
        return tuple(specs.values())

    def without(self, failures: Mapping[str, Failure]) -> Plan:
        """The plan in which these counters fail, and are not computed."""
        kept = [name for name in self.wanted if name in self.specs and name not in failures]
        used = {spec.name for name in kept for spec in self.used(name)}
        specs = {name: spec for name, spec in self.specs.items() if name in used}
        return msgspec.structs.replace(self, specs=specs, failures={**self.failures, **failures})


def ambiguous(settings: Settings, source: str, counters: Iterable[str]) -> set[str]:
    """The names in formulas that are counters too, so that one has to know whether there is such a field."""
    reached: set[str] = set()
    known = _formulas(settings, source)
    for counter in counters:
        for name in _reachable(counter, known):
            reached.add(name)
    return reached


def mentioned(settings: Settings, source: str, counters: Iterable[str]) -> set[str]:
    """The names in the formulas of counters, and in those that they use."""
    known = _formulas(settings, source)
    named: set[str] = set()
    for used in {reached for counter in counters for reached in (counter, *_reachable(counter, known))}:
        with contextlib.suppress(FormulaError):
            named |= {name.name for name in names(parse(known[used].formula or ""))}
    return named


class KnownFields(msgspec.Struct, frozen=True):
    """The names of the fields of a source, as far as they are known.

    `complete`: these are all that it has. If not (a long table without a lookup table), every name that is no counter
    is taken for a field, and reading tells. `cures`: what makes fields of some names that are none.
    """

    names: Collection[str]
    complete: bool = True
    cures: Mapping[str, str] = {}


def make_plan(
    settings: Settings, source: str, counters: Sequence[str], fields: KnownFields, *, strangers: bool = False
) -> Plan:
    """The plan for some counters of a source. `strangers`: there may be figures of entities that no table lists."""
    resolver = _Resolver(settings, source, fields)
    specs: dict[str, Spec] = {}
    failures: dict[str, Failure] = {}
    for counter in counters:
        try:
            specs |= resolver.specs(counter)
        except ConfigError as error:
            failures[counter] = Failure(Reason.CONFIG, error.message, error.hint)
    wanted = {counter: settings.counters[counter] for counter in counters}
    groups = _groups(settings, [wanted[name] for name in counters if name not in failures], strangers=strangers)
    plan = Plan(source, settings.sources[source], wanted, specs, failures, groups)
    totals = {field for spec in specs.values() if not spec.by_entity for field in spec.fields}
    for counter in counters:
        if counter not in failures and LATEST in wanted[counter].periods:
            totals |= {field for spec in plan.used(counter) for field in spec.fields}
    return msgspec.structs.replace(plan, totals=tuple(sorted(totals)))


def labels(counters: Iterable[CounterSettings]) -> set[str] | None:
    """The periods to read by their labels (`latest` among them, as that); `None`: all of them."""
    wanted: set[str] = set()
    for counter in counters:
        if counter.periods == EACH or ALL in counter.periods:
            return None
        wanted.update(counter.periods)
    return wanted


def only(periods: Sequence[Period], wanted: Collection[str], latest: Collection[Key], *, compare: bool) -> set[Key]:
    """The keys of the wanted periods and the `latest` ones, and with `compare` of those before them."""
    chosen: set[Key] = set()
    for at, period in enumerate(periods):
        if period.label in wanted or period.key in latest:
            chosen.add(period.key)
            if compare and at:
                chosen.add(periods[at - 1].key)
    return chosen


def no_period(label: str, periods: Sequence[Period]) -> Failure:
    """What is wrong with a period that does not exist, and which do (the newest of many)."""
    newest = [f'"{period.label}"' for period in periods[-_LISTED_PERIODS:]]
    more = "… " if len(periods) > _LISTED_PERIODS else ""
    hint = f"there {'is' if len(newest) == 1 else 'are'} {more}{', '.join(newest) or 'none'}"
    return Failure(Reason.CONFIG, f'there is no period "{label}"', hint)


def _formulas(settings: Settings, source: str) -> dict[str, CounterSettings]:
    return {
        name: counter
        for name, counter in settings.counters.items()
        if counter.source == source and counter.formula is not None
    }


def _reachable(counter: str, formulas: Mapping[str, CounterSettings]) -> set[str]:
    """The counters that a counter names, directly or not. What does not parse names nothing."""
    reached: set[str] = set()
    todo = [counter]
    while todo:
        current = todo.pop()
        try:
            used = {name.name for name in names(parse(formulas[current].formula or ""))}
        except FormulaError:
            continue
        # Its own name can only be a field's.
        new = (used & formulas.keys()) - reached - {current}
        reached |= new
        todo += new
    return reached


class _Resolver:
    """Turns counters into specs; each formula is parsed once."""

    def __init__(self, settings: Settings, source: str, fields: KnownFields) -> None:
        self._formulas = _formulas(settings, source)
        self._source = settings.sources[source]
        self._fields = fields
        self._parsed: dict[str, Node] = {}
        self._found: dict[str, dict[str, Spec]] = {}

    def specs(self, counter: str, path: tuple[str, ...] = ()) -> dict[str, Spec]:
        """The spec of a counter, and those of the counters that it uses as values. Raises `ConfigError`."""
        if counter not in self._found:
            self._check_path(counter, path)
            spec = self._spec(counter)
            specs = {counter: spec}
            for name in spec.values:
                specs |= self.specs(name, (*path, counter))
            self._found[counter] = specs
        return self._found[counter]

    def _check_path(self, counter: str, path: tuple[str, ...]) -> None:
        if counter in path:
            circle = " → ".join((*path[path.index(counter) :], counter))
            raise FormulaError(f"counters use each other in a circle: {circle}")
        if len(path) > MAX_DEPTH:
            raise FormulaError(f"counter {path[0]} uses counters that use counters, more than {MAX_DEPTH} deep")

    def _spec(self, counter: str) -> Spec:
        settings = self._formulas[counter]
        rules: dict[str, set[tuple[Missing, Rejected]]] = {}
        values: dict[str, None] = {}
        node = self._expand(counter, settings, (counter,), rules, values)
        if not rules and not values:
            raise FormulaError(f"the formula of counter {counter} names no field")
        return Spec(
            counter,
            node,
            settings.over,
            settings.aggregate,
            settings.missing,
            tuple(rules),
            tuple(values),
            optional=frozenset(f for f, of in rules.items() if all(missing is Missing.ZERO for missing, _ in of)),
            strict=frozenset(f for f, of in rules.items() if any(missing is Missing.FAIL for missing, _ in of)),
            trusted=frozenset(f for f, of in rules.items() if any(rejected is Rejected.FAIL for _, rejected in of)),
            complete=settings.complete,
        )

    def _expand(
        self,
        counter: str,
        outer: CounterSettings,
        path: tuple[str, ...],
        rules: dict[str, set[tuple[Missing, Rejected]]],
        values: dict[str, None],
    ) -> Node:
        """The formula of `counter` as a part of that of `outer`; its fields are added to `rules`, and the counters
        that stand for their values to `values`.
        """
        self._check_path("", path)
        settings = self._formulas[counter]

        def replace(name: Name) -> Node:
            if self._is_field(name.name, counter):
                # Of a complete counter each field is required, also of those that another counter counts as zero.
                missing = Missing.SKIP if outer.complete else settings.missing
                rules.setdefault(name.name, set()).add((missing, settings.rejected or self._source.rejected))
                return Name(name.name, name.at, zero=missing is Missing.ZERO)
            if name.name not in self._formulas or name.name == counter:
                raise self._unknown(name.name, counter)
            if outer.complete and self._formulas[name.name].over is Over.ENTITIES:
                message = f"counter {path[0]} is complete, and so cannot use {name.name}, which is over entities"
                raise FormulaError(message, hint="remove complete, or use another counter")
            if outer.over is Over.TOTALS and not outer.complete:
                values[name.name] = None
                return name
            if name.name in path:
                self._check_path(name.name, path)
            return self._expand(name.name, outer, (*path, name.name), rules, values)

        node = substitute(self._parse(counter), replace)
        count, depth = size(node)
        if count > MAX_NODES or depth > MAX_DEPTH:
            message = f"the formula of counter {path[0]} is too large when the counters that it uses are written out"
            raise FormulaError(message, hint=f"at most {MAX_NODES} terms, {MAX_DEPTH} deep")
        return node

    def _parse(self, counter: str) -> Node:
        if counter not in self._parsed:
            try:
                self._parsed[counter] = parse(self._formulas[counter].formula or "")
            except FormulaError as error:
                raise FormulaError(f"the formula of counter {counter}: {error.message}", hint=error.hint) from None
        return self._parsed[counter]

    def _is_field(self, name: str, counter: str) -> bool:
        if self._fields.complete:
            return name in self._fields.names
        return name in self._fields.names or name == counter or name not in self._formulas

    def _unknown(self, name: str, counter: str) -> ConfigError:
        fields = self._fields.names if self._fields.complete else ()
        kind = "field" if name == counter else "field or counter"
        hint = self._fields.cures.get(name) or nearest(name, {*fields, *self._formulas} - {counter})
        hint = hint or f"the fields are: {some(sorted(fields))}"
        return FormulaError(f'counter {counter}: no {kind} is called "{name}"', hint=hint)


def _groups(settings: Settings, counters: Iterable[CounterSettings], *, strangers: bool) -> tuple[Group, ...]:
    """The groups that some counter uses, `all` apart; and where there may be strangers, the listed entities."""
    groups: list[Group] = []
    if strangers:
        groups.append(Group(LISTED, 0, where="1 = 1"))
    for name in dict.fromkeys(group for counter in counters for group in counter.groups if group != ALL):
        groups.append(_group(name, len(groups), settings.groups[name]))
    return tuple(groups)


def with_every_group(settings: Settings, plan: Plan) -> Plan:
    """The plan with the groups of the source that no counter uses, too."""
    groups = list(plan.groups)
    used = {group.name for group in groups}
    for name, group in settings.groups.items():
        if group.source == plan.source and name not in used:
            groups.append(_group(name, len(groups), group))
    return msgspec.structs.replace(plan, groups=tuple(groups))


def _group(name: str, bit: int, settings: GroupSettings) -> Group:
    """A group as it is configured."""
    return Group(name, bit, settings.where, settings.entities or (), settings.group_by)
