"""Random tables and counters, and what must come out of them, told by the plainest means: loops and fractions.

A `World` is the rows of one source with its names; `World.expected` says what a cell must be by the words of the
documentation, without SQL, masks, passes or partial sums. `settings` and `fill` put it into a database.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import strategies as st

from countercache.model.states import Reason
from countercache.settings import (
    Aggregate,
    CounterSettings,
    DatabaseSettings,
    Format,
    GroupSettings,
    Layout,
    Lookup,
    Missing,
    Over,
    Rejected,
    Settings,
    SourceSettings,
)
from tests.computing import load

ENTITIES = ("ann", "bob's", "cy-1", "d%d", "e:e")
FIELDS = ("a", "b-b", "c c")
PERIODS = ("2018/19", "2019/20", "2020/21")
GROUPS = ("odd", "named", "both")

Formula = str | int | tuple[Any, ...]
Row = tuple[str, str, str, Any]


class Wrong(Exception):  # noqa: N818 - the result of a cell, not an error
    """A cell has no value."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Expected(msgspec.Struct, frozen=True):
    """What a cell must be. The value of a failed one is its reason."""

    value: Fraction | Reason
    reported: int
    entities: int
    rejected: int


class World(msgspec.Struct, frozen=True):
    """Rows (entity, field, period, value), which entities a lookup table lists, and which column type holds values."""

    layout: Layout
    kind: str
    rows: tuple[Row, ...]
    listed: tuple[str, ...] | None
    field_lookup: bool
    period_lookup: bool
    unique: bool

    def kept_by(self, kind: str) -> World:
        """The world as a database keeps it: SQLite has no NaN, it makes NULL of it; DuckDB has no decimal that is one,
        and none of more than 38 digits.
        """
        if kind == "duckdb" and self.kind == "numeric":
            rows = tuple((*row[:3], _of_38_digits(row[3])) for row in self.rows)
        elif kind == "sqlite":
            rows = tuple(
                (*row[:3], None if isinstance(row[3], float) and math.isnan(row[3]) else row[3]) for row in self.rows
            )
        else:
            return self
        return msgspec.structs.replace(self, rows=rows)

    def number(self, value: Any) -> Fraction | None:
        """A stored value as a number."""
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return Fraction(value) if Decimal(value).is_finite() else None
        if isinstance(value, float):
            return self.number(Decimal(repr(value)))
        text = value.strip(" \t\r\n")
        number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text, re.ASCII)
        return Fraction(Decimal(text)) if number else None

    def members(self, group: str) -> set[str] | None:
        """The entities of a group; `None`: all."""
        pool = self.everybody()
        return {
            "all": None,
            "odd": {e for e in pool if ENTITIES.index(e) % 2},
            "named": {"ann"},
            "both": {e for e in pool if e in {"ann", "bob's"}},
        }[group]

    def everybody(self) -> set[str]:
        """The entities that `all` counts."""
        return set(self.listed) if self.listed is not None else {row[0] for row in self.rows}

    def figures(self, field: str, period: str, members: set[str] | None) -> list[tuple[str, Fraction | None]]:
        """Entity and number of each value that is not NULL; nobody counts whom the entities table does not list."""
        pool = self.everybody() if members is None else members
        return [
            (e, self.number(v))
            for e, f, p, v in self.rows
            if v is not None and f == field and p == period and e in pool
        ]

    def present(self) -> list[str]:
        """The periods with a value in any field, in their order."""
        return [p for p in PERIODS if any(self.figures(f, p, None) for f in FIELDS)]

    def periods(self) -> list[str]:
        """The periods that exist: those of the lookup table, else those that have values."""
        return list(PERIODS) if self.period_lookup else self.present()

    def latest(self, tree: Formula, counter: CounterSettings) -> str | None:
        """The newest period in which enough of the fields is reported."""
        zero = counter.missing is Missing.ZERO
        units = [sorted(leaves(tree))] if zero else [[f] for f in sorted(leaves(tree))]
        existing = self.periods()

        def count(unit: list[str], period: str) -> int:
            found = [n for f in unit for _, n in self.figures(f, period, None)]
            return len(found) if counter.rejected is not Rejected.SKIP else sum(n is not None for n in found)

        for at in reversed(range(len(existing))):
            enough = True
            for unit in units:
                before = [n for p in existing[:at] if (n := count(unit, p))][-2:]
                share = Fraction(1, 2) if counter.min_coverage is None else Fraction(counter.min_coverage)
                here = count(unit, existing[at])
                enough &= here > 0 and here >= share * max(before, default=0)
            if enough:
                return existing[at]
        return existing[-1] if zero and existing else None

    def expected(self, tree: Formula, counter: CounterSettings, group: str, periods: list[str]) -> Expected:
        """What a cell over these periods (one, or all that have figures) must be."""
        members = self.members(group)
        size = (len(self.everybody()) if members is None else len(members)) * len(periods)
        if counter.over is Over.TOTALS:
            value, reported, rejected = self._totals(tree, counter, members, periods)
        else:
            value, reported, rejected = self._entities(tree, counter, members, periods)
        if rejected and counter.rejected is not Rejected.SKIP:
            value = Reason.REJECTED
        return Expected(value, reported, size, rejected)

    def _totals(
        self, tree: Formula, counter: CounterSettings, members: set[str] | None, periods: list[str]
    ) -> tuple[Fraction | Reason, int, int]:
        used = {f: [n for p in periods for _, n in self.figures(f, p, members)] for f in leaves(tree)}
        numbers = {f: [n for n in found if n is not None] for f, found in used.items()}
        reported = min(len(found) for found in numbers.values())
        rejected = sum(found.count(None) for found in used.values())
        if counter.missing is not Missing.ZERO and not reported:
            return Reason.NO_FIGURES, reported, rejected
        try:
            value: Fraction | Reason = calculate(tree, {f: sum(found, Fraction()) for f, found in numbers.items()})
        except ZeroDivisionError:
            value = Reason.DIVISION_BY_ZERO
        return value, reported, rejected

    def _entities(
        self, tree: Formula, counter: CounterSettings, members: set[str] | None, periods: list[str]
    ) -> tuple[Fraction | Reason, int, int]:
        results: list[Fraction] = []
        lacking = undefined = rejected = 0
        for period in periods:
            found = {f: self.figures(f, period, members) for f in leaves(tree)}
            rejected += sum(n is None for each in found.values() for _, n in each)
            present = {e for each in found.values() for e, n in each if n is not None}
            for entity in present | (self.everybody() if members is None else members):
                mine = {f: [n for e, n in each if e == entity and n is not None] for f, each in found.items()}
                if counter.missing is not Missing.ZERO and not all(mine.values()):
                    lacking += 1
                    continue
                try:
                    results.append(calculate(tree, {f: sum(each, Fraction()) for f, each in mine.items()}))
                except ZeroDivisionError:
                    undefined += 1
        if counter.missing is Missing.FAIL and lacking:
            return Reason.MISSING, len(results), rejected
        if undefined and (counter.missing is Missing.FAIL or not results):
            return Reason.DIVISION_BY_ZERO, len(results), rejected
        if not results:
            return Reason.NO_FIGURES, len(results), rejected
        return combine(counter.aggregate, results), len(results), rejected


