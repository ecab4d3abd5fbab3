"""SQLite: opened read-only, one snapshot, the deadline kept by a progress handler.

A column may hold anything in any row, so figures are added in two ways. What is a whole number of hundredths that fits
is added by SQLite itself, as integers (see `statements`); the rest goes to the aggregate `countercache_sum` here, which
adds decimals and counts what is no number.

Where nobody writes while it is opened the file is opened twice, so that two processors can add.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from sqlalchemy.engine import URL

from countercache.compute import text_numbers
from countercache.compute.formula import EXACT
from countercache.databases import driver_values
from countercache.databases.base import Database, Overflow, Refused, Row, Target, describe_number
from countercache.databases.files import check_file
from countercache.databases.sqlite.catalog import SQLiteCatalog
from countercache.databases.sqlite.engine import ENGINE
from countercache.databases.sqlite.formulas import FORMULA_AGGREGATES
from countercache.errors import ConfigError, DatabaseError, DatabaseUnreachable, DeadlineExceeded
from countercache.model.states import Reason
from countercache.settings import DatabaseSettings

_TICK = 50_000
"""Instructions of SQLite's machine between two looks at the clock: a few milliseconds."""

_BEGIN = ("PRAGMA query_only = 1", "BEGIN", "SELECT count(*) FROM sqlite_master")


def number(value: object, spelling: str | None = None) -> Decimal | None:
    """A value as the decimal that it prints as; `None` where it is no finite number.

    `spelling` says how texts spell numbers, as `text_numbers.encode` writes it; none: the plain way.
    """
    return driver_values.number(value, text_numbers.decode(spelling or ""))


def _is_number(value: object, spelling: str | None) -> bool:
    return number(value, spelling) is not None


class _Sum:
    """The aggregate: `sum count rejected` of the values it was given, as text."""

    def __init__(self) -> None:
        self._sum = Decimal(0)
        self._count = 0
        self._rejected = 0

    def step(self, value: object, spelling: str | None) -> None:
        """Take a value; NULL is none."""
        if value is None:
            return
        decimal = number(value, spelling)
        if decimal is None:
            self._rejected += 1
        else:
            self._sum = EXACT.add(self._sum, decimal)
            self._count += 1

    def finalize(self) -> str:
        """The result."""
        return f"{self._sum} {self._count} {self._rejected}"


class SQLiteTarget(Target):
    """A database file."""

    def __init__(self, name: str, url: URL, settings: DatabaseSettings) -> None:
        super().__init__(name, url.set(drivername="sqlite"), settings)

    def open(self, deadline: float) -> SQLite:
        """Open the file read-only and take the snapshot."""
        path = self.url.database
        if not path or path == ":memory:":
            hint = "give the path of a file: sqlite:///PATH"
            raise ConfigError(f"database {self.name} is in memory, which nobody else can read", hint=hint)
        file = Path(path.removeprefix("file:"))
        check_file(self.name, file)
        database = SQLite(self, deadline, f"file:{quote(str(file.absolute()))}?mode=ro")
        database.begin()
        return database


