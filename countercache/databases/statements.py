"""A plan to SELECTs, as literal SQL text in an engine's dialect. Pure: nothing is run here.

`Statements` writes all queries of one source. Rows whose entity, field or period is NULL belong nowhere and are not
read. Grouping is by raw keys and masks (`Masks`); names are put to the few resulting rows by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select, SelectBase

from countercache.compute.plan import Plan, Spec
from countercache.databases.engine import Engine
from countercache.databases.entity_columns import EntityColumns
from countercache.databases.expressions import column, in_part, listed, relation
from countercache.databases.field_values import Facts
from countercache.databases.group_masks import words_of
from countercache.databases.query_parts import Blocks, KeyPacking, Part, Range
from countercache.model.states import ALL
from countercache.model.table import Key, Kind, split_name
from countercache.settings import Lookup

_Query = Callable[[Sequence[ColumnElement[bool]]], SelectBase]
"""Writes a query of the rows of some parts (none: of the whole table), by the conditions for them."""


class Reading(msgspec.Struct, frozen=True):
    """How a source is read: `guarded` and `rows` are as in `FieldValues`, `array` is of `Masks`; with a `packing` the
    totals are packed.
    """

    guarded: bool = False
    rows: int | None = None
    array: str | None = None
    packing: KeyPacking | None = None


class Statements:
    """The queries of one source."""

    def __init__(self, engine: Engine, facts: Facts, plan: Plan, reading: Reading) -> None:
        self._engine = engine
        self._dialect = engine.dialect
        self._facts = facts
        self._plan = plan
        self._settings = facts.settings
        self._guarded = reading.guarded
        self._values = engine.field_values(facts, engine.dialect, guarded=reading.guarded, rows=reading.rows)
        self._figures = relation(split_name(facts.settings.table)).alias("f")
        self._periods = [] if facts.settings.period is None else [facts.settings.period]
        self._period: ColumnElement[Any] = self._dialect.as_text(sa.literal(ALL))
        if facts.settings.period is not None:
            self._period = column("f", facts.settings.period)
        self._compiled: dict[tuple[str, int], Callable[..., str]] = {}
        self._packing = reading.packing
        self.masks = engine.masks(
            engine.dialect, facts.settings, facts.table, facts.entities, plan.groups, reading.array
        )

    @property
    def parts_are_cheap(self) -> bool:
        """Whether the totals of many parts cost little more than those of one: no masks are joined to each."""
        together = self._engine.features.reads_parts_together
        return together and (self.masks.array is not None or not self._plan.groups)

    def totals(self, *within: Part) -> str:
        """Period, in the long layout field, masks, then three columns of numbers (in the wide one for each field).

        Packed, the first column is what the packing makes of period, field and mask.
        """
        if self._engine.features.reads_rows and self._guarded:
            return self.figures(self._plan.totals, *within)
        query = self._totals_of_parts if self.parts_are_cheap else _each(self._totals)
        return self._of_parts("totals", query, within)

    def entity_columns(self, specs: Sequence[Spec], checked: Collection[str] = ()) -> EntityColumns | None:
        """The columns of `entities`; `None` where the engine does not compute the formulas.

        The numbers of `checked` fields are known to be finite.
        """
        of_engine = self._engine.entity_columns
        if of_engine is None or (self._guarded and not of_engine.reads_guarded):
            return None
        fields = _fields(specs)
        columns = of_engine(specs, fields, 1 + words_of(self._plan.groups), guarded=self._guarded)
        doubtful = [] if self._guarded else [field for field in fields if field not in checked]
        columns.check_sums([field for field in doubtful if self._values.kind(field) is Kind.NUMERIC])
        return columns

    def entities(self, specs: Sequence[Spec], columns: EntityColumns, *within: Part) -> str:
        """Period, masks, then what each counter over entities needs."""
        fields = _fields(specs)

        def query(*within: ColumnElement[bool]) -> Select[Any]:
            pivot = self._pivot(fields, within, flat=self._is_flat(specs)).subquery("p")
            selected, masks = self.masks.beside(pivot, "p", "entity", list(pivot.c.keys()))
            period = column("p", "period")
            selected = selected.add_columns(
                self._dialect.read_key(period), *masks, *map(sa.literal_column, columns.texts)
            )
            return selected.group_by(period, *masks)

        return self._of_parts(f"entities {columns.texts}", _each(query), within)

    def entity_rows(self, fields: Sequence[str], within: Part) -> str:
        """Entity, period, masks, then for each field two columns, where the engine computes no formulas."""

        def query(*within: ColumnElement[bool]) -> Select[Any]:
            pivot = self._pivot(fields, within, flat=False).subquery("p")
            selected, masks = self.masks.beside(pivot, "p", "entity")
            numbers = [column("p", f"{letter}{i}") for i in range(len(fields)) for letter in "cx"]
            keys = (self._dialect.read_key(column("p", name)) for name in ("entity", "period"))
            return selected.add_columns(*keys, *masks, *numbers)

        return self._of_parts(f"rows {fields}", _each(query), [within])

    def figures(self, fields: Sequence[str], *within: Part, by_entity: bool = False) -> str:
        """The rows themselves: entity, period, masks, in the long layout field, then a value (in the wide one of each
        field); with `by_entity` in the order of a last column, which numbers entities and periods.
        """
        columns = [self._values.column(field) for field in fields] if self._facts.wide else [self._settings.value or ""]
        entity = column("f", self._settings.entity)

        def query(*within: ColumnElement[bool]) -> Select[Any]:
            conditions = [*self._conditions(fields), *within]
            found, masks = self.masks.beside(self._figures, "f", self._settings.entity, (), conditions)
            names = [] if self._facts.wide else [column("f", self._settings.field or "")]
            keys, fields_ = ([self._dialect.read_key(key) for key in each] for each in ((entity, self._period), names))
            found = found.add_columns(*keys, *masks, *fields_, *(column("f", name) for name in columns))
            if not by_entity:
                return found
            together = [entity, *(column("f", name) for name in self._periods)]
            return found.add_columns(sa.func.dense_rank().over(order_by=together).label("n")).order_by(sa.text("n"))

        # In an order are those of one part only, which needs no union.
        written = (lambda within: query(*within)) if by_entity else _each(query)
        return self._of_parts(f"figures {fields} {by_entity}", written, within)

    def entity_pass(self, specs: Sequence[Spec], within: Part) -> str:
        """The query of a pass over entities, as the engine needs it."""
        if self._engine.features.reads_rows:
            return self.figures(_fields(specs), within, by_entity=True)
        columns = self.entity_columns(specs)
        return self.entity_rows(_fields(specs), within) if columns is None else self.entities(specs, columns, within)

    def boundary(self, low: Key | None, size: int) -> str:
        """The last of the next `size` entity keys after `low` and how many they are; no row if there are none."""
        lookup = self._settings.entities if self.lists_in_order() else None
        source = relation(split_name(lookup.table if lookup else self._settings.table))
        key = column(None, lookup.key if lookup else self._settings.entity)
        keys = sa.select(key.label("k")).select_from(source).where(key.is_not(None), *listed(lookup)).order_by(key)
        if low is not None:
            keys = keys.where(key > self._dialect.key(low))
        if not lookup:
            keys = keys.distinct()
        batch = keys.limit(size).subquery("a")
        position = sa.func.row_number().over(order_by=column("a", "k"))
        last = sa.select(column("a", "k").label("k"), position.label("n")).select_from(batch).subquery("b")
        query = sa.select(self._dialect.read_key(column("b", "k")), column("b", "n")).select_from(last)
        return self._dialect.text(query.order_by(column("b", "n").desc()).limit(1))

    def lists_in_order(self) -> bool:
        """Whether a table lists the entities, and sorts them as the figures' own column does."""
        lookup, entities = self._settings.entities, self._facts.entities
        if not lookup or entities is None:
            return False
        order = self._facts.table.columns[self._settings.entity].order
        return bool(order) and order == entities.columns[lookup.key].order

    def block_boundary(self, low: int | None, size: int) -> str:
        """The last of the next `size` row numbers after `low`."""
        return self._dialect.block_boundary(relation(split_name(self._settings.table)), low, size)

    def other_periods(self, known: Iterable[Key]) -> str:
        """The periods beside the known ones that have a value in any field, with the masks of those who have it."""
        excluded = [self._dialect.key(key) for key in known]
        conditions = [*self._present(), self._any_value()]
        if not self._facts.wide and isinstance(self._settings.fields, Lookup):
            listed = [self._dialect.key(key) for key in self._facts.fields.values()]
            conditions.append(column("f", self._settings.field or "").in_(listed))
        if excluded:
            conditions.append(self._period.not_in(excluded))
        figures, masks = self.masks.beside(self._figures, "f", self._settings.entity, (), conditions)
        return self._dialect.text(figures.add_columns(self._dialect.read_key(self._period), *masks).distinct())

    def rejections(self, fields: Sequence[str]) -> str:
        """Period, masks, and of each field the three columns of `_examined`."""
        figures, masks = self.masks.beside(self._figures, "f", self._settings.entity, (), self._conditions(fields))
        query = figures.add_columns(self._dialect.read_key(self._period), *masks, *self._examined(fields))
        return self._dialect.text(query.group_by(self._period, *masks))

    def sample(self, fields: Sequence[str], rows: int) -> str:
        """Of each field the three columns of `_examined`, of so many rows."""
        used = {self._settings.entity, self._settings.field, *self._periods, *map(self._values.column, fields)}
        sample = sa.select(*(column("f", name) for name in sorted(filter(None, used)))).select_from(self._figures)
        sample = sample.limit(rows)  # without a condition, which would read on until rows meet it
        examined = sa.select(*self._examined(fields)).select_from(sample.subquery("f"))
        return self._dialect.text(examined.where(*self._conditions(fields)))

    def _examined(self, fields: Sequence[str]) -> list[ColumnElement[Any]]:
        """How many values there are of each field, how many of them are rejected, and an example of these."""
        texts: list[str] = []
        for field in fields:
            only, rejected = self._values.only(field), self._values.rejected(field)
            rejected = f"{rejected} AND {only}" if only else rejected
            texts += [
                self._dialect.aggregate("count", self._values.value(field), only),
                self._dialect.aggregate("count", "*", rejected),
                self._dialect.aggregate("min", self._values.example(field), rejected),
            ]
        return list(map(sa.literal_column, texts))

    def _of_parts(self, name: str, query: _Query, within: Sequence[Part]) -> str:
        """A query of the whole table, or of parts of it."""
        parts = () if tuple(within) in {(), (Range(),)} else within
        key = (name, len(parts))
        if key not in self._compiled:
            self._compiled[key] = self._dialect.compiled(query(list(map(in_part, range(len(parts))))))
        return self._compiled[key](*map(self._within, parts))

    def _totals_of_parts(self, within: Sequence[ColumnElement[bool]]) -> Select[Any]:
        """The parts are read side by side, and the rest is written and done once for all of them."""
        if not within:
            return self._totals()
        needed = dict.fromkeys((self._settings.entity, *self._used_by_totals()))
        part = sa.select(*(column("f", name) for name in needed)).select_from(self._figures)
        part = part.where(*self._totals_conditions())
        return self._totals(figures=sa.union_all(*map(part.where, within)).subquery("f"))

    def _used_by_totals(self) -> list[str]:
        """The columns that totals are made of and grouped by."""
        names = [] if self._facts.wide else [self._settings.field or ""]
        return list(dict.fromkeys((*self._periods, *names, *map(self._values.column, self._totals_fields()))))

    def _totals_fields(self) -> Sequence[str | None]:
        return self._plan.totals if self._facts.wide else [None]

    def _totals_conditions(self) -> list[ColumnElement[bool]]:
        conditions = self._conditions(self._plan.totals)
        if self._packing:
            field = self._dialect.reference("f", self._settings.field or "")
            conditions.append(sa.literal_column(self._packing.condition(field)))
        return conditions

    def _totals(self, *within: ColumnElement[bool], figures: FromClause | None = None) -> Select[Any]:
        """Of the rows of a part, or of `figures` that are selected already."""
        names = [] if self._facts.wide else [self._settings.field or ""]
        fields = self._totals_fields()
        used = self._used_by_totals()
        conditions = [] if figures is not None else [*self._totals_conditions(), *within]
        figures = self._figures if figures is None else figures
        query, masks = self.masks.beside(figures, "f", self._settings.entity, used, conditions)
        numbers: list[ColumnElement[Any]] = [
            sa.literal_column(number) for field in fields for number in self._values.totals(field)
        ]
        keys = [self._period, *(column("f", name) for name in names)]
        if self._packing:
            mask = "m.m0" if masks else None
            period, field = (self._dialect.reference("f", name) for name in (*self._periods, *names))
            key: ColumnElement[Any] = sa.literal_column(self._packing.sql(period, field, mask))
            return query.add_columns(key.label("k"), *numbers).group_by(sa.literal_column("1"))
        query = query.add_columns(*(self._dialect.read_key(key) for key in keys), *masks, *numbers)
        return query.group_by(*keys, *masks)

    def _is_flat(self, specs: Sequence[Spec]) -> bool:
        """Whether each row has all that a formula needs, so that nothing has to be brought together."""
        return self._facts.unique and (self._facts.wide or all(len(spec.fields) == 1 for spec in specs))

    def _pivot(self, fields: Sequence[str], within: Sequence[ColumnElement[bool]], *, flat: bool) -> Select[Any]:
        """One row an entity and period (if not `flat`), one column a field: `c0`…, and beside it `x0`…: what the
        engine's `FieldValues.of_entity` gives besides, if anything.
        """
        columns: list[ColumnElement[Any]] = []
        for i, field in enumerate(fields):
            numbers = self._values.of_entity(field, flat=flat)
            columns += [
                sa.literal_column(number).label(f"{letter}{i}") for letter, number in zip("cx", numbers, strict=False)
            ]
        entity = column("f", self._settings.entity)
        query = sa.select(entity.label("entity"), self._period.label("period"), *columns)
        query = query.select_from(self._figures).where(*self._conditions(fields), *within)
        return query if flat else query.group_by(entity, self._period)

    def _any_value(self) -> ColumnElement[bool]:
        fields: list[str | None] = list(self._facts.fields) if self._facts.wide else [None]
        texts = [f"{self._values.value(field)} IS NOT NULL" for field in fields]
        return sa.literal_column("(" + (" OR ".join(texts) or "1 = 0") + ")")

    def _conditions(self, fields: Sequence[str]) -> list[ColumnElement[bool]]:
        conditions = self._present()
        if not self._facts.wide and self._reads_fewer(fields):
            listed = [self._dialect.key(self._facts.fields[field]) for field in fields]
            conditions.append(column("f", self._settings.field or "").in_(listed))
        if self._plan.periods is not None:
            conditions.append(self._period.in_([self._dialect.key(key) for key in self._plan.periods]))
        return conditions

    def _present(self) -> list[ColumnElement[bool]]:
        """That a row belongs to an entity, a period and a field."""
        columns = self._facts.table.columns
        return [
            column("f", name).is_not(None)
            for name in (self._settings.entity, self._settings.period, self._settings.field)
            if name is not None and columns[name].nullable
        ]

    def _within(self, part: Part) -> str:
        """The condition that a row is of this part."""
        match part:
            case Range(low, high, scan):
                entity = self._dialect.reference("f", self._settings.entity)
                if scan:
                    entity = self._dialect.without_index(entity)
                keys = [(">", low), ("<=", high)]
                conditions = [f"{entity} {sign} {self._dialect.literal(key)}" for sign, key in keys if key is not None]
            case Blocks(first, end):
                conditions = self._dialect.in_blocks(first, end)
        return f"({' AND '.join(conditions) or '1 = 1'})"

    def _reads_fewer(self, fields: Sequence[str]) -> bool:
        """Whether to name the fields: not where they are all that there are."""
        known = isinstance(self._settings.fields, Lookup)
        return not known or set(fields) < set(self._facts.fields)


def _fields(specs: Sequence[Spec]) -> list[str]:
    return sorted({field for spec in specs for field in spec.fields})


def _each(query: Callable[..., Select[Any]]) -> _Query:
    """A query that is written for each part by itself."""
    return lambda within: sa.union_all(*map(query, within)) if within else query()