def combine(aggregate: Aggregate, results: list[Fraction]) -> Fraction:
    """The entities' results as one number."""
    match aggregate:
        case Aggregate.SUM:
            return sum(results, Fraction())
        case Aggregate.AVG:
            return rounded(sum(results, Fraction()) / len(results), 30)
        case Aggregate.MIN:
            return min(results)
        case Aggregate.MAX:
            return max(results)
        case Aggregate.COUNT:
            return Fraction(len(results))


def rounded(value: Fraction, places: int) -> Fraction:
    """Rounded half away from zero."""
    whole, rest = divmod(abs(value) * 10**places, 1)
    return Fraction(int(whole) + (rest >= Fraction(1, 2)), 10**places) * (1 if value >= 0 else -1)


def leaves(tree: Formula) -> set[str]:
    """The fields of a formula."""
    if isinstance(tree, tuple):
        return set().union(*(leaves(part) for part in tree[1:]))
    return {tree} if isinstance(tree, str) else set()


def calculate(tree: Formula, values: dict[str, Fraction]) -> Fraction:
    """The value of a formula."""
    match tree:
        case str():
            return values[tree]
        case int():
            return Fraction(tree)
        case ("-", operand):
            return -calculate(operand, values)
    sign, one, other = tree
    left, right = calculate(one, values), calculate(other, values)
    if sign == "/":
        return rounded(left / right, 30)
    return left + right if sign == "+" else left - right if sign == "-" else left * right


