"""What the database takes for one key is one key, for fields, entities and periods, however it is written."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from countercache.model.states import Reason
from countercache.settings import CounterSettings, GroupSettings, Lookup
from tests.computing import compute, load
from tests.sources import both, counter, settings, values

BATCHES: list[int | str] = ["auto", 1, 2, 7]

ELSEWHERE = '"It\'s site".citext'
TYPES = ["citext", ELSEWHERE, "TEXT COLLATE NOCASE", "STRING COLLATE NOCASE", "COLLATE NOCASE"]


class Place:
    """An empty database, and how it writes the type of a text without regard to case."""

    def __init__(self, url: str, type_: str) -> None:
        self.url = url
        self.type = type_

    def load(self, script: str, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        """Make tables, in which `CI` is that type."""
        load(self.url, script.replace("CI", self.type), rows)


@pytest.fixture(params=TYPES)
def place(request: pytest.FixtureRequest, tmp_path: Path, make_database: Callable[[str], str]) -> Place:
    """A place for each type."""
    if request.param == "citext":
        return Place(make_database("CREATE EXTENSION citext;"), request.param)
    if request.param == ELSEWHERE:  # in a schema that is not in the search path
        return Place(
            make_database('CREATE SCHEMA "It\'s site"; CREATE EXTENSION citext SCHEMA "It\'s site";'), request.param
        )
    return Place(f"sqlite:///{tmp_path}/equal.db", request.param)


def named(counters: dict[str, str], **changes: Any) -> dict[str, CounterSettings]:
    """For each formula the same sum over totals and over entities."""
    return {
        f"{name}-{over}": each
        for name, formula in counters.items()
        for over, each in both(formula=formula, **changes).items()
    }


FIGURES = [("a", "debt", "2019", 1), ("b", "Debt", "2019", 10), ("c", "DEBT", "2019", 100), ("a", "other", "2019", 5)]


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("order", [FIGURES, FIGURES[::-1]])
def test_fields_in_several_spellings(place: Place, batch_size: int | str, order: list[tuple[Any, ...]]) -> None:
    """Each of them has the whole total, whichever formulas are computed together, and in whichever order rows lie."""
    place.load("CREATE TABLE f (e text, k CI, p text, v integer);", {"f": order})
    spellings = {"one": "debt", "two": "Debt", "three": "dEBt", "twice": "debt + Debt"}
    counters = named(spellings)
    whole = {name: 222 if name.startswith("twice") else 111 for name in counters}
    for some in [*itertools.combinations(counters, 2), tuple(counters)]:
        results = compute(settings(place.url, counters), some, batch_size=batch_size)
        assert {name: results.value(name, period="all") for name in some} == {name: whole[name] for name in some}


def test_a_counter_that_is_called_as_a_field(place: Place) -> None:
    """A field comes before a counter, in any spelling: one more counter changes no other's value."""
    place.load("CREATE TABLE f (e text, k CI, p text, v integer);", {"f": FIGURES})
    counters = {"sum": counter("DEBT + other"), "twice": counter("sum + debt"), "debt": counter("other")}
    for names in (("sum",), ("sum", "twice"), ("sum", "twice", "debt")):
        results = compute(settings(place.url, {name: counters[name] for name in names}))
        found = [results.value(name, period="all") for name in names]
        assert found == [116, 227, 5][: len(names)]


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("key", ["CI", "text"])
def test_fields_of_a_lookup_table(place: Place, key: str, batch_size: int | str) -> None:
    """The table may spell its key in yet another way."""
    place.load(f"CREATE TABLE f (e text, k CI, p text, v integer); CREATE TABLE d (k {key}, name text);", {
        "f": FIGURES, "d": [("dEbT", "Net debt"), ("other", "Other")],
    })  # fmt: skip
    of = settings(place.url, both(formula='"Net debt"'), fields=Lookup(table="d", key="k", name="name"))
    assert values(compute(of, batch_size=batch_size)) == (111, 111)


