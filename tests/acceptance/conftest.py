"""The site that an operator looks after."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance import site
from tests.acceptance.operating import GATED, sql
from tests.valkey import Valkey


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


@pytest.fixture
def directory(tmp_path: Path, valkey: Valkey) -> Path:
    """A site whose counter `gated` never ends while its gate is shut, and which publishes plain keys."""
    more = site.counter("gated", GATED) + '[publish]\nkey = "total:{counter}:{group}:{period}"\n'
    site.make(tmp_path, valkey.url, more)
    sql(tmp_path, "CREATE TABLE gate (id INTEGER)")
    return tmp_path


@pytest.fixture
def shut(directory: Path) -> Path:
    """The same with its gate shut."""
    sql(directory, "INSERT INTO gate VALUES (1)")
    return directory
