"""Any database through its SQLAlchemy dialect: found by name, read exactly, ended in time; and what is not promised.

SQLite and DuckDB stand for databases of which nothing else is known: `generic_url` calls them by names that only
SQLAlchemy knows.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.mssql.pyodbc import MSDialect_pyodbc
from sqlalchemy.dialects.oracle.oracledb import OracleDialect_oracledb

from countercache.databases.dialect import STYLE
from countercache.databases.field_values import InexactError
from countercache.databases.generic.connection import Generic, GenericTarget
from countercache.databases.generic.dialect import GenericDialect
from countercache.databases.generic.field_values import GenericFieldValues
from countercache.databases.registry import prepare
from countercache.errors import ConfigError, DatabaseUnreachable
from countercache.model.states import Reason
from countercache.settings import CounterSettings, DatabaseSettings, Settings
from tests.computing import compute, generic_url, load, order
from tests.sources import both, counter, settings, values

KINDS = ["sqlite", "duckdb"]
SLOW = {
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e9) SELECT count(*) FROM n",
    "duckdb": "SELECT count(*) FROM range(400000) a (i), range(400000) b (i) WHERE a.i * b.i % 7 = 3",
}
FIGURES = "CREATE TABLE f (e TEXT, k TEXT, p TEXT, v {}); "


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The database that is read."""
    return str(request.param)


def site(
    kind: str, directory: Path, type_: str = "INTEGER", rows: list[tuple[str, str, str, object]] | None = None
) -> str:
    """The generic URL of a database with a table f."""
    url = f"{kind}:///{directory}/site.{kind}"
    load(url, FIGURES.format(type_), {"f": rows or [("ann", "d", "2020", 5)]})
    return generic_url(url)


def by_sql(url: str, timeout: float = 30.0, **queries: CounterSettings) -> object:
    """What counters of these queries give."""
    return compute(Settings(databases={"main": DatabaseSettings(url=url)}, counters=queries), timeout=timeout)


def sql(query: str, **options: float) -> CounterSettings:
    """A counter by a query."""
    return CounterSettings(database="main", sql=query, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type_", "figures", "total"),
    [
        ("INTEGER", [1, 2, -5], "-2"),
        ("BIGINT", [2**62, 2**62, 2**62], str(3 * 2**62)),
        ("DECIMAL(12, 2)", [Decimal("0.10"), Decimal("0.20"), Decimal("99.70")], "100.00"),
        ("DOUBLE PRECISION", ["0.1", "0.2", "1e22"], "10000000000000000000000.3"),
        ("TEXT", [" 0.1 ", "1e22", "-.5"], "9999999999999999999999.6"),
    ],
)
def test_figures_are_added_exactly(kind: str, tmp_path: Path, type_: str, figures: list[object], total: str) -> None:
    """Of each type, over totals and over entities, in one pass and in batches: no float and no overflow shows."""
    rows: list[tuple[str, str, str, object]] = [(f"e{n}", "d", "2020", str(each)) for n, each in enumerate(figures)]
    made = settings(site(kind, tmp_path, type_, rows), both())
    for batch_size in ("auto", 2):
        results = compute(made, batch_size=batch_size)
        assert results.value("totals", period="all") == results.value("entities", period="all") == Decimal(total)


@pytest.mark.parametrize(
    ("columns", "is_sure"),
    [
        ((7, 3, 5), True),
        ((2**62, 4, 2**61), False),
        ((-7, 3, 2**62), False),
        ((5, 2, -(2**63)), False),
        ((Decimal("1.50"), 2, Decimal("1.00")), True),
        ((Decimal("1.50"), 2, Decimal("1e29")), False),
        ((0.5, 1, 0.5), False),
        ((None, 0, None), True),
    ],
)
def test_a_sum_is_taken_where_it_must_be_right(columns: tuple[object, ...], is_sure: bool) -> None:
    """Not where it is a float, nor where a part of it may have been too large for some database's own numbers."""
    if is_sure:
        assert GenericFieldValues.read_totals(columns).total == (columns[0] or 0)
    else:
        with pytest.raises(InexactError):
            GenericFieldValues.read_totals(columns)


def test_rejected_values_and_groups(kind: str, tmp_path: Path) -> None:
    """They are counted and shown as everywhere, with the entity that has them."""
    rows: list[tuple[str, str, str, object]] = [
        ("ann", "d", "2020", "1"),
        ("bob", "d", "2020", "1,234"),
        ("cy", "d", "2021", "x"),
    ]
    made = settings(
        site(kind, tmp_path, "TEXT", rows), both(groups=("all", "b"), periods=("2020",)), {"b": "e = 'bob'"}
    )
    results = compute(made)
    for name in ("totals", "entities"):
        failure = results.cell(name, "b", "2020").failure
        assert failure
        assert failure.message == '1 of 1 values of d in group "b" in 2020 is not a number, such as "1,234" (bob)'
    skipping = compute(settings(made.databases["main"].url, both(periods=("2020",)), rejected="skip"))
    assert values(skipping, "2020") == (1, 1)
    assert skipping.cell("totals", period="2020").rejected == 1


def test_a_query_ends_at_its_limit(kind: str, tmp_path: Path) -> None:
    """Its own, which costs the others nothing, and the run's; no thread is left behind."""
    url, threads = site(kind, tmp_path), threading.active_count()
    counters = {"slow": sql(SLOW[kind], timeout=0.3), "quick": sql("SELECT sum(v) FROM f")}
    results = compute(Settings(databases={"main": DatabaseSettings(url=url)}, counters=counters))
    assert results.failures["slow"].reason is Reason.TIMEOUT
    assert results.failures["slow"].text == "the query took more than 0.3 s"
    assert results.value("quick", period="all") == 5
    began = time.monotonic()
    only = Settings(databases={"main": DatabaseSettings(url=url)}, counters={"slow": sql(SLOW[kind])})
    ended = compute(only, timeout=0.5).ended
    assert ended
    assert ended.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 10
    assert threading.active_count() == threads


