"""One source of one database: reads its names, runs its passes batch by batch, and yields counters as they complete.

What goes wrong with one counter, group or period is that one's failure; what goes wrong with the table is raised, and
is the failure of every counter of the source.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import msgspec

from countercache.compute.aggregation import Aggregation, group_sizes
from countercache.compute.formula import nearest
from countercache.compute.latest_period import PERIODS_BEFORE, Latest, latest, likely
from countercache.compute.partial_sums import Known, PartialSums
from countercache.compute.plan import Group, Period, labels, only, with_every_group
from countercache.compute.rejections import Rejection
from countercache.databases.base import Database, Refused, Row
from countercache.databases.features import BlockScan
from countercache.databases.group_masks import unmask
from countercache.databases.statements import Statements
from countercache.model.states import ALL, LATEST, Failure, Progress, Reason
from countercache.model.table import Key
from countercache.settings import Settings
from countercache.worker.batching import ROWS, Batch, Batcher
from countercache.worker.key_equivalence import KeyEquivalence
from countercache.worker.names import Names, read_names
from countercache.worker.passes import Passes
from countercache.worker.protocol import Finished
from countercache.worker.row_passes import RowPasses
from countercache.worker.value_groups import with_value_groups

Report = Callable[[Progress], None]

MANY_ROWS = 200_000
"""Rows from which on it pays to look masks up in an array."""


class Source:
    """The part of a job that concerns one source."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        source: str,
        counters: Sequence[str],
        report: Report,
        *,
        every_group: bool = False,
    ) -> None:
        """Reads the names; with `every_group` also those of groups that no counter uses.

        Raises `ConfigError` and `Refused` where the tables are not as configured.
        """
        self._database = database
        self._source = source
        self._report = report
        self._began = time.monotonic()
        report(Progress(f"reading the names of {source}"))
        self.names: Names = read_names(database, settings, source, counters)
        plan = with_every_group(settings, self.names.plan) if every_group else self.names.plan
        self.plan, self.group_failures = with_value_groups(database, settings, self.names, plan)
        self._parts = PartialSums()
        self._fields: set[str] = set()
        self._read: set[Key] = set()
        self._keys: list[tuple[int, int]] = []
        self._sizes: dict[str, int] = {}
        self._periods = self.names.periods
        facts = self.names.facts
        self._equivalence = KeyEquivalence(
            database, facts, facts.settings.period or "", (period.key for period in self._periods or ())
        )
        self._latest: dict[str, Latest] = {}
        self._rejections: dict[tuple[Key, str, int], Rejection] | None = None

    def statements(self) -> Statements:
        """The queries as the plan has them now. (A pass may look masks up in an array instead of joining them.)"""
        return self._passes().statements()

    def _passes(self, array: str | None = None) -> Passes:
        kind = RowPasses if self._database.features.reads_rows else Passes
        return kind(self._database, self.names, self.plan, self._equivalence, array)

    def prepare(self) -> None:
        """Look at what the passes need to know besides names: groups and periods."""
        self._report(Progress(f"looking at the groups of {self._source}"))
        self._read_groups()
        self._choose_periods()

    def _choose_periods(self) -> None:
        """Find out which periods to read first, where not all of them are needed."""
        wanted = self._wanted_labels()
        if wanted is None or not self.plan.specs:
            return
        if LATEST in wanted and not self._database.features.one_snapshot:
            return  # which one that is, what is read then has to tell
        self._read_only(likely(self.periods(), wanted, compare=self._compares()))

    def periods(self) -> tuple[Period, ...]:
        """All periods; those that only the source's own table knows are looked for once."""
        if self._periods is None:
            self._periods = self.names.periods_of(self._database, self._passes().other_periods(()))
        return self._periods

    def _wanted_labels(self) -> set[str] | None:
        return labels(self.plan.wanted[name] for name in self.plan.specs if name in self.plan.wanted)

    def _compares(self) -> bool:
        return any(counter.compare for counter in self.plan.wanted.values())

    def _read_only(self, periods: Collection[Key]) -> None:
        self.plan = msgspec.structs.replace(self.plan, periods=tuple(sorted(periods, key=repr)))

    def compute(self, batch_size: int | str) -> Iterator[Finished]:
        """All counters of the plan, each as soon as it is complete."""
        for counter, failure in self.plan.failures.items():
            yield Finished(counter, failure=failure)
        if not self.plan.specs:
            return
        self.prepare()
        later = {name for name in self.plan.specs if any(spec.by_entity for spec in self.plan.used(name))}
        passes = self._passes(self._array(batch_size))
        self._read_totals(passes, batch_size, self.plan.periods)
        self._find_latest(passes, batch_size)
        passes.read_only(self.plan.periods)
        if len(later) < len(self.plan.specs):
            yield from self._finish(passes, [name for name in self.plan.specs if name not in later])
        if later:
            if self.plan.periods != ():
                batches = self._batcher(passes).entities(batch_size)
                self._run(batches, lambda batch: passes.entities(batch, self._parts), f"entities of {self._source}")
                self._fields |= set(self.plan.fields)
            yield from self._finish(passes, [name for name in self.plan.specs if name in later])

    def _read_totals(self, passes: Passes, batch_size: int | str, periods: Collection[Key] | None) -> None:
        """Read the totals of these periods (`None`: of all)."""
        if not self.plan.totals or periods == ():
            return
        passes.read_only(periods)
        rows = ROWS if isinstance(batch_size, str) and self._in_blocks() else None
        batches = self._batcher(passes).totals(batch_size)
        self._run(batches, lambda batch: passes.totals(batch, self._parts, rows), f"totals of {self._source}")
        passes.checked(self.plan.totals)
        self._fields |= set(self.plan.totals)
        self._read |= set(periods or ())

    def _find_latest(self, passes: Passes, batch_size: int | str) -> None:
        """Find out which period is the latest for each counter that wants it, and read what is needed for it."""
        wanted = [name for name, of in self.plan.wanted.items() if LATEST in of.periods and name in self.plan.specs]
        if not wanted:
            return
        if self.plan.periods is None:
            periods = self._known_periods(passes)[0]
            self._decide(wanted, periods, some_unread=False)
            return
        periods = self._periods or ()
        unread = tuple(period.key for period in periods if period.key not in self._read)
        if not self._decide(wanted, periods, some_unread=bool(unread)):
            self._read_totals(passes, batch_size, unread)
            self._decide(wanted, periods, some_unread=False)
        latest = {decided.period for decided in self._latest.values() if decided.period is not None}
        needed = only(periods, self._wanted_labels() or (), latest, compare=self._compares())
        self._read_totals(passes, batch_size, tuple(needed - self._read))
        self._read_only(needed)

    def _decide(self, counters: Iterable[str], periods: Sequence[Period], *, some_unread: bool) -> bool:
        """Note which period is the latest for the counters; `False` if more periods have to be read to know."""
        counts = self._parts.counts()
        counted = periods[-1 - PERIODS_BEFORE :] if some_unread else periods
        for counter in counters:
            decided = latest(self.plan, counter, counted, counts, some_unread=some_unread)
            if decided is None:
                return False
            self._latest[counter] = decided
        return True

    def _finish(self, passes: Passes, counters: Iterable[str]) -> Iterator[Finished]:
        aggregation = Aggregation(self.plan, self._known(passes), self._parts)
        duration = time.monotonic() - self._began
        for counter in counters:
            # One that failed may be among them, for the value that others use.
            if counter in self.plan.wanted and counter not in self.plan.failures:
                cells = tuple(aggregation.cells(counter, duration))
                yield Finished(counter, cells=cells) if cells else Finished(counter, failure=self._no_periods())

    def _no_periods(self) -> Failure:
        """Why a counter over each period has no cell."""
        return Failure(Reason.NO_FIGURES, f"{self.plan.settings.table} has no figures in any period")

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
        lowest, highest = min(low for low, _ in self._keys), max(high for _, high in self._keys)
        query = self.statements().masks.array_query(self._sizes[ALL], lowest, highest)
        found = None if query is None else self._database.attempt(query)
        return str(found[0][0]) if found else None

    def _batcher(self, passes: Passes) -> Batcher:
        facts = self.names.facts
        return Batcher(self._database, passes.statements(), facts.table, facts.settings.entity, self._sizes[ALL])

    def _in_blocks(self) -> bool:
        """Whether a limited number of rows is added up at a time."""
        rowids = self._database.features.block_scan is BlockScan.ROWIDS
        return rowids and self.names.facts.table.blocks is not None

    def _read_groups(self) -> None:
        """How many entities each group has; and what is wrong with a group."""
        self._check_conditions()
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
                hint = 'look at its "where" or "entities"'
                nobody = Failure(Reason.CONFIG, f'group "{group.name}" selects nobody', hint)
                self.group_failures.setdefault(group.name, nobody)

    def _read_sizes(self) -> list[Row]:
        masks = self.statements().masks
        if preparation := masks.preparation():
            self._database.scratch(preparation)
        return self._database.rows(masks.sizes())

    def _check_conditions(self) -> None:
        """Leave out the groups whose condition could reach beyond its place in a query: none of it is run."""
        good: list[Group] = []
        for group in self.plan.groups:
            if group.where is not None and (problem := self._database.dialect.flaw(group.where)):
                message = f'group "{group.name}": its "where" must be one expression by itself: {problem}'
                self.group_failures[group.name] = Failure(Reason.CONFIG, message)
            else:
                good.append(msgspec.structs.replace(group, bit=len(good)))
        self.plan = msgspec.structs.replace(self.plan, groups=tuple(good))

    def _drop_groups(self, error: Refused) -> None:
        """Leave out the groups whose condition the database refuses; if it is none of them, the error is raised."""
        good: list[Group] = []
        for group in self.plan.groups:
            try:
                with self._database.savepoint():
                    self._database.rows(self.statements().masks.attempt(group))
            except Refused as refused:
                message = f'group "{group.name}": {refused.message}'
                self.group_failures[group.name] = Failure(Reason.CONFIG, message, refused.hint)
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
        existing = {name for (name,) in self._database.rows(self.statements().masks.named(sorted(named)))}
        # Of those that are not spelled like that, the database says whether they are the same to it.
        masks = self.statements().masks
        existing |= {name for name in sorted(named - existing) if self._database.rows(masks.named([name]))}
        if named <= existing:
            return
        known = self.names.entity_names(self._database)
        for group in self.plan.groups:
            for name in group.entities:
                if name not in existing:
                    message = f'group "{group.name}": no entity is called "{name}"'
                    self.group_failures[group.name] = Failure(Reason.CONFIG, message, nearest(name, known))

    def _known(self, passes: Passes) -> Known:
        """What else is known by now, with what was found about rejected values and those who lack a field."""
        periods, present = self._known_periods(passes)
        if self._rejections is None and self._parts.any_rejected:
            self._rejections = passes.rejections()
        rejections = self._rejections or {}
        examples: set[Key] = {rejection.entity for rejection in rejections.values() if rejection.rejected}
        examples |= {stats.example for stats in self._parts.entity_stats.values() if stats.example is not None}
        return Known(
            tuple(periods),
            frozenset(present),
            self._sizes,
            self.group_failures,
            self._latest,
            rejections,
            self.names.names_of(self._database, examples),
            self.names.facts.spellings(),
        )

    def _known_periods(self, passes: Passes) -> tuple[Sequence[Period], set[Key]]:
        """The periods in their order, and the keys of those that have values (as far as that matters)."""
        present = set(self._parts.present)
        if self.plan.periods is None and self._may_have_more(present):
            present |= passes.other_periods(sorted(present, key=repr))
        # Without a periods table, the periods are those that have values.
        periods = self._periods
        if periods is None:
            periods = self.names.periods_of(self._database, present)
        return periods, present

    def _may_have_more(self, present: set[Key]) -> bool:
        """Whether a field that was not read (yet) may have values in a period that was not seen."""
        if self.names.complete and self._fields >= set(self.names.facts.fields):
            return False
        return self._periods is None or any(period.key not in present for period in self._periods)


def by_source(settings: Settings, counters: Sequence[str]) -> dict[str, list[str]]:
    """The counters over sources, by source."""
    by_name: dict[str, list[str]] = {}
    for counter in counters:
        source = settings.counters[counter].source
        if source is not None:
            by_name.setdefault(source, []).append(counter)
    return by_name
