"""One source of one database: reads its names, runs its passes batch by batch, and yields counters as they complete.

What goes wrong with one counter, group or period is that one's failure; what goes wrong with the table is raised, and
is the failure of every counter of the source.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from countercache.alike import Alike
from countercache.batches import ROWS, Batch, Cut
from countercache.database import Database, Refused, Row
from countercache.fold import Fold, Known, Parts, group_sizes
from countercache.formula import nearest
from countercache.masks import unmask
from countercache.messages import Finished
from countercache.names import Names, read_names
from countercache.passes import Passes
from countercache.plan import Group, Period, Plan, labels, only
from countercache.settings import Over, Settings
from countercache.sql import Statements
from countercache.states import ALL, LATEST, Failure, Progress, Reason
from countercache.tables import Key

Report = Callable[[Progress], None]

MANY_ROWS = 200_000
"""Rows from which on it pays to look masks up in an array."""


class Source:
    """The part of a job that concerns one source."""

    def __init__(
        self, database: Database, settings: Settings, source: str, counters: Sequence[str], report: Report
    ) -> None:
        """Reads the names. Raises `ConfigError` and `Refused` where the tables are not as configured."""
        self._database = database
        self._source = source
        self._report = report
        self._began = time.monotonic()
        report(Progress(f"reading the names of {source}"))
        self.names: Names = read_names(database, settings, source, counters)
        self.plan: Plan = self.names.plan
        self._parts = Parts()
        self._fields: set[str] = set()
        self._keys: list[tuple[int, int]] = []
        self._group_failures: dict[str, Failure] = {}
        self._sizes: dict[str, int] = {}
        self._periods = self.names.periods
        facts = self.names.facts
        self._alike = Alike(database, facts, facts.settings.period, (each.key for each in self._periods or ()))
        self._latest: Key | None = None

    def statements(self) -> Statements:
        """The queries as the plan has them now. (A pass may look masks up in an array instead of joining them.)"""
        return self._passes().statements()

    def _passes(self, array: str | None = None) -> Passes:
        return Passes(self._database, self.names, self.plan, self._alike, array)

    def _other_periods(self, known: Iterable[Key]) -> set[Key]:
        """The periods beside the known ones that have figures."""
        return {self._alike.one(key) for (key,) in self._database.rows(self.statements().other_periods(known))}

    def prepare(self) -> dict[str, Failure]:
        """Look at what the passes need to know besides names: periods and groups. Returns what is wrong with groups."""
        self._choose_periods()
        self._report(Progress(f"looking at the groups of {self._source}"))
        self._read_groups()
        return self._group_failures

    def _choose_periods(self) -> None:
        """Find out which periods to read, where not all of them are needed."""
        wanted = labels(self.plan.wanted[name] for name in self.plan.specs if name in self.plan.wanted)
        if wanted is None or not self.plan.specs:
            return
        periods = self._periods
        if periods is None:
            periods = self._periods = self.names.periods_of(self._database, self._other_periods(()))
            self._latest = periods[-1].key if periods else None
        elif LATEST in wanted:
            self._latest = self._find_latest(periods)
        compare = any(counter.compare for counter in self.plan.wanted.values())
        keys = only(periods, wanted, self._latest, compare=compare)
        self.plan = msgspec.structs.replace(self.plan, periods=keys)

    def compute(self, batch_size: int | str) -> Iterator[Finished]:
        """All counters of the plan, each as soon as it is complete."""
        for counter, failure in self.plan.failures.items():
            yield Finished(counter, failure=failure)
        if not self.plan.specs:
            return
        self.prepare()
        later = {spec.name for spec in self.plan.specs.values() if spec.over is Over.ENTITIES or spec.values}
        passes = self._passes(self._array(batch_size))
        cut = self._cut(passes)
        if self.plan.totals and self.plan.periods != ():
            rows = ROWS if isinstance(batch_size, str) and self._in_blocks() else None
            batches = cut.totals(batch_size)
            self._run(batches, lambda batch: passes.totals(batch, self._parts, rows), f"totals of {self._source}")
            passes.checked(self.plan.totals)
            self._fields |= set(self.plan.totals)
        if len(later) < len(self.plan.specs):
            yield from self._finish(name for name in self.plan.specs if name not in later)
        if later:
            if self.plan.periods != ():
                self._run(
                    cut.entities(batch_size),
                    lambda batch: passes.entities(batch, self._parts),
                    f"entities of {self._source}",
                )
                self._fields |= set(self.plan.fields)
            yield from self._finish(name for name in self.plan.specs if name in later)

    def _finish(self, counters: Iterator[str]) -> Iterator[Finished]:
        fold = Fold(self.plan, self._known(), self._parts)
        duration = time.monotonic() - self._began
        for counter in counters:
            if counter in self.plan.wanted:
                yield Finished(counter, cells=tuple(fold.cells(counter, duration)))

    def _run(self, batches: Iterator[Batch], read: Callable[[Batch], None], phase: str) -> None:
        """Read batch by batch."""
        entities = self._sizes[ALL]
        for batch in batches:
            self._report(Progress(phase, min(batch.done, entities), entities))
            read(batch)
        self._report(Progress(phase, entities, entities))

    def _array(self, batch_size: int | str) -> str | None:
        """The masks in an array, where that is worth it."""
        many = (self.names.facts.table.rows or 0) >= MANY_ROWS
        if not (many and self._keys and self.plan.groups) or isinstance(batch_size, int):
            return None
        masks = self.statements().masks
        lowest, highest = min(low for low, _ in self._keys), max(high for _, high in self._keys)
        count = self._sizes[ALL]
        if not masks.worth_an_array(count, lowest, highest):
            return None
        return str(self._database.rows(masks.array_sql(count, highest))[0][0])

    def _cut(self, passes: Passes) -> Cut:
        facts = self.names.facts
        return Cut(self._database, passes.statements(), facts.table, facts.settings.entity, self._sizes[ALL])

    def _in_blocks(self) -> bool:
        """Whether SQLite adds up a limited number of rows at a time."""
        return self._database.kind == "sqlite" and self.names.facts.table.blocks is not None

    def _read_groups(self) -> None:
        """How many entities each group has; and what is wrong with a group."""
        self._check_entities()
        try:
            with self._database.savepoint():
                rows = self._read_sizes()
        except Refused as error:
            self._drop_groups(error)
            rows = self._read_sizes()
        sizes: dict[int, int] = {}
        for *words, count, _, _ in rows:
            mask = unmask(tuple(words))
            sizes[mask] = sizes.get(mask, 0) + count
        self._sizes = group_sizes(self.plan.groups, sizes)
        self._keys = [(low, high) for *_, low, high in rows if low is not None]
        for group in self.plan.groups:
            if group.name and not self._sizes[group.name]:
                message = f'group "{group.name}" selects nobody; look at its "where" or "entities"'
                self._group_failures.setdefault(group.name, Failure(Reason.CONFIG, message))

    def _read_sizes(self) -> list[Row]:
        masks = self.statements().masks
        if self._database.kind == "sqlite" and masks.groups:
            self._database.scratch(masks.temporary())
        return self._database.rows(masks.sizes())

    def _drop_groups(self, error: Refused) -> None:
        """Leave out the groups whose condition the database refuses; if it is none of them, the error is raised."""
        good: list[Group] = []
        for group in self.plan.groups:
            try:
                with self._database.savepoint():
                    self._database.rows(self.statements().masks.attempt(group))
            except Refused as refused:
                message = f'group "{group.name}": {refused}'
                self._group_failures[group.name] = Failure(Reason.CONFIG, message)
            else:
                good.append(msgspec.structs.replace(group, bit=len(good)))
        if len(good) == len(self.plan.groups):
            raise error
        self.plan = msgspec.structs.replace(self.plan, groups=tuple(good))

    def _check_entities(self) -> None:
        """Groups that name entities which do not exist are wrong as a whole."""
        named = {name for group in self.plan.groups for name in group.entities}
        if not named:
            return
        found = {name for (name,) in self._database.rows(self.statements().masks.named(sorted(named)))}
        if named <= found:
            return
        known = self.names.entity_names(self._database)
        for group in self.plan.groups:
            for name in group.entities:
                if name not in found:
                    hint = nearest(name, known)
                    message = f'group "{group.name}": no entity is called "{name}"' + (f"; {hint}" if hint else "")
                    self._group_failures[group.name] = Failure(Reason.CONFIG, message)

    def _find_latest(self, periods: Sequence[Period]) -> Key | None:
        """The newest period with a figure; mostly the last one, so that is tried first."""
        if not periods:
            return None
        newest = periods[-1].key
        if self._database.rows(self.statements().has_figures(newest)):
            return newest
        others = self._other_periods([newest])
        return next((period.key for period in reversed(periods) if period.key in others), None)

    def _known(self) -> Known:
        """Periods and sizes, with what the passes found."""
        figured = set(self._parts.figured)
        if self._latest is not None:
            figured.add(self._latest)
        if not figured or (self.plan.periods is None and self._may_have_more(figured)):
            figured |= self._other_periods(sorted(figured, key=repr))
        # Without a periods table, the periods are those that have figures.
        periods = self._periods
        if periods is None:
            periods = self.names.periods_of(self._database, figured)
        return Known(periods, frozenset(figured), self._sizes, self._group_failures)

    def _may_have_more(self, figured: set[Key]) -> bool:
        """Whether a field that was not read (yet) may have figures in a period that was not seen."""
        if self.names.complete and self._fields >= set(self.names.facts.fields):
            return False
        return self._periods is None or any(period.key not in figured for period in self._periods)
