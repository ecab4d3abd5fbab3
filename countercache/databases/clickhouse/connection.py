"""ClickHouse through clickhouse-connect: queries over HTTP, each with its limits, and a name by which it is killed.

There is no transaction: each statement is a snapshot of its own. A query ends at its own limit on the server; when it
is killed by its name, from a second connection; and when its client goes away. The driver would try again where a
connection fails, and waits by rules of its own: `_Pool` keeps it to ours.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NoReturn, cast

import clickhouse_connect
from clickhouse_connect.driver.exceptions import Error
from clickhouse_connect.driver.httputil import get_pool_manager_options
from sqlalchemy.engine import URL
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError, ReadTimeoutError

from countercache.databases.base import Database, Lost, Refused, Row, Target, describe_number
from countercache.databases.clickhouse.catalog import ClickHouseCatalog
from countercache.databases.clickhouse.engine import ENGINE
from countercache.databases.clickhouse.query_settings import FINAL, TIME, wanted
from countercache.databases.clickhouse.server_errors import Code, WireError, refused, said, unreachable
from countercache.databases.clickhouse.tab_separated import FORMAT, Answer
from countercache.databases.conditions import bare_words
from countercache.databases.driver_values import result_of
from countercache.errors import ConfigError, DatabaseUnreachable, DeadlineExceeded
from countercache.model.states import Reason
from countercache.settings import DatabaseSettings

CANCEL_TIMEOUT = 1.0
"""Seconds to ask the server to kill a query."""

_SLACK = 0.5
"""Seconds that the client waits longer than the server, which says better what happened."""

_OLDEST = (23, 3)

_FILES = ("ca_cert", "client_cert", "client_cert_key")
_OPTIONS = {"secure", "verify", *_FILES}
_YES, _NO = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}

_CLAUSES = {"FORMAT", "SETTINGS", "OUTFILE"}
"""What would give a result another form, or a query other limits."""


class ClickHouseTarget(Target):
    """A ClickHouse server. Raises `ConfigError` for a URL that was meant otherwise."""

    def __init__(self, name: str, url: URL, settings: DatabaseSettings) -> None:
        if unknown := url.query.keys() - _OPTIONS:
            hint = f"it may have {', '.join(sorted(_OPTIONS))}"
            raise ConfigError(f'the url of database {name} has an unknown option "{min(unknown)}"', hint=hint)
        self.secure = url.drivername.startswith("clickhouses") or _switch(name, url, "secure", default=False)
        port = url.port or (8443 if self.secure else 8123)
        super().__init__(name, url.set(drivername="clickhouse", port=port), settings)
        files = {key: str(url.query[key]) for key in _FILES if key in url.query}
        verify = _switch(name, url, "verify", default=True)
        self.tls = get_pool_manager_options(
            verify=verify,
            ca_cert=files.get("ca_cert"),
            client_cert=files.get("client_cert"),
            client_cert_key=files.get("client_cert_key"),
        )

    def open(self, deadline: float) -> ClickHouse:
        """Connect, and find out what the server lets its user set."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"the time for database {self.name} is over")
        try:
            return ClickHouse(self, deadline)
        except (Error, WireError) as error:
            raise unreachable(self, f"{self.url.host or 'localhost'}:{self.url.port}", error) from error


def _switch(name: str, url: URL, key: str, *, default: bool) -> bool:
    text = str(url.query.get(key, default)).lower()
    if text not in _YES | _NO:
        raise ConfigError(f"the url of database {name} has {key}={text}", hint="write true or false")
    return text in _YES


class _Pool(PoolManager):
    """The driver's connections: what fails is not tried again, and `limits` are the seconds to connect and to read."""

    def __init__(self, limits: Callable[[], tuple[float, float]], **options: Any) -> None:  # noqa: ANN401 - urllib3's
        super().__init__(**options)
        self._limits = limits

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> BaseHTTPResponse:  # type: ignore[override] # noqa: ANN401
        """Send a request and read the head of its answer, or all of it."""
        connect, read = self._limits()
        options |= {"timeout": Timeout(connect=connect, read=read), "retries": False}
        try:
            return super().urlopen(method, url, redirect, **options)
        except HTTPError as error:
            raise WireError from error


