"""The totals that the ministry published, all 1,190 of them, from the real figures."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from countercache.settings import (
    CounterSettings,
    DatabaseSettings,
    GroupSettings,
    Layout,
    Lookup,
    Settings,
    SourceSettings,
)
from tests.computing import compute, councils, field_names, figures, load, published
from tests.conftest import ENGINES
from tests.files import FILES

COUNTRIES = {"England": "england", "Scotland": "scotland", "Wales": "wales", "Northern Ireland": "northern-ireland"}

LONG = """
CREATE TABLE council (id INTEGER PRIMARY KEY, slug TEXT NOT NULL, country TEXT NOT NULL);
CREATE TABLE data_field (id INTEGER PRIMARY KEY, slug TEXT NOT NULL);
CREATE TABLE financial_year (id INTEGER PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE financial_figure (
    council_id INTEGER NOT NULL, field_id INTEGER NOT NULL, year_id INTEGER NOT NULL, value NUMERIC(18, 2)
);
"""


@pytest.fixture(params=[*ENGINES, *FILES])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/figures.db"
    make: Callable[[], str] = request.getfixturevalue(request.param)
    return make()


def settings_for(url: str, source: SourceSettings) -> Settings:
    """A counter a field, in each period, for the country and its parts."""
    groups = {slug: GroupSettings(source="figures", where=f"country = '{name}'") for name, slug in COUNTRIES.items()}
    counters = {
        f"counter {name}": CounterSettings(source="figures", formula=name, periods="each", groups=("all", *groups))
        for name in field_names()
    }
    return Settings(
        databases={"main": DatabaseSettings(url=url)}, sources={"figures": source}, groups=groups, counters=counters
    )


def assert_all_published(settings: Settings, **options: Any) -> None:
    """Every published total is the value of its cell, and there are no other cells."""
    results = compute(settings, **options)
    assert results.ended is None
    assert not results.failures
    found = {key: cell.value for key, cell in results.cells.items()}
    areas = {"United Kingdom": "all", **COUNTRIES}
    expected = {
        (f"counter {field}", areas[area], period): value for (field, period, area), value in published().items()
    }
    assert len(expected) == 1190
    assert found == expected


@pytest.mark.parametrize("batch_size", ["auto", 50])
def test_long_table_with_integer_keys(url: str, batch_size: int | str) -> None:
    """One row a figure, names in lookup tables: in one pass, and in batches of 50 councils."""
    authorities, fields, rows = councils(), field_names(), figures()
    periods = sorted({period for _, _, period, _ in rows})
    council_id = {council["code"]: i * 7 for i, council in enumerate(authorities, 1)}
    load(
        url,
        LONG,
        {
            "council": [(council_id[c["code"]], c["slug"], c["country"]) for c in authorities],
            "data_field": [(i, name) for i, name in enumerate(fields, 100)],
            # Keys in no order: the order is that of the labels.
            "financial_year": [(50 - i, period) for i, period in enumerate(periods)],
            "financial_figure": [
                (council_id[code], 100 + fields.index(field), 50 - periods.index(period), value)
                for code, field, period, value in rows
            ],
        },
    )
    source = SourceSettings(
        database="main",
        table="financial_figure",
        entity="council_id",
        field="field_id",
        period="year_id",
        value="value",
        entities=Lookup(table="council", name="slug"),
        fields=Lookup(table="data_field", name="slug"),
        periods=Lookup(table="financial_year", name="label", order="label"),
    )
    assert_all_published(settings_for(url, source), batch_size=batch_size)


def test_wide_table(url: str) -> None:
    """One row an authority and year, one column a field, names in the rows themselves."""
    fields = field_names()
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for code, field, period, value in figures():
        rows.setdefault((code, period), {})[field] = value
    country = {council["code"]: council["country"] for council in councils()}
    # Without a precision some have no decimals.
    columns = ", ".join(f'"{name}" NUMERIC(18, 2)' for name in fields)
    load(
        url,
        f'CREATE TABLE "Borrowing and investment" (authority TEXT, country TEXT, period TEXT, {columns})',
        {
            '"Borrowing and investment"': [
                (code, country[code], period, *(Decimal(v) if (v := row.get(f)) else None for f in fields))
                if "sqlite" not in url.partition(":")[0]
                else (code, country[code], period, *(row.get(f) for f in fields))
                for (code, period), row in rows.items()
            ]
        },
    )
    source = SourceSettings(
        database="main",
        layout=Layout.WIDE,
        table='"Borrowing and investment"',
        entity="authority",
        period="period",
        fields=tuple(fields),
    )
    assert_all_published(settings_for(url, source))
