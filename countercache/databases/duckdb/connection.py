"""DuckDB: a file that is opened read-only, or none, to read files of other kinds.

DuckDB has no savepoints, and a statement that fails ends its transaction. None is needed for the snapshot: while the
file is opened nobody else can open it to write.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final, NoReturn

import duckdb
from sqlalchemy.engine import URL

from countercache.databases.base import Database, Lost, Overflow, Refused, Row, Target, describe_number
from countercache.databases.duckdb.catalog import DuckDBCatalog
from countercache.databases.duckdb.dialect import DIALECT
from countercache.databases.duckdb.engine import ENGINE
from countercache.databases.files import check_file
from countercache.databases.single_floats import shortest
from countercache.errors import DatabaseUnreachable, DeadlineExceeded
from countercache.model.states import Reason
from countercache.settings import DatabaseSettings

_CONFIG: Final = {
    # What a statement names is a table or a file: no variable of this program, and nothing that is fetched for it.
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}

_BEGIN: Final = ("SET GLOBAL TimeZone = 'UTC'", "SET GLOBAL lock_configuration = true")

_MANY: Final = 10_000
"""Rows that are taken at once of a result that is streamed."""

_AGAIN: Final = 0.05
"""Seconds until a statement is interrupted again: one that was just beginning has not noticed."""

_RETRY: Final = 0.1
"""Seconds until a file is opened again that somebody else writes to."""

_READS: Final = r"\w+_scan\s*\(|read_\w+\s*\(|(from|join)\s+'"
"""How a view reads files."""

_FILES: Final = "files that its sources and views name (Parquet, CSV) may change while a run reads them"


class DuckDBTarget(Target):
    """A database file; without one, other files can be read."""

    def __init__(self, name: str, url: URL, settings: DatabaseSettings) -> None:
        super().__init__(name, url.set(drivername="duckdb"), settings)

    def open(self, deadline: float) -> DuckDB:
        """Open the file read-only."""
        path = self.url.database
        if not path or path == ":memory:":
            return DuckDB(self, deadline, duckdb.connect(":memory:", config=dict(_CONFIG)))
        check_file(self.name, Path(path))
        return DuckDB(self, deadline, self._connect(path, deadline))

    def _connect(self, path: str, deadline: float) -> duckdb.DuckDBPyConnection:
        until = min(deadline, time.monotonic() + self.settings.lock_timeout)
        while True:
            try:
                return duckdb.connect(path, read_only=True, config=dict(_CONFIG))
            except duckdb.Error as error:
                if not re.search("[Cc]onflicting lock|being used by another process", str(error)):
                    raise self._unreachable(error) from error
                if time.monotonic() + _RETRY >= until:
                    raise self._locked(error) from error
            time.sleep(_RETRY)

    def _locked(self, error: duckdb.Error) -> DatabaseUnreachable:
        holder = re.search(r"\(PID \d+\)", str(error))
        who = f"another process {holder[0]}" if holder else "another process"
        hint = "DuckDB lets nobody read a file that is open for writing: let that process close it, or read a copy"
        return DatabaseUnreachable(f"database {self.name}: {self.url.database!r} is opened by {who}", hint=hint)

    def _unreachable(self, error: duckdb.Error) -> DatabaseUnreachable:
        text = str(error)
        if "not a valid DuckDB" in text:
            return DatabaseUnreachable(f"database {self.name}: {self.url.database!r} is no DuckDB database")
        hint = 'pip install --upgrade "countercache[duckdb]"' if "version" in text else "check the rights of the file"
        message = f"database {self.name}: {self.url.database!r} cannot be opened: {_first_line(self.clean(text))}"
        return DatabaseUnreachable(message, hint=hint)


class DuckDB(Database):
    """A DuckDB connection."""

    engine = ENGINE

    def __init__(self, target: DuckDBTarget, deadline: float, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(target, deadline)
        self._connection = connection
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._limit: float | None = None
        self.catalog = DuckDBCatalog(self.rows, target.url, self.dialect)
        for statement in _BEGIN:
            self.rows(statement)
        self.caveats = (_FILES,) if self._reads_files() else ()

    def rows(self, statement: str) -> list[Row]:
        """All rows of a statement."""
        with self._within(None, self._connection):
            return self._connection.execute(statement).fetchall()

    def stream(self, statement: str) -> Iterator[Row]:
        """The rows of a statement, by a connection of its own: another statement would end it."""
        with contextlib.closing(self._connection.cursor()) as cursor, self._within(None, cursor):
            cursor.execute(statement)
            while rows := cursor.fetchmany(_MANY):
                yield from rows

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Nothing to do: there is no transaction that a statement could end."""
        yield

    def number(self, statement: str, limit: float | None) -> Decimal:
        """The one number of a query: at most two rows of it are asked for."""
        with self._within(limit, self._connection):
            cursor = self._connection.execute(self._query(statement))
            description = cursor.description or []
            values = [row[0] for row in cursor.fetchmany(2)]
        value = values[0] if len(values) == 1 and len(description) == 1 else None
        types = [str(column[1]) for column in description]
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            text = shortest if types[0] == "FLOAT" else repr
            # A float's zero may have a sign.
            found = Decimal(text(value)) if isinstance(value, float) and value else Decimal(value or 0)
            if found.is_finite():
                return found
            types = [str(found)]
        raise Refused(Reason.SQL, describe_number(values, len(description), types))

    def parse(self, statement: str) -> None:
        """EXPLAIN the query."""
        with self._within(None, self._connection):
            self._query(statement)
            self._connection.execute(f"EXPLAIN {statement}").fetchall()

    def cancel(self) -> None:
        """Interrupt what is running."""
        for connection in tuple(self._running):
            connection.interrupt()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _query(self, statement: str) -> str:
        """Somebody's SQL, if it is one query. DuckDB also writes files where a database is opened read-only."""
        found = self._connection.extract_statements(statement)
        if len(found) != 1:
            has = f"{len(found)} statements" if found else "none"
            raise Refused(Reason.SQL, f"the query must be one SELECT; there are {has}")
        if found[0].type != duckdb.StatementType.SELECT:
            raise Refused(Reason.SQL, f"the query is no SELECT but {found[0].type.name}")
        return statement

    def _reads_files(self) -> bool:
        """Whether something else is read than the database itself, which alone is a snapshot."""
        reads = f"regexp_matches(sql, {DIALECT.quoted(_READS)}, 'i')"
        views = f"SELECT count(*) FROM duckdb_views() WHERE NOT internal AND {reads}"  # noqa: S608 - our own text
        return not self.target.url.database or self.rows(views) != [(0,)]

    @contextlib.contextmanager
    def _within(self, limit: float | None, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt what runs in here at the deadline, or when it takes longer than `limit`."""
        left = self.left()
        self._limit = limit if limit is not None and limit < left else None
        done = threading.Event()
        seconds = left if self._limit is None else self._limit
        watch = threading.Thread(target=_interrupt, args=(connection, seconds, done), daemon=True)
        self._running.add(connection)
        watch.start()
        try:
            yield
        except (duckdb.Error, RuntimeError) as error:
            self._raise(error)
        finally:
            done.set()
            watch.join()
            self._running.discard(connection)

    def _raise(self, error: Exception) -> NoReturn:
        name = self.target.name
        text = _first_line(self.target.clean(str(error)))
        match error:
            case duckdb.InterruptException():
                if self._limit is not None and time.monotonic() < self.deadline:
                    raise Refused(Reason.TIMEOUT, f"the query took more than {self._limit:g} s") from error
                raise DeadlineExceeded(f"the time for database {name} is over") from error
            case duckdb.OutOfRangeException() if "Overflow" in text:
                raise Overflow(Reason.SQL, text) from error
            case duckdb.FatalException() | duckdb.InternalException() | duckdb.ConnectionException():
                raise Lost(f"database {name} can be read no more: {text}") from error
            case duckdb.OutOfMemoryException() | duckdb.IOException() | duckdb.HTTPException():
                raise Refused(Reason.DATABASE, f"database {name}: {text}") from error
        raise Refused(Reason.SQL, text) from error


def _interrupt(connection: duckdb.DuckDBPyConnection, seconds: float, done: threading.Event) -> None:
    """Interrupt, after so many seconds, until it is done."""
    if not done.wait(seconds):
        connection.interrupt()
        while not done.wait(_AGAIN):
            connection.interrupt()


def _first_line(text: str) -> str:
    """An error without the statement that it shows, and without the class that it begins with."""
    text = re.split(r"\s+LINE \d+: ", text)[0]
    return re.sub(r"^(\w+ )+Error: ", "", text)
