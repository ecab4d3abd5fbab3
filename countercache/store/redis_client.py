"""The connection to Redis: the client, the scripts, and the driver's errors as ours.

Every command is tried once and for a short time: redis-py's own retries may take a minute, longer than any lease.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import BusyLoadingError, InvalidResponse
from redis.retry import Retry

from countercache.errors import ConfigError, RedisError, RedisUnreachable
from countercache.model.redaction import redact, redact_url
from countercache.settings import EMBEDDED, Settings
from countercache.store.keys import Keys

_SCRIPTS = Path(__file__).with_name("lua")


@dataclass(frozen=True)
class Store:
    """What Redis keeps for one namespace: the client of its server, and its keys. Closes the client as a context."""

    client: redis.Redis
    keys: Keys

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def run(self, name: str, keys: Sequence[str | bytes], *args: str | float) -> Any:  # noqa: ANN401 - what a script returns is its own affair
        """The result of the script `lua/NAME.lua`: one round trip, two when the server does not know it (yet, or after
        SCRIPT FLUSH).
        """
        text, sha = script(name)
        with self.wrapped():
            try:
                return self.client.evalsha(sha, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return self.client.eval(text, len(keys), *keys, *args)

    def wrapped(self) -> AbstractContextManager[None]:
        """Turns the driver's errors into ours; see `wrapped`."""
        return wrapped(self.client)


def open_store(settings: Settings, *, timeout: float = 1.0) -> Store:
    """What Redis keeps for the configured namespace; see `open_redis`."""
    return Store(open_redis(settings, timeout=timeout), Keys(settings.namespace, settings.events.keep))


def open_redis(settings: Settings, *, timeout: float = 1.0) -> redis.Redis:
    """A client for the configured server (`embedded` is started first); nothing of a remote one is touched yet.

    `timeout` (seconds) bounds connecting and each answer. Raises `ConfigError` for a URL that cannot be one.
    """
    url = settings.redis.url
    if url == EMBEDDED:
        from countercache.store.embedded import ensure_running  # noqa: PLC0415 - only where it is used

        url = ensure_running()
    return redis.Redis.from_pool(_pool(url, timeout))


