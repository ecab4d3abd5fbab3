"""Databases that are files, for the tests: of DuckDB, and of those that stand for any database of SQLAlchemy's."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.computing import generic_url


@pytest.fixture
def make_duckdb(tmp_path: Path) -> Callable[..., str]:
    """Makes a file of DuckDB with the given SQL in it; returns its URL."""
    numbers = itertools.count(1)

    def make(sql: str = "") -> str:
        path = tmp_path / f"tables{next(numbers)}.duckdb"
        with closing(duckdb.connect(path)) as connection:
            connection.execute(sql)
        return f"duckdb:///{path}"

    return make


@pytest.fixture
def make_anyduckdb(make_duckdb: Callable[..., str]) -> Callable[..., str]:
    """The same, read as a database of which only SQLAlchemy knows."""
    return lambda sql="": generic_url(make_duckdb(sql))


@pytest.fixture
def make_anysqlite(tmp_path: Path) -> Callable[..., str]:
    """A file of SQLite that is read like that."""
    numbers = itertools.count(1)

    def make(sql: str = "") -> str:
        path = tmp_path / f"tables{next(numbers)}.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(sql)
        return generic_url(f"sqlite:///{path}")

    return make


FILES = [
    pytest.param("make_anysqlite", id="any, SQLite"),
    pytest.param("make_anyduckdb", id="any, DuckDB"),
]
"""The fixtures of those that stand for any database."""