def render(tree: Formula) -> str:
    """A formula as text."""
    match tree:
        case str():
            return f'"{tree}"' if " " in tree else tree
        case int():
            return str(tree)
        case ("-", operand):
            return f"-({render(operand)})"
    return f"({render(tree[1])}) {tree[0]} ({render(tree[2])})"


def fill(world: World, url: str) -> None:
    """Make the tables of a world in a database, in place of those of another."""
    typed = "sqlite" not in url.partition(":")[0]
    type_ = world.kind if typed else "TEXT" if world.kind == "text" else ""
    if url.startswith("duckdb") and type_ == "numeric":
        type_ = "DECIMAL(38, 18)"
    entity_key: dict[str, Any] = {e: i * 3 + 1 if world.listed is not None else e for i, e in enumerate(ENTITIES)}
    period_key: dict[str, Any] = {p: 9 - i if world.period_lookup else p for i, p in enumerate(PERIODS)}
    field_key: dict[str, Any] = {f: i + 1 if world.field_lookup else f for i, f in enumerate(FIELDS)}
    entity_type = "INTEGER" if world.listed is not None else "TEXT"
    period_type = "INTEGER" if world.period_lookup else "TEXT"
    field_type = "INTEGER" if world.field_lookup else "TEXT"
    script = 'DROP TABLE IF EXISTS "Fig.ures"; DROP TABLE IF EXISTS who; DROP TABLE IF EXISTS what; '
    script += "DROP TABLE IF EXISTS years; CREATE TABLE who (id INTEGER PRIMARY KEY, called TEXT, odd INTEGER);"
    script += "CREATE TABLE what (id INTEGER PRIMARY KEY, called TEXT); CREATE TABLE years (id INTEGER, called TEXT);"
    if world.layout is Layout.LONG:
        script += f'CREATE TABLE "Fig.ures" ("the ""entity""" {entity_type}, field {field_type}, "Year" {period_type},'
        script += f' "val%ue" {type_}, odd INTEGER);'
        if world.unique:
            script += 'CREATE UNIQUE INDEX u ON "Fig.ures" ("the ""entity""", field, "Year");'
        rows = [
            (entity_key[e], field_key[f], period_key[p], stored(v, typed), ENTITIES.index(e) % 2)
            for e, f, p, v in world.rows
        ]
    else:
        columns = ", ".join(f'"{name}" {type_}' for name in FIELDS)
        script += f'CREATE TABLE "Fig.ures" ("the ""entity""" {entity_type}, "Year" {period_type}, {columns},'
        script += " odd INTEGER);"
        rows = [
            (
                entity_key[e],
                period_key[p],
                *(stored(v, typed) if f == name else None for name in FIELDS),
                ENTITIES.index(e) % 2,
            )
            for e, f, p, v in world.rows
        ]
    load(
        url,
        script,
        {
            "who": [(entity_key[e], e, ENTITIES.index(e) % 2) for e in world.listed or ()],
            "what": [(field_key[f], f) for f in FIELDS] if world.field_lookup else [],
            "years": [(period_key[p], p) for p in PERIODS] if world.period_lookup else [],
            '"Fig.ures"': rows,
        },
    )


def stored(value: Any, typed: bool) -> Any:
    """A value as the driver takes it: SQLite has no decimals, so these are text there."""
    return str(value) if isinstance(value, Decimal) and not typed else value


def _of_38_digits(value: Decimal | None) -> Decimal | None:
    if value is None or not value.is_finite():
        return None
    return value.quantize(Decimal("1e-18"), context=Context(prec=50, rounding=ROUND_HALF_UP))


def settings(world: World, url: str, counters: Iterable[CounterSettings]) -> Settings:
    """The configuration of a world."""
    long = world.layout is Layout.LONG
    fields: Any = Lookup(table="what", name="called") if world.field_lookup else None
    source = SourceSettings(
        database="main",
        layout=world.layout,
        table='"Fig.ures"',
        entity='the "entity"',
        period="Year",
        field="field" if long else None,
        value="val%ue" if long else None,
        entities=Lookup(table="who", name="called") if world.listed is not None else None,
        periods=Lookup(table="years", name="called") if world.period_lookup else None,
        fields=fields if long else FIELDS,
    )
    both = ("ann", "bob's")
    return Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={"figures": source},
        groups={
            "odd": GroupSettings(source="figures", where="odd % 2 = 1 -- :odd"),
            "named": GroupSettings(source="figures", entities=("ann",)),
            "both": GroupSettings(source="figures", entities=both),
        },
        counters={f"n{i}": counter for i, counter in enumerate(counters)},
    )


