"""Values that drivers hand over in ways of their own: numbers of single precision, and text that is no text."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from countercache.model.states import Reason
from countercache.settings import (
    CounterSettings,
    DatabaseSettings,
    Layout,
    Lookup,
    Over,
    Rejected,
    Settings,
    SourceSettings,
)
from tests.computing import Results, compute, load

REALS = """
CREATE DOMAIN share AS real;
CREATE TABLE t (r real, s share, d double precision, n numeric(9, 3));
INSERT INTO t VALUES (0.1, 0.1, 0.1, 0.1), (0.2, 0.2, 0.2, 0.2);
"""

NUMBERS = {
    "0.1::real": "0.1",
    "'-0.1'::real": "-0.1",
    "123456.7::real": "123456.7",
    "1234567.9::real": "1234567.9",
    "16777216::real": "16777216",
    "50816768::real": "50816768",  # 50816770 lies as near to the next
    "'3.4028235e38'::real": "3.4028235E+38",
    "'1e-45'::real": "1E-45",
    "0::real": "0",
    "0.1::share": "0.1",
    "(SELECT sum(r) FROM t)": "0.3",
    "(SELECT max(s) FROM t)": "0.2",
    "(SELECT sum(d) FROM t)": "0.30000000000000004",
    "(SELECT sum(n) FROM t)": "0.300",
    "0.1::double precision": "0.1",
    "0.1::real::double precision": "0.10000000149011612",
    "12.50::numeric": "12.50",
    "7": "7",
}

NO_NUMBERS = {
    "'NaN'::real": "NaN",
    "'-Infinity'::real": "-Infinity",
    "'NaN'::double precision": "NaN",
    "true": "boolean",
    "NULL::real": "NULL",
}

TEXTS = ["x'a3313030'", "x'313030ff'", "x'3130c3'", "x'eda080'", "x'313000a3'", "'1' || char(0)", "'£100'", "''"]
"""Text as SQLite keeps it, most of it not UTF-8, some of it only behind a NUL; none is a number."""

FIGURES = """
CREATE TABLE figure (who TEXT, what TEXT, year INTEGER, value NUMERIC);
INSERT INTO figure VALUES ('ann', 'a', 2001, 1.25), ('ann', 'b', 2001, 2), ('bob', 'b', 2001, 0.001),
  ('cy', 'a', 2001, cast(' 1e2 ' AS text)), ('cy', 'b', 2001, 1), ('dee', 'a', 2001, x'31');
