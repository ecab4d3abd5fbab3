"""What `config check` warns of before the first run: what works, and may do what nobody expects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from countercache.settings import (
    Aggregate,
    CounterSettings,
    DatabaseSettings,
    GroupSettings,
    Lookup,
    Over,
    Settings,
    SourceSettings,
)
from countercache.worker.protocol import CHECK, Checked
from tests.computing import order

TABLES = """
CREATE TABLE council (id INTEGER PRIMARY KEY, slug TEXT NOT NULL);
INSERT INTO council VALUES (1, 'leeds'), (2, 'york');
CREATE TABLE year (id INTEGER PRIMARY KEY, label TEXT NOT NULL);
INSERT INTO year VALUES (1, '2019'), (2, '2020');
CREATE TABLE figure (council INTEGER, country TEXT, field TEXT, year INTEGER, value TEXT);
INSERT INTO figure VALUES (1, 'England', 'debt', 1, '5'), (2, 'England', 'debt', 1, '7');
"""
LISTED = {"entities": Lookup(table="council", name="slug"), "periods": Lookup(table="year", name="label")}


def warnings(
    url: str, source: dict[str, Any] | None = None, groups: dict[str, GroupSettings] | None = None, **counter: Any
) -> list[tuple[str, str]]:
    """Subject and message of each warning; nothing may fail."""
    mine: dict[str, Any] = {"entity": "council", "field": "field", "period": "year", "value": "value"}
    england = {} if source else {"england": GroupSettings(source="figures", where="country = 'England'")}
    settings = Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={"figures": SourceSettings(database="main", table="figure", **mine, **(source or {}))},
        groups=england if groups is None else groups,
        counters={"debt": CounterSettings(source="figures", formula="debt", **counter)},
    )
    checks = [check for report in order(settings, task=CHECK) if isinstance(report, Checked) for check in report.checks]
    assert all(check.ok for check in checks), checks
    return [(check.subject, check.text) for check in checks if check.warning]


def test_there_is_nothing_to_warn_of(make_tables: Callable[[str], str]) -> None:
    """Neither with lookup tables nor without."""
    url = make_tables(TABLES)
    assert warnings(url) == []
    assert warnings(url, LISTED) == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("(1, 'England', 'debt', 2, '2,949')", 'in a sample, 1 of 3 values of debt is not a number, such as "2,949"'),
        ("(9, 'England', 'debt', 2, '2')", "1 row of figure of an entity that council does not list: not counted"),
        ("(1, 'England', 'debt', 9, '2')", "1 row of figure of a period that year does not list: not counted"),
        ("(1, 'England', 'debt', 1, '2')", "figure has several values of one entity in one period: they are added up"),
    ],
)
def test_the_rows_hold_a_surprise(make_tables: Callable[[str], str], row: str, expected: str) -> None:
    """Text that is no number, with the cure; keys that no lookup table lists; several values of one entity."""
    (found,) = warnings(make_tables(f"{TABLES} INSERT INTO figure VALUES {row};"), LISTED)
    assert found[0] == "source figures"
    assert found[1].startswith(expected)
    assert "2,949" not in row or 'say in field_numbers.debt at the source whether "," is its thousands' in found[1]


def test_a_condition_holds_for_some_rows_of_an_entity(make_tables: Callable[[str], str]) -> None:
    """Without an entities table all of its figures are then in the group."""
    url = make_tables(f"{TABLES} INSERT INTO figure VALUES (2, 'Wales', 'debt', 2, '3');")
    (found,) = warnings(url)
    assert found[0] == "group england"
    assert found[1].startswith("its condition holds for some rows of 1 entity and not for others")


def test_an_entity_has_several_values_of_a_column(make_tables: Callable[[str], str]) -> None:
    """Without an entities table it counts in the group of each; no value, or an empty text, is none."""
    by = {name: GroupSettings(source="figures", group_by=name) for name in ("country", "year")}
    groups = {**by, "same": GroupSettings(source="figures", group_by="country")}
    rows = f"{TABLES} INSERT INTO figure VALUES (1, NULL, 'debt', 1, '3'), (2, '', 'debt', 1, '3'), "
    found = dict(
        warnings(make_tables(rows + "(1, 'England', 'debt', 2, '3'), (2, 'Wales', 'debt', 2, '3')"), None, groups)
    )
    assert found.keys() == {"source figures", *(f"group {name}" for name in groups)}
    amounts = {"country": "1 entity has", "same": "1 entity has", "year": "2 entities have"}
    for name, group in groups.items():
        expected = (
            f'{amounts[name]} several values of "{group.group_by}": all their figures are in the group of each, so'
        )
        assert found[f"group {name}"].startswith(expected)


SAMPLE = "in a sample of 10,000 rows, "
EMPTY = """
INSERT INTO figure SELECT NULL, NULL, NULL, NULL, NULL
    FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i FROM n) AS many;
"""
"""As many rows as are looked at."""


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize(
    ("row", "source", "expected"),
    [
        ("(9, 'England', 'debt', 2, '2')", LISTED, f"{SAMPLE}1 row of figure of an entity that council does not list"),
        ("(1, 'England', 'debt', 9, '2')", LISTED, f"{SAMPLE}1 row of figure of a period that year does not list"),
        ("(2, 'Wales', 'debt', 2, '3')", None, f"{SAMPLE}its condition holds for some rows of 1 entity and not for"),
        ("(1, 'England', 'debt', 1, '2')", LISTED, "figure has several values of one entity in one period"),
    ],
)
def test_only_a_sample_is_looked_at(
    make_tables: Callable[[str], str], row: str, source: dict[str, Any] | None, expected: str, seen: bool
) -> None:
    """Amounts in the first rows of a large table are told as of a sample; the rows behind these are not read, be what
    is looked for in none of them.
    """
    insert = f"INSERT INTO figure VALUES {row};"
    found = warnings(make_tables(f"{TABLES} {insert} {EMPTY}" if seen else f"{TABLES} {EMPTY} {insert}"), source)
    assert len(found) == seen
    assert all(message.startswith(expected) for _, message in found)


def test_an_average_of_all_periods(make_tables: Callable[[str], str]) -> None:
    """It is one of each entity in each period."""
    url = make_tables(TABLES)
    options: dict[str, Any] = {"over": Over.ENTITIES, "aggregate": Aggregate.AVG}

    def found(*periods: str) -> list[tuple[str, str]]:
        return [each for each in warnings(url, LISTED, periods=periods, **options) if each[0] == "counter debt"]

    assert found("latest") == []
    (only,) = found("all")
    assert only == ("counter debt", 'its avg for the period "all" is one of each entity in each period')
