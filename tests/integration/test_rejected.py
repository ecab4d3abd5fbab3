"""Values that are no numbers: they fail the cells they belong to, or are left out and counted; none just vanishes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from countercache.model.states import Computed, Reason
from countercache.settings import (
    CounterSettings,
    DatabaseSettings,
    GroupSettings,
    Layout,
    Lookup,
    Missing,
    Numbers,
    Over,
    Rejected,
    Settings,
    SourceSettings,
)
from tests.computing import Results, compute

LONG = """
CREATE TABLE council (id INTEGER PRIMARY KEY, slug TEXT NOT NULL);
INSERT INTO council VALUES (1, 'leeds'), (2, 'york'), (3, 'birmingham');
CREATE TABLE figure (council INTEGER, field TEXT, year TEXT, value TEXT);
"""
TEXTS = ("2,949,880,000", "#N/A", "12", None)


def insert(*rows: tuple[int, str, str, str | None]) -> str:
    """The script with these figures: council, field, year, value."""
    values = ", ".join(
        f"({who}, '{field}', '{year}', " + ("NULL)" if value is None else f"'{value}')")
        for who, field, year, value in rows
    )
    return f"{LONG} INSERT INTO figure VALUES {values};"


def run(url: str, source: dict[str, Any], **counters: dict[str, Any]) -> Results:
    """Counters of the field debt (unless they say other) over the long table."""
    settings = Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={
            "figures": SourceSettings(
                database="main",
                table="figure",
                entity="council",
                field="field",
                period="year",
                value="value",
                entities=Lookup(table="council", name="slug"),
                **source,
            )
        },
        groups={"leeds": GroupSettings(source="figures", entities=("leeds",))},
        counters={
            name: CounterSettings(source="figures", **{"formula": "debt", **options})
            for name, options in counters.items()
        },
    )
    results = compute(settings)
    assert results.ended is None
    assert not results.failures, results.failures
    return results


def failed(cell: Computed, reason: Reason) -> str:
    """The message of a cell that has no value for that reason."""
    assert cell.value is None
    assert cell.failure is not None
    assert cell.failure.reason is reason, cell.failure
    return cell.failure.text


@pytest.mark.parametrize("missing", Missing)
@pytest.mark.parametrize("over", Over)
def test_a_rejected_value_fails_the_cells_it_belongs_to(
    make_tables: Callable[[str], str], over: Over, missing: Missing
) -> None:
    """Whatever is done with what is missing: the error says how many, of which field, whose, and the cure."""
    rows = [(who, "debt", "2020", value) for who, value in ((3, "2,949,880,000"), (1, "7"))]
    results = run(make_tables(insert(*rows)), {}, debt={"over": over, "missing": missing, "groups": ("all", "leeds")})
    message = failed(results.cell("debt"), Reason.REJECTED)
    expected = '1 of 2 values of debt in 2020 is not a number, such as "2,949,880,000" (birmingham); '
    assert message.startswith(expected)
    assert 'field_numbers.debt = { thousands = "," } at the source reads it' in message
    assert 'rejected = "skip"' in message
    assert results.value("debt", "leeds") == 7
    assert results.cell("debt").rejected == 1


def test_one_field_does_not_fail_the_counters_of_another(make_tables: Callable[[str], str]) -> None:
    """And a counter's own setting goes before its source's, also inside a counter that uses it."""
    url = make_tables(insert((1, "debt", "2020", "n/a"), (2, "debt", "2020", "5"), (1, "people", "2020", "10")))
    results = run(
        url,
        {},
        people={"formula": "people"},
        lenient={"rejected": Rejected.SKIP},
        uses={"formula": "lenient / people"},
        fails={"formula": "debt / people"},
    )
    assert results.value("people") == 10
    assert results.value("lenient") == 5
    assert results.cell("lenient").rejected == 1
    assert results.value("uses") == Decimal("0.5")
    assert 'field_numbers.debt = { null = ["n/a"] }' in failed(results.cell("fails"), Reason.REJECTED)


def test_a_period_whose_values_were_all_rejected_is_the_latest(make_tables: Callable[[str], str]) -> None:
    """It does not show last year's total as if nothing was wrong; where values may be skipped, a note says so."""
    rows = [(who, "debt", year, value) for who in (1, 2, 3) for year, value in (("2019", "5"), ("2020", "#N/A"))]
    results = run(make_tables(insert(*rows)), {}, debt={}, lenient={"rejected": Rejected.SKIP})
    assert results.cell("debt").label == "2020"
    assert "3 of 3 values of debt in 2020 are not numbers" in failed(results.cell("debt"), Reason.REJECTED)
    cell = results.cell("lenient")
    assert (cell.label, cell.value) == ("2019", Decimal(15))
    assert cell.note == "2020 has 0 of 3 figures of debt: shown from 2 on (min_coverage)"