def _pool(url: str, timeout: float) -> redis.ConnectionPool:
    """The connections to a server: none yet, but what they are to be made of has been looked at."""
    if not url.startswith(_SCHEMES):
        raise _no_url(url, f"it begins with none of {', '.join(_SCHEMES)}", _EXAMPLE)
    if not _is_readable(url):
        raise _no_url(url, *_UNREADABLE)
    ours = {
        "protocol": 2,
        "driver_info": None,  # naming itself would cost the driver two round trips more
        "decode_responses": True,
        "encoding": "utf-8",
        "encoding_errors": "backslashreplace",
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    try:
        # Not `from_url`: there the URL's own parameters go before ours, and may block for longer than a lease.
        pool = redis.ConnectionPool(**(parse_url(url) | ours))  # type: ignore[no-untyped-call]
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing; complains of wrong parameters
    except (AttributeError, TypeError, ValueError, redis.RedisError) as error:
        # Without the driver's error, which --debug would show: it may hold parts of the password.
        raise _no_url(url, *_wrong_parameter(url, str(error))) from None
    return pool


_SCHEMES = ("redis://", "rediss://", "unix://")
_EXAMPLE = 'give one such as "redis://localhost:6379/0", "unix:///run/redis.sock" or "embedded"'
_UNREADABLE = (
    "its host and port cannot be read",
    "check them; in the password, write / as %2F, # as %23, ? as %3F and @ as %40",
)


def _no_url(url: str, problem: str, hint: str) -> ConfigError:
    return ConfigError(f"[redis] url: {redact_url(url)!r} is no Redis URL: {problem}", hint=hint)


def _is_readable(url: str) -> bool:
    """Whether user and password end where they seem to: behind a `/`, `#` or `?` of the password there is an `@`."""
    try:
        parts = urlsplit(url)
        place = parts.port or parts.hostname
    except ValueError:  # a port that is none, or a bracket
        return False
    # The path of a unix socket may hold one, and so may the value of a parameter.
    path = "" if parts.scheme == "unix" and not place else parts.path
    names = (pair.partition("=")[0] for pair in parts.query.split("&"))
    return "@" not in "".join((path, parts.fragment, *names))


def _wrong_parameter(url: str, said: str) -> tuple[str, str]:
    """What is wrong with a URL's parameters, by what the driver said of them, and the cure."""
    if "@" in urlsplit(url).query:
        return _UNREADABLE
    unknown = re.search(r"unexpected keyword argument '(\w+)'", said)
    if unknown is None:
        return f"its parameters cannot be used: {redact(said)}", "correct or remove what stands behind its ?"
    tls = unknown[1].startswith("ssl_") and not url.startswith("rediss://")
    return f"it has no parameter {unknown[1]}", "write rediss:// for TLS, or remove it" if tls else "remove it"


def location(client: redis.Redis) -> str:
    """Where the server is, for people: without user and password."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return f"unix:{options['path']}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db') or 0}"


def redis_cli(client: redis.Redis) -> str:
    """How the server is called by hand."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return f"redis-cli -s {shlex.quote(str(options['path']))}"
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    return f"redis-cli -h {shlex.quote(str(host))} -p {port}"


@contextmanager
def binary(client: redis.Redis) -> Iterator[redis.Redis]:
    """A client of the same server, of one connection of its own, that answers in bytes: for keys of anybody's.

    Where the server knows how (from 7.2), what it reads does not count as used.
    """
    options = client.connection_pool.connection_kwargs | {"decode_responses": False}
    pool = redis.ConnectionPool(client.connection_pool.connection_class, max_connections=1, **options)
    raw = redis.Redis(connection_pool=pool)
    try:
        with wrapped(client), suppress(redis.ResponseError):
            raw.client_no_touch("ON")
        yield raw
    finally:
        pool.disconnect()


@contextmanager
def wrapped(client: redis.Redis) -> Iterator[None]:
    """Turns what the driver raises within into `RedisUnreachable` or `RedisError`, with a cure."""
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.AuthorizationError) as error:
        raise _login(client, error) from error
    except BusyLoadingError as error:
        raise RedisUnreachable(
            f"Redis at {location(client)} is still loading its data", hint="try again when it has"
        ) from error
    except InvalidResponse as error:
        raise RedisError(
            f"what answers at {location(client)} does not speak Redis: {_line(error)}", hint="check [redis] url"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise RedisUnreachable(
            f"Redis at {location(client)} cannot be reached: {_line(error)}",
            hint="check [redis] url and that the server runs",
        ) from error
    except redis.RedisError as error:
        if "unauthenticated" in str(error):  # what a long command is answered where a password is missing
            raise _login(client, error) from error
        raise RedisError(
            f"Redis at {location(client)} refuses a command: {_line(error)}", hint=_cure(_line(error), error)
        ) from error


def _login(client: redis.Redis, error: redis.RedisError) -> RedisError:
    return RedisError(
        f"Redis at {location(client)} refuses the login: {_line(error)}",
        hint="check the user and the password in [redis] url",
    )


_CURES = {
    "OOM": "free memory or raise its maxmemory; nothing was changed",
    "READONLY": "it is a replica: name the primary in [redis] url",
    # What the driver makes of a refused MULTI is the second.
    "NOPERM|has no permissions|EXEC without MULTI": (
        "give its user the right with ACL SETUSER; `countercache doctor` names all that are missing"
    ),
    "MISCONF": "it cannot save to disk: look into its log",
    "WRONGTYPE": "another program uses keys of this namespace: choose another `namespace`, or delete them",
    "NOREPLICAS": "it waits for replicas: see its min-replicas-to-write",
    "MASTERDOWN": "it is a replica without its primary: name the primary in [redis] url",
    "CROSSSLOT": "the cluster keeps that key apart from this namespace: redis-cli can delete it",
    "CLUSTERDOWN": "the cluster has lost slots: see CLUSTER INFO",
    "MOVED": "the cluster keeps this namespace on another node: name that one in [redis] url",
    "BUSY": "a script blocks it: see SCRIPT KILL",
    "unknown command": "a server of version 5 or newer is needed",
}


def _cure(line: str, error: redis.RedisError) -> str:
    # The driver takes the code off the message of the errors that it knows; within a script the code is in the middle.
    seen = f"{getattr(error, 'status_code', '')} {line}"
    return next((cure for code, cure in _CURES.items() if re.search(rf"\b({code})\b", seen)), "")


def _line(error: Exception) -> str:
    """The driver's message in one line of bounded length, without the script's own name and secrets."""
    text = redact(" ".join(str(error).split()))
    text = re.sub(r"\s*script:( [0-9a-f]{40},)? on @?user_script:\s?\d+\.?", "", text)
    return (text if len(text) <= 300 else text[:300] + "…") or type(error).__name__


def reach(client: redis.Redis) -> None:
    """Connects, unless there is a connection: so that what fails later is a command, which may have been done."""
    pool = client.connection_pool
    with wrapped(client):
        pool.release(pool.get_connection())


def converse(client: redis.Redis) -> None:
    """Connects and waits for an answer: a server that is stopped still takes connections. An error is an answer."""
    with wrapped(client), suppress(redis.ResponseError):
        client.ping()


class Script(NamedTuple):
    """A script of the package: its text, and the SHA1 by which the server knows it."""

    text: str
    sha: str


# What a script begins with, where that is not what most have in common.
_BEGINNINGS = {"cells": (), "inspect_foreign": ("digest",), "remove": ("prelude", "digest")}


@cache
def script(name: str) -> Script:
    """The script `lua/NAME.lua`, after what it has in common with others."""
    parts = (*_BEGINNINGS.get(name, ("prelude",)), name)
    text = "".join((_SCRIPTS / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


def integer(text: str | None) -> int:
    """A whole number as Redis has it; 0 for what is none (nobody but us should write there, but anybody can)."""
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,18}", text) else 0


def seconds(microseconds: str | None) -> float:
    """A moment of the server's clock: seconds since the epoch; 0.0 where there is none."""
    return integer(microseconds) / 1e6
