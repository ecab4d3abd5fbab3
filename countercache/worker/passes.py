"""One query of a pass: runs it and makes mergeable parts of its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import msgspec

from countercache.compute.formula import Name, evaluate
from countercache.compute.partial_sums import CompleteTotals, EntityStats, PartialSums, Totals
from countercache.compute.plan import LISTED, Plan, Spec
from countercache.compute.rejections import Rejection
from countercache.databases.base import Database, Overflow, Refused, Row
from countercache.databases.entity_columns import EntityColumns
from countercache.databases.field_values import InexactError, read_example
from countercache.databases.group_masks import unmask, words_of
from countercache.databases.query_parts import KeyPacking, Part
from countercache.databases.statements import Reading, Statements
from countercache.errors import ConfigError
from countercache.model.states import Reason
from countercache.model.table import Key
from countercache.worker.batching import Batch
from countercache.worker.key_equivalence import KeyEquivalence
from countercache.worker.names import Names

_NO_ROWS = 10**18
"""A number of rows for which only tiny values are added as whole numbers, so that no sum overflows."""


Found = TypeVar("Found")
ReadNumber = Callable[[Any], Decimal]


class _UnpackableError(Exception):
    """A period is no whole number."""


class Passes:
    """Reads a source as a plan says. `periods` are those that are known, `array` is of `Masks`."""

    def __init__(
        self, database: Database, names: Names, plan: Plan, periods: KeyEquivalence, array: str | None = None
    ) -> None:
        self._database = database
        self._periods = periods
        self._listed = next((1 << group.bit for group in plan.groups if group.name == LISTED), 0)
        fields = () if names.facts.wide else names.facts.fields.values()
        self._fields = KeyEquivalence(database, names.facts, names.facts.settings.field or "", fields)
        self._named: defaultdict[Key, list[str]] = defaultdict(list)
        for name, key in names.facts.fields.items():
            self._named[key].append(name)
        self._names = names
        self._plan = plan
        self._array = array
        self._guarded = names.may_reject()
        self._overflows = False
        self._checked: frozenset[str] = frozenset()
        self._statements: dict[Reading, Statements] = {}
        self._engine = database.engine
        self._packing: KeyPacking | None = self._engine.packing(names.facts, len(plan.groups))

    def statements(self, rows: int | None = None) -> Statements:
        """The queries, of which one adds up so many rows at most (`None`: all that the table has)."""
        limit = _NO_ROWS if self._overflows else self._names.facts.table.rows if rows is None else rows
        reading = Reading(self._guarded, limit, self._array, self._packing)
        if reading not in self._statements:
            self._statements[reading] = Statements(self._engine, self._names.facts, self._plan, reading)
        return self._statements[reading]

    def read_only(self, periods: Iterable[Key] | None) -> None:
        """From now on read these periods and no others (`None`: all)."""
        keys = None if periods is None else tuple(sorted(periods, key=repr))
        if keys != self._plan.periods:
            self._plan = msgspec.structs.replace(self._plan, periods=keys)
            self._statements.clear()

    def totals(self, batch: Batch, into: PartialSums, rows: int | None = None) -> None:
        """Add the totals of a batch."""
        for period, field, mask, totals in self._read(lambda: self._totals(batch, rows)):
            into.add_totals(period, field, mask, totals)

    def entities(self, batch: Batch, into: PartialSums) -> None:
        """Add the statistics of entities of a batch."""
        into.add(self._read(lambda: self._entities(batch)))

    def rejections(self) -> dict[tuple[Key, str, int], Rejection]:
        """What was rejected, by period, field and mask."""
        rejections: dict[tuple[Key, str, int], Rejection] = {}
        words = words_of(self._plan.groups)
        for row in self._database.rows(self.statements().rejections(self._plan.fields)):
            mask = unmask(row[1 : 1 + words])
            for i, field in enumerate(self._plan.fields):
                values, rejected, example = row[1 + words + 3 * i : 4 + words + 3 * i]
                if rejected and self._is_listed(mask):
                    key = (self._periods.one(row[0]), field, mask)
                    rejection = Rejection(values, rejected, *read_example(example))
                    rejections[key] = rejections.get(key, Rejection()) + rejection
                elif values and self._is_listed(mask):
                    key = (self._periods.one(row[0]), field, mask)
                    rejections[key] = rejections.get(key, Rejection()) + Rejection(values)
        return rejections

    def other_periods(self, known: Iterable[Key]) -> set[Key]:
        """The periods beside the known ones that have values."""
        words = words_of(self._plan.groups)
        rows = self._database.rows(self.statements().other_periods(known))
        return {self._periods.one(row[0]) for row in rows if self._is_listed(unmask(row[1 : 1 + words]))}

    def _is_listed(self, mask: int) -> bool:
        return not self._listed or bool(mask & self._listed)

    def checked(self, fields: Sequence[str]) -> None:
        """Take note that all values of these fields have been read, and are numbers or were sorted out."""
        self._checked |= frozenset(fields)

    def _read(self, read: Callable[[], Found]) -> Found:
        """What `read` gives; values that turn out to be none, or too large, make it begin again, more carefully."""
        while True:
            try:
                return read()
            except InexactError:
                if self._guarded:
                    name = self._plan.settings.table
                    raise Refused(Reason.DATABASE, f"the database gives no exact sum of figures of {name}") from None
                self._guarded = True
            except _UnpackableError:
                self._packing = None
            except Overflow:
                if self._overflows:
                    raise
                self._overflows = True

    def _totals(self, batch: Batch, rows: int | None) -> list[tuple[Key, str, int, Totals]]:
        words = words_of(self._plan.groups)
        totals: list[tuple[Key, str, int, Totals]] = []

        def add(period: Key, field: str, mask: int, numbers: Row) -> None:
            if self._is_listed(mask):
                totals.append((self._periods.one(period), field, mask, self._engine.field_values.read_totals(numbers)))

        for row in self._totals_rows(batch, self.statements(rows)):
            if self._packing:
                unpacked = self._packing.unpack(row[0])
                if unpacked is None:
                    raise _UnpackableError
                for name in self._named.get(unpacked[1], []):
                    add(unpacked[0], name, unpacked[2], row[1:])
            elif self._names.facts.wide:
                mask = unmask(row[1 : 1 + words])
                for i, field in enumerate(self._plan.totals):
                    at = 1 + words + 3 * i
                    add(row[0], field, mask, row[at : at + 3])
            else:
                mask, numbers = unmask(row[2 : 2 + words]), row[2 + words :]
                # A field may have several names, which the column takes for one.
                for name in (name for key in self._fields.all(row[1]) for name in self._named.get(key, [])):
                    add(row[0], name, mask, numbers)
        return totals

    def _totals_rows(self, batch: Batch, statements: Statements) -> list[Row]:
        if self._engine.features.reads_parts_together:
            return self._database.rows(statements.totals(*batch.parts))
        return self._database.side_by_side([statements.totals(part) for part in batch.parts])

    def _entities(self, batch: Batch) -> PartialSums:
        specs = self._plan.entity_specs
        parts = PartialSums()
        columns = self.statements().entity_columns(specs, self._checked)
        if columns is None:
            for part in batch.parts:
                parts.add(self._entity_rows(specs, part))
            return parts
        words = words_of(self._plan.groups)
        for row in self._entities_by_group(specs, columns, batch):
            columns.check(row)
            mask = unmask(row[1 : 1 + words])
            if not self._is_listed(mask):
                continue
            period = self._periods.one(row[0])
            if row[columns.at[""]["present"]]:
                parts.present.add(period)
            for spec in specs:
                values = {name: row[at] for name, at in columns.at[spec.name].items()}
                number = partial(columns.number, counter=spec.name)
                parts.any_rejected |= bool(values.get("rejected"))
                if spec.complete:
                    parts.completes[period, spec.name, mask] += _complete_totals(spec, values, number)
                else:
                    parts.entity_stats[period, spec.name, mask] += _stats(values, number)
        return parts

    def _entities_by_group(self, specs: Sequence[Spec], columns: EntityColumns, batch: Batch) -> list[Row]:
        statements = self.statements()
        if self._engine.features.reads_parts_together:
            return self._database.rows_by_hash(statements.entities(specs, columns, *batch.parts))
        return self._database.side_by_side([statements.entities(specs, columns, part) for part in batch.parts])

    def _entity_rows(self, specs: Sequence[Spec], within: Part) -> PartialSums:
        """Compute the formulas here, row by row, for a database that cannot divide exactly."""
        parts = PartialSums()
        words = words_of(self._plan.groups)
        fields = sorted({field for spec in specs for field in spec.fields})
        for row in self._database.stream(self.statements().entity_rows(fields, within)):
            entity, mask = row[0], unmask(row[2 : 2 + words])
            if not self._is_listed(mask):
                continue
            period = self._periods.one(row[1])
            numbers = row[2 + words :]
            read = self._engine.field_values.read_entity
            sums = {field: read(numbers[2 * i : 2 * i + 2]) for i, field in enumerate(fields)}
            self._add_entity(parts, specs, sums, entity, period, mask)
        return parts

    def _add_entity(
        self, parts: PartialSums, specs: Sequence[Spec], sums: dict[str, Totals], entity: Key, period: Key, mask: int
    ) -> None:
        """Add what an entity gives to each counter in a period."""
        parts.any_rejected |= any(part.rejected for part in sums.values())
        if any(part.figures or part.rejected for part in sums.values()):
            parts.present.add(period)
        for spec in specs:
            if not spec.complete:
                parts.entity_stats[period, spec.name, mask] += entity_stats(spec, sums, entity)
            elif all(sums[field].figures for field in spec.fields):
                totals = {field: sums[field].total for field in spec.fields}
                parts.completes[period, spec.name, mask] += CompleteTotals(1, totals)


def entity_stats(spec: Spec, sums: dict[str, Totals], entity: Key) -> EntityStats:
    """What one entity adds to a counter in one period."""
    present = {field for field in spec.fields if sums[field].figures}
    if not present:
        return EntityStats()
    lacking = not spec.strict <= present
    stats = EntityStats(rows=1, lacking=int(lacking), example=entity if lacking else None)
    if not frozenset(spec.fields) - spec.optional <= present:
        return stats

    def lookup(name: Name) -> Decimal:
        return sums[name.name].total

    try:
        value = evaluate(spec.node, lookup)
    except ZeroDivisionError:
        return stats + EntityStats(complete=1)
    if value is None:
        raise ConfigError(f"counter {spec.name} has no value for an entity with all its fields")
    return stats + EntityStats(1, value, value, value, 1)


def _complete_totals(spec: Spec, columns: dict[str, Any], number: ReadNumber) -> CompleteTotals:
    """The totals of a complete counter from columns by their names."""
    if not columns["complete"]:
        return CompleteTotals()
    return CompleteTotals(columns["complete"], {field: number(columns[f"total {field}"]) for field in spec.fields})


def _stats(columns: dict[str, Any], number: ReadNumber) -> EntityStats:
    """Statistics from columns by their names; those that nobody asked for are not there."""
    total, low, high = (
        None if columns.get(name) is None else number(columns[name]) for name in ("total", "low", "high")
    )
    return EntityStats(
        int(columns["count"]),
        total or Decimal(0),
        low,
        high,
        columns["complete"],
        columns.get("rows", columns["complete"]),
        columns.get("lacking", 0),
        columns.get("example"),
    )
