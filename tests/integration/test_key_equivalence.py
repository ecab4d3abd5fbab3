"""Keys that a database takes for equal though they are not written alike; tables that are not as one expects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countercache.model.states import Reason
from countercache.settings import Layout, Lookup, Missing, Over
from countercache.worker.protocol import CHECK, Checked
from tests.computing import compute, load, order
from tests.sources import both, counter, settings, values, whole

BATCHES: list[int | str] = ["auto", 1, 3, 5]


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A file of its own."""
    return f"sqlite:///{tmp_path}/awkward.db"


@pytest.fixture
def postgres(make_database: Callable[[], str]) -> str:
    """A database of its own."""
    return make_database()


F = "CREATE TABLE f (e text, k text, p text, v integer);"


@pytest.mark.parametrize("missing", [Missing.SKIP, Missing.ZERO])
@pytest.mark.parametrize("query", ["SELECT * FROM t", "SELECT e, k, p, sum(v) AS v FROM t GROUP BY e, k, p"])
def test_a_view_of_sqlite(query: str, missing: Missing, sqlite: str) -> None:
    """It has no rows of its own to be told apart by, and is read all the same."""
    load(sqlite, f"CREATE TABLE t (e text, k text, p text, v integer); CREATE VIEW f AS {query};", {
        "t": [("a", "d", "2019", 5), ("b", "d", "2019", 7)],
    })  # fmt: skip
    assert values(compute(settings(sqlite, both(missing=missing)))) == (12, 12)


def test_the_least_rowid_of_all(sqlite: str) -> None:
    """A row may have any rowid that 64 bits hold."""
    load(sqlite, F + f"INSERT INTO f (rowid, e, k, p, v) VALUES ({-(2**63)}, 'a', 'd', '2019', 2);", {
        "f": [("b", "d", "2019", 5)],
    })  # fmt: skip
    assert values(compute(settings(sqlite, both()))) == (7, 7)


@pytest.mark.parametrize("batch_size", BATCHES)
def test_batches_where_the_entities_table_sorts_otherwise(batch_size: int | str, sqlite: str) -> None:
    """Numbers there, text here: 10 comes after 9 there, and before 2 here."""
    load(sqlite, "CREATE TABLE c (id integer PRIMARY KEY, slug text);" + F, {
        "c": [(n, f"c{n}") for n in range(1, 13)],
        "f": [(str(n), "d", "2019", 1) for n in range(1, 13)],
    })  # fmt: skip
    of = settings(sqlite, both(), entities=Lookup(table="c", name="slug"))
    results = compute(of, batch_size=batch_size)
    assert values(results) == (12, 12)
    coverage = results.cell("totals", period="all").coverage
    assert coverage
    assert (coverage.reported, coverage.entities) == (12, 12)


@pytest.mark.parametrize("batch_size", BATCHES)
def test_batches_where_collations_differ(batch_size: int | str, sqlite: str) -> None:
    """Without regard to case there, with regard to it here."""
    load(sqlite, "CREATE TABLE c (id text COLLATE NOCASE PRIMARY KEY, slug text);" + F, {
        "c": [(name, name) for name in "aBcDeF"],
        "f": [(name, "d", "2019", 1) for name in "aBcDeF"],
    })  # fmt: skip
    of = settings(sqlite, both(), entities=Lookup(table="c", name="slug"))
    assert values(compute(of, batch_size=batch_size)) == (6, 6)


@pytest.mark.parametrize("batch_size", BATCHES)
def test_batches_where_types_differ_on_postgresql(batch_size: int | str, postgres: str) -> None:
    """Decimals there, whole numbers here."""
    tables = "CREATE TABLE c (id numeric(6, 2) PRIMARY KEY); CREATE TABLE f (e integer, k text, p text, v integer);"
    load(postgres, tables, {"c": [(n,) for n in range(1, 7)], "f": [(n, "d", "2019", 1) for n in range(1, 7)]})
    of = settings(postgres, both(), entities=Lookup(table="c", key="id", name="id"))
    assert values(compute(of, batch_size=batch_size)) == (6, 6)


ODD_CASES = [("1", "Debt", "2018", 5), ("2", "debt", "2018", 6), ("1", "debt", "2019", 7), ("2", "Debt", "2019", 100)]


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("lookup", [False, True])
def test_fields_whatever_their_case(lookup: bool, batch_size: int | str, sqlite: str) -> None:
    """Where the column makes no difference, neither does a total."""
    load(sqlite, "CREATE TABLE d (k text, name text);"
         "CREATE TABLE f (e text, k text COLLATE NOCASE, p text, v integer);", {
        "d": [("debt", "debt")], "f": ODD_CASES,
    })  # fmt: skip
    more: dict[str, Any] = {"fields": Lookup(table="d", key="k", name="name")} if lookup else {}
    counters = both(formula="debt", periods=("2018", "2019", "all"))
    results = compute(settings(sqlite, counters, **more), batch_size=batch_size)
    assert [values(results, period) for period in ("2018", "2019", "all")] == [(11, 11), (107, 107), (118, 118)]


