"""What the doctor sees of databases, each thing made wrong for real and mended by what it says; and of all at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from countercache.databases.postgresql.catalog import PostgresCatalog, versions
from countercache.databases.sqlite.catalog import SQLiteCatalog
from countercache.errors import ConfigError
from countercache.model.results import Finding, Health
from countercache.operate.doctor import examination
from countercache.settings import (
    AgentSettings,
    Aggregate,
    CounterSettings,
    DatabaseSettings,
    GroupSettings,
    Lookup,
    Over,
    RedisSettings,
    Settings,
    SourceSettings,
)
from countercache.worker.protocol import DOCTOR, Diagnosed, Ended
from tests.computing import load, order
from tests.integration.findings import of, wrong
from tests.postgres import Cluster
from tests.valkey import Valkey

LONG = """
CREATE TABLE council (id INTEGER PRIMARY KEY, slug TEXT);
CREATE TABLE year (id INTEGER PRIMARY KEY, label TEXT);
CREATE TABLE figure (council_id INTEGER, field TEXT, year_id INTEGER, value NUMERIC(18, 2));
"""


def source(url: str, *, periods: tuple[str, ...] = ("all",), batch_size: Any = "auto", lookup: bool = True) -> Settings:
    """A long source of one counter."""
    return Settings(
        databases={"main": DatabaseSettings(url=url)},
        agent=AgentSettings(batch_size=batch_size),
        sources={
            "figures": SourceSettings(
                database="main", table="figure", entity="council_id", field="field", period="year_id", value="value",
                entities=Lookup(table="council", name="slug") if lookup else None,
                periods=Lookup(table="year", name="label", order="label"),
            )
        },
        counters={
            "debt": CounterSettings(source="figures", formula="debt", periods=periods),
            "users": CounterSettings(database="main", sql="SELECT count(*) FROM council"),
        },
    )  # fmt: skip


def examined(settings: Settings) -> list[Finding]:
    """What the worker sees of the database."""
    reports = order(settings, task=DOCTOR)
    ended = reports[-1]
    assert isinstance(ended, Ended)
    assert ended.failure is None, ended.failure
    return [finding for report in reports if isinstance(report, Diagnosed) for finding in report.findings]


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, make_database: Callable[[str], str], tmp_path: Path) -> str:
    """A database with few figures."""
    found = make_database("") if request.param == "postgresql" else f"sqlite:///{tmp_path / 'site.db'}"
    load(found, LONG, {
        "council": [(number, f"c{number}") for number in range(50)],
        "year": [(number, str(2000 + number)) for number in range(20)],
        "figure": [(c, "debt", y, 1) for c in range(50) for y in range(20)],
    })  # fmt: skip
    return found


def test_a_database_that_is_well(url: str) -> None:
    """Server, limits (tried), table, query: all is well; a small table needs no index, whatever the batches."""
    for batch_size in ("auto", 10):
        found = examined(source(url, batch_size=batch_size))
        assert not wrong(found)
        assert "was ended after" in of(found, "limits").seen
        assert "figure" in of(found, "source figures").seen
    assert {"server", "counters", "index"} <= {each.subject for each in found}


def test_limits_that_do_not_hold(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that lets a query run beyond its limit is found out by trying."""
    monkeypatch.setattr(PostgresCatalog, "slow_query", "SELECT 1")
    monkeypatch.setattr(SQLiteCatalog, "slow_query", "SELECT 1")
    found = of(examined(source(url)), "limits")
    assert found.health is Health.WRONG
    assert "ran to its end" in found.seen


def test_what_the_configuration_names_is_not_there(url: str) -> None:
    """A table, a column, a query: each is told with what to do, and the others are looked at all the same."""
    settings = source(url)
    figures = msgspec.structs.replace(settings.sources["figures"], table="figures")
    users = msgspec.structs.replace(settings.counters["users"], sql="SELECT count(*) FROM usr")
    settings = msgspec.structs.replace(
        settings, sources={"figures": figures}, counters=settings.counters | {"users": users}
    )
    found = examined(settings)
    assert wrong(found) == {"source figures", "counter users"}
    assert "figures" in of(found, "source figures").seen


