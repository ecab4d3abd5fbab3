"""Servers that speak PostgreSQL's protocol and lack some of the rest: each thing is taken away from a PostgreSQL."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from countercache.databases.base import Refused
from countercache.databases.postgresql import connection
from countercache.databases.postgresql.server import Server, find_out
from countercache.databases.registry import prepare
from countercache.model.states import Reason
from countercache.settings import CounterSettings, DatabaseSettings
from tests.computing import as_if_large, compute, order
from tests.sources import both, settings, values

TABLES = """
CREATE TABLE f (e integer, k text, p text, v numeric(12, 2), PRIMARY KEY (e, k, p));
INSERT INTO f SELECT n, 'd', '2020', n FROM generate_series(1, 100) n;
"""
RAISES = "RETURNS {} LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not supported here'; END $$;"
TAKEN = {
    "pg_partition_tree": "CREATE FUNCTION lacks.pg_partition_tree(oid) " + RAISES.format("TABLE (relid oid)"),
    "pg_relation_size": "CREATE FUNCTION lacks.pg_relation_size(oid) " + RAISES.format("bigint"),
    "to_regclass": "CREATE FUNCTION lacks.to_regclass(text) " + RAISES.format("regclass"),
    "to_jsonb": "CREATE FUNCTION lacks.to_jsonb(pg_collation) " + RAISES.format("jsonb"),
    "pg_stats": "CREATE VIEW lacks.pg_stats AS SELECT 1 AS nothing;",
    "pg_index": "CREATE VIEW lacks.pg_index AS SELECT 1 AS nothing;",
    "pg_constraint": "CREATE VIEW lacks.pg_constraint AS SELECT 1 AS nothing;",
    "arrays": "CREATE FUNCTION lacks.generate_series(integer, integer) " + RAISES.format("SETOF integer"),
    "tid": "CREATE DOMAIN lacks.tid AS text;",
    "smallint": "CREATE DOMAIN lacks.int2 AS text;",
}
EVERYTHING = {"timezone": "'UTC'", "statement_timeout": 1000, "lock_timeout": 1000}


def lacking(make_database: Callable[[str], str], *taken: str) -> str:
    """A database in which some of PostgreSQL's own things are hidden by others of their name."""
    hidden = "CREATE SCHEMA lacks;" + "".join(TAKEN[name] for name in taken)
    path = "EXECUTE format('ALTER DATABASE %I SET search_path = lacks, public, pg_catalog', current_database())"
    path = f"DO $$ BEGIN {path}; END $$;"
    return make_database(TABLES + hidden + path)


@pytest.mark.parametrize("taken", [*TAKEN, "all of them"])
def test_what_is_not_there_is_done_without(
    make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    """The values are those of a whole PostgreSQL, with groups, over totals and over entities, as for a large table."""
    monkeypatch.setattr("countercache.databases.postgresql.catalog._MANY", 0)
    url = lacking(make_database, *(TAKEN if taken == "all of them" else [taken]))
    with as_if_large():
        results = compute(settings(url, both(groups=("all", "low")), {"low": "e <= 10"}))
    assert results.ended is None
    assert values(results) == (5050, 5050)
    assert values(results, group="low") == (55, 55)


@pytest.mark.parametrize("refused", ["none", "timezone", "statement_timeout", "lock_timeout", "all", "SAVEPOINT"])
@pytest.mark.parametrize("level", ["REPEATABLE READ READ ONLY", "SERIALIZABLE READ ONLY", "READ ONLY", ""])
def test_a_server_is_asked_for_each_thing(refused: str, level: str) -> None:
    """What it takes is used, what it refuses is not, and no statement is sent into a transaction that has failed."""
    state = {"failed": False}
    levels = ["REPEATABLE READ READ ONLY", "SERIALIZABLE READ ONLY", "READ ONLY", ""]

    def run(statement: str) -> None:
        for part in re.split("; ?", statement):
            if part == "ROLLBACK":
                state["failed"] = False
                continue
            assert not state["failed"], statement
            too_high = any(part.endswith(each) for each in levels[: levels.index(level)]) and part.startswith("BEGIN")
            name = refused if refused != "all" else "SET LOCAL"
            if too_high or (name in part and refused != "none"):
                state["failed"] = not part.startswith("BEGIN")
                raise Refused(Reason.SQL, "not here")

    found = find_out(run, EVERYTHING)
    assert not state["failed"]
    assert found.begin.removeprefix("BEGIN").strip().removeprefix("ISOLATION LEVEL ") == level
    assert found.refused == (frozenset(EVERYTHING) if refused == "all" else {refused} & EVERYTHING.keys())
    assert found.savepoints == (refused != "SAVEPOINT")


def test_a_setting_that_is_not_known_is_left_out(
    make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction begins with the others, as a snapshot, and what is not promised is said."""
    whole = connection.Postgres._settings
    monkeypatch.setattr(
        connection.Postgres, "_settings", lambda self: {"statement_timeouts": 1} | whole(self) | {"lock_timeouts": 1}
    )
    url = make_database(TABLES)
    with closing(prepare("main", DatabaseSettings(url=url)).open(time.monotonic() + 60)) as database:
        assert database.rows("SHOW transaction_isolation") == [("repeatable read",)]
        assert database.rows("SHOW statement_timeout") != [("0",)]
        assert database.rows("SHOW timezone") == [("UTC",)]
        assert database.caveats == ()
    assert values(compute(settings(url, both()))) == (5050, 5050)


def test_a_server_without_anything(make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither savepoints, nor limits, nor a snapshot: what fails costs nothing else, and the check says all of it."""
    url = make_database(TABLES)
    with closing(prepare("main", DatabaseSettings(url=url)).open(time.monotonic() + 60)) as database:
        names = frozenset(database._settings())  # type: ignore[attr-defined]
    bare = Server("BEGIN READ ONLY", names, savepoints=False)
    monkeypatch.setattr(connection, "Server", lambda: bare)
    monkeypatch.setattr(connection.Postgres, "caveats", tuple(bare.caveats()))
    counters = {
        **both(groups=("all", "low", "wrong")),
        "broken": CounterSettings(database="main", sql="SELECT 1 / 0"),
        "works": CounterSettings(database="main", sql="SELECT count(*) FROM f"),
    }
    made = settings(url, counters, {"low": "e <= 10", "wrong": "nothing = 1"})
    results = compute(made)
    assert values(results) == (5050, 5050)
    assert values(results, group="low") == (55, 55)
    assert results.cell("totals", "wrong", "all").failure
    assert results.failures["broken"].reason is Reason.SQL
    assert results.value("works", period="all") == 100
    told = str(order(made, task="check"))
    assert "no transaction that is a snapshot" in told
    assert "only countercache itself ends what takes too long" in told
    assert "has no savepoints" in told
