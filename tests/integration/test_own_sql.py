"""Counters by SQL: the one number that a query gives, and what a query that fails does to the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from countercache.model.states import Reason
from countercache.settings import CounterSettings, DatabaseSettings, Settings
from tests.computing import Results, compute
from tests.postgres import Cluster

RAISES = """
CREATE FUNCTION fails(state text) RETURNS integer LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no answer' USING ERRCODE = state; END $$;
"""

REMOTE = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'away');
CREATE USER MAPPING FOR PUBLIC SERVER away OPTIONS (user 'nobody');
CREATE FOREIGN TABLE remote (n integer) SERVER away;
"""


def by_sql(url: str, *queries: str) -> Results:
    """What counters of these queries give, named by them, in this order."""
    counters = {query: CounterSettings(database="main", sql=query) for query in queries}
    return compute(Settings(databases={"main": DatabaseSettings(url=url)}, counters=counters))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("make_database")
        return make()
    (tmp_path / "empty.db").touch()
    return f"sqlite:///{tmp_path}/empty.db"


@pytest.mark.parametrize(
    ("query", "reason", "said"),
    [
        ("SELECT $1::int", Reason.SQL, "the query has parameters"),
        ("SELECT fails('08000')", Reason.DATABASE, "no answer"),
        ("SELECT fails('08006')", Reason.DATABASE, "no answer"),
        ("SELECT fails('57P01')", Reason.DATABASE, "no answer"),
        ("SELECT fails('25P03')", Reason.DATABASE, "no answer"),
        ("SELECT fails('25P04')", Reason.DATABASE, "no answer"),
        ("SELECT count(*) FROM remote", Reason.DATABASE, 'could not connect to server "away"'),
    ],
)
def test_an_error_about_a_connection_is_not_the_loss_of_ours(
    make_database: Callable[[str], str], query: str, reason: Reason, said: str
) -> None:
    """Whatever SQLSTATE a query fails with, the counters after it are computed as long as the connection stands."""
    results = by_sql(make_database(RAISES + REMOTE), "SELECT 1", query, "SELECT 2")
    assert results.ended is None
    assert results.failures[query].reason is reason
    assert said in results.failures[query].text
    assert results.value("SELECT 2", period="all") == 2


def test_the_loss_of_our_connection_ends_the_job(postgres: Cluster, make_database: Callable[[str], str]) -> None:
    """A backend that is terminated says so with the same SQLSTATE, as a fatal error: nothing more can be read."""
    ended = "SELECT pg_terminate_backend(pg_backend_pid())::int"
    results = by_sql(make_database(""), "SELECT 1", ended, "SELECT 2")
    assert results.ended
    assert results.ended.reason is Reason.DATABASE
    assert "ended the connection" in results.ended.message
    assert set(results.cells) == {("SELECT 1", "all", "all")}


@pytest.mark.parametrize("query", ["SELECT 1 WHERE 1 = 0", "SELECT 1, 2 WHERE 1 = 0"])
def test_no_row(url: str, query: str) -> None:
    """A query without a row has nothing else that is wrong with it."""
    assert by_sql(url, query).failures[query].text == "the query gives no row, not one"


@pytest.mark.parametrize("zero", ["-0.0", "0.0", "-0e0", "0", "-0"])
def test_zero_has_no_sign(url: str, zero: str) -> None:
    """Zero is 0, however a float spells it."""
    typed = f"CAST('{zero}' AS {'REAL' if url.startswith('sqlite') else 'double precision'})"
    query = f"SELECT {typed}"
    assert str(by_sql(url, query).value(query, period="all")) == "0"
