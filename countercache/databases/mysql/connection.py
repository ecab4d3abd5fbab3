"""MariaDB and MySQL through PyMySQL: one connection, one REPEATABLE READ, READ ONLY transaction with its snapshot.

Limits are variables of the session, set before every statement from the time that is left. Statements are literal text.
The driver reads integers as such and everything else as the text that the server sends.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeVar

import pymysql
from pymysql.constants import FIELD_TYPE, SERVER_STATUS
from pymysql.cursors import Cursor, SSCursor
from sqlalchemy.engine import URL

from countercache.databases.base import Database, Lost, Refused, Row, Target, describe_number
from countercache.databases.engine import Engine
from countercache.databases.mysql.catalog import MySQLCatalog
from countercache.databases.mysql.driver_errors import raise_ours, unreachable
from countercache.databases.mysql.flavors import flavor_of, is_too_old
from countercache.databases.mysql.login import login
from countercache.databases.mysql.own_sql import check_own_sql
from countercache.databases.mysql.query_killer import QueryKiller
from countercache.databases.mysql.spooled_rows import SpooledRows
from countercache.errors import DatabaseUnreachable, DeadlineExceeded
from countercache.model.states import Reason
from countercache.settings import DatabaseSettings

_SLACK = 1.0
"""Seconds that the driver waits for an answer longer than the server may take to give it."""

_QUICK = 0.1
"""Seconds in which the limits of the last statement are right for the next one too."""

_LISTED = 4_000_000
"""Characters that the numbers may have which are too large or too small for the server's own decimals."""

_OURS = "SET SESSION sql_mode = '', time_zone = '+00:00', sql_select_limit = DEFAULT"
_THEIRS = "SET SESSION sql_mode = {}, time_zone = {}, sql_select_limit = 2"

_INTEGERS = {
    FIELD_TYPE.TINY,
    FIELD_TYPE.SHORT,
    FIELD_TYPE.LONG,
    FIELD_TYPE.LONGLONG,
    FIELD_TYPE.INT24,
    FIELD_TYPE.YEAR,
    FIELD_TYPE.BIT,
}
_NUMBERS = _INTEGERS | {FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE}
_DECODERS: dict[int | type[Any], Any] = {
    **dict.fromkeys(_INTEGERS, int),
    FIELD_TYPE.BIT: lambda value: int.from_bytes(value, "big"),
}


_TYPES = {
    **dict.fromkeys((FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.BLOB), "text"),
    **dict.fromkeys((FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.TIME), "a date or time"),
    FIELD_TYPE.JSON: "JSON",
}


_Cursor = TypeVar("_Cursor", bound=Cursor)