@pytest.mark.parametrize("batch_size", BATCHES)
def test_numbers_whatever_their_places(batch_size: int | str, postgres: str) -> None:
    """101 and 101.0 are one field there, 2019 and 2019.00 one period."""
    rows = [
        ("1", "101", "2018", 5),
        ("2", "101.0", "2018.00", 6),
        ("1", "101.00", "2019.0", 7),
        ("2", "101", "2019", 100),
    ]
    load(postgres, "CREATE TABLE f (e text, k numeric, p numeric, v integer);", {"f": rows})
    results = compute(settings(postgres, both(formula='"101"', periods="each")), batch_size=batch_size)
    periods = sorted({period for _, _, period in results.cells}, key=float)
    assert [float(period) for period in periods] == [2018, 2019]
    assert [values(results, period) for period in periods] == [(11, 11), (107, 107)]


@pytest.mark.parametrize("batch_size", BATCHES)
def test_periods_whatever_their_case(batch_size: int | str, sqlite: str) -> None:
    """One period, also where groups have it in different spellings."""
    load(sqlite, "CREATE TABLE c (id text PRIMARY KEY, x integer);"
         "CREATE TABLE f (e text, k text, p text COLLATE NOCASE, v integer);", {
        "c": [("a", 1), ("b", 2)], "f": [("a", "d", "q1", 1), ("b", "d", "Q1", 10)],
    })  # fmt: skip
    entities, groups = Lookup(table="c", name="id"), {"g": "x = 1"}
    counters = both(periods="each", groups=("all", "g"))
    results = compute(settings(sqlite, counters, groups, entities=entities), batch_size=batch_size)
    (period,) = {period for _, _, period in results.cells}
    assert values(results, period) == (11, 11)
    assert values(results, period, "g") == (1, 1)


def test_entities_whatever_their_case(sqlite: str) -> None:
    """An entity is in its group if the entities table's own column says that it is the same."""
    load(sqlite, "CREATE TABLE c (id text COLLATE NOCASE PRIMARY KEY, x integer);" + F, {
        "c": [("leeds", 1), ("york", 2)],
        "f": [("Leeds", "d", "2019", 1), ("leeds", "d", "2019", 10), ("york", "d", "2019", 100)],
    })  # fmt: skip
    entities, groups = Lookup(table="c", name="id"), {"g": "x = 1"}
    results = compute(settings(sqlite, both(groups=("all", "g")), groups, entities=entities))
    assert values(results, group="g") == (11, 11)
    assert values(results) == (111, 111)


def test_numbers_and_text_that_mean_the_same(sqlite: str) -> None:
    """Codes of fields, and keys of fields and periods, as one column has them as numbers and the other as text."""
    load(sqlite, "CREATE TABLE f (e text, k integer, p text, v integer);"
         "CREATE TABLE g (e text, k text, p text, v integer);"
         "CREATE TABLE topic (id integer PRIMARY KEY, name text);"
         "CREATE TABLE year (id integer PRIMARY KEY, label text);", {
        "f": [("a", 101, "2019", 5), ("b", 101, "2019", 6)],
        "g": [("a", "7", "1", 4), ("b", "7", "1", 6)],
        "topic": [(7, "debt")], "year": [(1, "2019/20")],
    })  # fmt: skip
    assert values(compute(settings(sqlite, both(formula='"101"', missing=Missing.ZERO)))) == (11, 11)
    lookups: dict[str, Any] = {
        "fields": Lookup(table="topic", name="name"),
        "periods": Lookup(table="year", name="label"),
    }
    of = settings(sqlite, both(formula="debt", periods=("latest", "2019/20")), table="g", **lookups)
    for batch_size in BATCHES:
        results = compute(of, batch_size=batch_size)
        assert values(results, "latest") == (10, 10)
        assert values(results, "2019/20") == (10, 10)


def test_two_periods_of_one_name(sqlite: str) -> None:
    """2019 and '2019' are two where the column says so, and cannot be told apart by name: nothing is guessed."""
    load(sqlite, "CREATE TABLE f (e text, k text, p, v integer);", {"f": [("a", "d", 2019, 5), ("b", "d", "2019", 6)]})
    results = compute(settings(sqlite, both(periods=("2019",))))
    failures = [cell.failure for cell in results.cells.values() if cell.failure] + list(results.failures.values())
    assert len(failures) == 2
    assert all(each.reason is Reason.CONFIG and "2019" in each.message for each in failures)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
