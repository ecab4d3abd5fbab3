"""Conditions in SQL that somebody wrote cannot reach beyond their place in a query."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from countercache.databases.dialect import Dialect
from countercache.databases.postgresql.dialect import PostgresDialect
from countercache.databases.sqlite.dialect import SQLiteDialect
from countercache.model.states import Reason
from countercache.settings import Lookup
from tests.computing import compute, load
from tests.postgres import Cluster
from tests.sources import both, settings, values

TABLES = """
CREATE TABLE c (id text PRIMARY KEY, x integer);
CREATE TABLE f (e text, k text, p text, v integer);
INSERT INTO c VALUES ('a', 1), ('b', 2);
INSERT INTO f VALUES ('a', 'd', '2019', 5), ('b', 'd', '2019', 6);
"""

PIECES = [
    *(
        "(",
        ")",
        "'",
        '"',
        "$",
        "$$",
        "$a$",
        "a",
        "E'",
        "e",
        "\\",
        "--",
        "/*",
        "*/",
        "\n",
        "\r",
        " ",
        ";",
        "[",
        "]",
        "`",
    ),
    *("1", "1=1", " OR ", " AND ", "x", "''", "||", "-", "/", "*", "U&'", "B'", "N'", ",", "'a'", "(1=1)", "$1"),
]

ROUNDS = 60_000


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("make_database")
        return make()
    return f"sqlite:///{tmp_path}/conditions.db"


@pytest.mark.parametrize("where", ["id = 'a') or (1=1", "1=1) ; DROP TABLE f; SELECT (1", "1=1; SELECT 1", "(x = 1"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_condition_of_a_group_is_one_expression(url: str, where: str, listed: bool) -> None:
    """Otherwise the group fails, and it says why; the others are computed, and the tables are as they were."""
    load(url, TABLES, {})
    groups = {"odd": where, "even": "id = 'b' -- (only" if listed else "e = 'b' -- (only"}
    entities = Lookup(table="c", name="id") if listed else None
    results = compute(settings(url, both(groups=("all", "odd", "even")), groups, entities=entities))
    assert values(results) == (11, 11)
    assert values(results, group="even") == (6, 6)
    failure = results.cell("totals", "odd", "all").failure
    assert failure
    assert failure.reason is Reason.CONFIG
    assert 'group "odd": its "where" must be one expression by itself: ' in failure.text


def conditions(seed: int) -> list[str]:
    """Random texts that pass for one expression, if by chance."""
    chance = random.Random(seed)
    return ["".join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(ROUNDS)]


def accepted(dialect: Dialect) -> list[str]:
    """Those that are taken, and have something in them that could reach out; the seed is printed."""
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    return [each for each in dict.fromkeys(conditions(seed)) if ")" in each and not dialect.flaw(each)]


def test_nothing_gets_out_on_sqlite() -> None:
    """Whatever SQLite understands of what is taken, it understands within its parentheses."""
    understood = 0
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a, e, x)")
        connection.execute("INSERT INTO t VALUES (1, 1, 1)")
        for each in accepted(SQLiteDialect()):
            try:
                ((count,),) = connection.execute(f"SELECT count(*) FROM t WHERE 1 = 0 AND (\n{each}\n)").fetchall()
            except (sqlite3.Error, sqlite3.Warning):
                continue
            understood += 1
            assert count == 0, each
    assert understood > 10
    connection.close()


def test_nothing_gets_out_on_postgresql(postgres: Cluster) -> None:
    """Nor does PostgreSQL."""
    understood = 0
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE t (a integer, e integer, x integer)")
        connection.execute("INSERT INTO t VALUES (1, 1, 1)")
        for each in accepted(PostgresDialect()):
            try:
                query = f"SELECT count(*) FROM t WHERE 1 = 0 AND (\n{each}\n)"
                ((count,),) = connection.execute(query.encode()).fetchall()
            except psycopg.Error:
                continue
            understood += 1
            assert count == 0, each
    assert understood > 10
