"""ClickHouse over HTTP in a process of its own: the engine of `chdb`, behind as much of the server's HTTP interface as
`countercache` and the driver use.

`python -m tests.clickhouse_server --path DIR` prints its port when it can be asked. It is killed, stopped and started
again like any server; what is in DIR stays. What the real server does with a request, this one does too: settings from
the URL, users and passwords, `query_id`, `KILL QUERY`, and a query that ends when its client goes away.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from sqlalchemy import make_url

USER, PASSWORD = "reader", "s3cret"
BOUND = "bound"
"""A user whose profile says `readonly = 1`: it may change no setting."""

_HTTP = {
    "query",
    "database",
    "query_id",
    "user",
    "password",
    "wait_end_of_query",
    "client_protocol_version",
    "compress",
}
"""Parameters of a request that are no settings."""
STANDARD = {
    "data_type_default_nullable": "1",
    "create_table_empty_primary_key_by_default": "1",
    "default_table_engine": "MergeTree",
    "max_recursive_cte_evaluation_depth": "100000",
    "union_default_mode": "DISTINCT",
}
"""What lets the SQL of tests, which other engines run too, mean the same here."""
_STATEMENT = re.compile(r"(?:[^;'\"`]|'(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|`[^`]*`)+", re.DOTALL)
_STATUS = {516: 403, 497: 403, 81: 404, 60: 404, 159: 408, 241: 503}
_MARK = "/* query_id={} */ "
"""Stands before each query, since `chdb` gives its queries ids of its own."""


class _ServerError(Exception):
    """An error of the server's: its code and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Handler(BaseHTTPRequestHandler):
    """A connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet an answer, if it is small
    path_of_data = ""
    idle: ClassVar[dict[str, list[Any]]] = {}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """Say nothing."""

    def handle(self) -> None:
        """Serve until the client goes, by whatever way."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        """A ping, or a query in the URL."""
        if urlsplit(self.path).path == "/ping":
            self._answer(200, [b"Ok.\n"])
        else:
            self._query()

    def do_POST(self) -> None:
        """A query, or the rest of one, in the body."""
        self._query()

    def _query(self) -> None:
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        sql = "\n".join(filter(None, (parameters.get("query", ""), body)))
        identity = parameters.get("query_id") or f"unnamed-{threading.get_ident()}-{time.monotonic_ns()}"
        try:
            with self._connected(parameters) as connection:
                result = self._run(connection, sql, identity, parameters)
                self._answer(200, result, {"X-ClickHouse-Query-Id": identity, "X-ClickHouse-Timezone": "Etc/UTC"})
        except _ServerError as error:
            text = f"Code: {error.code}. DB::Exception: {error} (version 26.9.2.1)\n"
            self._answer(_STATUS.get(error.code, 500), [text.encode()], {"X-ClickHouse-Exception-Code": error.code})
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    @contextlib.contextmanager
    def _connected(self, parameters: dict[str, str]) -> Iterator[Any]:
        """A handle of the engine. One that nothing was set on serves again, as on a server it costs nothing."""
        plain = set(parameters) <= _HTTP and self.command == "POST" and self._login(parameters)[0] != BOUND
        idle = self.idle.setdefault(parameters.get("database", ""), []) if plain else []
        connection = idle.pop() if idle else self._connect(parameters)
        try:
            yield connection
        finally:
            idle.append(connection) if plain else connection.close()

    def _connect(self, parameters: dict[str, str]) -> Any:
        """A handle of the engine with the user's rights, its database and its settings."""
        import chdb

        user, password = self._login(parameters)
        if (user, password) not in {(USER, PASSWORD), (BOUND, PASSWORD), ("default", "")}:
            why = "Authentication failed: password is incorrect, or there is no user with that name."
            raise _ServerError(516, f"{user}: {why} (AUTHENTICATION_FAILED)")
        connection = chdb.connect(self.path_of_data)
        with _errors():
            if user == BOUND:
                connection.query("SET readonly = 1")
            if database := parameters.get("database"):
                connection.query(f"USE `{database}`")
            settings = {name: value for name, value in parameters.items() if name not in _HTTP}
            if self.command == "GET":
                settings["readonly"] = "2"
            # Once it says readonly, nothing else can be set.
            last = settings.pop("readonly", "")
            _set(connection, settings)
            _set(connection, {"readonly": last} if last else {})
        return connection

    def _login(self, parameters: dict[str, str]) -> tuple[str, str]:
        scheme, _, given = (self.headers.get("Authorization") or "").partition(" ")
        if scheme == "Basic":
            user, _, password = base64.b64decode(given).decode().partition(":")
            return user, password
        return parameters.get("user", "default"), parameters.get("password", "")

    def _run(self, connection: Any, sql: str, identity: str, parameters: dict[str, str]) -> Iterable[bytes]:
        """What a query gives; it is killed when the client goes, if the client has asked for that."""
        killed = re.sub(r"query_id = '([^']+)'", lambda found: f"query LIKE '{_MARK.format(found[1])}%'", sql)
        if not re.match(r"\s*KILL", sql, re.IGNORECASE):
            killed = sql
        query = _MARK.format(identity) + killed
        if "wait_end_of_query" not in parameters and re.match(r"\s*(SELECT|WITH)", sql, re.IGNORECASE):
            return self._stream(connection, query)
        found: list[bytes] = []
        wrong: list[BaseException] = []
        done = threading.Event()

        def work() -> None:
            try:
                with _errors():
                    found.append(connection.query(query, "TabSeparated").bytes())
            except BaseException as error:  # noqa: BLE001 - it is raised again, by the handler
                wrong.append(error)
            finally:
                done.set()

        threading.Thread(target=work, daemon=True).start()
        self._wait(done, identity, watched="cancel_http_readonly_queries_on_client_close" in parameters)
        if wrong:
            raise wrong[0]
        return found

    def _wait(self, done: threading.Event, identity: str, *, watched: bool) -> None:
        """Wait for a query, and kill it when its client goes away."""
        while not done.wait(0.02):
            if not (watched and self._is_gone()):
                continue
            self._kill(identity)
            done.wait()
            raise ConnectionAbortedError

    def _is_gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _kill(self, identity: str) -> None:
        import chdb

        other = chdb.connect(self.path_of_data)
        other.query(f"KILL QUERY WHERE query LIKE '{_MARK.format(identity)}%' ASYNC")
        other.close()

    def _stream(self, connection: Any, query: str) -> Iterator[bytes]:
        with _errors():
            found = connection.send_query(query, "TabSeparated")
            first = next(iter(found), None)
            if first is None:
                # Of no row, chdb does not stream even what the columns are called.
                return iter([connection.query(query, "TabSeparated").bytes()])

        def rest() -> Iterator[bytes]:
            yield first.bytes()
            for chunk in found:
                # Each begins with what the columns are called, as if it was the first.
                yield chunk.bytes().split(b"\n", 2)[2] if "TabSeparatedWithNamesAndTypes" in query else chunk.bytes()
            found.close()

        return rest()

    def _answer(self, status: int, chunks: Iterable[bytes], headers: dict[str, object] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, str(value))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in filter(None, chunks):
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


