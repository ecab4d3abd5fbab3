"""Lookup tables: which of their rows count, in which order, and what is wrong with a key that is there twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from countercache.model.states import Reason
from countercache.settings import Aggregate, GroupSettings, Lookup, Missing, Over
from countercache.worker.protocol import CHECK, Checked
from tests.computing import compute, load, order
from tests.sources import both, counter, settings, values

BATCHES: list[int | str] = ["auto", 1]

F = "CREATE TABLE f (e integer, k integer, p integer, v integer);"

TRANSLATED = (
    F
    + """
CREATE TABLE council (id integer, slug text, lang text);
CREATE TABLE topic (id integer, name text, lang text);
CREATE TABLE year (id integer, name text, place integer, lang text);
INSERT INTO council VALUES (1, 'wales', 'en'), (1, 'cymru', 'cy'), (2, 'leeds', 'en'), (3, 'caerdydd', 'cy');
INSERT INTO topic VALUES (7, 'debt', 'en'), (7, 'dyled', 'cy'), (8, 'people', 'en');
INSERT INTO year VALUES (1, 'this year', 2, 'en'), (1, 'eleni', 2, 'cy'), (2, 'last year', 1, 'en');
INSERT INTO f VALUES (1, 7, 1, 1), (2, 7, 1, 10), (1, 7, 2, 100);
"""
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("make_database")
        return make()
    return f"sqlite:///{tmp_path}/lookups.db"


def lookups(where: str | None) -> dict[str, Any]:
    """All three tables, narrowed by a condition."""
    return {
        "entities": Lookup(table="council", name="slug", where=where),
        "fields": Lookup(table="topic", where=where),
        "periods": Lookup(table="year", order="place", where=where),
    }


@pytest.mark.parametrize("option", ["entities", "fields", "periods"])
def test_a_key_that_is_there_twice(url: str, option: str) -> None:
    """No name is guessed: the counters fail, with the table, the key and the cure; the check says so before any run."""
    load(url, TRANSLATED, {})
    of = settings(url, both(formula='"7"'), **{option: lookups(None)[option]})
    table, key = {"entities": ("council", 1), "fields": ("topic", 7), "periods": ("year", 1)}[option]
    said = f'table "{table}" has more than one row with "id" {key}; '
    said += 'choose another column for its key, or narrow it with "where"'
    failures = compute(of).failures
    assert set(failures) == {"totals", "entities"}
    assert {(each.reason, each.text) for each in failures.values()} == {(Reason.CONFIG, said)}
    checks = [check for report in order(of, task=CHECK) if isinstance(report, Checked) for check in report.checks]
    assert [check.text for check in checks if not check.ok] == [said]


@pytest.mark.parametrize("batch_size", BATCHES)
def test_tables_of_translations(url: str, batch_size: int | str) -> None:
    """Narrowed by `where`, a table has each key once; a comment at its end hides nothing."""
    load(url, TRANSLATED, {})
    groups = {"wales": "slug = 'wales'"}
    counters = both(formula="debt", periods=("latest", "this year", "last year"), groups=("all", "wales"))
    results = compute(settings(url, counters, groups, **lookups("lang = 'en' -- ours")), batch_size=batch_size)
    assert results.cell("totals").label == "this year"
    assert values(results, "this year") == (11, 11)
    assert values(results, "last year") == (100, 100)
    assert values(results, "this year", "wales") == (1, 1)
    coverage = results.cell("totals").coverage
    assert coverage
    assert (coverage.reported, coverage.entities) == (2, 2)


def test_what_where_leaves_out_has_no_name(url: str) -> None:
    """Neither fields, periods nor entities of other rows exist, also where entities are absent or named."""
    load(url, TRANSLATED, {})
    counters = {
        "welsh": counter("dyled"),
        "eleni": counter("debt", periods=("eleni",)),
        "absent": counter("people", over=Over.ENTITIES, aggregate=Aggregate.COUNT, missing=Missing.ZERO),
        "named": counter("debt", groups=("capital",)),
    }
    of = settings(url, counters, **lookups("lang = 'en'"))
    capital = GroupSettings(source="figures", entities=("caerdydd",))
    results = compute(msgspec.structs.replace(of, groups={"capital": capital}))
    assert 'no field or counter is called "dyled"' in results.failures["welsh"].text
    # Two entities in each of two periods.
    assert results.value("absent", period="all") == 4
    failure = results.cell("named", "capital", "all").failure
    assert failure
    assert 'no entity is called "caerdydd"' in failure.text
    failure = results.cell("eleni", period="eleni").failure
    assert failure
    assert failure.text == 'there is no period "eleni"; there are "last year", "this year"'


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            "lang = 'en') OR (1 = 1",
            'the "where" of table "topic" must be one expression by itself: it has a ")" too many',
        ),
        ("lang = 'en'; SELECT 1", 'it has a ";": only one expression is taken'),
        ("langage = 'en'", 'the "where" of table "topic": '),
    ],
)
def test_a_condition_that_is_wrong(url: str, where: str, said: str) -> None:
    """It is named, and nothing of it is run that is more than an expression."""
    load(url, TRANSLATED, {})
    failure = compute(settings(url, {"c": counter("debt")}, fields=Lookup(table="topic", where=where))).failures["c"]
    assert failure.reason is Reason.CONFIG
    assert said in failure.text


def test_a_period_without_an_order_is_the_oldest(url: str) -> None:
    """On both databases: it is neither the latest, nor has it one before it."""
    load(url, F + "CREATE TABLE year (id integer PRIMARY KEY, name text, place integer);", {
        "year": [(1, "2019", 1), (2, "2020", 2), (3, "unplaced", None)],
        "f": [(1, 7, 1, 1), (1, 7, 2, 10), (1, 7, 3, 100)],
    })  # fmt: skip
    counters = both(formula='"7"', periods=("latest", "2019", "unplaced"), compare=True)
    results = compute(settings(url, counters, periods=Lookup(table="year", order="place")))
    assert values(results, "latest") == (10, 10)
    previous = [results.cell("totals", period=period).previous for period in ("latest", "2019", "unplaced")]
    assert previous == [1, 100, None]


def test_periods_of_the_same_order_follow_their_names(url: str) -> None:
    """Not their keys, which nobody sees."""
    load(url, F + "CREATE TABLE year (id integer PRIMARY KEY, name text, place integer);", {
        "year": [(1, "2021", 1), (2, "2020", 1), (3, "2019", 2)],
        "f": [(1, 7, 1, 1), (1, 7, 2, 10), (1, 7, 3, 100)],
    })  # fmt: skip
    counters = both(formula='"7"', periods=("2019", "2020", "2021"), compare=True)
    results = compute(settings(url, counters, periods=Lookup(table="year", order="place")))
    previous = [results.cell("totals", period=period).previous for period in ("2020", "2021", "2019")]
    assert previous == [None, 10, 1]


def test_two_fields_of_one_name(url: str) -> None:
    """A counter that uses it, itself or through others, has no value, and says why; the others have theirs."""
    load(url, F + "CREATE TABLE topic (id integer PRIMARY KEY, name text);", {
        "topic": [(1, "debt"), (2, "debt"), (3, "loans")],
        "f": [(1, 1, 1, 1), (1, 2, 1, 10), (1, 3, 1, 100)],
    })  # fmt: skip
    counters = {
        "first": counter("debt"),
        "second": counter("first + 1"),
        "third": counter("second + loans"),
        "entities": counter("third", over=Over.ENTITIES),
        "loans-only": counter("loans"),
    }
    of = settings(url, counters, fields=Lookup(table="topic"))
    results = compute(of)
    assert results.value("loans-only", period="all") == 100
    said = 'field "debt": table "topic" has two rows named "debt"'
    assert {name: failure.text for name, failure in results.failures.items()} == {
        name: f"counter {name}, {said}" for name in ("first", "second", "third", "entities")
    }
    alone = compute(of, ["third"]).failures["third"]
    assert (alone.reason, alone.message) == (Reason.CONFIG, f"counter third, {said}")