@pytest.mark.parametrize("missing", [Missing.SKIP, Missing.ZERO])
def test_a_field_that_is_nowhere(missing: Missing, kind: str, request: pytest.FixtureRequest) -> None:
    """Without a table of fields a misspelt one is found all the same, with the right one; no other counter suffers."""
    url: str = request.getfixturevalue(kind)
    load(url, "CREATE TABLE f (e text, k integer, p text, v integer);" if kind == "postgres" else F, {
        "f": [("a", "101", "2019", 5)],
    })  # fmt: skip
    right = '"101"'
    wrong = '"1O1"' if kind == "postgres" else '"102"'
    counters = {
        "right": counter(right, missing=missing),
        "wrong": counter(f"{right} + {wrong}", missing=missing),
        "of-each": counter(wrong, missing=missing, over=Over.ENTITIES),
    }
    of = settings(url, counters)
    results = compute(of)
    assert results.value("right", period="all") == 5
    for name in ("wrong", "of-each"):
        assert results.failures[name].reason is Reason.CONFIG
        assert 'did you mean "101"?' in results.failures[name].text
    checks = [check for report in order(of, task=CHECK) if isinstance(report, Checked) for check in report.checks]
    assert {check.subject for check in checks if not check.ok} == {"counter wrong", "counter of-each"}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_wide_table_without_one_of_its_columns(kind: str, request: pytest.FixtureRequest) -> None:
    """Only the counter that needs the column fails."""
    url: str = request.getfixturevalue(kind)
    load(url, "CREATE TABLE f (e text, p text, x integer, b boolean);", {"f": [("a", "2019", 5, True)]})
    wide: dict[str, Any] = {
        "layout": Layout.WIDE,
        "field": None,
        "value": None,
        "fields": {"x": "x", "z": "zz", "b": "b"},
    }
    counters = {"good": counter("x", periods=("latest",)), "bad": counter("z", periods=("latest",))}
    results = compute(settings(url, counters, **wide))
    assert results.ended is None
    assert results.value("good") == 5
    assert 'no column "zz"' in results.failures["bad"].text


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_group_that_fails_when_it_is_asked(kind: str, request: pytest.FixtureRequest) -> None:
    """A condition that is right for the parser and wrong for a row is that group's failure, and nobody else's."""
    url: str = request.getfixturevalue(kind)
    load(url, "CREATE TABLE c (id text PRIMARY KEY, m text);" + F, {
        "c": [("a", "1"), ("b", "{")], "f": [("a", "d", "2019", 5), ("b", "d", "2019", 6)],
    })  # fmt: skip
    where = "json_extract(m, '$') = 1" if kind == "sqlite" else "m::integer = 1"
    entities, groups = Lookup(table="c", name="id"), {"odd": where, "even": "id = 'b'"}
    results = compute(settings(url, both(groups=("all", "odd", "even")), groups, entities=entities))
    assert values(results) == (11, 11)
    assert values(results, group="even") == (6, 6)
    failure = results.cell("totals", "odd", "all").failure
    assert failure
    assert failure.reason is Reason.CONFIG


@pytest.mark.parametrize("alone", [False, True])
def test_the_latest_period_has_figures_that_count(alone: bool, sqlite: str) -> None:
    """A row of no entity, or of no field, makes no period the latest, whatever else is computed."""
    load(sqlite, "CREATE TABLE year (id integer PRIMARY KEY, label text);"
         "CREATE TABLE f (e text, k text, p integer, v integer);", {
        "year": [(1, "2018"), (2, "2019"), (3, "2020")],
        "f": [("a", "d", 1, 5), (None, "d", 2, 500), ("a", None, 3, 500)],
    })  # fmt: skip
    periods = ("latest",) if alone else ("latest", "all")
    of = settings(sqlite, both(periods=periods), periods=Lookup(table="year", name="label"))
    results = compute(of)
    assert values(results, "latest") == (5, 5)
    assert results.cell("totals").label == "2018"


def test_a_key_is_no_figure(sqlite: str) -> None:
    """A wide table's own key does not make a period that nothing was reported for the latest."""
    load(sqlite, "CREATE TABLE f (id integer PRIMARY KEY, e text, p text, x integer);", {
        "f": [(1, "a", "2019", 1), (2, "a", "2020", None)],
    })  # fmt: skip
    results = compute(
        settings(sqlite, both(formula="x", periods=("latest",)), layout=Layout.WIDE, field=None, value=None)
    )
    assert values(results, "latest") == (1, 1)
    assert results.cell("totals").label == "2019"


def test_periods_in_the_order_of_their_type(postgres: str) -> None:
    """An enum has an order of its own, by which the newest period and the one before it are found."""
    load(postgres, "CREATE TYPE fy AS ENUM ('FY99', 'FY00', 'FY01');"
         "CREATE TABLE f (e text, k text, p fy, v integer);", {
        "f": [("a", "d", "FY99", 1), ("a", "d", "FY00", 2), ("a", "d", "FY01", 4)],
    })  # fmt: skip
    results = compute(settings(postgres, both(periods=("latest",), compare=True)))
    assert values(results, "latest") == (4, 4)
    cell = results.cell("totals")
    assert (cell.label, whole(cell.previous)) == ("FY01", 2)