SPELLINGS = {
    "1,234,567.5": "1234567.5",
    "12,34,567": "1234567",
    "-1,000": "-1000",
    "$1,000": "1000",
    "-$ 1,000": "-1000",
    "$-1,000": "-1000",
    "(1,000.25)": "-1000.25",
    "($7)": "-7",
    " 12 % ": "12",
    "1e3": "1000",
    ".5": "0.5",
    "5.": "5",
    "00012": "12",
    "0": "0",
    "\t9\r\n": "9",
}
NO_SPELLINGS = (
    "1,5",
    "1,2345",
    "0,123",
    "-012,345",
    "$0,123.5",
    "00,123",
    "(0,123)",
    "--1",
    "(-5)",
    "-$-5",
    "$",
    "%",
    ".",
    "12,",
    "1.2.3",
    "€5",
    "NaN",
    "1 000",
    "",
)
WAYS = Numbers(thousands=",", prefix="$", suffix="%", negative="parentheses", null=("#N/A", "-"))


@pytest.mark.parametrize("over", Over)
def test_numbers_are_read_as_people_publish_them(make_tables: Callable[[str], str], over: Over) -> None:
    """Every spelling is the exact number, in the database; what is none is rejected, and what is `null` is no value."""
    texts = {f"f{i}": text for i, text in enumerate((*SPELLINGS, *NO_SPELLINGS, "#N/A", " - "))}
    rows = [(1, field, "2020", text) for field, text in texts.items()] + [(1, "debt", "2020", "1")]
    counters = {field: {"formula": field, "over": over, "periods": ("2020",)} for field in texts}
    results = run(make_tables(insert(*rows)), {"numbers": WAYS}, **counters)
    for field, text in texts.items():
        cell = results.cell(field, period="2020")
        if text in SPELLINGS:
            assert cell.value == Decimal(SPELLINGS[text]), (text, cell)
        elif text in NO_SPELLINGS:
            failed(cell, Reason.REJECTED)
        else:
            failed(cell, Reason.NO_FIGURES)


def test_a_field_has_a_spelling_of_its_own(make_tables: Callable[[str], str]) -> None:
    """In the long layout, where all fields share a column, and in the wide one."""
    spellings = {"debt": Numbers(thousands=".", decimal=",")}
    url = make_tables(
        insert((1, "debt", "2020", "1.234,5"), (1, "people", "2020", "1,234"))
        + "CREATE TABLE wide (council TEXT, year TEXT, debt TEXT, people TEXT);"
        + "INSERT INTO wide VALUES ('leeds', '2020', '1.234,5', '1,234');"
    )
    ratio = {"formula": "debt + people"}
    results = run(url, {"numbers": Numbers(thousands=","), "field_numbers": spellings}, both=ratio)
    assert results.value("both") == Decimal("2468.5")
    wide = SourceSettings(
        database="main",
        layout=Layout.WIDE,
        table="wide",
        entity="council",
        period="year",
        fields=("debt", "people"),
        numbers=Numbers(thousands=","),
        field_numbers=spellings,
    )
    settings = Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={"wide": wide},
        counters={"both": CounterSettings(source="wide", formula="debt + people")},
    )
    assert compute(settings).value("both") == Decimal("2468.5")


@pytest.mark.parametrize("fields", [("debt",), ("debt", "rate")])
def test_what_is_suggested_for_a_field_leaves_the_others_alone(
    make_tables: Callable[[str], str], fields: tuple[str, ...]
) -> None:
    """`numbers` are for all fields of texts: where there is another one the suggestion is for the field alone."""
    url = make_tables(
        "CREATE TABLE wide (council TEXT, year TEXT, rate TEXT, debt TEXT);"
        "INSERT INTO wide VALUES ('leeds', '2020', '1.234', '1.234.000,50');"
    )
    source = SourceSettings(
        database="main", layout=Layout.WIDE, table="wide", entity="council", period="year", fields=fields
    )
    settings = Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={"wide": source},
        counters={"debt": CounterSettings(source="wide", formula="debt")},
    )
    message = failed(compute(settings).cell("debt"), Reason.REJECTED)
    key = "numbers" if fields == ("debt",) else "field_numbers.debt"
    assert f'(leeds); {key} = {{ thousands = ".", decimal = "," }} at the source reads it, ' in message


def test_a_nan_does_not_count_as_zero(make_database: Callable[[str], str]) -> None:
    """PostgreSQL: neither of floats nor of numeric, whatever is done with what is missing."""
    script = "CREATE TABLE f (c TEXT, y TEXT, a numeric, b float8); INSERT INTO f VALUES ('x', '1', 'NaN', 'NaN'),"
    url = make_database(script + "('y', '1', 5, 5);")
    source = SourceSettings(database="main", layout=Layout.WIDE, table="f", entity="c", period="y")
    counters = {
        f"{field} {over} {missing}": CounterSettings(source="s", formula=field, over=over, missing=missing)
        for field in "ab"
        for over in Over
        for missing in Missing
    }
    results = compute(Settings(databases={"main": DatabaseSettings(url=url)}, sources={"s": source}, counters=counters))
    for name in counters:
        message = failed(results.cell(name), Reason.REJECTED)
        assert 'is not a number, such as "NaN" (x); rejected = "skip" leaves such values out' in message
