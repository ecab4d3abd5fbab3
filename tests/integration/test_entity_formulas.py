"""Counters over entities are what a loop over the entities gives, however the database computes them."""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from countercache.compute.formula import EXACT, evaluate, parse, quotient
from countercache.databases.sqlite.connection import SQLite
from countercache.settings import (
    Aggregate,
    CounterSettings,
    DatabaseSettings,
    Layout,
    Lookup,
    Over,
    Settings,
    SourceSettings,
)
from tests.computing import as_if_large, compute, load

FORMULAS = {
    "one": "a",
    "linear": "2 * a - 0.125 * (b + c) + 1",
    "product": "a * b",
    "ratio": "a / b",
    "ratio of sums": "(a + b) / (a - b)",
    "nested": "c / (a / b)",
    "with a constant": "100 * a / 7 - c",
    "constants alone": "a * (1 / 3)",
}

Rows = list[tuple[str, str | None, str | None, str | None]]

FIGURES: dict[str, Rows] = {
    "hundredths": [
        ("e", "10.25", "4.10", "-3"),
        ("f", "0", "7", "0.01"),
        ("g", "12.5", "0", "5"),
        ("h", None, "1", "2"),
    ],
    "more places": [("e", "10.255", "4.1", "-3"), ("f", "0.0001", "7", "0.01"), ("g", "12.5", "0", "5")],
    "large": [("e", "899999999999.25", "4.10", "-3"), ("f", "-899999999999.25", "899999999999.25", "899999999999.25")],
    "very large": [("e", "9" * 18, "4.10", "-3"), ("f", "1", "9" * 17, "9" * 18)],
    "none": [("e", None, None, None)],
}

SCRIPT = """
    CREATE TABLE who (id text PRIMARY KEY);
    CREATE TABLE figures (who text NOT NULL, year integer NOT NULL, a numeric, b numeric, c numeric, PRIMARY KEY (who));
"""


def settings_for(url: str, counters: dict[str, tuple[str, Aggregate]]) -> Settings:
    """Counters over the entities of one table, each of a formula and an aggregate."""
    source = SourceSettings(
        database="main",
        table="figures",
        entity="who",
        period="year",
        layout=Layout.WIDE,
        entities=Lookup(table="who", name="id"),
    )
    over = {
        name: CounterSettings(
            source="figures", formula=formula, over=Over.ENTITIES, aggregate=aggregate, periods="each"
        )
        for name, (formula, aggregate) in counters.items()
    }
    return Settings(databases={"main": DatabaseSettings(url=url)}, sources={"figures": source}, counters=over)


def expected(formula: str, aggregate: Aggregate, figures: Rows) -> Decimal | None:
    """What a loop gives; `None` where no entity has a result."""
    results = []
    for _, *values in figures:
        of = {name: None if value is None else Decimal(value) for name, value in zip("abc", values, strict=True)}
        try:
            result = evaluate(parse(formula), lambda name, of=of: of[name.name])  # type: ignore[misc]
        except ZeroDivisionError:
            continue
        if result is not None:
            results.append(result)
    if aggregate is Aggregate.COUNT:
        return Decimal(len(results))
    if not results:
        return None
    total = reduce(EXACT.add, results)
    return {
        Aggregate.SUM: total,
        Aggregate.AVG: quotient(total, Decimal(len(results))),
        Aggregate.MIN: min(results),
        Aggregate.MAX: max(results),
    }[aggregate]


@pytest.mark.parametrize("large", [False, True], ids=["as it is", "as if it were large"])
@pytest.mark.parametrize("figures", FIGURES)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_every_formula_with_every_aggregate(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, figures: str, large: bool
) -> None:
    """Linear ones, products, quotients; of hundredths, of more places, and of sums beyond 64 bits."""
    url, rows = f"sqlite:///{tmp_path}/x.db", FIGURES[figures]
    if kind == "postgresql":
        url = request.getfixturevalue("make_database")()
    number = Decimal if kind == "postgresql" else _number
    stored = [(e, 2024, *(None if value is None else number(value) for value in values)) for e, *values in rows]
    load(url, SCRIPT, {"who": [(e,) for e, *_ in rows], "figures": stored})
    counters = {
        f"{name} {aggregate}": (formula, aggregate) for name, formula in FORMULAS.items() for aggregate in Aggregate
    }
    with as_if_large() if large else nullcontext():
        results = compute(settings_for(url, counters))
    for name, (formula, aggregate) in counters.items():
        cells = [cell.value for (counter, _, _), cell in results.cells.items() if counter == name]
        assert cells == ([] if figures == "none" else [expected(formula, aggregate, rows)]), name


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def test_sqlite_shares_the_pass_between_its_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large table is read by two queries side by side, each for half of the entities, and no row is fetched."""
    url = f"sqlite:///{tmp_path}/x.db"
    rows = [(f"{number:02}", 2024, number * 3, number % 5, 1) for number in range(100)]
    load(url, SCRIPT, {"who": [(row[0],) for row in rows], "figures": rows})
    statements: list[str] = []
    shared = SQLite.side_by_side

    def noted(self: SQLite, queries: list[str]) -> list[Any]:
        statements.extend(queries)
        return shared(self, queries)

    monkeypatch.setattr(SQLite, "side_by_side", noted)
    monkeypatch.setattr(SQLite, "stream", None)
    with as_if_large():
        cell = compute(settings_for(url, {"ratio": ("a / b", Aggregate.SUM)})).cell("ratio", period="2024")
    assert cell.value == reduce(EXACT.add, (quotient(Decimal(a), Decimal(b)) for _, _, a, b, _ in rows if b))
    assert [statement.count('+f."who"') for statement in statements] == [1, 1]
