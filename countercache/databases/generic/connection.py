"""Any database that SQLAlchemy has a dialect for, through it: one connection, one transaction, plain SELECTs.

Nothing is known of its limits, so the deadline is kept here: by the driver's own way to cancel, where it has one, else
by closing the connection. What that does not promise is in the `caveats`.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.pool import NullPool

from countercache.databases.base import Database, Lost, Overflow, Refused, Row, Target, describe_number
from countercache.databases.conditions import first_word
from countercache.databases.dialect import STYLE
from countercache.databases.driver_values import result_of
from countercache.databases.generic.catalog import GenericCatalog
from countercache.databases.generic.engine import engine_of
from countercache.errors import ConfigError, DatabaseUnreachable, DeadlineExceeded
from countercache.model.states import Reason
from countercache.settings import DatabaseSettings

_LEVELS: Final = ("REPEATABLE READ", "SERIALIZABLE")
"""The isolation levels that are one snapshot, where a database keeps versions of its rows."""

_LOCKING: Final = "SNAPSHOT"
"""The level of those that lock instead: any other would keep the site from writing."""

_TEXT: Final = sa.String(4000)
"""Text that is long enough; some databases want its length to be said, and others refuse it."""

_MANY: Final = 10_000
"""Rows that are taken at once of a result that is streamed."""

_CANCELS: Final = ("interrupt", "cancel")
"""What drivers call the method of a connection that ends its query."""

_AGAIN: Final = 0.05
"""Seconds until a query is ended again that had not begun."""

_READS: Final = {"select", "with", "values"}


class GenericTarget(Target):
    """A database by the name of its dialect. Raises `ConfigError` where its driver is missing."""

    def __init__(self, name: str, url: URL, settings: DatabaseSettings) -> None:
        super().__init__(name, url, settings)
        dialect = url.get_dialect()
        try:
            dialect.import_dbapi()
        except ImportError as error:
            missing = error.name or dialect.driver
            hint = f"pip install {missing.replace('_', '-')}, or what brings it"
            raise ConfigError(f"{url.drivername}:// for database {name} needs {missing!r}", hint=hint) from error

    def open(self, deadline: float) -> Generic:
        """Connect, at the isolation level that is nearest to a snapshot."""
        engine = sa.create_engine(self.url, poolclass=NullPool)
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"the time for database {self.name} is over")
        found: list[sa.Connection | Exception] = []
        # Not every driver takes a timeout, nor does one name fit all.
        connecting = threading.Thread(target=lambda: found.append(_connect(engine)), daemon=True)
        connecting.start()
        connecting.join(min(left, self.settings.connect_timeout))
        if not found:
            raise self._unreachable("it does not answer")
        (connection,) = found
        if isinstance(connection, Exception):
            raise self._unreachable(self.clean(_text(connection))) from connection
        return Generic(self, deadline, connection)

    def _unreachable(self, why: str) -> DatabaseUnreachable:
        where = self.url.host or self.url.database or ""
        hint = "check that it runs and that its url is right"
        return DatabaseUnreachable(f"database {self.name} at {where} cannot be reached: {why}", hint=hint)


def _connect(engine: sa.Engine) -> sa.Connection | Exception:
    try:
        return engine.connect()
    except Exception as error:  # noqa: BLE001 - it is raised in the other thread
        return error


class Generic(Database):
    """A connection in its transaction."""

    def __init__(self, target: GenericTarget, deadline: float, connection: sa.Connection) -> None:
        super().__init__(target, deadline)
        compiler = _compiler(target.url)
        self.engine = engine_of(compiler, _TEXT)
        self._connection = connection.execution_options(no_parameters=True)
        self._limit: float | None = None
        self._closed = False
        self._has_savepoints = True
        level = self._isolate()
        if not self._understands(self.dialect.text(sa.select(self.dialect.as_text(sa.literal("a"))))):
            self.engine = engine_of(compiler, sa.String())
        dialect = self._connection.dialect
        version = ".".join(map(str, dialect.server_version_info or ()))
        self.catalog = GenericCatalog(
            self.rows, target.url, self.dialect, self._inspect, f"{dialect.name} {version}".strip()
        )
        self._explains = self._understands("EXPLAIN SELECT 1")
        self.caveats = tuple(self._caveats(level))

    def rows(self, statement: str) -> list[Row]:
        """All rows of a statement."""
        with self._within(None):
            return [tuple(row) for row in self._connection.exec_driver_sql(statement)]

    def stream(self, statement: str) -> Iterator[Row]:
        """The rows of a statement, by and by where the driver can do that."""
        with self._within(None):
            streaming = {"stream_results": True, "yield_per": _MANY}
            for row in self._connection.exec_driver_sql(statement, execution_options=streaming):
                yield tuple(row)

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """A savepoint; where there are none, what is refused ends the transaction, and another one begins."""
        nested = self._begin_nested()
        try:
            yield
        except Refused:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                if nested is not None:
                    nested.rollback()
                else:
                    self._connection.rollback()
            raise
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            if nested is not None and nested.is_active:
                nested.commit()

    def number(self, statement: str, limit: float | None) -> Decimal:
        """The one number of a query: at most two rows of it are asked for."""
        _check(statement)
        with self._within(limit), contextlib.closing(self._connection.exec_driver_sql(statement)) as result:
            columns = len(result.keys())
            values = [row[0] for row in result.fetchmany(2)]
        value = values[0] if len(values) == 1 and columns == 1 else None
        result_number = result_of(value)
        if result_number is not None:
            return result_number
        raise Refused(Reason.SQL, describe_number(values, columns, [f"{type(value).__name__} {value!r}"[:60]]))

    def parse(self, statement: str) -> None:
        """EXPLAIN the query, where that is understood."""
        _check(statement)
        if self._explains:
            self.rows(f"EXPLAIN {statement}")

    def cancel(self) -> None:
        """End what is running, or close the connection."""
        self._end()

    def close(self) -> None:
        """Roll back, which ends the transaction, and disconnect."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            self._connection.close()

    def _begin_nested(self) -> sa.NestedTransaction | None:
        if self._has_savepoints:
            try:
                return self._connection.begin_nested()
            except (sa.exc.SQLAlchemyError, NotImplementedError):
                self._has_savepoints = False
                self._connection.rollback()
        return None

    def _isolate(self) -> str | None:
        """Set the isolation level that is a snapshot, if there is one; which it is."""
        with contextlib.suppress(NotImplementedError, sa.exc.SQLAlchemyError):
            offered = self._connection.dialect.get_isolation_level_values(self._driver())
            for level in (_LOCKING,) if _LOCKING in offered else _LEVELS:
                if level in offered:
                    self._connection = self._connection.execution_options(isolation_level=level)
                    return level
        return None

    def _understands(self, statement: str) -> bool:
        """Whether a statement is none that the database refuses."""
        try:
            with self.savepoint():
                self.rows(statement)
        except Refused:
            return False
        return True

    def _caveats(self, level: str | None) -> Iterator[str]:
        name = self.engine.name
        yield f"countercache knows {name} by its SQLAlchemy dialect only: what its sums may round is added row by row"
        yield f"the transaction is {level}" if level else "a run reads no snapshot: figures may change while it reads"
        if not self._cancels():
            yield "a query that takes too long is ended by closing the connection: the server may run it on"
        yield "the transaction is not read-only: let the user of the url be one that may only SELECT"
        if not self._explains:
            yield "a counter's own SQL is not looked at before it runs"

    def _inspect(self, ask: Callable[[Inspector], Any]) -> Any:  # noqa: ANN401 - whatever was asked for
        with self._within(None):
            return ask(sa.inspect(self._connection))

    def _driver(self) -> Any:  # noqa: ANN401 - whatever it is
        return self._connection.connection.driver_connection

    def _cancels(self) -> list[Callable[[], object]]:
        """The driver's ways to end a query."""
        return [method for name in _CANCELS if callable(method := getattr(self._driver(), name, None))]

    def _end(self) -> None:
        with contextlib.suppress(Exception):
            if cancels := self._cancels():
                cancels[0]()
                return
            self._closed = True
            self._driver().close()

    @contextlib.contextmanager
    def _within(self, limit: float | None) -> Iterator[None]:
        """End what runs in here at the deadline, or when it takes longer than `limit`."""
        if self._closed:
            raise Lost(f"database {self.target.name}: the connection was closed to end a query")
        left = self.left()
        self._limit = limit if limit is not None and limit < left else None
        ends = time.monotonic() + (left if self._limit is None else self._limit)
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(ends, done), daemon=True)
        watch.start()
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            self._raise(error, over=time.monotonic() >= ends)
        finally:
            done.set()
            watch.join()

    def _watch(self, ends: float, done: threading.Event) -> None:
        if not done.wait(ends - time.monotonic()):
            self._end()
            while not self._closed and not done.wait(_AGAIN):
                self._end()

    def _raise(self, error: sa.exc.SQLAlchemyError, *, over: bool) -> NoReturn:
        name, text = self.target.name, self.target.clean(_text(error))
        if over and self._limit is not None and time.monotonic() < self.deadline:
            raise Refused(Reason.TIMEOUT, f"the query took more than {self._limit:g} s") from error
        if over:
            raise DeadlineExceeded(f"the time for database {name} is over") from error
        if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
            raise Lost(f"database {name} ended the connection: {text}") from error
        refused = Overflow if re.search("overflow|out of range", text, re.IGNORECASE) else Refused
        raise refused(Reason.SQL, text) from error


def _compiler(url: URL) -> sa.Dialect:
    """The dialect that writes SQL: one that has no parameters, so that no percent sign is doubled."""
    dialect: Callable[..., sa.Dialect] = url.get_dialect()
    return dialect(paramstyle=STYLE)


def _check(statement: str) -> None:
    """Raises `Refused` for somebody's SQL that does not begin as one that reads does."""
    word = first_word(statement)
    if word.lower() not in _READS:
        raise Refused(Reason.SQL, f"the query must be one SELECT; it begins with {word.upper() or 'nothing'}")


def _text(error: Exception) -> str:
    """What the driver says, without what SQLAlchemy adds."""
    return str(error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error)
