"""What tests of the computing share: a worker run without its process, and the real figures in a database."""

from __future__ import annotations

import csv
import gzip
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pymysql
import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects import registry

from countercache.model.states import Computed, Failure
from countercache.settings import Settings
from countercache.worker import batching, source_reader, tasks
from countercache.worker.protocol import COMPUTE, Ended, Finished, Report, StartCommand, decode_report, encode
from tests import clickhouse_server

DATA = Path(str(resources.files("countercache.demo"))) / "data"
PUBLISHED = Path(__file__).parent / "data" / "published_totals.csv"


class Line:
    """The worker's end of a channel that ends here: what is sent is kept, in the form that would go over the pipe."""

    def __init__(self, start: StartCommand) -> None:
        self.reports: list[Report] = []
        self.cancel: Callable[[], None] | None = None
        self._start = start

    def receive(self) -> StartCommand:
        """The order that the test gives."""
        return self._start

    def send(self, report: Report) -> None:
        """Keep a report."""
        self.reports.append(decode_report(encode(report)))

    def on_stop(self, cancel: Callable[[], None]) -> None:
        """Keep what would stop the work."""
        self.cancel = cancel


def order(
    settings: Settings,
    counters: Sequence[str] = (),
    *,
    task: str = COMPUTE,
    database: str = "main",
    batch_size: int | str = "auto",
    timeout: float = 60.0,
) -> list[Report]:
    """Let a worker do a task, for all counters of the database unless some are named; what it reported."""
    mine = tuple(counters) or tuple(name for name in settings.counters if settings.database_of(name) == database)
    line = Line(StartCommand(task, mine, time.monotonic() + timeout, batch_size))
    tasks.run(line, settings, database)
    assert isinstance(line.reports[-1], Ended), line.reports
    return line.reports


class Results:
    """What a worker computed, for looking up."""

    def __init__(self, reports: Iterable[Report]) -> None:
        self.reports = list(reports)
        finished = [report for report in self.reports if isinstance(report, Finished)]
        assert len({each.counter for each in finished}) == len(finished), "a counter was finished twice"
        self.cells = {(c.cell.counter, c.cell.group, c.cell.period): c for each in finished for c in each.cells}
        self.failures: dict[str, Failure] = {each.counter: each.failure for each in finished if each.failure}
        ended = self.reports[-1]
        assert isinstance(ended, Ended)
        self.ended = ended.failure

    def cell(self, counter: str, group: str = "all", period: str = "latest") -> Computed:
        """One cell."""
        return self.cells[counter, group, period]

    def value(self, counter: str, group: str = "all", period: str = "latest") -> Decimal | None:
        """The value of one cell, which must not have failed."""
        cell = self.cell(counter, group, period)
        assert cell.failure is None, cell.failure
        return cell.value


def compute(settings: Settings, counters: Sequence[str] = (), **options: Any) -> Results:
    """Compute counters, in this process."""
    return Results(order(settings, counters, **options))


@contextmanager
def as_if_large(first: int = 1) -> Iterator[None]:
    """Let the smallest table be read as very large ones are: cut, the second query reading so many rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_reader, "MANY_ROWS", 0)
        patch.setattr(source_reader, "ROWS", 3)
        quick = {"QUICK": 0, "QUICK_TOGETHER": 0, "ROWS": 3, "_FIRST": first, "SECONDS": 0.0, "_LONGEST": 0.0}
        for name, value in quick.items():
            patch.setattr(batching, name, value)
        yield


def load(url: str, script: str, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """Run SQL in a database of any kind, and fill tables."""
    url = url.removeprefix("any")
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;" + script)
            for table, values in rows.items():
                if values:
                    marks = ", ".join("?" * len(values[0]))
                    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
        connection.close()
        return
    if url.startswith("duckdb"):
        with closing(duckdb.connect(url.removeprefix("duckdb:///"))) as file:
            file.execute(script)
            for table, values in rows.items():
                _copy(file, table, values)
        return
    if url.startswith("clickhouse"):
        clickhouse_server.load(url, script, rows)
        return
    if url.startswith("mariadb"):
        _load_mariadb(url, script, rows)
        return
    with psycopg.connect(url) as server:
        server.execute(script.encode())
        for table, values in rows.items():
            with server.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                for value in values:
                    copy.write_row(value)


def generic_url(url: str) -> str:
    """The URL of a file under a name that only SQLAlchemy knows, so that it is read by what reads any database."""
    registry.register("anysqlite", "sqlalchemy.dialects.sqlite.pysqlite", "SQLiteDialect_pysqlite")
    registry.register("anyduckdb", "duckdb_sqlalchemy", "Dialect")
    return f"any{url}"


def _copy(file: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    """Fill a table of DuckDB, which takes rows one by one a hundred times slower."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as text:
        for row in rows:
            cells = ("" if value is None else '"' + str(value).replace('"', '""') + '"' for value in row)
            text.write(",".join(cells) + "\n")
        text.flush()
        if rows:
            how = "FORMAT csv, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '', NEW_LINE '\\n'"
            file.execute(f"COPY {table} FROM '{text.name}' ({how}, ALLOW_QUOTED_NULLS false, PARALLEL false)")


def _load_mariadb(url: str, script: str, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """Double quotes are those of names here, as in the SQL that the other kinds get."""
    target = make_url(url)
    with (
        pymysql.connect(
            unix_socket=str(target.query["unix_socket"]),
            user=target.username or "",
            database=target.database,
            client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
            sql_mode="ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
        ) as server,
        server.cursor() as cursor,
    ):
        cursor.execute(script)
        while cursor.nextset():
            pass
        for table, values in rows.items():
            if values:
                marks = ", ".join(["%s"] * len(values[0]))
                cursor.executemany(f"INSERT INTO {table.replace('%', '%%')} VALUES ({marks})", values)
        server.commit()


def councils() -> list[dict[str, str]]:
    """The authorities of the real data."""
    with (DATA / "authorities.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def field_names() -> list[str]:
    """The names of the fields of the real data."""
    with (DATA / "fields.csv").open(encoding="utf-8", newline="") as file:
        return [row["slug"] for row in csv.DictReader(file)]


def figures() -> list[tuple[str, str, str, str]]:
    """The figures of the real data: authority, field, period, value."""
    with (DATA / "figures.csv.gz").open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8", newline="") as file:
        return [(r["authority"], r["field"], r["period"], r["value"]) for r in csv.DictReader(file)]


def published() -> dict[tuple[str, str, str], Decimal]:
    """The totals as the ministry published them, by field, period and area."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return {(r["field"], r["period"], r["area"]): Decimal(r["value"]) for r in csv.DictReader(file)}
