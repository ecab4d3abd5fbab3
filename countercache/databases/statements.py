"""A plan to SELECTs, as literal SQL text in an engine's dialect. Pure: nothing is run here.

`Statements` writes all queries of one source. Rows whose entity, field or period is NULL belong nowhere and are not
read. Grouping is by raw keys and masks (`Masks`); names are put to the few resulting rows by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select, quoted_name

from countercache.compute.plan import Plan, Spec
from countercache.databases.engine import Engine
from countercache.databases.expressions import column, listed, relation
from countercache.databases.field_values import Facts
from countercache.databases.group_masks import words_of
from countercache.databases.query_parts import Blocks, EntityQuery, KeyPacking, Part, Range
from countercache.model.states import ALL
from countercache.model.table import Key, Kind, split_name
from countercache.settings import Lookup

_WITHIN = "\1within\1"
"""Stands in a written query for the condition of a part; such characters are in no name."""

_UNIT = "\2"
"""Stands around what alone is written once for each part, where that is not the whole query."""


class _Query(Protocol):
    """Writes a query, of the whole table or of a part that `_WITHIN` stands for."""

    def __call__(self, *, whole: bool) -> Select[Any]: ...


class Statements:
    """The queries of one source.

    `guarded` and `rows` are as in `FieldValues`, `array` is of `Masks`; with a `packing` the totals are packed.
    """

    def __init__(
        self,
        engine: Engine,
        facts: Facts,
        plan: Plan,
        *,
        guarded: bool,
        rows: int | None = None,
        array: str | None = None,
        packing: KeyPacking | None = None,
    ) -> None:
        self._engine = engine
        self._dialect = engine.dialect
        self._facts = facts
        self._plan = plan
        self._settings = facts.settings
        self._guarded = guarded
        self._values = engine.field_values(facts, engine.dialect, guarded=guarded, rows=rows)
        self._figures = relation(split_name(facts.settings.table)).alias("f")
        self._periods = [] if facts.settings.period is None else [facts.settings.period]
        self._period: ColumnElement[Any] = self._dialect.as_text(sa.literal(ALL))
        if facts.settings.period is not None:
            self._period = column("f", facts.settings.period)
        self._written: dict[tuple[str, bool], str] = {}
        self._packing = packing
        self.masks = engine.masks(engine.dialect, facts.settings, facts.table, facts.entities, plan.groups, array)

    @property
    def parts_are_cheap(self) -> bool:
        """Whether the totals of many parts cost little more than those of one: no masks are joined to each."""
        together = self._engine.features.reads_parts_together
        return together and (self.masks.array is not None or not self._plan.groups)

    def totals(self, *within: Part) -> str:
        """Period, in the long layout field, masks, then three columns of numbers (in the wide one for each field).

        Packed, the first column is what the packing makes of period, field and mask.
        """
        return self._of_parts("totals", self._totals, within)

    def entities(self, specs: Sequence[Spec], *within: Part, checked: Iterable[str] = ()) -> EntityQuery:
        """Period, masks, then what each counter over entities needs, where the engine computes formulas.

        The numbers of `checked` fields are known to be finite.
        """
        fields = sorted({field for spec in specs for field in spec.fields})
        columns = self._engine.entity_columns(specs, fields, 1 + words_of(self._plan.groups), self._guarded)
        doubtful = set() if self._guarded else set(fields) - set(checked)
        sums = tuple(
            columns.add(f"sum(p.c{i})")
            for i, field in enumerate(fields)
            if field in doubtful and self._values.kind(field) is Kind.NUMERIC
        )

        def query(*, whole: bool) -> Select[Any]:
            pivot = self._pivot(fields, whole=whole, flat=self._is_flat(specs)).subquery("p")
            found, masks = self.masks.beside(pivot, "p", "entity", list(pivot.c.keys()))
            period = column("p", "period")
            found = found.add_columns(self._dialect.read_key(period), *masks, *map(sa.literal_column, columns.texts))
            return found.group_by(period, *masks)

        sql = self._of_parts(f"entities {columns.at} {sums}", query, within)
        return EntityQuery(sql, columns.at, sums)

    def entity_rows(self, fields: Sequence[str], within: Part) -> str:
        """Entity, period, masks, then for each field two columns, where the engine computes no formulas."""

        def query(*, whole: bool) -> Select[Any]:
            pivot = self._pivot(fields, whole=whole, flat=False).subquery("p")
            found, masks = self.masks.beside(pivot, "p", "entity")
            numbers = [column("p", f"{letter}{i}") for i in range(len(fields)) for letter in "cx"]
            return found.add_columns(column("p", "entity"), column("p", "period"), *masks, *numbers)

        return self._of_parts(f"rows {fields}", query, [within])

    def entity_pass(self, specs: Sequence[Spec], within: Part) -> str:
        """The one of the two above that the engine gets."""
        if self._engine.features.computes_formulas:
            return self.entities(specs, within).sql
        return self.entity_rows(sorted({field for spec in specs for field in spec.fields}), within)

    def boundary(self, low: Key | None, size: int) -> str:
        """The last of the next `size` entity keys after `low`, and how many there are: none, one row or none at all."""
        lookup = self._settings.entities if self.lists_in_order() else None
        source = relation(split_name(lookup.table if lookup else self._settings.table))
        key = column(None, lookup.key if lookup else self._settings.entity)
        keys = sa.select(key.label("k")).select_from(source).where(key.is_not(None), *listed(lookup)).order_by(key)
        if low is not None:
            keys = keys.where(key > self._dialect.key(low))
        if not lookup:
            keys = keys.distinct()
        some = keys.limit(size).subquery("a")
        place = sa.func.row_number().over(order_by=column("a", "k"))
        last = sa.select(column("a", "k").label("k"), place.label("n")).select_from(some).subquery("b")
        query = sa.select(self._dialect.read_key(column("b", "k")), column("b", "n")).select_from(last)
        return self._dialect.text(query.order_by(column("b", "n").desc()).limit(1))

    def lists_in_order(self) -> bool:
        """Whether a table lists the entities, and sorts them as the figures' own column does."""
        lookup, entities = self._settings.entities, self._facts.entities
        if not lookup or entities is None:
            return False
        mine = self._facts.table.columns[self._settings.entity].order
        return bool(mine) and mine == entities.columns[lookup.key].order

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
        figures, masks = self.masks.beside(
            self._figures, "f", self._settings.entity, (), self._conditions(fields, whole=True)
        )
        query = figures.add_columns(self._dialect.read_key(self._period), *masks, *self._examined(fields))
        return self._dialect.text(query.group_by(self._period, *masks))

    def sample(self, fields: Sequence[str], rows: int) -> str:
        """Of each field the three columns of `_examined`, of so many rows."""
        places = {self._settings.entity, self._settings.field, *self._periods, *map(self._values.column, fields)}
        some = sa.select(*(column("f", name) for name in sorted(filter(None, places)))).select_from(self._figures)
        some = some.limit(rows)  # without a condition, which would read on until rows meet it
        examined = sa.select(*self._examined(fields)).select_from(some.subquery("f"))
        return self._dialect.text(examined.where(*self._conditions(fields, whole=True)))

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
        """A query of the whole table, or of parts of it. Only what tells the parts differs, so it is written once."""
        whole = tuple(within) in {(), (Range(),)}
        key = (name, whole)
        if key not in self._written:
            self._written[key] = self._dialect.text(query(whole=whole))
        if whole:
            return self._written[key]
        before, _, rest = self._written[key].rpartition(f"({_UNIT}")
        unit, _, after = rest.partition(f"{_UNIT})")
        parts = " UNION ALL ".join(unit.replace(_WITHIN, self._within(part)) for part in within)
        return f"{before}({parts}){after}" if after else parts

    def _totals(self, *, whole: bool) -> Select[Any]:
        names = [] if self._facts.wide else [self._settings.field or ""]
        fields: Sequence[str | None] = self._plan.totals if self._facts.wide else [None]
        used = list(dict.fromkeys((*self._periods, *names, *map(self._values.column, fields))))
        conditions = self._conditions(self._plan.totals, whole=whole)
        if self._packing:
            conditions.append(
                sa.literal_column(self._packing.condition(self._dialect.reference("f", self._settings.field or "")))
            )
        figures: FromClause = self._figures
        if not whole and self.parts_are_cheap:
            # The parts are read side by side, and the rest is written and done once for all of them.
            needed = dict.fromkeys((self._settings.entity, *used))
            unit = sa.select(*(column("f", name) for name in needed)).select_from(figures).where(*conditions)
            figures, conditions = self._unit(unit), []
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

    def _pivot(self, fields: Sequence[str], *, whole: bool, flat: bool) -> Select[Any]:
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
        query = query.select_from(self._figures).where(*self._conditions(fields, whole=whole))
        return query if flat else query.group_by(entity, self._period)

    def _any_value(self) -> ColumnElement[bool]:
        fields: list[str | None] = list(self._facts.fields) if self._facts.wide else [None]
        texts = [f"{self._values.value(field)} IS NOT NULL" for field in fields]
        return sa.literal_column("(" + (" OR ".join(texts) or "1 = 0") + ")")

    def _conditions(self, fields: Sequence[str], *, whole: bool) -> list[ColumnElement[bool]]:
        found = self._present()
        if not self._facts.wide and self._reads_fewer(fields):
            listed = [self._dialect.key(self._facts.fields[field]) for field in fields]
            found.append(column("f", self._settings.field or "").in_(listed))
        if self._plan.periods is not None:
            found.append(self._period.in_([self._dialect.key(key) for key in self._plan.periods]))
        return found if whole else [*found, sa.literal_column(_WITHIN)]

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
            case Range(low, high):
                place = self._dialect.reference("f", self._settings.entity)
                keys = [(">", low), ("<=", high)]
                found = [f"{place} {sign} {self._dialect.literal(key)}" for sign, key in keys if key is not None]
            case Blocks(first, end):
                found = self._dialect.in_blocks(first, end)
        return f"({' AND '.join(found) or '1 = 1'})"

    def _reads_fewer(self, fields: Sequence[str]) -> bool:
        """Whether to name the fields: not where they are all that there are."""
        known = isinstance(self._settings.fields, Lookup)
        return not known or set(fields) < set(self._facts.fields)

    def _unit(self, query: Select[Any]) -> FromClause:
        """The figures, of each part by this query."""
        written = f"({_UNIT}{self._dialect.text(query)}{_UNIT})"
        return sa.table(quoted_name(written, quote=False)).alias("f")