class SQLite(Database):
    """An SQLite connection in its transaction."""

    engine = ENGINE

    def __init__(self, target: SQLiteTarget, deadline: float, uri: str) -> None:
        super().__init__(target, deadline)
        self.catalog = SQLiteCatalog(self.rows, target.url, self.dialect)
        self._stop_at = deadline
        self._limit: float | None = None
        self._connection = self._connect(uri, min(target.settings.lock_timeout, self.left()))
        # It does not wait: who cannot read at once does without it.
        self._second: sqlite3.Connection | None = self._connect(uri, 0.0)

    def _connect(self, uri: str, busy: float) -> sqlite3.Connection:
        with self._errors():
            connection = sqlite3.connect(uri, uri=True, timeout=busy, isolation_level=None, check_same_thread=False)
            connection.set_progress_handler(lambda: time.monotonic() >= self._stop_at, _TICK)
            connection.create_aggregate("countercache_sum", 2, _Sum)  # type: ignore[arg-type]
            for name, aggregate in FORMULA_AGGREGATES.items():
                connection.create_aggregate(name, -1, aggregate)  # type: ignore[arg-type]
            connection.create_function("countercache_is_number", 2, _is_number, deterministic=True)
        return connection

    def begin(self) -> None:
        """Begin the transaction; the first look at the file makes the snapshot.

        The second connection reads the same one, or is given up: it looks at the file before and after that, and
        SQLite tells whether anybody has written in between (its documentation, PRAGMA data_version).
        """
        before = self._look(())
        for statement in _BEGIN:
            self.rows(statement)
        if before is None or self._look(_BEGIN) != before:
            self._give_up_second()

    @property
    def is_shared(self) -> bool:
        """Whether two connections read the snapshot."""
        return self._second is not None

    def _look(self, statements: Sequence[str]) -> int | None:
        """What the second connection has as the version of the file, after these; `None` where it must wait."""
        if self._second is None:
            return None
        try:
            for statement in statements:
                self._second.execute(statement).fetchall()
            ((version,),) = self._second.execute("PRAGMA data_version").fetchall()
        except sqlite3.Error:  # what is wrong with the file, if it is not only busy, the first will say
            return None
        return int(version)

    def _give_up_second(self) -> None:
        if self._second is not None:
            self._second.close()
            self._second = None

    def rows(self, statement: str) -> list[Row]:
        """All rows of a statement."""
        self._set_limit(None)
        with self._errors():
            return self._connection.execute(statement).fetchall()

    def side_by_side(self, statements: Sequence[str]) -> list[Row]:
        """The rows of several statements; SQLite lets go of Python's lock while it works, so two run at once."""
        second = self._second
        if second is None or len(statements) < 2:
            return super().side_by_side(statements)
        self._set_limit(None)
        with self._errors():
            beside = _pool().submit(_all, second, statements[1::2])
            try:
                rows = _all(self._connection, statements[::2])
            finally:
                wait([beside])
            return [*rows, *beside.result()]

    def stream(self, statement: str) -> Iterator[Row]:
        """The rows of a statement as SQLite finds them."""
        self._set_limit(None)
        with self._errors():
            yield from self._connection.execute(statement)

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Nothing to do: an SQLite statement that fails leaves the transaction as it was."""
        yield

    def number(self, statement: str, limit: float | None) -> Decimal:
        """The one number of a query: at most two rows of it are asked for."""
        self._set_limit(limit)
        with self._errors(), self._own_sql():
            cursor = self._connection.execute(statement)
            columns = len(cursor.description or ())
            values = [row[0] for row in cursor.fetchmany(2)]
            cursor.close()
        value = values[0] if len(values) == 1 and columns == 1 else None
        result = driver_values.result_of(value)
        if result is not None:
            return result
        types = [f"{type(value).__name__} {value!r}"[:60]]
        raise Refused(Reason.SQL, describe_number(values, columns, types))

    def parse(self, statement: str) -> None:
        """EXPLAIN the query."""
        self._set_limit(None)
        with self._errors(), self._own_sql():
            self._connection.execute(f"EXPLAIN {statement}").fetchall()

    def scratch(self, statements: Sequence[str]) -> None:
        """Run statements that make temporary tables; the file itself is open for reading only."""
        self._set_limit(None)
        with self._errors():
            for connection in filter(None, (self._connection, self._second)):
                connection.execute("PRAGMA query_only = 0")
                try:
                    _all(connection, statements)
                finally:
                    connection.execute("PRAGMA query_only = 1")

    def cancel(self) -> None:
        """Interrupt what is running."""
        for connection in filter(None, (self._connection, self._second)):
            connection.interrupt()

    def close(self) -> None:
        """Close the file."""
        self._give_up_second()
        self._connection.close()

    def _set_limit(self, limit: float | None) -> None:
        left = self.left()
        self._limit = limit if limit is not None and limit < left else None
        self._stop_at = time.monotonic() + self._limit if self._limit is not None else self.deadline

    @contextlib.contextmanager
    def _own_sql(self) -> Iterator[None]:
        """Let somebody's own SQL read, and nothing else: not even end the transaction."""
        self._connection.set_authorizer(_authorize)
        try:
            yield
        finally:
            self._connection.set_authorizer(None)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:  # names of columns may be any bytes
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        name = self.target.name
        text = self.target.clean(str(error))
        code = getattr(error, "sqlite_errorname", "") or ""
        if code == "SQLITE_INTERRUPT" or text == "interrupted":
            if self._limit is not None and time.monotonic() < self.deadline:
                raise Refused(Reason.TIMEOUT, f"the query took more than {self._limit:g} s") from error
            raise DeadlineExceeded(f"the time for database {name} is over") from error
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            hint = "look for the process that writes to it, or raise lock_timeout"
            raise DatabaseError(f"database {name} is locked by another process", hint=hint) from error
        if code == "SQLITE_NOTADB":
            raise DatabaseUnreachable(f"database {name}: {self._file()} is no SQLite database") from error
        if code.startswith("SQLITE_CANTOPEN"):
            hint = "check its permissions, and those of its directory"
            raise DatabaseUnreachable(f"database {name}: {self._file()} cannot be opened", hint=hint) from error
        if code.startswith("SQLITE_READONLY") or code == "SQLITE_AUTH":
            raise Refused(Reason.SQL, f"the statement does more than read, which is refused: {text}") from error
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_NOMEM")):
            raise DatabaseError(f"database {name} cannot be read: {text}") from error
        refused = Overflow if text == "integer overflow" else Refused
        raise refused(Reason.SQL, text) from error

    def _file(self) -> str:
        return repr(self.target.url.database)


def _all(connection: sqlite3.Connection, statements: Sequence[str]) -> list[Row]:
    return [row for statement in statements for row in connection.execute(statement).fetchall()]


@cache
def _pool() -> ThreadPoolExecutor:
    """The thread of the second connection."""
    return ThreadPoolExecutor(max_workers=1)


def _authorize(action: int, *_: object) -> int:
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
