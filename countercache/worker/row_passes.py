"""Passes over a database that may not add values itself: rows are read and added up here. Slower, never wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from operator import itemgetter

import msgspec

from countercache.compute.formula import EXACT
from countercache.compute.partial_sums import PartialSums, Totals
from countercache.compute.plan import Spec
from countercache.compute.rejections import Rejection
from countercache.compute.text_numbers import PLAIN, SPACES
from countercache.databases.base import Row
from countercache.databases.driver_values import number, shown
from countercache.databases.group_masks import unmask, words_of
from countercache.databases.query_parts import Part, Range
from countercache.model.table import Key
from countercache.settings import Numbers
from countercache.worker.batching import Batch
from countercache.worker.passes import Passes


class Value(msgspec.Struct, frozen=True):
    """A value of a row: whose it is, of which field and period; `figure` is `None` where it is rejected."""

    entity: Key
    period: Key
    mask: int
    field: str
    stored: object
    figure: Decimal | None


class RowPasses(Passes):
    """Reads a source as a plan says, rows and all where that is safer."""

    def rejections(self) -> dict[tuple[Key, str, int], Rejection]:
        """What was rejected, by period, field and mask."""
        found: dict[tuple[Key, str, int], Rejection] = {}
        for value in self._values(self._plan.fields, Range()):
            place = (value.period, value.field, value.mask)
            here = Rejection(1)
            if value.figure is None:
                here = Rejection(1, 1, str(value.entity), shown(value.stored))
            found[place] = found.get(place, Rejection()) + here
        return found

    def other_periods(self, known: Iterable[Key]) -> set[Key]:
        """The periods beside the known ones that have values; some texts may be none."""
        settings = self._names.facts.settings
        if not any(each and each.null for each in (settings.numbers, *settings.field_numbers.values())):
            return super().other_periods(known)
        fields = tuple(self._names.facts.fields) or self._plan.fields
        return {value.period for value in self._values(fields, Range())} - set(known)

    def _totals(self, batch: Batch, rows: int | None) -> list[tuple[Key, str, int, Totals]]:
        if not (self._guarded or self._overflows):
            return super()._totals(batch, rows)
        found: defaultdict[tuple[Key, str, int], Totals] = defaultdict(Totals)
        for part in batch.parts:
            for value in self._values(self._plan.totals, part):
                found[value.period, value.field, value.mask] += _total(value)
        return [(*place, totals) for place, totals in found.items()]

    def _entity_rows(self, specs: Sequence[Spec], within: Part) -> PartialSums:
        """The formulas are computed here, of one entity and period after another."""
        parts = PartialSums()
        fields = sorted({field for spec in specs for field in spec.fields})
        rows = self._database.stream(self.statements().figures(fields, within, by_entity=True))
        for _, of_one in groupby(rows, itemgetter(-1)):
            sums = dict.fromkeys(fields, Totals())
            first: Value | None = None
            for row in of_one:
                for value in self._of_row(row[:-1], fields):
                    sums[value.field] += _total(value)
                    first = first or value
            if first is not None:
                self._add_entity(parts, specs, sums, first.entity, first.period, first.mask)
        return parts

    def _values(self, fields: Sequence[str], within: Part) -> Iterator[Value]:
        """The values of these fields, but for those that are none."""
        for row in self._database.stream(self.statements().figures(fields, within)):
            yield from self._of_row(row, fields)

    def _of_row(self, row: Row, fields: Sequence[str]) -> Iterator[Value]:
        words = words_of(self._plan.groups)
        entity, period, mask, rest = row[0], row[1], unmask(row[2 : 2 + words]), row[2 + words :]
        if not self._is_listed(mask):
            return
        if self._names.facts.wide:
            found: list[tuple[tuple[str, ...], object]] = [
                ((f,), stored) for f, stored in zip(fields, rest, strict=True)
            ]
        else:
            named = [name for key in self._fields.all(rest[0]) for name in self._named.get(key, ())]
            found = [(tuple(named), rest[1])]
        for names, stored in found:
            spelling = self._spelling(names)
            if stored is None or (isinstance(stored, str) and stored.strip(SPACES) in spelling.null):
                continue
            figure = number(stored, spelling)
            for name in names:
                if name in fields:
                    yield Value(entity, self._periods.one(period), mask, name, stored, figure)

    def _spelling(self, names: Sequence[str]) -> Numbers:
        """How a field is spelled, which may have several names."""
        settings = self._names.facts.settings
        own = (numbers for name, numbers in settings.field_numbers.items() if name in names)
        return next(own, settings.numbers or PLAIN)


def _total(value: Value) -> Totals:
    return Totals(Decimal(0), 0, 1) if value.figure is None else Totals(EXACT.plus(value.figure), 1)