class ClickHouse(Database):
    """A connection to ClickHouse, or rather some: each query may have its own."""

    engine = ENGINE

    def __init__(self, target: ClickHouseTarget, deadline: float) -> None:
        super().__init__(target, deadline)
        self._read_limit = min(target.settings.connect_timeout, self.left())
        self._final = False
        self._limit: float | None = None
        self._name = f"countercache-{uuid.uuid4().hex[:16]}"
        self._queries = 0
        clickhouse_connect.common.set_setting("use_protocol_version", False)
        url = target.url
        self._pool = _Pool(self._limits, **target.tls)
        self._client = clickhouse_connect.get_client(
            interface="https" if target.secure else "http",
            host=url.host or "localhost",
            port=url.port,
            username=url.username or "default",
            password=str(url.password or ""),
            database=url.database or None,
            pool_mgr=self._pool,
            query_retries=0,
            autogenerate_session_id=False,
            compress=False,
            client_name="countercache",
        )
        self._wanted = wanted(self._client.server_settings)
        self.catalog = ClickHouseCatalog(self.rows, url, self.dialect, self._wanted.unset, lambda: self._final)
        self._check()

    def _check(self) -> None:
        """Raise `DatabaseUnreachable` for a server that cannot be read, or not be trusted."""
        name, version = self.target.name, self._client.server_version or "0.0"
        if tuple(map(int, version.split(".")[:2])) < _OLDEST:
            hint = f"upgrade it to {'.'.join(map(str, _OLDEST))} or newer"
            raise DatabaseUnreachable(f"database {name} is ClickHouse {version}, which is too old", hint=hint)
        if partial := self._wanted.partial:
            hint = f"run: ALTER USER {self.target.url.username or 'default'} SETTINGS readonly = 2"
            problem = (
                f"database {name}: with its user's {', '.join(partial)}, totals may be parts of what they should be"
            )
            raise DatabaseUnreachable(problem, hint=hint)

    def read_final(self, *, final: bool) -> None:
        """Let ClickHouse leave out, or not, what was replaced. Raises `ConfigError` where the user may not set that."""
        if final and not self._wanted.may_be_final:
            user = self.target.url.username or "default"
            hint = f"run: ALTER USER {user} SETTINGS readonly = 2"
            raise ConfigError(f'database {self.target.name}: user "{user}" may not set "final"', hint=hint)
        self._final = final

    def rows(self, statement: str) -> list[Row]:
        """All rows of a statement."""
        with self._errors(None):
            return list(self._ask(statement, self._settings(None)).rows())

    def stream(self, statement: str) -> Iterator[Row]:
        """The rows of a statement as ClickHouse finds them."""
        with self._errors(None):
            answer = self._client.raw_stream(statement, settings=self._settings(None), fmt=FORMAT)
            with contextlib.closing(cast("BaseHTTPResponse", answer)) as response:
                yield from Answer(line.removesuffix(b"\n") for line in response).rows()

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Nothing to do: a statement that fails leaves nothing behind."""
        yield

    def number(self, statement: str, limit: float | None) -> Decimal:
        """The one number of a query: at most two rows of it are asked for."""
        query = f"SELECT * FROM ({self._own(statement)}) LIMIT 2"  # noqa: S608 - it is made sure that it stays in there
        with self._errors(limit):
            answer = self._ask(query, self._settings(limit, own=True))
            values = [row[0] for row in answer.rows()]
        value = values[0] if len(values) == len(answer.names) == 1 else None
        number = result_of(value)
        if number is not None:
            return number
        types = [str(Decimal(value))] if isinstance(value, float) else list(answer.types)
        raise Refused(Reason.SQL, describe_number(values, len(answer.names), types))

    def parse(self, statement: str) -> None:
        """EXPLAIN the query."""
        with self._errors(None):
            self._ask(f"EXPLAIN SELECT * FROM ({self._own(statement)})", self._settings(None))  # noqa: S608

    def _own(self, statement: str) -> str:
        """Somebody's own SQL as it can stand in parentheses. Raises `Refused` for what is not one SELECT."""
        text = statement.strip().removesuffix(";")
        words = bare_words(text, self.dialect.lexer)
        if not words or words[0] not in {"SELECT", "WITH"}:
            raise Refused(
                Reason.SQL, f"the query must be one SELECT; it begins with {words[0] if words else 'nothing'}"
            )
        if clauses := [word for word in words if word in _CLAUSES]:
            raise Refused(Reason.SQL, f"the query has a clause {clauses[0]}", hint="leave it out")
        if flaw := self.dialect.flaw(text):
            raise Refused(Reason.SQL, f"the query must be one SELECT: {flaw}")
        return f"\n{text}\n"

    def cancel(self) -> None:
        """Kill the running query, which need not be waited for, and do not wait longer than a second."""
        self._read_limit = CANCEL_TIMEOUT
        with contextlib.suppress(Error, WireError):
            self._client.raw_query(f"KILL QUERY WHERE query_id = '{self._query_id()}' ASYNC")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._pool.clear()

    def _query_id(self) -> str:
        return f"{self._name}-{self._queries}"

    def _ask(self, statement: str, settings: dict[str, str]) -> Answer:
        body = self._client.raw_query(statement, settings=settings, fmt=FORMAT)
        return Answer(body.removesuffix(b"\n").split(b"\n"))

    def _settings(self, limit: float | None, *, own: bool = False) -> dict[str, str]:
        """What is sent with the next query, whose time is limited, and how long its answer is waited for."""
        left = self.left()
        seconds = left if limit is None else min(limit, left)
        self._read_limit = seconds + _SLACK
        self._queries += 1
        settings = {**(self._wanted.own if own else self._wanted.all), "query_id": self._query_id()}
        if self._wanted.timed:
            settings[TIME] = f"{max(seconds, 0.001):.3f}"
        if self._final and not own:
            settings[FINAL] = "1"
        return settings

    def _limits(self) -> tuple[float, float]:
        connect = min(self.target.settings.connect_timeout, self._read_limit)
        return connect, self._read_limit

    @contextlib.contextmanager
    def _errors(self, limit: float | None) -> Iterator[None]:
        try:
            yield
        except (Error, WireError, HTTPError, ValueError) as error:
            self._raise(error, limit)

    def _raise(self, error: Exception, limit: float | None) -> NoReturn:
        name = self.target.name
        slow = isinstance(error.__cause__, ReadTimeoutError) or isinstance(error, ReadTimeoutError)
        if slow:
            self.cancel()
        if time.monotonic() >= self.deadline - 0.05:
            raise DeadlineExceeded(f"the time for database {name} is over") from error
        if limit is not None and (slow or (isinstance(error, Error) and error.code == Code.TIMEOUT_EXCEEDED)):
            raise Refused(Reason.TIMEOUT, f"the query took more than {limit:g} s") from error
        if isinstance(error, Error):
            raise refused(self.target, error) from error
        if isinstance(error, ValueError):
            raise Lost(f"database {name} broke off its answer: {said(self.target, error)}") from error
        raise Lost(f"the connection to database {name} was lost: {said(self.target, error)}") from error
