"""What all tests share: real servers (`tests/postgres.py`, `tests/mariadb.py`, `tests/valkey.py`), and markers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

pytest_plugins = ["tests.clickhouse_server", "tests.files", "tests.mariadb", "tests.postgres", "tests.valkey"]

# The markers of pyproject.toml, and the fixtures that need what each stands for. Where a test asks for a fixture only
# with one of its parameters, that parameter has the marker.
FIXTURES = {
    "clickhouse": {"clickhouse", "make_clickhouse"},
    "mariadb": {"make_mariadb", "mariadb"},
    "postgres": {"make_database", "postgres"},
    "valkey": {"make_valkey", "valkey_server", "world"},
    "terminal": {"running", "watching"},
}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what its fixtures need."""
    for item in items:
        for marker, fixtures in FIXTURES.items():
            if fixtures.intersection(getattr(item, "fixturenames", ())):
                item.add_marker(marker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what did not run because a program could not be had (`tests/debian.py`)."""
    for report in terminalreporter.stats.get("skipped", ()):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"DID NOT RUN: {report.nodeid}: {why}", red=True, bold=True)


ENGINES = [
    pytest.param("make_clickhouse", id="clickhouse", marks=pytest.mark.clickhouse),
    pytest.param("make_mariadb", id="mariadb", marks=pytest.mark.mariadb),
    pytest.param("make_database", id="postgresql", marks=pytest.mark.postgres),
    pytest.param("make_duckdb", id="duckdb"),
    "sqlite",
]
"""SQLite, and the fixtures that make a database of each other engine."""


@pytest.fixture(params=ENGINES)
def make_tables(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Makes a database with the given SQL in it, on each engine; returns its URL."""
    if request.param != "sqlite":
        make: Callable[[str], str] = request.getfixturevalue(request.param)
        if request.param == "make_mariadb":
            # It has no index of a whole TEXT.
            return lambda sql: make(sql.replace("TEXT PRIMARY KEY", "VARCHAR(40) PRIMARY KEY"))
        return make

    def in_a_file(sql: str) -> str:
        with closing(sqlite3.connect(tmp_path / "tables.db")) as connection:
            connection.executescript(sql)
        return f"sqlite:///{tmp_path}/tables.db"

    return in_a_file