"""


def by_sql(url: str, queries: list[str]) -> Results:
    """What counters of these queries give, named by them."""
    counters = {query: CounterSettings(database="main", sql=f"SELECT {query}") for query in queries}
    return compute(Settings(databases={"main": DatabaseSettings(url=url)}, counters=counters))


def sqlite_settings(path: Path, periods: Lookup | None = None, rejected: Rejected = Rejected.FAIL) -> Settings:
    """A counter of field a, over totals and over entities."""
    source = SourceSettings(
        database="main",
        table="figure",
        entity="who",
        field="what",
        period="year",
        value="value",
        periods=periods,
        rejected=rejected,
    )
    totals = CounterSettings(source="figures", formula="a")
    return Settings(
        databases={"main": DatabaseSettings(url=f"sqlite:///{path}")},
        sources={"figures": source},
        counters={"totals": totals, "entities": CounterSettings(source="figures", formula="a", over=Over.ENTITIES)},
    )


def test_a_real_is_stored_as_it_is_printed(make_database: Callable[[str], str]) -> None:
    """0.1 of single precision is 0.1, and not what it becomes in a float of 64 bits; other types are as they were."""
    results = by_sql(make_database(REALS), [*NUMBERS, *NO_NUMBERS])
    assert {query: str(results.value(query, period="all")) for query in NUMBERS} == NUMBERS
    for query, shown in NO_NUMBERS.items():
        failure = results.failures[query]
        assert failure.reason is Reason.SQL
        assert failure.text == f"the query gives {shown}, not a number"


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
@pytest.mark.parametrize("text", TEXTS)
def test_text_that_cannot_be_decoded_is_no_number(tmp_path: Path, text: str, encoding: str) -> None:
    """It is rejected, and counted where the source says that it may be left out; else it fails the newest period."""
    path = tmp_path / "odd.db"
    odd = f"cast({text} AS text)"
    rows = f"INSERT INTO figure VALUES ('bob', 'a', 2001, {odd}), ('bob', 'a', 2002, {odd});"
    load(f"sqlite:///{path}", f"PRAGMA encoding = '{encoding}';" + FIGURES + rows, {})
    skipping, failing = compute(sqlite_settings(path, rejected=Rejected.SKIP)), compute(sqlite_settings(path))
    assert not skipping.failures
    for counter in ("totals", "entities"):
        cell = skipping.cell(counter)
        assert (cell.label, cell.value, cell.rejected) == ("2001", Decimal("101.25"), 2)
        assert cell.note == "2002 has 0 of 2 figures of a: shown from 1 on (min_coverage)"
        failed = failing.cell(counter)
        assert (failed.label, failed.value, failed.rejected) == ("2001", None, 2)
        assert failed.failure and failed.failure.reason is Reason.REJECTED
        assert "2 of 4 values of a in 2001 are not numbers, such as" in failed.failure.text


@pytest.mark.parametrize(
    ("blob", "shown"), [("x'31'", "x'31'"), ("x'00ff'", "x'00ff'"), ("x'aa'", "x'aa'"), ("x''", "x''")]
)
def test_a_rejected_blob_is_shown_as_one(tmp_path: Path, blob: str, shown: str) -> None:
    """Not as the text that it might hold, and without a spelling that would not help."""
    path = tmp_path / "odd.db"
    load(
        f"sqlite:///{path}", FIGURES + f"DELETE FROM figure; INSERT INTO figure VALUES ('dee', 'a', 2001, {blob});", {}
    )
    failure = compute(sqlite_settings(path)).cell("totals").failure
    assert failure
    ending = 'rejected = "skip" leaves such values out'
    assert failure.text == f"1 of 1 values of a in 2001 is not a number, such as {shown} (dee); {ending}"


def test_text_that_cannot_be_decoded_in_columns(tmp_path: Path) -> None:
    """The same where each field has a column."""
    path = tmp_path / "odd.db"
    script = "CREATE TABLE figure (who TEXT, year TEXT, a NUMERIC, b TEXT); INSERT INTO figure VALUES "
    script += "('ann', '2001', 1, '0.001'), ('bob', '2001', cast(x'a331' AS text), cast(x'a332' AS text)),"
    script += "('ann', '2002', cast(x'a331' AS text), NULL);"
    load(f"sqlite:///{path}", script, {})
    source = SourceSettings(
        database="main",
        layout=Layout.WIDE,
        table="figure",
        entity="who",
        period="year",
        fields=("a", "b"),
        rejected=Rejected.SKIP,
    )
    settings = Settings(
        databases={"main": DatabaseSettings(url=f"sqlite:///{path}")},
        sources={"figures": source},
        counters={"both": CounterSettings(source="figures", formula="a + b")},
    )
    cell = compute(settings).cell("both")
    assert (cell.label, cell.value, cell.rejected) == ("2001", Decimal("1.001"), 2)


@pytest.mark.parametrize("column", ["who", "year", "called"])
def test_names_that_cannot_be_decoded_are_an_error(tmp_path: Path, column: str) -> None:
    """Whatever name it is, the counters that read it fail with what SQLite says: nothing is raised."""
    path = tmp_path / "odd.db"
    script = FIGURES + "CREATE TABLE years (id INTEGER, called TEXT); INSERT INTO years VALUES (2001, '2001/02');"
    table = "years" if column == "called" else "figure"
    load(f"sqlite:///{path}", script + f"UPDATE {table} SET {column} = cast(x'a331' AS text);", {})
    periods = Lookup(table="years", name="called") if column == "called" else None
    results = compute(sqlite_settings(path, periods))
    # Totals do not read who it is.
    assert set(results.failures) == ({"entities"} if column == "who" else {"totals", "entities"})
    for failure in results.failures.values():
        assert failure.reason is Reason.SQL
        assert "Could not decode to UTF-8" in failure.text
