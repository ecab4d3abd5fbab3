"""PostgreSQL through psycopg 3: one connection, one REPEATABLE READ READ ONLY transaction.

All limits are set with SET LOCAL inside the transaction, before every statement, from the time that is left: so they
are right behind a transaction pooler too, which drops what is asked for when connecting. Statements are literal text
and nothing is prepared on the server, for the same reason.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, LiteralString, NoReturn, cast

import psycopg
from psycopg import pq
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL

from countercache.databases.base import Database, Lost, Refused, Row, Target, describe_number
from countercache.databases.conditions import first_word
from countercache.databases.postgresql.catalog import PostgresCatalog
from countercache.databases.postgresql.engine import ENGINE
from countercache.databases.postgresql.server import Server, find_out
from countercache.databases.single_floats import shortest
from countercache.errors import ConfigError, DatabaseUnreachable, DeadlineExceeded
from countercache.model.states import Reason
from countercache.settings import DatabaseSettings

CANCEL_TIMEOUT = 1.0
"""Seconds to ask the server to cancel a statement."""

_SLACK = 0.5
"""Seconds that limits of the whole transaction lie behind those of its statements, which say better what happened."""

_UTC = "'UTC'"

_REAL = 700
"""The type real, of single precision."""

_READS = {"select", "with", "values", "table"}
_WRITES = {"insert", "update", "delete", "merge", "create", "alter", "drop", "truncate", "grant", "revoke"}
_WRONG_DATABASE = {"3D000"}
_WRONG_LOGIN = {"28P01", "28000"}


class PostgresTarget(Target):
    """A PostgreSQL database that can be connected to. Raises `ConfigError` for a URL that was meant otherwise."""

    def __init__(self, name: str, url: URL, settings: DatabaseSettings) -> None:
        super().__init__(name, url.set(drivername="postgresql+psycopg"), settings)

    def open(self, deadline: float) -> Postgres:
        """Connect, begin the transaction and set what holds for all of it."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"the time for database {self.name} is over")
        arguments, options = PGDialect_psycopg().create_connect_args(self.url)  # type: ignore[no-untyped-call]
        options = {
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "countercache",
            **options,
            "connect_timeout": max(1, int(min(self.settings.connect_timeout, left))),
        }
        try:
            connection = psycopg.connect(*arguments, autocommit=True, prepare_threshold=None, **options)
        except psycopg.Error as error:
            raise self._unreachable(error) from error
        database = Postgres(self, deadline, connection)
        try:
            database.begin()
        except BaseException:
            connection.close()
            raise
        return database

    def where(self) -> str:
        """Host and port, for messages."""
        host = self.url.host or self.url.query.get("host") or "the local socket"
        return f"{host}:{self.url.port}" if self.url.port else str(host)

    def _unreachable(self, error: psycopg.Error) -> Exception:
        text = self.clean(str(error))
        if isinstance(error, psycopg.ProgrammingError):
            return ConfigError(f"the url of database {self.name} cannot be used: {text}", hint="see its options")
        state = error.sqlstate or ""
        if state in _WRONG_DATABASE or re.search(r'database "[^"]*" does not exist', text):
            hint = f"check the name after the last / in the url of database {self.name}"
            return DatabaseUnreachable(f'database {self.name}: there is no database "{self.url.database}"', hint=hint)
        if state in _WRONG_LOGIN or "authentication failed" in text or "no password supplied" in text:
            hint = f"check user and password in the url of database {self.name}"
            return DatabaseUnreachable(f'database {self.name}: user "{self.url.username}" was refused', hint=hint)
        reason = re.sub(r" Is the server running .*?\?", "", text.rpartition("failed: ")[2] or text)
        hint = "check that it runs and that its url is right"
        return DatabaseUnreachable(f"database {self.name} at {self.where()} cannot be reached: {reason}", hint=hint)


class _LockedError(Refused):
    """Another session holds a lock for longer than `lock_timeout`."""


