"""The SQL of a dry run can be run as it is printed, by whoever has a connection of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from countercache.model.results import PlanResult
from countercache.render.plain import lines
from countercache.settings import Lookup
from countercache.worker.protocol import PLAN, Planned
from tests.computing import load, order
from tests.sources import both, settings

TABLES = """
CREATE TABLE c (id text PRIMARY KEY, x integer);
CREATE TABLE f (e text, k text, p text, v integer);
INSERT INTO c VALUES ('a', 1), ('b', 2);
INSERT INTO f VALUES ('a', 'd', '2019', 5), ('b', 'd', '2019', 6);
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("make_database")
        return make()
    return f"sqlite:///{tmp_path}/plan.db"


def printed(url: str, groups: dict[str, str]) -> str:
    """What a dry run prints."""
    more: dict[str, Any] = {"entities": Lookup(table="c", name="id")}
    of = settings(url, both(groups=("all", *groups)), groups, **more)
    (found,) = (report for report in order(of, task=PLAN) if isinstance(report, Planned))
    assert not found.failures
    return "\n".join(lines(PlanResult(found.cells, found.steps)))


@pytest.mark.parametrize("groups", [{}, {"g": "x = 1 -- the first"}])
def test_what_is_printed_can_be_run(url: str, groups: dict[str, str]) -> None:
    """Each statement in its turn, on a connection that knows nothing of countercache."""
    load(url, TABLES, {})
    script = printed(url, groups)
    assert script.count("SELECT") >= 2
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript(script)
        connection.close()
        return
    with psycopg.connect(url) as server:
        server.execute(script.encode())