def test_a_group_that_the_database_refuses(url: str) -> None:
    """The group is named; a counter whose formula names no field is, too."""
    settings = source(url)
    group = {"north": GroupSettings(source="figures", where="regoin = 1")}
    debt = msgspec.structs.replace(settings.counters["debt"], groups=("all", "north"))
    settings = msgspec.structs.replace(settings, groups=group, counters=settings.counters | {"debt": debt})
    assert wrong(examined(settings)) == {"group north"}


def test_a_role_that_may_not_read(postgres: Cluster, make_database: Callable[[str], str]) -> None:
    """The GRANT that is missing is said; with it all is well, and SELECT alone is enough."""
    rows = "INSERT INTO council VALUES (1, 'a'); INSERT INTO year VALUES (1, '2020');"
    made = make_database(f"{LONG} {rows} INSERT INTO figure VALUES (1, 'debt', 1, 1);")
    name = made.rpartition("/")[2]
    postgres.execute("DROP ROLE IF EXISTS doctored; CREATE ROLE doctored LOGIN")
    try:
        postgres.execute("GRANT SELECT ON council, year TO doctored", name)
        settings = source(postgres.url(name, user="doctored"))
        found = examined(settings)
        assert wrong(found) == {"source figures"}
        cure = of(found, "source figures").cure
        assert "GRANT SELECT ON figure TO doctored" in cure
        postgres.execute(cure.partition(": ")[2], name)
        found = examined(settings)
        assert not wrong(found)
        assert of(found, "server").seen.endswith("as doctored")
    finally:
        postgres.execute("DROP OWNED BY doctored", name)
        postgres.execute("DROP ROLE doctored")


def test_what_to_do_about_a_group_is_its_cure(url: str) -> None:
    """A hint is told apart from the message, whatever stands in it; `config check` shows both in one line."""
    settings = source(url)
    groups = {"odd; name": GroupSettings(source="figures", where="1 = 0")}
    debt = msgspec.structs.replace(settings.counters["debt"], groups=("all", "odd; name"))
    found = of(examined(msgspec.structs.replace(settings, groups=groups, counters={"debt": debt})), "group odd; name")
    assert (found.health, found.seen) == (Health.WRONG, 'group "odd; name" selects nobody')
    assert found.cure == 'look at its "where" or "entities"'


