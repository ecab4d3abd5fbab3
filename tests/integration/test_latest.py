"""Which period is the latest, and which figures count: docs/semantics.md in its corners."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from countercache.model.states import Reason
from countercache.settings import (
    Aggregate,
    CounterSettings,
    DatabaseSettings,
    GroupSettings,
    Lookup,
    Missing,
    Over,
    Settings,
    SourceSettings,
)
from tests.computing import Results, compute

TABLES = """
CREATE TABLE council (id INTEGER PRIMARY KEY, slug TEXT NOT NULL, country TEXT);
CREATE TABLE year (id INTEGER PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE figure (council INTEGER, field TEXT, year INTEGER, value NUMERIC);
"""


def figures(field: str, **by_year: int) -> str:
    """So many figures of 1 in each year (y2019=3), of councils 1, 2, 3…"""
    rows = [(who, field, int(year[1:]), 1) for year, count in by_year.items() for who in range(1, count + 1)]
    return f"INSERT INTO figure VALUES {', '.join(map(repr, rows))};"


def councils(count: int, *years: int) -> str:
    """So many councils, the first half in England, and a periods table."""
    rows = ", ".join(f"({i}, 'c{i}', '{'England' if i <= count // 2 else 'Wales'}')" for i in range(1, count + 1))
    return f"{TABLES} INSERT INTO council VALUES {rows}; INSERT INTO year VALUES " + ", ".join(
        f"({year}, '{year}/{year - 1999}')" for year in years
    )


def run(
    url: str,
    source: dict[str, Any],
    *,
    only: tuple[str, ...] = (),
    batch_size: int | str = "auto",
    **counters: dict[str, Any],
) -> Results:
    """Counters over the figures; all of them unless some are named."""
    settings = Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={
            "figures": SourceSettings(
                database="main",
                table="figure",
                entity="council",
                field="field",
                value="value",
                **{"period": "year", **source},
            )
        },
        groups={"england": GroupSettings(source="figures", where="country = 'England'")},
        counters={
            name: CounterSettings(source="figures", **{"formula": "debt", **options})
            for name, options in counters.items()
        },
    )
    results = compute(settings, only, batch_size=batch_size)
    assert results.ended is None
    assert not results.failures, results.failures
    return results


LISTED = {"entities": Lookup(table="council", name="slug"), "periods": Lookup(table="year", name="label")}


@pytest.mark.parametrize("over", Over)
@pytest.mark.parametrize("lookups", [{}, LISTED], ids=["bare", "lookups"])
def test_the_first_figures_of_a_year_do_not_make_it_the_latest(
    make_tables: Callable[[str], str], lookups: dict[str, Any], over: Over
) -> None:
    """Neither of another field nor of the counter's own; the note says what the year has and when it is shown."""
    script = councils(10, 2021, 2022, 2023, 2024, 2025) + ";"
    url = make_tables(script + figures("debt", y2022=10, y2023=10, y2024=3) + figures("people", y2023=10, y2024=9))
    results = run(
        url,
        lookups,
        debt={"over": over, "compare": True},
        people={"formula": "people", "over": over},
        ratio={"formula": "debt / people", "over": over},
        eager={"over": over, "min_coverage": Decimal(0)},
        third={"over": over, "min_coverage": Decimal("0.3")},
    )
    label = {year: f"{year}/{year - 1999}" if lookups else str(year) for year in range(2021, 2026)}
    debt = results.cell("debt")
    assert (debt.label, debt.value, debt.previous) == (label[2023], Decimal(10), Decimal(10))
    assert debt.note == f"{label[2024]} has 3 of 10 figures of debt: shown from 5 on (min_coverage)"
    assert results.cell("people").label == label[2024]
    assert results.cell("people").note == ""
    assert results.cell("ratio").label == label[2023]
    assert results.cell("eager").label == label[2024]
    assert results.value("eager") == 3
    assert results.cell("third").label == label[2024]


def test_two_periods_that_are_still_coming_in_do_not_vouch_for_each_other(make_tables: Callable[[str], str]) -> None:
    """The newest is compared with the two before it; less is believed when it has been so for two periods."""
    script = councils(20, *range(2015, 2025)) + ";"
    url = make_tables(
        script
        + figures("debt", y2020=20, y2022=20, y2023=4, y2024=3)
        + figures("few", y2019=20, y2022=4, y2023=4, y2024=4)
    )
    results = run(url, LISTED, debt={}, few={"formula": "few"})
    assert results.cell("debt").label == "2022/23"
    assert results.cell("few").label == "2024/25"


def test_fields_that_count_as_zero_are_counted_together(make_tables: Callable[[str], str]) -> None:
    """A field that is given up does not hold the others back, and one figure of many does not carry them on."""
    script = councils(10, 2022, 2023, 2024) + ";"
    url = make_tables(script + figures("debt", y2022=10, y2023=10, y2024=2) + figures("old", y2022=2))
    zero = {"formula": "debt + old", "missing": Missing.ZERO}
    results = run(url, LISTED, both=zero, strict={"formula": "debt + old"})
    assert results.cell("both").label == "2023/24"
    assert results.value("both") == 10
    assert results.cell("strict").label == "2022/23"


def test_one_figure_is_needed_of_what_was_reported_before(make_tables: Callable[[str], str]) -> None:
    """Also where no share of it is asked, and of fields that count as zero beside others."""
    script = councils(4, 2023, 2024) + ";"
    url = make_tables(script + figures("people", y2023=4, y2024=4) + figures("debt", y2023=4))
    owed = {"formula": "debt", "missing": Missing.ZERO, "over": Over.ENTITIES}
    both = {"formula": "people + owed", "over": Over.ENTITIES, "min_coverage": Decimal(0)}
    results = run(url, LISTED, owed=owed, both=both)
    assert results.cell("both").label == "2023/24"
    assert results.cell("both").note == "2024/25 has 0 of 4 figures of debt: shown from 1 on (min_coverage)"


def test_what_no_lookup_table_lists_counts_nowhere(make_tables: Callable[[str], str]) -> None:
    """So groups and periods add up to `all`, and no more is reported than there are entities."""
    script = councils(4, 2023, 2024) + ";" + figures("debt", y2022=4, y2023=6, y2024=6)
    results = run(
        make_tables(script),
        LISTED,
        debt={"periods": ("latest", "all"), "groups": ("all", "england")},
        each={"periods": "each"},
        highest={"over": Over.ENTITIES, "aggregate": Aggregate.COUNT, "periods": ("all",)},
    )
    assert results.value("debt") == 4
    assert results.value("debt", period="all") == 8
    assert results.value("debt", "england", "all") == 4
    assert results.value("highest", period="all") == 8
    assert {key[2] for key in results.cells if key[0] == "each"} == {"2023/24", "2024/25"}
    coverage = results.cell("debt", period="all").coverage
    assert coverage and (coverage.reported, coverage.entities) == (8, 8)


def test_more_figures_than_entities_say_nothing_of_coverage(make_tables: Callable[[str], str]) -> None:
    """Several figures of one entity add up, and the coverage is left out rather than 200 %."""
    script = councils(2, 2024) + ";" + figures("debt", y2024=2) * 2
    cell = run(make_tables(script), LISTED, debt={}).cell("debt")
    assert (cell.value, cell.coverage) == (Decimal(4), None)


def test_a_counter_that_uses_one_that_uses_one_is_computed_alone(make_tables: Callable[[str], str]) -> None:
    """The counters that it uses need not be asked for themselves, however deep they are."""
    url = make_tables(councils(2, 2024) + ";" + figures("debt", y2024=2))
    results = run(
        url,
        LISTED,
        only=("top",),
        top={"formula": "middle + 1"},
        middle={"formula": "low * 10"},
        low={"formula": "debt"},
    )
    assert results.value("top") == 21


def test_only_entities_with_all_fields_count(make_tables: Callable[[str], str]) -> None:
    """A ratio per head does not count the people of a council whose debt is unknown; coverage says how many count."""
    script = councils(10, 2023, 2024) + ";"
    url = make_tables(script + figures("debt", y2023=10, y2024=6) + figures("people", y2023=8, y2024=10))
    options = {"formula": "debt / people", "complete": True, "periods": ("latest", "all"), "groups": ("all", "england")}
    results = run(
        url, LISTED, head=options, debts={"formula": "debt"}, nested={"formula": "debts / people", "complete": True}
    )
    cell = results.cell("head")
    assert (cell.label, cell.value) == ("2024/25", Decimal(1))
    assert cell.coverage and (cell.coverage.reported, cell.coverage.entities) == (6, 10)
    everything = results.cell("head", period="all").coverage
    assert everything and (everything.reported, everything.entities) == (14, 20)
    assert results.value("nested") == 1
    assert results.value("head", "england") == 1


def test_a_source_without_periods_has_one(make_tables: Callable[[str], str]) -> None:
    """`all`, with groups as any other, over totals and over entities."""
    url = make_tables(councils(4, 2024) + ";" + figures("debt", y2022=4, y2023=2))
    source = {"period": None, "entities": LISTED["entities"]}
    counters: dict[str, Any] = {
        "debt": {"periods": ("all",), "groups": ("all", "england")},
        "most": {"periods": ("all",), "over": Over.ENTITIES, "aggregate": Aggregate.MAX},
    }
    for batch_size in ("auto", 1, 7):
        results = run(url, source, batch_size=batch_size, **counters)
        assert results.value("debt", period="all") == 6
        assert results.value("debt", "england", "all") == 4
        assert results.value("most", period="all") == 2


def test_the_rule_for_what_is_missing_is_that_of_the_counter_that_names_the_field(
    make_tables: Callable[[str], str],
) -> None:
    """Also where another counter uses it, over totals and over entities."""
    script = councils(3, 2023, 2024) + ";" + figures("debt", y2024=2) + figures("loan", y2023=1)
    over: dict[str, Any] = {"over": Over.ENTITIES, "periods": ("2024/25",)}
    results = run(
        make_tables(script),
        LISTED,
        loans={"formula": "loan", "missing": Missing.ZERO, "periods": ("2024/25",)},
        sum={"formula": "debt + loans", "periods": ("2024/25",)},
        each={"formula": "debt + loans", **over},
        fails={"formula": "debt", "missing": Missing.FAIL, **over},
        uses={"formula": "fails + loans", **over},
    )
    assert results.value("loans", period="2024/25") == 0
    assert results.value("sum", period="2024/25") == 2
    assert results.value("each", period="2024/25") == 2
    failure = results.cell("uses", period="2024/25").failure
    assert failure and failure.reason is Reason.MISSING
    assert failure.text == "1 of 3 entities lacks a figure of debt in 2024/25"


def test_zero_is_a_value_where_there_is_no_figure_at_all(make_tables: Callable[[str], str]) -> None:
    """A new site's empty table shows 0, not a failure, where what is missing counts as zero."""
    zero = {"missing": Missing.ZERO, "periods": ("all", "latest")}
    results = run(make_tables(councils(3, 2024)), {**LISTED, "fields": None}, owed=zero, strict={"periods": ("all",)})
    assert results.value("owed", period="all") == 0
    assert results.cell("owed").label == "2024/25"
    assert results.value("owed") == 0
    failure = results.cell("strict", period="all").failure
    assert failure and failure.reason is Reason.NO_FIGURES


def test_a_period_with_the_name_of_a_word_fails_each(make_tables: Callable[[str], str]) -> None:
    """Rather than staying pending for ever; `all` means every period."""
    script = TABLES + "INSERT INTO council VALUES (1, 'a', 'b'); INSERT INTO year VALUES (1, 'all'), (2, '2024');"
    url = make_tables(script + "INSERT INTO figure VALUES (1, 'debt', 1, 5), (1, 'debt', 2, 7);")
    results = run(url, LISTED, each={"periods": "each"}, whole={"periods": ("all",)})
    assert results.value("whole", period="all") == 12
    failure = results.cell("each", period="2024").failure
    assert failure and failure.reason is Reason.CONFIG
    assert 'a period is called "all"' in failure.text
