"""A plan to SELECTs, as literal SQL text for PostgreSQL or SQLite. Pure: no engine, nothing is run here.

`Statements` writes all queries of one source. Rows whose entity, field or period is NULL belong nowhere and are not
read. Grouping is by raw keys and masks (`masks`); names are put to the few resulting rows by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select, quoted_name

from countercache import expressions
from countercache.expressions import literal, reference
from countercache.masks import Masks, column, relation, text, words_of
from countercache.packing import Packing
from countercache.plan import Plan, Spec
from countercache.settings import Aggregate, Layout, Lookup, Missing, SourceSettings
from countercache.tables import Key, Kind, Table, split_name

_WITHIN = "\1within\1"
"""Stands in a written query for the condition of a part; such characters are in no name."""

_UNIT = "\2"
"""Stands around what alone is written once for each part, where that is not the whole query."""


class Range(msgspec.Struct, frozen=True):
    """Entities with `low` < key <= `high`; `None`: no bound."""

    low: Key | None = None
    high: Key | None = None


class Blocks(msgspec.Struct, frozen=True):
    """Rows by where they lie: pages `low` <= page < `high` of PostgreSQL, `low` < rowid <= `high` of SQLite."""

    low: int | None
    high: int | None


Part = Range | Blocks


class _Query(Protocol):
    """Writes a query, of the whole table or of a part that `_WITHIN` stands for."""

    def __call__(self, *, whole: bool) -> Select[Any]: ...


class EntityQuery(msgspec.Struct, frozen=True):
    """A query over entities. After period and masks come the columns; `at` tells which, by counter and by what.

    Of the counter "" are `figured`, whether there is any number, and the `sums` that are finite if all numbers are.
    """

    sql: str
    at: dict[str, dict[str, int]]
    sums: tuple[int, ...]


class Facts(msgspec.Struct, frozen=True):
    """What has been read of a source: its tables, and the key (long) or column (wide) of each field."""

    kind: str
    settings: SourceSettings
    table: Table
    fields: Mapping[str, Key]
    entities: Table | None = None


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
        self._limit = expressions.hundredths_limit(rows)
        self._wide = facts.settings.layout is Layout.WIDE
        self._figures = relation(split_name(facts.settings.table)).alias("f")
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
        at[""] = {"figured": columns.add(f"bool_or({_any(range(len(fields)))})")}
        doubtful = set() if self._guarded else set(fields) - set(checked)
        sums = tuple(
            columns.add(f"sum(p.c{i})")
            for i, field in enumerate(fields)
            if field in doubtful and self._kind(field) is Kind.NUMERIC
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
        keys = sa.select(key.label("k")).select_from(source).where(key.is_not(None)).order_by(key)
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

    def has_figures(self, period: Key) -> str:
        """One row if the period has a number in any field."""
        query: Select[Any] = sa.select(sa.literal_column("1")).select_from(self._figures)
        query = query.where(*self._present(), self._period == self._literal(period), self._any_figure())
        return self._text(query.limit(sa.literal_column("1")))

    def other_periods(self, known: Iterable[Key]) -> str:
        """The periods beside the known ones that have a number in any field."""
        excluded = [self._literal(key) for key in known]
        query = sa.select(self._key(self._period)).distinct().select_from(self._figures)
        query = query.where(*self._present(), self._any_figure())
        return self._text(query.where(self._period.not_in(excluded)) if excluded else query)

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
        names = [self._settings.period] if self._wide else [self._settings.period, self._settings.field or ""]
        fields: Sequence[str | None] = self._plan.totals if self._wide else [None]
        used = list(dict.fromkeys((*names, *(self._value_column(field) for field in fields))))
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
        numbers = [number for field in fields for number in self._numbers(field)]
        keys = [column("f", name) for name in names]
        if self._packing:
            mask = "m.m0" if masks else None
            period, field = (reference("f", name) for name in names)
            key: ColumnElement[Any] = sa.literal_column(self._packing.sql(period, field, mask))
            return query.add_columns(key.label("k"), *numbers).group_by(sa.literal_column("1"))
        query = query.add_columns(*(self._key(key) for key in keys), *masks, *numbers)
        return query.group_by(*keys, *masks)

    def _is_flat(self, specs: Sequence[Spec]) -> bool:
        """Whether each row has all that a formula needs, so that nothing has to be brought together."""
        if self._wide:
            return self._is_unique()
        return self._is_unique() and all(len(spec.fields) == 1 for spec in specs)

    def _is_unique(self) -> bool:
        """Whether an entity has at most one figure of a field in a period."""
        keys = {self._settings.entity, self._settings.period}
        return self._facts.table.is_unique(keys if self._wide else {*keys, self._settings.field or ""})

    def _pivot(self, fields: Sequence[str], *, whole: bool, flat: bool) -> Select[Any]:
        """One row an entity and period (if not `flat`), one column a field: `c0`…, and beside it `x0`…: what SQLite
        could not add itself, or how many values PostgreSQL rejected (if it looks).
        """
        columns: list[ColumnElement[Any]] = []
        for i, field in enumerate(fields):
            numbers = self._row_numbers(field) if flat else self._pivot_numbers(field)
            columns += [
                sa.literal_column(number).label(f"{letter}{i}") for letter, number in zip("cx", numbers, strict=False)
            ]
        entity = column("f", self._settings.entity)
        query = sa.select(entity.label("entity"), self._period.label("period"), *columns)
        query = query.select_from(self._figures).where(*self._conditions(fields, whole=whole))
        return query if flat else query.group_by(entity, self._period)

    def _pivot_numbers(self, field: str) -> list[str]:
        value, only = self._value(field), self._only(field)
        where = f" FILTER (WHERE {only})" if only else ""
        if not self._postgres:
            numbers = self._sqlite_numbers(value, only)
            return [numbers[0], numbers[2]]
        figure = expressions.figure(value, self._kind(field), guarded=self._guarded)
        # Of one value min is the sum, and costs less.
        total = f"{'min' if self._is_unique() else 'sum'}({figure}){where}::numeric"
        return [total, f"count({value}){where} - count({figure}){where}"] if self._guarded else [total]

    def _row_numbers(self, field: str) -> list[str]:
        value, only = self._value(field), self._only(field)
        figure = expressions.figure(value, self._kind(field), guarded=self._guarded)
        total = f"CASE WHEN {only} THEN {figure} END::numeric" if only else f"({figure})::numeric"
        rejected = f"({value} IS NOT NULL AND ({figure}) IS NULL{f' AND {only}' if only else ''})::integer"
        return [total, rejected] if self._guarded else [total]

    def _spread(self, spec: Spec, fields: Sequence[str], columns: _Columns) -> dict[str, int]:
        """The columns that one counter needs, and where they are."""
        zero = spec.missing is Missing.ZERO
        places = [fields.index(field) for field in spec.fields]

        def place(name: str) -> str:
            return f"coalesce(p.c{fields.index(name)}, 0)" if zero else f"p.c{fields.index(name)}"

        value = expressions.formula(spec.node, place)
        every = " AND ".join(f"p.c{i} IS NOT NULL" for i in places)
        # Without any of its fields an entity is as one without rows, of which the counter's rule says what to do.
        complete = _any(places) if zero else every
        only = f" FILTER (WHERE {complete})" if zero else ""
        nonzero = [f"{divisor} <> 0" for divisor in expressions.divisors(spec.node, place)]
        defined = " AND ".join([f"({complete})", *nonzero]) if nonzero else complete
        at = {"complete": columns.count(complete), "count": columns.count(defined)}
        match spec.aggregate:
            case Aggregate.SUM | Aggregate.AVG:
                at["total"] = columns.add(f"sum({value}){only}")
            case Aggregate.MIN:
                at["low"] = columns.add(f"min({value}){only}")
            case Aggregate.MAX:
                at["high"] = columns.add(f"max({value}){only}")
            case Aggregate.COUNT:
                pass
        if spec.missing is not Missing.SKIP:
            at["rows"] = columns.count(_any(places))
        if self._guarded:
            rejected = " + ".join(f"p.x{i}" for i in places)
            at["rejected"] = columns.add(f"sum({rejected})::bigint")
        if spec.missing is Missing.FAIL:
            at["example"] = columns.add(f"min(p.entity::text) FILTER (WHERE ({_any(places)}) AND NOT ({every}))")
        return at

    def _value(self, field: str | None) -> str:
        """The column that holds the figures (in the wide layout those of `field`), as text."""
        return reference("f", self._value_column(field))

    def _value_column(self, field: str | None) -> str:
        return str(self._facts.fields[field or ""]) if self._wide else self._settings.value or ""

    def _kind(self, field: str | None) -> Kind:
        return self._facts.table.columns[self._value_column(field)].kind

    def _only(self, field: str | None) -> str:
        """In the long layout, the condition that a row is of this field."""
        if field is None or self._wide:
            return ""
        return f"{reference('f', self._settings.field or '')} = {literal(self._facts.fields[field], self._facts.kind)}"

    def _numbers(self, field: str | None) -> list[ColumnElement[Any]]:
        """Three aggregates of the figures (in the wide layout those of `field`).

        PostgreSQL: the sum, how many figures, how many values. SQLite: the sum of what are hundredths, how many values,
        and what `countercache_sum` made of the others; if not guarded, such others make the sum a float.
        """
        value = self._value(field)
        if self._postgres:
            figure = expressions.figure(value, self._kind(field), guarded=self._guarded)
            texts = [f"sum({figure})", f"count({figure})", f"count({value})"]
        else:
            texts = self._sqlite_numbers(value, "")
        return [sa.literal_column(each) for each in texts]

    def _sqlite_numbers(self, value: str, only: str) -> list[str]:
        where = f" FILTER (WHERE {only})" if only else ""
        if not self._guarded:
            quick = expressions.hundredths(value, self._limit, otherwise="0.0")
            return [f"sum({quick}){where}", f"count({value}){where}", "NULL"]
        exact = expressions.hundredths(value, self._limit)
        rest = f"{value} IS NOT NULL AND {exact} IS NULL" + (f" AND {only}" if only else "")
        added = f"countercache_sum({expressions.decodable(value)}) FILTER (WHERE {rest})"
        return [f"sum({exact}){where}", f"count({value}){where}", added]

    def _any_figure(self) -> ColumnElement[bool]:
        fields: list[str | None] = list(self._facts.fields) if self._wide else [None]
        texts = [f"countercache_is_number({expressions.decodable(self._value(field))})" for field in fields]
        if self._postgres:
            figures = [expressions.figure(self._value(field), self._kind(field), guarded=True) for field in fields]
            texts = [f"{figure} IS NOT NULL" for figure in figures]
        return sa.literal_column("(" + " OR ".join(texts) + ")")

    def _conditions(self, fields: Sequence[str], *, whole: bool) -> list[ColumnElement[bool]]:
        found = self._present()
        if not self._wide and self._reads_fewer(fields):
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
        listed = isinstance(self._settings.fields, Lookup)
        return not listed or set(fields) < set(self._facts.fields)

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
