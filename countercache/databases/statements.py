"""A plan to SELECTs, as literal SQL text for PostgreSQL or SQLite. Pure: no engine, nothing is run here.

`Statements` writes all queries of one source. Rows whose entity, field or period is NULL belong nowhere and are not
read. Grouping is by raw keys and masks (`Masks`); names are put to the few resulting rows by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select, quoted_name

from countercache.compute.formula import Name
from countercache.compute.plan import Plan, Spec
from countercache.databases import expressions
from countercache.databases.expressions import literal, reference
from countercache.databases.field_values import Facts, Figures
from countercache.databases.group_masks import Masks, column, listed, relation, text, words_of
from countercache.databases.key_packing import Packing
from countercache.databases.query_parts import Blocks, EntityQuery, Part, Range
from countercache.model.states import ALL
from countercache.model.table import Key, Kind, split_name
from countercache.settings import Aggregate, Lookup

_WITHIN = "\1within\1"
"""Stands in a written query for the condition of a part; such characters are in no name."""

_UNIT = "\2"
"""Stands around what alone is written once for each part, where that is not the whole query."""


class _Query(Protocol):
    """Writes a query, of the whole table or of a part that `_WITHIN` stands for."""

    def __call__(self, *, whole: bool) -> Select[Any]: ...


class Statements:
    """The queries of one source.

    `guarded`: values that are no finite number (and on SQLite those that it cannot add itself) are sorted out, which
    costs time. `rows` are as many as one query may add up, `array` is of `Masks`,
    `packing` of SQLite.
    """

    def __init__(
        self,
        facts: Facts,
        plan: Plan,
        *,
        guarded: bool,
        rows: int | None = None,
        array: str | None = None,
        packing: Packing | None = None,
    ) -> None:
        self._facts = facts
        self._plan = plan
        self._settings = facts.settings
        self._postgres = facts.kind == "postgresql"
        self._guarded = guarded
        self._values = Figures(facts, guarded=guarded, limit=expressions.hundredths_limit(rows))
        self._figures = relation(split_name(facts.settings.table)).alias("f")
        self._periods = [] if facts.settings.period is None else [facts.settings.period]
        self._period: ColumnElement[Any] = sa.cast(sa.literal_column(f"'{ALL}'"), sa.Text)
        if facts.settings.period is not None:
            self._period = column("f", facts.settings.period)
        self._written: dict[tuple[str, bool], str] = {}
        self._packing = packing
        self.masks = Masks(facts.kind, facts.settings, facts.table, facts.entities, plan.groups, array)

    @property
    def parts_are_cheap(self) -> bool:
        """Whether the totals of many parts cost little more than those of one: no masks are joined to each."""
        return self._postgres and (self.masks.array is not None or not self._plan.groups)

    def totals(self, *within: Part) -> str:
        """Period, in the long layout field, masks, then three columns of numbers (in the wide one for each field).

        Packed, the first column is what `Packing` makes of period, field and mask.
        """
        return self._of_parts("totals", self._totals, within)

    def entities(self, specs: Sequence[Spec], *within: Part, checked: Iterable[str] = ()) -> EntityQuery:
        """Period, masks, then what each counter over entities needs (PostgreSQL does the formulas).

        The numbers of `checked` fields are known to be finite.
        """
        fields = sorted({field for spec in specs for field in spec.fields})
        columns = _Columns(1 + words_of(self._plan.groups))
        at = {spec.name: self._spread(spec, fields, columns) for spec in specs}
        rejected = [f"p.x{i} > 0" for i in range(len(fields)) if self._guarded]
        at[""] = {"present": columns.add(f"bool_or({' OR '.join([_any(range(len(fields))), *rejected])})")}
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
            found = found.add_columns(self._key(period), *masks, *columns.elements())
            return found.group_by(period, *masks)

        return EntityQuery(self._of_parts(f"entities {at} {sums}", query, within), at, sums)

    def entity_rows(self, fields: Sequence[str], within: Part) -> str:
        """Entity, period, masks, then for each field two columns: for SQLite, where formulas are done outside."""

        def query(*, whole: bool) -> Select[Any]:
            pivot = self._pivot(fields, whole=whole, flat=False).subquery("p")
            found, masks = self.masks.beside(pivot, "p", "entity")
            numbers = [column("p", f"{letter}{i}") for i in range(len(fields)) for letter in "cx"]
            return found.add_columns(column("p", "entity"), column("p", "period"), *masks, *numbers)

        return self._of_parts(f"rows {fields}", query, [within])

    def boundary(self, low: Key | None, size: int) -> str:
        """The last of the next `size` entity keys after `low`, and how many there are: none, one row or none at all."""
        lookup = self._settings.entities if self.lists_in_order() else None
        source = relation(split_name(lookup.table if lookup else self._settings.table))
        key = column(None, lookup.key if lookup else self._settings.entity)
        keys = sa.select(key.label("k")).select_from(source).where(key.is_not(None), *listed(lookup)).order_by(key)
        if low is not None:
            keys = keys.where(key > self._literal(low))
        if not lookup:
            keys = keys.distinct()
        some = keys.limit(sa.literal_column(str(size))).subquery("a")
        place = sa.func.row_number().over(order_by=column("a", "k"))
        last = sa.select(column("a", "k").label("k"), place.label("n")).select_from(some).subquery("b")
        query = sa.select(self._key(column("b", "k")), column("b", "n")).select_from(last)
        return self._text(query.order_by(column("b", "n").desc()).limit(sa.literal_column("1")))

    def lists_in_order(self) -> bool:
        """Whether a table lists the entities, and sorts them as the figures' own column does."""
        lookup, entities = self._settings.entities, self._facts.entities
        if not lookup or entities is None:
            return False
        mine = self._facts.table.columns[self._settings.entity].order
        return bool(mine) and mine == entities.columns[lookup.key].order

    def block_boundary(self, low: int | None, size: int) -> str:
        """SQLite: the last of the next `size` rowids after `low`."""
        rowid: ColumnElement[Any] = sa.literal_column("rowid")
        source = relation(split_name(self._settings.table))
        rows = sa.select(rowid.label("r")).select_from(source).order_by(rowid).limit(sa.literal_column(str(size)))
        if low is not None:
            rows = rows.where(rowid > sa.literal_column(str(low)))
        return self._text(sa.select(sa.func.max(sa.literal_column("r"))).select_from(rows.subquery("a")))

    def other_periods(self, known: Iterable[Key]) -> str:
        """The periods beside the known ones that have a value in any field, with the masks of those who have it."""
        excluded = [self._literal(key) for key in known]
        conditions = [*self._present(), self._any_value()]
        if not self._facts.wide and isinstance(self._settings.fields, Lookup):
            listed = [self._literal(key) for key in self._facts.fields.values()]
            conditions.append(column("f", self._settings.field or "").in_(listed))
        if excluded:
            conditions.append(self._period.not_in(excluded))
        figures, masks = self.masks.beside(self._figures, "f", self._settings.entity, (), conditions)
        return self._text(figures.add_columns(self._key(self._period), *masks).distinct())

    def rejections(self, fields: Sequence[str]) -> str:
        """Period, masks, and of each field the three columns of `_examined`."""
        figures, masks = self.masks.beside(
            self._figures, "f", self._settings.entity, (), self._conditions(fields, whole=True)
        )
        query = figures.add_columns(self._key(self._period), *masks, *self._examined(fields))
        return self._text(query.group_by(self._period, *masks))

    def sample(self, fields: Sequence[str], rows: int) -> str:
        """Of each field the three columns of `_examined`, of so many rows."""
        places = {self._settings.entity, self._settings.field, *self._periods, *map(self._values.column, fields)}
        some = sa.select(*(column("f", name) for name in sorted(filter(None, places)))).select_from(self._figures)
        some = some.limit(sa.literal_column(str(rows)))  # without a condition, which would read on until rows meet it
        examined = sa.select(*self._examined(fields)).select_from(some.subquery("f"))
        return self._text(examined.where(*self._conditions(fields, whole=True)))

    def _examined(self, fields: Sequence[str]) -> list[ColumnElement[Any]]:
        """How many values there are of each field, how many of them are rejected, and an example (see `Figures`)."""
        texts: list[str] = []
        for field in fields:
            only, rejected = self._values.only(field), self._values.rejected(field)
            here = f" FILTER (WHERE {only})" if only else ""
            bad = f" FILTER (WHERE {rejected}{f' AND {only}' if only else ''})"
            example = self._values.example(field)
            texts += [f"count({self._values.value(field)}){here}", f"count(*){bad}", f"min({example}){bad}"]
        return list(map(sa.literal_column, texts))

    def _of_parts(self, name: str, query: _Query, within: Sequence[Part]) -> str:
        """A query of the whole table, or of parts of it. Only what tells the parts differs, so it is written once."""
        whole = tuple(within) in {(), (Range(),)}
        key = (name, whole)
        if key not in self._written:
            self._written[key] = text(query(whole=whole), self._facts.kind)
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
            conditions.append(sa.literal_column(self._packing.condition(reference("f", self._settings.field or ""))))
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
            period, field = (reference("f", name) for name in (*self._periods, *names))
            key: ColumnElement[Any] = sa.literal_column(self._packing.sql(period, field, mask))
            return query.add_columns(key.label("k"), *numbers).group_by(sa.literal_column("1"))
        query = query.add_columns(*(self._key(key) for key in keys), *masks, *numbers)
        return query.group_by(*keys, *masks)

    def _is_flat(self, specs: Sequence[Spec]) -> bool:
        """Whether each row has all that a formula needs, so that nothing has to be brought together."""
        return self._facts.unique and (self._facts.wide or all(len(spec.fields) == 1 for spec in specs))

    def _pivot(self, fields: Sequence[str], *, whole: bool, flat: bool) -> Select[Any]:
        """One row an entity and period (if not `flat`), one column a field: `c0`…, and beside it `x0`…: what SQLite
        could not add itself, or how many values PostgreSQL rejected (if it looks).
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

    def _spread(self, spec: Spec, fields: Sequence[str], columns: _Columns) -> dict[str, int]:
        """The columns that one counter needs, and where they are."""

        def place(name: Name) -> str:
            column_ = f"p.c{fields.index(name.name)}"
            return f"coalesce({column_}, 0)" if name.zero else column_

        def lacks(wanted: Iterable[str]) -> str:
            return " OR ".join(f"p.c{fields.index(field)} IS NULL" for field in wanted)

        places = [fields.index(field) for field in spec.fields]
        required = [field for field in spec.fields if field not in spec.optional]
        # Without any of its fields an entity is as one without rows, of which the counter's rule says what to do.
        complete = _every(map(fields.index, required)) if required else f"({_any(places)})"
        at = {"complete": columns.count(complete)}
        if spec.complete:
            for i in places:
                at[f"total {fields[i]}"] = columns.add(f"sum(p.c{i}) FILTER (WHERE {complete})")
        else:
            at |= self._aggregated(spec, complete, place, columns)
            if spec.optional == frozenset(spec.fields) or spec.strict:
                at["rows"] = columns.count(_any(places))
        if self._guarded:
            at["rejected"] = columns.add(f"sum({' + '.join(f'p.x{i}' for i in places)})::bigint")
        if spec.strict:
            lacking = f"({_any(places)}) AND ({lacks(sorted(spec.strict))})"
            at["lacking"] = columns.count(lacking)
            at["example"] = columns.add(f"min(p.entity::text) FILTER (WHERE {lacking})")
        return at

    def _aggregated(self, spec: Spec, complete: str, place: Callable[[Name], str], columns: _Columns) -> dict[str, int]:
        """The columns for the results of a counter over entities."""
        value = expressions.formula(spec.node, place)
        only = f" FILTER (WHERE {complete})" if spec.optional else ""
        nonzero = [f"{divisor} <> 0" for divisor in expressions.divisors(spec.node, place)]
        at = {"count": columns.count(" AND ".join([f"({complete})", *nonzero]) if nonzero else complete)}
        match spec.aggregate:
            case Aggregate.SUM | Aggregate.AVG:
                at["total"] = columns.add(f"sum({value}){only}")
            case Aggregate.MIN:
                at["low"] = columns.add(f"min({value}){only}")
            case Aggregate.MAX:
                at["high"] = columns.add(f"max({value}){only}")
            case Aggregate.COUNT:
                pass
        return at

    def _any_value(self) -> ColumnElement[bool]:
        fields: list[str | None] = list(self._facts.fields) if self._facts.wide else [None]
        texts = [f"{self._values.value(field)} IS NOT NULL" for field in fields]
        return sa.literal_column("(" + (" OR ".join(texts) or "1 = 0") + ")")

    def _conditions(self, fields: Sequence[str], *, whole: bool) -> list[ColumnElement[bool]]:
        found = self._present()
        if not self._facts.wide and self._reads_fewer(fields):
            listed = [self._literal(self._facts.fields[field]) for field in fields]
            found.append(column("f", self._settings.field or "").in_(listed))
        if self._plan.periods is not None:
            found.append(self._period.in_([self._literal(key) for key in self._plan.periods]))
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
                place = reference("f", self._settings.entity)
                keys = [(">", low), ("<=", high)]
                found = [f"{place} {sign} {literal(key, self._facts.kind)}" for sign, key in keys if key is not None]
            case Blocks(first, end) if self._postgres:
                pages = [(">=", first), ("<", end)]
                found = [f"f.ctid {sign} '({page},0)'::tid" for sign, page in pages if page is not None]
            case Blocks(before, last):
                rows = [(">", before), ("<=", last)]
                found = [f"f.rowid {sign} {row}" for sign, row in rows if row is not None]
        return f"({' AND '.join(found) or '1 = 1'})"

    def _reads_fewer(self, fields: Sequence[str]) -> bool:
        """Whether to name the fields: not where they are all that there are."""
        known = isinstance(self._settings.fields, Lookup)
        return not known or set(fields) < set(self._facts.fields)

    def _key(self, key: ColumnElement[Any]) -> ColumnElement[Any]:
        """A key as it is read: from PostgreSQL as text, which every type has and takes back."""
        return sa.cast(key, sa.Text) if self._postgres else key

    def _literal(self, key: Key) -> ColumnElement[Any]:
        return sa.literal_column(literal(key, self._facts.kind))

    def _unit(self, query: Select[Any]) -> FromClause:
        """The figures, of each part by this query."""
        written = f"({_UNIT}{self._text(query)}{_UNIT})"
        return sa.table(quoted_name(written, quote=False)).alias("f")

    def _text(self, query: sa.SelectBase) -> str:
        return text(query, self._facts.kind)


class _Columns:
    """The columns of a query, each text once."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._texts: dict[str, int] = {}

    def add(self, column_: str) -> int:
        """The position of this column."""
        return self._texts.setdefault(column_, self._first + len(self._texts))

    def count(self, condition: str) -> int:
        """The position of a column that counts the rows that meet a condition."""
        return self.add(f"count(*) FILTER (WHERE {condition})")

    def elements(self) -> list[ColumnElement[Any]]:
        """The columns to select."""
        return [sa.literal_column(each) for each in self._texts]


def _any(places: Iterable[int]) -> str:
    return " OR ".join(f"p.c{i} IS NOT NULL" for i in places)


def _every(places: Iterable[int]) -> str:
    return " AND ".join(f"p.c{i} IS NOT NULL" for i in places)