@pytest.fixture
def large(url: str) -> str:
    """The same with many figures, or what the database takes for many."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute(
                "INSERT INTO figure (rowid, council_id, field, year_id, value) VALUES (500000,1,'debt',1,1)"
            )
        connection.close()
    else:
        fill = "INSERT INTO figure SELECT n % 5000, 'debt', n % 20, 1 FROM generate_series(1, 200000) n; ANALYZE figure"
        load(url, fill, {})
    return url


@pytest.mark.parametrize("lookup", [True, False])
def test_an_index_is_asked_for_where_batches_need_it(large: str, lookup: bool) -> None:
    """Small batches of a large table would read all of it each; the index that is said ends that. A pass needs none."""
    assert wrong(examined(source(large, lookup=lookup))) <= {"source figures"}  # of councils that no table lists
    found = of(examined(source(large, batch_size=10, lookup=lookup)), "index")
    assert found.health is Health.WARNING
    assert "council_id" in found.seen
    load(large, found.cure.partition(": ")[2].replace("CONCURRENTLY ", ""), {})
    load(large, "ANALYZE", {})
    assert wrong(examined(source(large, batch_size=10, lookup=lookup))) <= {
        "source figures"
    }  # of councils that no table lists


def test_an_index_is_asked_for_where_few_periods_are_wanted(large: str) -> None:
    """One period of twenty: an index on the period would let the others be left unread; for half of them none would."""
    found = of(examined(source(large, periods=("latest",))), "index")
    assert found.health is Health.WARNING
    assert "3 of 20 periods" in found.seen
    load(large, found.cure.partition(": ")[2].replace("CONCURRENTLY ", ""), {})
    load(large, "ANALYZE", {})
    assert wrong(examined(source(large, periods=("latest",)))) <= {"source figures"}  # of councils that no table lists
    assert wrong(examined(source(large, periods=tuple(str(2000 + year) for year in range(10))))) <= {
        "source figures"
    }  # of councils that no table lists


def test_an_index_is_asked_for_where_entities_could_be_read_range_by_range(make_database: Callable[[str], str]) -> None:
    """A huge table whose rows lie by entity: an index lets `auto` cut the pass over it. For totals none is needed."""
    url = make_database(
        LONG
        + "INSERT INTO figure SELECT n / 200, 'debt', n % 20, 1 FROM generate_series(1, 200000) n;"
        + "INSERT INTO council SELECT n, n FROM generate_series(0, 1000) n; ANALYZE;"
        + "UPDATE pg_class SET reltuples = 2e7 WHERE relname = 'figure'"
    )
    totals = source(url)
    over = msgspec.structs.replace(totals.counters["debt"], over=Over.ENTITIES, aggregate=Aggregate.MAX)
    entities = msgspec.structs.replace(totals, counters={"debt": over})
    assert wrong(examined(totals)) <= {"source figures"}  # of councils that no table lists
    found = of(examined(entities), "index")
    assert found.health is Health.WARNING
    assert "with an index on council_id it is cut" in found.seen
    load(url, found.cure.partition(": ")[2].replace("CONCURRENTLY ", ""), {})
    load(url, "UPDATE pg_class SET reltuples = 2e7 WHERE relname = 'figure'", {})
    assert of(examined(entities), "index").health is Health.OK


@pytest.mark.parametrize(
    ("dying", "whole", "health"),
    [("500ms", "9s", Health.OK), (None, None, Health.WARNING), ("0", None, Health.WARNING), ("500ms", None, Health.OK)],
)
def test_what_older_servers_cannot(dying: str | None, whole: str | None, health: Health) -> None:
    """Before PostgreSQL 14 a query outlives its client; before 17 there is no limit of a whole transaction."""
    found = list(versions("database main", dying, whole))
    assert of(found, "dead clients").health is health
    assert ("no transaction_timeout" in of(found, "transaction limit").seen) is (whole is None)


# --- the whole


@pytest.fixture
def doctored(valkey: Valkey, url: str) -> Iterator[Settings]:
    """Settings with servers that answer."""
    yield msgspec.structs.replace(source(url), redis=RedisSettings(url=valkey.url))


def test_the_whole_goes_on_where_a_part_is_away(doctored: Settings) -> None:
    """Neither a Redis nor a database that is away keeps the rest from being looked at; either makes it fail."""
    areas = {"configuration", "cron", "redis", "locks", "cells", "database main"}
    result = examination.examine(lambda: doctored)
    assert {each.area for each in result.findings} == areas
    assert result.exit_code == 0, [each for each in result.findings if each.health is Health.WRONG]
    away = msgspec.structs.replace(doctored, redis=RedisSettings(url="redis://127.0.0.1:1"))
    result = examination.examine(lambda: away)
    assert {each.area for each in result.findings} == areas - {"locks", "cells"}
    assert result.exit_code == 1
    gone = {"main": DatabaseSettings(url="postgresql://127.0.0.1:1/x"), "other": DatabaseSettings(url="sqlite:////no")}
    result = examination.examine(lambda: msgspec.structs.replace(doctored, databases=gone))
    assert {each.area for each in result.findings} == areas | {"database other"}
    assert {each.area for each in result.findings if each.health is Health.WRONG} == {
        "database main", "database other",
    }  # fmt: skip


def test_a_configuration_that_cannot_be_used() -> None:
    """It is what is wrong, and all that can be told."""

    def refuse() -> Settings:
        raise ConfigError("countercache.toml: agent.timeuot: there is no such key", hint='did you mean "timeout"?')

    result = examination.examine(refuse)
    assert [each.cure for each in result.findings] == ['did you mean "timeout"?']
    assert result.exit_code == 1