def test_two_keys_of_a_lookup_table_that_are_one(place: Place) -> None:
    """They are a key that is there twice where the lookup table's own column says so."""
    place.load("CREATE TABLE f (e text, k CI, p text, v integer); CREATE TABLE d (k CI, name text);", {
        "f": FIGURES, "d": [("debt", "Net debt"), ("Debt", "Gross debt")],
    })  # fmt: skip
    of = settings(place.url, both(formula='"Net debt"'), fields=Lookup(table="d", key="k", name="name"))
    failures = compute(of).failures
    assert {each.reason for each in failures.values()} == {Reason.CONFIG}
    assert all('table "d" has more than one row with "k" ' in each.text for each in failures.values())


def test_two_periods_of_a_lookup_table_that_are_one(place: Place) -> None:
    """Where only the figures' column says so, nothing says which of them a figure is of: that is an error."""
    place.load("CREATE TABLE f (e text, k text, p CI, v integer); CREATE TABLE y (k text PRIMARY KEY, name text);", {
        "f": [("a", "d", "q1", 1), ("b", "d", "Q1", 10)], "y": [("q1", "first"), ("Q1", "second")],
    })  # fmt: skip
    of = settings(place.url, both(periods="each"), periods=Lookup(table="y", key="k", name="name"))
    results = compute(of)
    assert not results.cells
    assert all("for one key" in each.text for each in results.failures.values())


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("listed", [False, True])
def test_entities_in_several_spellings(place: Place, batch_size: int | str, listed: bool) -> None:
    """An entity's figures are brought together, and a group has it however it is named there."""
    place.load("CREATE TABLE f (e CI, k text, p text, v integer); CREATE TABLE c (slug CI, x integer);", {
        "f": [("Leeds", "a", "2019", 1), ("leeds", "b", "2019", 10), ("YORK", "a", "2019", 100),
              ("york", "b", "2019", 1000), ("bath", "a", "2019", 10000)],
        "c": [("LEEDS", 1), ("York", 2), ("bath", 3)],
    })  # fmt: skip
    more: dict[str, Any] = {"entities": Lookup(table="c", key="slug", name="slug")} if listed else {}
    counters = both(formula="a + b", groups=("all", "some"))
    of = settings(place.url, counters, **more)
    of = msgspec.structs.replace(of, groups={"some": GroupSettings(source="figures", entities=("leedS", "Bath"))})
    results = compute(of, batch_size=batch_size)
    assert values(results) == (11111, 1111)
    assert values(results, group="some") == (10011, 11)
    coverage = results.cell("entities", "some", "all").coverage
    assert coverage
    assert (coverage.reported, coverage.entities) == (1, 2)


PERIODS = [
    ("a", "d", "b2", 1), ("b", "d", "B2", 2), ("c", "d", "A1", 10), ("d", "d", "a1", 20), ("e", "d", "C3", 100),
    ("f", "d", "c3", 200), ("g", "d", "Bx", 1000),
]  # fmt: skip


@pytest.mark.parametrize("order", [PERIODS, PERIODS[::-1]])
def test_periods_in_the_order_of_their_column(place: Place, order: list[tuple[Any, ...]]) -> None:
    """The newest is the last as the database sorts them, and each is called the same whatever is read together."""
    place.load("CREATE TABLE f (e text, k text, p CI, v integer);", {"f": order})
    for batch_size in BATCHES:
        results = compute(settings(place.url, both(periods="each", compare=True)), batch_size=batch_size)
        assert [period for name, _, period in results.cells if name == "totals"] == ["A1", "B2", "Bx", "C3"]
        found = {period: cell.previous for (name, _, period), cell in results.cells.items() if name == "totals"}
        assert found == {"A1": None, "B2": 30, "Bx": 3, "C3": 1000}
        assert [values(results, period) for period in found] == [(30, 30), (3, 3), (1000, 1000), (300, 300)]
        latest = compute(settings(place.url, both(periods=("latest",))), batch_size=batch_size)
        assert latest.cell("totals").label == "C3"
        assert values(latest, "latest") == (300, 300)