def test_a_counter_is_a_select(kind: str, tmp_path: Path) -> None:
    """What begins otherwise is not sent, and what is no number is said."""
    url = site(kind, tmp_path)
    counters = {
        "write": sql("DELETE FROM f"),
        "none": sql("SELECT v FROM f WHERE 1 = 0"),
        "text": sql("SELECT e FROM f"),
        "wrong": sql("SELECT nothing FROM f"),
        "percent": sql("SELECT count(*) FROM f WHERE e LIKE 'a%n' OR e = ':x %s'"),
    }
    results = compute(Settings(databases={"main": DatabaseSettings(url=url)}, counters=counters))
    failures = {name: failure.text for name, failure in results.failures.items()}
    assert failures["write"] == "the query must be one SELECT; it begins with DELETE"
    assert failures["none"] == "the query gives no row, not one"
    assert failures["text"] == "the query gives str 'ann', not a number"
    assert "nothing" in failures["wrong"]
    assert "sqlalche.me" not in failures["wrong"]
    assert results.value("percent", period="all") == 1


def test_config_check_and_doctor_say_what_is_not_promised(kind: str, tmp_path: Path) -> None:
    """Each as a warning of the database."""
    made = settings(site(kind, tmp_path), {"n": counter()})
    for task in ("check", "doctor"):
        told = str(order(made, task=task))
        assert "by its SQLAlchemy dialect only" in told
        assert "the transaction is not read-only" in told
        assert ("the transaction is SERIALIZABLE" in told) == (kind == "sqlite")


def test_a_table_that_is_not_there(kind: str, tmp_path: Path) -> None:
    """The nearest name is given; so it is with a column."""
    url = site(kind, tmp_path)
    missing = compute(settings(url, {"n": counter()}, table="ff")).failures["n"]
    assert (missing.message, missing.hint) == ('database main has no table "ff"', 'did you mean "f"?')
    column = compute(settings(url, {"n": counter()}, value="vv")).failures["n"]
    assert column.message == 'table "f" has no column "vv"'


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        (
            "postgre://x/y",
            "database main has the unknown engine 'postgre'",
            'did you mean "postgres"? countercache reads ',
        ),
        (
            "nobody://x/y",
            "database main has the unknown engine 'nobody'",
            "countercache reads PostgreSQL (postgresql://…), ",
        ),
        ("oracle+oracledb://x/y", "oracle+oracledb:// for database main needs 'oracledb'", "pip install oracledb"),
        ("mssql+pyodbc://x/y", "mssql+pyodbc:// for database main needs 'pyodbc'", "pip install pyodbc"),
        (
            "snowflake://x/y",
            "snowflake:// for database main needs its SQLAlchemy dialect",
            'pip install "snowflake-sqlalchemy"',
        ),
    ],
)
def test_what_cannot_be_read_says_what_to_install(url: str, message: str, hint: str) -> None:
    """An unknown engine, a dialect that is not installed, a driver that is missing."""
    with pytest.raises(ConfigError) as caught:
        prepare("main", DatabaseSettings(url=url))
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_an_extra_that_is_missing_is_named(tmp_path: Path) -> None:
    """One line with the pip command, for an engine of ours."""
    code = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from countercache.databases.registry import prepare\nfrom countercache.settings import DatabaseSettings\n"
        "try:\n prepare('main', DatabaseSettings(url='duckdb:///x'))\n"
        "except Exception as e:\n print(e.message, '|', e.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("what reads duckdb:// for database main cannot be loaded: ")
    assert done.stdout.endswith('| run: pip install "countercache[duckdb]"\n')


def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    """One line, and none of SQLAlchemy's."""
    target = prepare("main", DatabaseSettings(url=generic_url(f"sqlite:///{tmp_path}/no/where.db")))
    assert isinstance(target, GenericTarget)
    with pytest.raises(DatabaseUnreachable) as caught:
        target.open(time.monotonic() + 10)
    where = f"{tmp_path}/no/where.db"
    assert caught.value.message == f"database main at {where} cannot be reached: unable to open database file"


@pytest.mark.parametrize(
    "condition", ["a = '\\'", "a = 1 /* /* */", "a = $$", "a = 'b", "a)", "a = 1 -- x\r) OR (1 = 1"]
)
def test_a_condition_is_one_however_it_is_read(condition: str) -> None:
    """What some database would read otherwise is refused."""
    dialect = GenericDialect(MSDialect_pyodbc(paramstyle=STYLE), sa.String())  # type: ignore[no-untyped-call]
    assert dialect.flaw(condition)
    assert not dialect.flaw("[a] = 'it''s' AND (b > 1) -- so")


def test_keys_are_written_in_their_own_type() -> None:
    """A strict database compares no number with a text."""
    dialect = GenericDialect(OracleDialect_oracledb(paramstyle=STYLE), sa.String(4000))  # type: ignore[no-untyped-call]
    keys: list[Any] = [7, "it's", Decimal("1.50")]
    assert [dialect.literal(key) for key in keys] == ["7", "'it''s'", "1.50"]


def test_a_closed_connection_is_lost(tmp_path: Path) -> None:
    """After the connection had to be closed to end a query, nothing more is read, and it is said why."""
    target = prepare("main", DatabaseSettings(url=site("sqlite", tmp_path)))
    database = target.open(time.monotonic() + 30)
    assert isinstance(database, Generic)
    with closing(database):
        database._closed = True
        with pytest.raises(Exception, match="the connection was closed to end a query"):
            database.rows("SELECT 1")