def _set(connection: Any, settings: dict[str, str]) -> None:
    values = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in settings.items()}
    if values:
        connection.query("SET " + ", ".join(f"{name} = '{value}'" for name, value in values.items()))


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """The engine's errors as the server's."""
    try:
        yield
    except _ServerError:
        raise
    except Exception as error:
        found = re.search(r"Code: (\d+)\. DB::Exception: (.*)", str(error), re.DOTALL)
        raise _ServerError(int(found[1]) if found else 1002, found[2] if found else str(error)) from error


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--path", required=True)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    import chdb

    # As long as one handle is open the engine runs.
    engine = chdb.connect(given.path)
    engine.query("SELECT 1")
    _Handler.path_of_data = given.path
    server = ThreadingHTTPServer(("127.0.0.1", given.port), _Handler)
    server.daemon_threads = True
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


def _end_with(parent: int) -> None:
    """End when whoever started it has been killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class Client:
    """Runs SQL as the server's owner, past the product."""

    def __init__(self, port: int) -> None:
        self.port = port

    def execute(
        self, sql: str, database: str = "default", settings: Mapping[str, str] = STANDARD
    ) -> list[tuple[str, ...]]:
        """Run a statement: its rows, as texts."""
        parameters = {"database": database, "wait_end_of_query": "1", **settings}
        where = f"http://127.0.0.1:{self.port}/?{urlencode(parameters)}"
        request = urllib.request.Request(where, sql.encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                lines = response.read().decode().splitlines()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.read().decode()} in {sql}") from error
        return [tuple(line.split("\t")) for line in lines]

    def script(self, sql: str, database: str, settings: Mapping[str, str] = STANDARD) -> None:
        """Run statements that are parted by semicolons."""
        for statement in filter(str.strip, _STATEMENT.findall(sql)):
            # Elsewhere a primary key is none of those that may be NULL, and DELETE needs no WHERE.
            mine = re.sub(r"(?<!NOT NULL)(?= PRIMARY KEY[,)])", " NOT NULL", statement)
            self.execute(re.sub(r"^\s*DELETE FROM (\w+)\s*$", r"TRUNCATE TABLE \1", mine), database, settings)

    def running(self) -> list[str]:
        """The queries of countercache that the server still runs."""
        found = self.execute("SELECT query FROM system.processes WHERE query LIKE '/* query_id=countercache%'")
        return [query for (query,) in found]


class Server(Client):
    """A server that a test starts, kills and starts again."""

    def __init__(self, directory: Path) -> None:
        super().__init__(0)
        self._directory = directory
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had before."""
        command = [sys.executable, "-m", "tests.clickhouse_server", "--path", str(self._directory)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def close(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def url(self, database: str = "default", user: str = USER) -> str:
        """The URL of a database for a configuration."""
        return f"clickhouse://{user}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


def load(url: str, script: str, rows: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    """Run SQL in the database of a URL, and fill tables."""
    target = make_url(url)
    server = Client(target.port or 0)
    server.script(script, target.database or "")
    for table, values in rows.items():
        if values:
            lines = "\n".join("\t".join(map(_tab_separated, row)) for row in values)
            server.execute(f"INSERT INTO {table} FORMAT TabSeparated\n{lines}\n", target.database or "")


def _tab_separated(value: object) -> str:
    if value is None:
        return "\\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a process."""
    server = Server(tmp_path_factory.mktemp("clickhouse") / "data")
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def make_clickhouse(clickhouse: Server) -> Iterator[Callable[..., str]]:
    """Makes a database with the given SQL run in it, as on other engines if not told otherwise; returns its URL."""
    made: list[str] = []

    def make(sql: str = "", settings: Mapping[str, str] = STANDARD) -> str:
        name = f"test_{time.monotonic_ns()}"
        clickhouse.execute(f"CREATE DATABASE {name}")
        made.append(name)
        clickhouse.script(sql, name, settings)
        return clickhouse.url(name)

    yield make
    for name in made:
        clickhouse.execute(f"DROP DATABASE {name}")


@contextlib.contextmanager
def served(directory: str | None = None) -> Iterator[Server]:
    """A server of one's own."""
    with tempfile.TemporaryDirectory(prefix="clickhouse-") as made:
        server = Server(Path(directory or made) / "data")
        try:
            yield server
        finally:
            server.close()


if __name__ == "__main__":
    main()