@pytest.mark.parametrize("kind", ["character(4)", "varchar(4)", "name"])
def test_periods_of_other_types_of_text(make_database: Callable[[str], str], kind: str) -> None:
    """Each keeps all of its characters where it is sorted, and so has its figures."""
    url = make_database("")
    load(url, f"CREATE TABLE f (e text, k text, p {kind}, v integer);", {
        "f": [("a", "d", "q2", 1), ("a", "d", "q10", 2), ("a", "d", "q1", 4)],
    })  # fmt: skip
    results = compute(settings(url, both(periods="each")))
    assert [period for name, _, period in results.cells if name == "totals"] == ["q1", "q10", "q2"]
    assert [values(results, period) for period in ("q1", "q10", "q2")] == [(4, 4), (2, 2), (1, 1)]


def test_periods_that_are_equal_without_looking_alike(make_database: Callable[[str], str]) -> None:
    """A month of days and of hours is one interval, which only the database knows."""
    url = make_database("")
    load(url, "CREATE TABLE f (e text, k text, p interval, v integer);", {
        "f": [("a", "d", "1 day", 1), ("b", "d", "24:00", 10), ("c", "d", "2 days", 100), ("d", "d", "48:00", 1000)],
    })  # fmt: skip
    for batch_size in BATCHES:
        results = compute(settings(url, both(periods="each")), batch_size=batch_size)
        assert [period for name, _, period in results.cells if name == "totals"] == ["1 day", "2 days"]
        assert [values(results, period) for period in ("1 day", "2 days")] == [(11, 11), (1100, 1100)]


KEYS: dict[str, list[Any]] = {
    "words": ["ab", "AC", "aD", "B", "c", "Da", "db", "E"],
    "numbers": [1, 2, 10, 20, 1.5, -3, 2**53, 0],
    "texts of numbers": ["1", "2", "10", "20", "x1", "X2", "9a", "9B"],
    "both": [1, "a", 2, "B", 10, "c", 1.5, "D"],
    "bytes": [b"a", b"B", b"c", b"\xff", b"", b"D", b"\x00", b"z"],
    "all sorts": [1, "1x", b"1", "A", "b", 2.5, b"A", float("inf")],
}
DECLARED = ["STRING", "UUID", "TEXT", "INTEGER", "REAL", "BLOB", "", "NUMERIC", "DATETIME"]
COLLATIONS = [("BINARY", "NOCASE"), ("NOCASE", "BINARY"), ("NOCASE", "NOCASE"), ("BINARY", "RTRIM")]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("declared", DECLARED)
def test_batches_count_each_figure_once(tmp_path: Path, declared: str, keys: str) -> None:
    """SQLite: whatever a column is declared as and holds, as the entities' key there and as the figures' here."""
    rows = [(key, "d", "2019", 10**n) for n, key in enumerate(KEYS[keys])]
    for mine, theirs in COLLATIONS:
        url = f"sqlite:///{tmp_path}/{mine}-{theirs}.db"
        load(url, f"CREATE TABLE f (e {declared} COLLATE {mine}, k text, p text, v integer);"
             f"CREATE TABLE c (id {declared} COLLATE {theirs} UNIQUE);"
             f"CREATE TABLE c2 (id {'' if declared == 'STRING' else 'STRING'} COLLATE {theirs} UNIQUE);", {
            "f": rows, "c": [(key,) for key, *_ in rows], "c2": [(key,) for key, *_ in rows],
        })  # fmt: skip
        for table in (None, "c", "c2"):
            more: dict[str, Any] = {"entities": Lookup(table=table, key="id", name="id")} if table else {}
            found = compute(settings(url, both(), **more), batch_size=3)
            # A key may lose by its column's type what makes it equal to that of the other, such as infinity as text.
            known = f" WHERE EXISTS (SELECT 1 FROM {table} WHERE {table}.id = f.e)" if table else ""
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
                ((total,),) = connection.execute(f"SELECT sum(v) FROM f{known}").fetchall()
            assert total in {11111111, 1111111}
            assert values(found) == (total, total), (mine, theirs, table)
