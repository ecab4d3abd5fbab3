"""The kinds of database that are measured, each filled when it is made."""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, cast

import duckdb
import msgspec
import psycopg
import pymysql

from bench import data
from bench.data import Size
from bench.measure import Sample
from tests.clickhouse_server import Server as ClickHouseServer
from tests.mariadb import MariaDB as MariaDBServer
from tests.postgres import Cluster

Ask = Callable[[str], list[tuple[Any, ...]]]
"""A connection: SQL in, rows out."""


class Database(ABC):
    """A database that holds the tables of `data`."""

    url: str

    @abstractmethod
    def connection(self) -> Any:  # noqa: ANN401 - of any driver, which are much alike
        """A new connection."""

    @contextmanager
    def asking(self) -> Iterator[Ask]:
        """A new connection, for the time of the context."""
        with closing(self.connection()) as connection:
            yield lambda sql: cast("list[tuple[Any, ...]]", connection.execute(sql).fetchall())

    def timed(self, run: Callable[[], Sample]) -> Sample:
        """The sample of something that uses the database, with the server's time in it if there is a server."""
        return run()

    def timed_asking(self, run: Callable[[Ask], object]) -> Sample:
        """The sample of something that asks by a connection of its own; to connect is not counted."""

        def once() -> Sample:
            with self.asking() as ask:
                began = time.perf_counter()
                run(ask)
                return Sample(time.perf_counter() - began)

        return self.timed(once)


class Postgres(Database):
    """A database of a cluster. The server's own time is what it says that its sessions were active."""

    def __init__(self, cluster: Cluster, name: str, fill: Callable[[str], None]) -> None:
        self._cluster, self._name = cluster, name
        cluster.execute(f"CREATE DATABASE {name}")
        self.url = cluster.url(name, unix=True)
        fill(self.url)

    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that commits each statement."""
        return psycopg.connect(self.url, autocommit=True)

    def timed(self, run: Callable[[], Sample]) -> Sample:
        """The sample with what the server has worked meanwhile."""
        before = self._active()
        found = run()
        return msgspec.structs.replace(found, database=self._active() - before)

    def _active(self) -> float:
        """Seconds that this database's sessions have spent in statements, once they have all ended and said so."""
        until = time.monotonic() + 10
        busy = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self._name}'"  # noqa: S608 - our own name
        while self._cluster.execute(busy) != [(0,)]:
            if time.monotonic() > until:
                raise TimeoutError(f"a session of {self._name} does not end")
            time.sleep(0.01)
        spent = f"SELECT active_time FROM pg_stat_database WHERE datname = '{self._name}'"  # noqa: S608
        return float(self._cluster.execute(spent)[0][0]) / 1000


class ClickHouse(Database):
    """A database of a server."""

    def __init__(self, server: ClickHouseServer, size: Size) -> None:
        self._server = server
        self.url = server.url()
        data.fill_clickhouse(size, lambda statement: server.execute(statement, settings={}))

    def connection(self) -> Any:  # noqa: ANN401 - as the base class has it
        """There is none: each query has its own."""
        raise NotImplementedError

    @contextmanager
    def asking(self) -> Iterator[Ask]:
        """Queries over one HTTP connection, without settings."""
        with closing(HTTPConnection("127.0.0.1", self._server.port)) as connection:

            def ask(sql: str) -> list[tuple[Any, ...]]:
                connection.request("POST", "/?wait_end_of_query=1", sql)
                answer = connection.getresponse()
                text = answer.read().decode()
                if answer.status != 200:
                    raise ValueError(text)
                return [tuple(None if cell == "\\N" else cell for cell in row.split("\t")) for row in text.splitlines()]

            yield ask


class MariaDB(Database):
    """A database of a server."""

    def __init__(self, server: MariaDBServer, size: Size) -> None:
        self._server = server
        server.execute("CREATE DATABASE bench CHARACTER SET utf8mb4")
        self.url = server.url("bench")
        with self.asking() as ask:
            data.fill_mariadb(size, ask)

    def connection(self) -> pymysql.Connection[Any]:
        """A connection that commits each statement."""
        return self._server.connect("bench")

    @contextmanager
    def asking(self) -> Iterator[Ask]:
        """A new connection, for the time of the context; of several statements the rows are the last one's."""
        with closing(self.connection()) as connection, connection.cursor() as cursor:

            def ask(sql: str) -> list[tuple[Any, ...]]:
                cursor.execute(sql)
                rows = list(cursor.fetchall())
                while cursor.nextset():
                    rows = list(cursor.fetchall())
                return rows

            ask("SET SESSION div_precision_increment = 30")  # a quotient has four more digits otherwise
            yield ask


class SQLite(Database):
    """A file."""

    def __init__(self, path: Path, size: Size) -> None:
        self._path = path
        self.url = f"sqlite:///{path}"
        data.fill_sqlite(path, size)

    def connection(self) -> sqlite3.Connection:
        """A connection."""
        return sqlite3.connect(self._path, isolation_level=None)


class DuckDB(Database):
    """A file of DuckDB."""

    def __init__(self, path: Path, size: Size) -> None:
        self._path = path
        self.url = f"duckdb:///{path}"
        data.fill_duckdb(path, size)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection that only reads, so that others can do so too."""
        return duckdb.connect(self._path, read_only=True)