_DECIMALS = st.decimals(min_value=-(10**15), max_value=10**15, places=2, allow_nan=False, allow_infinity=False)
_TEXTS = st.sampled_from(
    [
        "abc",
        "",
        " ",
        "NaN",
        "Infinity",
        "-inf",
        "1e999999",
        "1e-999999",
        "0x10",
        "1_000",
        "12,5",
        "1 2",
        "٣",
        "--1",
        ".",
    ]
)
_NUMERIC_TEXTS = st.sampled_from(["1.5", " 2 ", "\t-3e2\n", "+.5", "5.", "00012", "1E+3", "0.1", "1e999", "1e-999"])


def prints_alike(value: float) -> bool:
    """Whether all print a number alike. Of two that a short decimal lies exactly between, Python says it means the even
    one; PostgreSQL takes another digit.
    """
    if not math.isfinite(value):
        return True
    short = Fraction(Decimal(repr(value)))
    around = [math.nextafter(value, end) for end in (-math.inf, math.inf)]
    return all(math.isinf(other) or abs(short - Fraction(value)) < abs(short - Fraction(other)) for other in around)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "numeric": st.one_of(
        st.none(),
        _DECIMALS,
        st.sampled_from(
            [Decimal(0), Decimal("0.1"), Decimal("12345678901234567890.1234567890123456789"), Decimal("NaN")]
        ),
    ),
    "bigint": st.one_of(st.none(), st.integers(-(2**62), 2**62), st.integers(-3, 3)),
    "double precision": st.one_of(
        st.none(),
        st.floats().filter(prints_alike),
        st.sampled_from([0.1, 0.2, -0.0, 1e22, 1.005, 1e-300]),
        _DECIMALS.map(float).filter(prints_alike),
    ),
    "text": st.one_of(st.none(), _DECIMALS.map(str), _TEXTS, _NUMERIC_TEXTS),
}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any world."""
    kind = draw(st.sampled_from(sorted(VALUES)))
    layout = draw(st.sampled_from(Layout))
    places = st.tuples(
        st.sampled_from(ENTITIES), st.sampled_from(FIELDS), st.sampled_from(PERIODS[: draw(st.integers(1, 3))])
    )
    unique = draw(st.booleans())
    rows = draw(
        st.lists(st.tuples(places, VALUES[kind]), max_size=40, unique_by=(lambda row: row[0]) if unique else None)
    )
    listed = draw(st.one_of(st.none(), st.lists(st.sampled_from(ENTITIES), unique=True).map(lambda e: ("ann", *e))))
    return World(
        layout,
        kind,
        tuple((*place, value) for place, value in rows),
        None if listed is None else tuple(dict.fromkeys(listed)),
        draw(st.booleans()),
        draw(st.booleans()),
        unique,
    )


trees: st.SearchStrategy[Formula] = st.recursive(
    st.one_of(st.sampled_from(FIELDS), st.sampled_from(FIELDS), st.integers(0, 100)),
    lambda inner: st.one_of(st.tuples(st.sampled_from("+-*/"), inner, inner), st.tuples(st.just("-"), inner)),
    max_leaves=6,
).filter(lambda tree: bool(leaves(tree)))

counters = st.builds(
    CounterSettings,
    source=st.just("figures"),
    over=st.sampled_from(Over),
    aggregate=st.sampled_from(Aggregate),
    missing=st.sampled_from(Missing),
    periods=st.one_of(
        st.just("each"), st.lists(st.sampled_from(["latest", "all", *PERIODS]), min_size=1, unique=True).map(tuple)
    ),
    groups=st.lists(st.sampled_from(["all", *GROUPS]), min_size=1, unique=True).map(tuple),
    compare=st.booleans(),
    rejected=st.sampled_from([None, Rejected.FAIL, Rejected.SKIP, Rejected.SKIP]),
    min_coverage=st.sampled_from([None, Decimal(0), Decimal("0.3"), Decimal(1)]),
    format=st.builds(Format, percent=st.booleans()),
)
