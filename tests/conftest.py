"""What all tests share: real servers from wheels (`tests/postgres.py`, `tests/valkey.py`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

pytest_plugins = ["tests.postgres", "tests.valkey"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what did not run because a program could not be had (`tests/debian.py`)."""
    for report in terminalreporter.stats.get("skipped", ()):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"DID NOT RUN: {report.nodeid}: {why}", red=True, bold=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def make_tables(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Makes a database with the given SQL in it, on each engine; returns its URL."""
    if request.param == "postgresql":
        make: Callable[[str], str] = request.getfixturevalue("make_database")
        return make

    def in_a_file(sql: str) -> str:
        with closing(sqlite3.connect(tmp_path / "tables.db")) as connection:
            connection.executescript(sql)
        return f"sqlite:///{tmp_path}/tables.db"

    return in_a_file