class Postgres(Database):
    """A PostgreSQL connection in its transaction."""

    engine = ENGINE

    def __init__(self, target: PostgresTarget, deadline: float, connection: psycopg.Connection[Row]) -> None:
        super().__init__(target, deadline)
        self._connection = connection
        self._version = connection.info.server_version
        self._server = Server()
        self._depth = 0
        self._schemas: dict[str, None] = {}
        self.catalog = PostgresCatalog(self.rows, target.url, self.dialect, self._uses, self.attempt)

    def begin(self) -> None:
        """Begin the transaction, with the limits that are set once."""
        settings = self._settings()
        try:
            self._run(self._server.begin_with(settings))
        except Refused:
            self._server = find_out(self._run, settings)
            self.caveats = tuple(self._server.caveats())
        # Not every platform can do it; the server then runs a statement on for a client that has died.
        with contextlib.suppress(Refused), self.savepoint():
            self._run("SET LOCAL client_connection_check_interval = 500")

    def _settings(self) -> dict[str, object]:
        """What is set when the transaction begins, or is set in it later; a server need not have all of it."""
        limit = _milliseconds(self.left() + _SLACK)
        settings: dict[str, object] = {"extra_float_digits": 1, "standard_conforming_strings": "on"}
        # Labels are the text of keys, which must not depend on what a role, a database or a client sets for itself.
        settings |= {"datestyle": "'ISO'", "timezone": _UTC, "intervalstyle": "'postgres'"}
        settings |= {"idle_in_transaction_session_timeout": limit, "statement_timeout": limit, "lock_timeout": limit}
        if self._version >= 170000:
            settings["transaction_timeout"] = limit
        return settings | dict.fromkeys(("search_path", *self._sorts()), "DEFAULT")

    def _sorts(self) -> list[str]:
        """The settings that keep the planner from sorting."""
        return ["enable_sort", "enable_incremental_sort"][: 2 if self._version >= 130000 else 1]

    def _set(self, **settings: object) -> None:
        """Make settings for the rest of the transaction, as far as the server takes them."""
        if statement := self._server.set_local(settings):
            self._run(statement)

    def rows(self, statement: str) -> list[Row]:
        """All rows of a statement."""
        self._limit(None)
        return self._run(statement)

    def attempt(self, statement: str) -> list[Row] | None:
        """The rows of a statement; `None` where the server refuses it. What was set in the savepoint is set anew."""
        try:
            return self.rows(statement)
        except _LockedError:
            raise  # to ask for less would wait once more
        except Refused:
            if self._depth and self._server.savepoints:
                self._run(f"ROLLBACK TO SAVEPOINT countercache_{self._depth}")
            else:
                self._run(f"ROLLBACK; {self._server.begin_with(self._settings())}")
            self._find_operators()
            return None

    def rows_by_hash(self, statement: str) -> list[Row]:
        """All rows of a statement, for which the planner is told not to sort."""
        self._limit(None)
        self._set(**dict.fromkeys(self._sorts(), "off"))
        rows = self._run(statement)
        self._set(**dict.fromkeys(self._sorts(), "DEFAULT"))
        return rows

    def stream(self, statement: str) -> Iterator[Row]:
        """The rows of a statement; those that we stream from PostgreSQL are few."""
        yield from self.rows(statement)

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """A savepoint, rolled back to where a statement is refused; where there is none, another transaction begins."""
        if not self._server.savepoints:
            try:
                yield
            except Refused:
                self._run(f"ROLLBACK; {self._server.begin_with(self._settings())}")
                self._find_operators()
                raise
            return
        self._depth += 1
        name = f"countercache_{self._depth}"
        self._run(f"SAVEPOINT {name}")
        try:
            yield
        except Refused:
            self._run(f"ROLLBACK TO SAVEPOINT {name}")
            raise
        finally:
            self._depth -= 1
            if self._connection.info.transaction_status == pq.TransactionStatus.INTRANS:
                self._run(f"RELEASE SAVEPOINT {name}")

    def number(self, statement: str, limit: float | None) -> Decimal:
        """The one number of a query: at most two rows of it are taken off the wire."""
        word = _first_word(statement)
        self._limit(limit)
        # Whoever wrote the query has tried it in the database's own time zone, and with its search path.
        self._set(timezone="DEFAULT", search_path="DEFAULT")
        with self._errors(limit):
            cursor = self._connection.cursor()
            # Sent with parameters (none): the server then takes one statement and no more, so that it cannot end our
            # transaction, and nothing in it is an escape for us.
            if word in _WRITES:
                cursor.execute(_trusted(statement), binary=True)
                raise Refused(Reason.SQL, f"the query is no SELECT but {word.upper()}")
            values: list[object] = []
            stream = cursor.stream(_trusted(statement), binary=True)
            for row in stream:
                values.append(row[0] if row else None)
                if len(values) == 2:
                    break
            description = cursor.description or []  # of a stream without a row there is none
            cast("Any", stream).close()
        self._set(timezone=_UTC)
        self._find_operators()
        types = [self._type_name(column.type_code) for column in description]
        if len(values) == 1 and len(description) == 1 and isinstance(values[0], (int, float, Decimal)):
            value = values[0]
            if not isinstance(value, bool):
                text = shortest if description[0].type_code == _REAL else repr
                # A float's zero may have a sign.
                number = Decimal(text(value)) if isinstance(value, float) and value else Decimal(value or 0)
                if number.is_finite():
                    return number
                types = [str(number)]
        raise Refused(Reason.SQL, describe_number(values, len(description), types))

    def parse(self, statement: str) -> None:
        """EXPLAIN the query."""
        word = _first_word(statement)
        if word in _WRITES:
            raise Refused(Reason.SQL, f"the query is no SELECT but {word.upper()}")
        self._limit(None)
        with self._errors(None):
            self._connection.cursor().execute(_trusted(f"EXPLAIN {statement}"), binary=True)

    def _uses(self, schemas: Iterable[str]) -> None:
        """Take note of the schemas that columns' types are of."""
        self._schemas.update(dict.fromkeys(schemas))
        self._find_operators()

    def _find_operators(self) -> None:
        """Let the server find the operators of the columns' types, such as citext, wherever they are installed.

        Otherwise it would compare texts, while GROUP BY compares as the type does. What the path has stays first.
        """
        if self._schemas:
            added = self.dialect.quoted(", ".join(self.dialect.reference(None, schema) for schema in self._schemas))
            path = f"concat_ws(', ', nullif(current_setting('search_path'), ''), {added})"
            self._run(f"SET LOCAL search_path TO DEFAULT; SELECT set_config('search_path', {path}, true)")

    def cancel(self) -> None:
        """Ask the server to cancel; whether it answers or not, we do not wait longer than a second."""
        with contextlib.suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=CANCEL_TIMEOUT)

    def close(self) -> None:
        """End the transaction and the connection."""
        self._connection.close()

    def _limit(self, limit: float | None) -> None:
        """Make the time that is left the server's own limit for the next statement."""
        left = self.left()
        lock = min(self.target.settings.lock_timeout, left)
        self._set(
            statement_timeout=_milliseconds(left if limit is None else min(limit, left)),
            lock_timeout=_milliseconds(lock),
            idle_in_transaction_session_timeout=_milliseconds(left + _SLACK),
        )

    def _run(self, statement: str) -> list[Row]:
        with self._errors(None):
            cursor = self._connection.execute(_trusted(statement))
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def _errors(self, limit: float | None) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            self._raise(error, limit)

    def _raise(self, error: psycopg.Error, limit: float | None) -> NoReturn:
        state = error.sqlstate or ""
        text = self.target.clean(error.diag.message_primary or str(error))
        hint = self.target.clean(error.diag.message_hint or "")
        name = self.target.name
        ended = self._has_ended(error)
        over = time.monotonic() >= self.deadline - 0.05
        if (ended and state == "25P04") or (over and state in {"57014", "25P03"}):
            raise DeadlineExceeded(f"the time for database {name} is over") from error
        if ended:
            raise Lost(f"database {name} ended the connection: {text}") from error
        if state == "08P01":
            message = f"the query has parameters, such as $1, for which there are no values: {text}"
            raise Refused(Reason.SQL, message, hint="write the values into the query") from error
        if state == "57014":
            if limit is not None and "statement timeout" in text:
                raise Refused(Reason.TIMEOUT, f"the query took more than {limit:g} s") from error
            raise Refused(Reason.DATABASE, f"database {name}: {text}") from error
        if state == "55P03":
            seconds = min(self.target.settings.lock_timeout, max(self.deadline - time.monotonic(), 0))
            advice = "look for who holds it in pg_stat_activity and pg_locks, or raise lock_timeout"
            message = f"a table of database {name} is locked by another session for more than {seconds:.3g} s"
            raise _LockedError(Reason.DATABASE, message, hint=advice) from error
        if state == "42501":
            user = self._connection.info.user
            table = re.search(r"for (?:table|view|schema|materialized view|relation) (\S+)", text)
            grant = f"GRANT SELECT ON {table[1]} TO {user}" if table and "schema" not in table[0] else "GRANT it"
            raise Refused(Reason.DATABASE, f"database {name}: {text} (as {user})", hint=f"run: {grant}") from error
        if state == "25006":
            raise Refused(Reason.SQL, f"the statement writes, and the transaction is read-only: {text}") from error
        reason = Reason.SQL if state[:2] in {"42", "22", "0A"} else Reason.DATABASE
        raise Refused(reason, text, hint=hint) from error

    def _has_ended(self, error: psycopg.Error) -> bool:
        """Whether nothing more can be read. A statement may fail with any SQLSTATE, also with one of a connection: that
        of a foreign table, or whatever a function raises. Only an error that is fatal ends ours.
        """
        return self._connection.closed or error.diag.severity_nonlocalized in {"FATAL", "PANIC"}

    def _type_name(self, oid: int) -> str:
        info = self._connection.adapters.types.get(oid)
        return info.regtype if info else f"a value of type {oid}"


def _first_word(statement: str) -> str:
    """The first word of somebody's SQL. Raises `Refused` unless it reads, or writes (which the database refuses)."""
    word = first_word(statement).lower()
    if word not in _READS | _WRITES:
        raise Refused(Reason.SQL, f"the query must be one SELECT; it begins with {word.upper() or 'nothing'}")
    return word


def _trusted(statement: str) -> LiteralString:
    """The driver asks for literal strings; ours are written by `statements`, or are the configuration's own SQL."""
    return statement


def _milliseconds(seconds: float) -> int:
    return max(1, min(int(seconds * 1000), 2**31 - 1))
