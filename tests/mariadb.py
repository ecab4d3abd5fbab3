"""A real MariaDB for tests: one server a pytest process, a fresh database a call of `make_mariadb`.

The server is the `mariadbd` on PATH, else Debian's packages unpacked (`tests/debian.py`). It listens on 127.0.0.1 and
on a unix socket, trusts `root`, asks the user `with_password` for its password, and does not sync to disk.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pymysql
import pytest

from tests import debian

_PACKAGES = (
    "mariadb-server",
    "mariadb-server-core",
    "mariadb-client-core",
    "mariadb-common",
    "liburing2",
    "libaio1 | libaio1t64",
)
_SETTINGS = {
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-log-file-size": "10M",
    "innodb-buffer-pool-size": "64M",
    "innodb-fast-shutdown": "2",
    "performance-schema": "OFF",
    "skip-name-resolve": "ON",
}
_TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
_USERS = """
CREATE USER with_password@'%' IDENTIFIED BY 'secret';
GRANT ALL ON *.* TO with_password@'%';
"""


class MariaDB:
    """A server in a directory of its own, which `close` removes.

    `settings` are options beside those that make it fast. `port`, `socket` and `process` may be used by tests, also to
    disturb it.
    """

    process: subprocess.Popen[bytes]
    stops: ClassVar = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}
    """How to stop it: in order, and at once."""

    def __init__(self, **settings: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mariadb-"))
        self.socket = self.root / "socket"
        self.port = _free_port()
        self._settings = _SETTINGS | {name.replace("_", "-"): value for name, value in settings.items()}
        try:
            shutil.copytree(_empty(), self.root / "data")
            self.start()
        except BaseException:
            shutil.rmtree(self.root, ignore_errors=True)
            raise

    def start(self) -> None:
        """Start the server and wait until it answers."""
        given = {"datadir": str(self.root / "data"), "socket": str(self.socket), "port": str(self.port)}
        given |= {"bind-address": "127.0.0.1", "pid-file": str(self.root / "pid"), "tmpdir": str(self.root)}
        self.socket.unlink(missing_ok=True)
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                _command(given | self._settings), stdout=log, stderr=log, env=_environment(), cwd="/"
            )
        until = time.monotonic() + 20
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as probe:  # the driver leaves one open where nobody answers
                    probe.connect(str(self.socket))
                self.connect().close()
            except (OSError, pymysql.OperationalError):
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self.root / "log").read_text()) from None
                time.sleep(0.01)
            else:
                return

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop the server: SIGTERM is its orderly shutdown, SIGKILL a crash."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(20)

    def close(self) -> None:
        """Stop the server and remove all of it."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)

    def url(self, database: str = "", *, user: str = "root", password: str = "", unix: bool = True) -> str:
        """The URL of a database, over the unix socket or TCP."""
        who = f"{user}:{password}" if password else user
        if unix:
            return f"mariadb://{who}@/{database}?unix_socket={self.socket}"
        return f"mariadb://{who}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "") -> pymysql.Connection[Any]:
        """A connection of root's, each statement committed."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user="root",
            database=database or None,
            autocommit=True,
            connect_timeout=2,
            client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
        )

    def execute(self, sql: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run one statement or several as root; the rows of the last that has any."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            rows = list(cursor.fetchall())
            while cursor.nextset():
                rows = list(cursor.fetchall()) or rows
            return rows


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def _home() -> tuple[Path, Path | None]:
    """The program, and the directory that Debian's packages were unpacked into, if they were."""
    program = debian.program("mariadbd", *_PACKAGES)
    unpacked = program.parents[2]
    return program, unpacked if (unpacked / ".complete").exists() else None


def _command(settings: dict[str, str]) -> list[str]:
    program, unpacked = _home()
    if unpacked:
        # Its messages, and its plugins, are not where it was built for.
        home = {"basedir": unpacked / "usr", "lc-messages-dir": unpacked / "usr/share/mysql"}
        settings = {name: str(path) for name, path in home.items()} | settings
        settings["plugin-dir"] = str(unpacked / "usr/lib/mysql/plugin")
    if os.geteuid() == 0:
        settings = {"user": "root"} | settings
    return [str(program), "--no-defaults", *(f"--{name}={value}" for name, value in settings.items())]


def _environment() -> dict[str, str]:
    _, unpacked = _home()
    if unpacked is None:
        return dict(os.environ)
    libraries = {str(path.parent) for path in unpacked.glob("**/lib*/**/*.so.*")}
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(libraries))}


@cache
def _empty() -> Path:
    """A data directory as it is after the installation; made once, and copied for each server."""
    program, unpacked = _home()
    share = next(
        (path for path in ((unpacked or program.parents[1]) / "usr/share/mysql", program.parents[1] / "share/mysql",
                           program.parents[1] / "share/mariadb", program.parents[1] / "share")
         if (path / _TABLES[0]).exists()),
        None,
    )  # fmt: skip
    if share is None:
        debian.lacking("mariadbd", f"{program} has no {_TABLES[0]} beside it")
    directory = Path(tempfile.mkdtemp(prefix="mariadb-empty-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    scripts = "".join((share / name).read_text(encoding="utf-8", errors="replace") for name in _TABLES)
    script = f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n{scripts}\nFLUSH PRIVILEGES;\n{_USERS}"
    done = subprocess.run(
        [*_command({**_SETTINGS, "innodb-fast-shutdown": "1", "datadir": str(directory)}), "--bootstrap"],
        input=script.encode(),
        capture_output=True,
        env=_environment(),
        cwd="/",
        timeout=60,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(directory)
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return directory


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """The server of this pytest process."""
    server = MariaDB()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def make_mariadb(mariadb: MariaDB, request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Makes a fresh, empty database (and runs the given SQL in it); returns its URL. It is dropped after the test."""
    assert request.node.get_closest_marker("mariadb"), "mark the test, or its parameter, with `mariadb`"
    made: list[str] = []

    def make(sql: str = "") -> str:
        name = f"test_{os.getpid()}_{time.monotonic_ns()}"
        mariadb.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        made.append(name)
        if sql:
            mariadb.execute(f"SET SESSION sql_mode = 'ANSI_QUOTES', max_recursive_iterations = 100000; {sql}", name)
        return mariadb.url(name)

    yield make
    for name in made:
        mariadb.execute(f"DROP DATABASE IF EXISTS {name}")