class MySQLTarget(Target):
    """A MariaDB or MySQL database that can be connected to. Raises `ConfigError` for a URL that was meant otherwise."""

    def __init__(self, name: str, url: URL, settings: DatabaseSettings) -> None:
        super().__init__(name, url, settings)
        self.login = login(name, url)

    def open(self, deadline: float) -> MySQL:
        """Connect, begin the transaction and set what holds for all of it."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"the time for database {self.name} is over")
        timeout = max(0.1, min(self.settings.connect_timeout, left))
        try:
            connection = pymysql.connect(
                **self.login,
                program_name="countercache",
                autocommit=True,
                conv=_DECODERS,
                connect_timeout=timeout,
                read_timeout=timeout,
                write_timeout=timeout,
            )
        except (pymysql.Error, OSError, RuntimeError, ValueError, TypeError, LookupError) as error:
            raise unreachable(self, self.where(), error) from error
        killer = QueryKiller(self.login)
        database = MySQL(self, deadline, connection, killer)
        try:
            database.begin()
        except BaseException:
            database.close()
            raise
        return database

    def where(self) -> str:
        """Host and port, or the socket, for messages."""
        return str(self.login.get("unix_socket") or f"{self.login['host']}:{self.login['port']}")


class MySQL(Database):
    """A MariaDB or MySQL connection in its transaction."""

    engine: Engine  # which of the two it is, the server says

    def __init__(
        self, target: MySQLTarget, deadline: float, connection: pymysql.Connection[Any], killer: QueryKiller
    ) -> None:
        super().__init__(target, deadline)
        self._connection = connection
        self._killer = killer
        self._streamed: SpooledRows | None = None
        self._has_begun = False
        self._limited_at = -math.inf

    def begin(self) -> None:
        """Find out which server it is, and begin the transaction, with what is set once."""
        ((version, mode, zone),) = self._run("SELECT VERSION(), @@sql_mode, @@time_zone")
        self._flavor = flavor_of(version)
        self.engine = self._flavor.engine
        self.catalog = MySQLCatalog(self.rows, self.target.url, self.dialect)
        if is_too_old(version):
            hint = f"countercache reads {self.engine.name} {'.'.join(map(str, self._flavor.oldest))} and newer"
            raise DatabaseUnreachable(f"database {self.target.name} is {self.engine.name} {version}", hint=hint)
        self._theirs = _THEIRS.format(self.dialect.quoted(mode), self.dialect.quoted(zone))
        self._run(_OURS)
        writes = max(1, int(self.left() + _SLACK))
        self._run(f"SET SESSION group_concat_max_len = {_LISTED}, net_write_timeout = {writes}, sql_big_selects = 1")
        self._limit(None)
        self._run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        self._has_begun = True

    def rows(self, statement: str) -> list[Row]:
        """All rows of a statement."""
        self._limit(None)
        return self._run(statement)

    def stream(self, statement: str) -> Iterator[Row]:
        """The rows of a statement as the server finds them. Another statement may come in between."""
        self._limit(None)
        with self._errors(None), contextlib.closing(SpooledRows(self._execute(statement, SSCursor))) as rows:
            self._streamed = rows
            yield from rows
            self._streamed = None

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Nothing to do: a statement that fails leaves the transaction as it was."""
        yield

    def number(self, statement: str, limit: float | None) -> Decimal:
        """The one number of a query: the server gives two rows of it at most."""
        check_own_sql(statement, self.dialect.lexer)
        with self._their_settings():
            began = time.monotonic()
            self._limit(limit)
            with self._errors(limit), contextlib.closing(self._execute(statement, Cursor)) as cursor:
                description, values = cursor.description or (), [row[0] for row in cursor.fetchmany(2)]
            if limit is not None and time.monotonic() - began >= limit:
                # A function such as SLEEP gives something when it is ended.
                raise Refused(Reason.TIMEOUT, f"the query took more than {limit:g} s")
        codes: list[Any] = [column[1] for column in description]
        if codes == [FIELD_TYPE.FLOAT]:
            hint = "select it as a DOUBLE: CAST(… AS DOUBLE)"
            raise Refused(Reason.SQL, "the query gives a FLOAT, of which the server prints six digits", hint=hint)
        types = [_TYPES.get(code, "a value of another type") for code in codes]
        if len(values) == len(codes) == 1 and values[0] is not None and codes[0] in _NUMBERS:
            return Decimal(values[0]) or Decimal(0)  # a float's zero may have a sign
        raise Refused(Reason.SQL, describe_number(values, len(description), types))

    def parse(self, statement: str) -> None:
        """Let the server prepare the query, for which it needs no more rights than to run it."""
        check_own_sql(statement, self.dialect.lexer)
        self._limit(None)
        self._run(f"PREPARE countercache FROM {self.dialect.quoted(statement)}")
        self._run("DEALLOCATE PREPARE countercache")

    def cancel(self) -> None:
        """Let the process beside this one end the connection: it has one of its own."""
        self._killer.kill()

    def close(self) -> None:
        """End the transaction and the connection."""
        with contextlib.suppress(pymysql.Error):
            self._connection.close()
        self._killer.close()

    def _limit(self, limit: float | None) -> None:
        """Make the time that is left the server's own limit for the next statement, and the driver's."""
        left = self.left()
        if limit is None and time.monotonic() - self._limited_at < _QUICK:
            return
        self._limited_at = time.monotonic() if limit is None else -math.inf
        seconds = left if limit is None else min(limit, left)
        self._connection._read_timeout = seconds + _SLACK  # type: ignore[attr-defined] # noqa: SLF001 - it has no other way
        self._run(self._flavor.limits(seconds, min(self.target.settings.lock_timeout, seconds)))

    def _check_transaction(self) -> None:
        """Raise `Lost` if the transaction has ended: what followed would be of another snapshot."""
        if self._has_begun and not self._status() & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
            raise Lost(f"database {self.target.name} ended the transaction")

    def _status(self) -> int:
        """What the server said of its state with the last answer."""
        return int(getattr(self._connection, "server_status"))  # noqa: B009 - the stubs leave it out

    @contextlib.contextmanager
    def _their_settings(self) -> Iterator[None]:
        """The settings that somebody's own SQL was tried with, for as long as nothing more than that is refused."""
        self._run(self._theirs)
        try:
            yield
        except Refused:
            self._run(_OURS)
            raise
        self._run(_OURS)

    def _run(self, statement: str) -> list[Row]:
        with self._errors(None), contextlib.closing(self._execute(statement, Cursor)) as cursor:
            return list(cursor.fetchall())

    def _execute(self, statement: str, kind: type[_Cursor]) -> _Cursor:
        """A cursor with the result of a statement, which runs as it is written."""
        self._check_transaction()
        if self._streamed:
            self._streamed.spool()
        cursor = self._connection.cursor(kind)
        cursor.execute(self._killer.mark + statement)
        return cursor

    @contextlib.contextmanager
    def _errors(self, limit: float | None) -> Iterator[None]:
        try:
            yield
        except pymysql.Error as error:
            raise_ours(self.target, error, deadline=self.deadline, limit=limit)
