"""The connection to Redis: opens clients, runs the Lua scripts and translates the driver's errors.

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
    """What Redis keeps for one namespace: the client of its server, and the names of its keys.

    As a context manager it closes the client.
    """

    client: redis.Redis
    keys: Keys

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def run(self, name: str, keys: Sequence[str | bytes], *args: str | float) -> Any:  # noqa: ANN401 - each script has a reply of its own
        """Run the script `lua/NAME.lua` and return its reply.

        Takes one round trip, or two where the server has not cached the script.
        """
        text, sha = script(name)
        with self.translated_errors():
            try:
                return self.client.evalsha(sha, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return self.client.eval(text, len(keys), *keys, *args)

    def translated_errors(self) -> AbstractContextManager[None]:
        """Translate the driver's errors; see the function `translated_errors`."""
        return translated_errors(self.client)


def open_store(settings: Settings, *, timeout: float = 1.0) -> Store:
    """Open the store of the configured namespace; see `open_redis`."""
    return Store(open_redis(settings, timeout=timeout), Keys(settings.namespace, settings.events.keep))


def open_redis(settings: Settings, *, timeout: float = 1.0) -> redis.Redis:
    """Return a client for the configured server, which does not connect yet; `embedded` is started first.

    `timeout` (seconds) bounds connecting and each reply. Raises `ConfigError` for an invalid URL.
    """
    url = settings.redis.url
    if url == EMBEDDED:
        from countercache.store.embedded import ensure_running  # noqa: PLC0415 - only where it is used

        url = ensure_running()
    return redis.Redis.from_pool(_pool(url, timeout))


def _pool(url: str, timeout: float) -> redis.ConnectionPool:
    """A connection pool that has not connected yet, its parameters validated."""
    if not url.startswith(_SCHEMES):
        raise _invalid_url(url, f"it must begin with {', '.join(_SCHEMES[:-1])} or {_SCHEMES[-1]}", _EXAMPLE)
    if not _is_readable(url):
        raise _invalid_url(url, *_UNREADABLE)
    options = {
        "protocol": 2,
        "driver_info": None,  # sending it would cost two more round trips
        "decode_responses": True,
        "encoding": "utf-8",
        "encoding_errors": "backslashreplace",
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    try:
        # Not `from_url`: the URL's parameters would override these options, and could block for longer than a lease.
        pool = redis.ConnectionPool(**(parse_url(url) | options))  # type: ignore[no-untyped-call]
        pool.connection_class(**pool.connection_kwargs)  # does not connect, but rejects wrong parameters
    except (AttributeError, TypeError, ValueError, redis.RedisError) as error:
        # Not `from error`, which --debug would show: it may contain parts of the password.
        raise _invalid_url(url, *_parameter_problem(url, str(error))) from None
    return pool


_SCHEMES = ("redis://", "rediss://", "unix://")
_EXAMPLE = 'give one such as "redis://localhost:6379/0", "unix:///run/redis.sock" or "embedded"'
_UNREADABLE = (
    "its host and port cannot be read",
    "check them; in the password, write / as %2F, # as %23, ? as %3F and @ as %40",
)


def _invalid_url(url: str, problem: str, hint: str) -> ConfigError:
    return ConfigError(f"[redis] url: {redact_url(url)!r} is not a Redis URL: {problem}", hint=hint)


def _is_readable(url: str) -> bool:
    """Whether user and password end where the URL parser says they do.

    A password with a `/`, `#` or `?` that is not encoded leaves an `@` in what the parser takes for the rest.
    """
    try:
        parts = urlsplit(url)
        host_or_port = parts.port or parts.hostname
    except ValueError:  # an invalid port, or a bracket
        return False
    # The path of a Unix socket may contain an @, and so may the value of a parameter.
    path = "" if parts.scheme == "unix" and not host_or_port else parts.path
    names = (pair.partition("=")[0] for pair in parts.query.split("&"))
    return "@" not in "".join((path, parts.fragment, *names))


def _parameter_problem(url: str, driver_message: str) -> tuple[str, str]:
    """The problem with a URL's parameters, as the driver's message tells it, and a hint."""
    if "@" in urlsplit(url).query:
        return _UNREADABLE
    unknown = re.search(r"unexpected keyword argument '(\w+)'", driver_message)
    if unknown is None:
        return f"its parameters are invalid: {redact(driver_message)}", "correct or remove the parameters after the ?"
    tls = unknown[1].startswith("ssl_") and not url.startswith("rediss://")
    return f"unknown parameter {unknown[1]}", "write rediss:// for TLS, or remove it" if tls else "remove it"


def location(client: redis.Redis) -> str:
    """The server's address as messages show it: without user and password."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return f"unix:{options['path']}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db') or 0}"


def redis_cli(client: redis.Redis) -> str:
    """The redis-cli command that connects to the server."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return f"redis-cli -s {shlex.quote(str(options['path']))}"
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    return f"redis-cli -h {shlex.quote(str(host))} -p {port}"


@contextmanager
def binary_client(client: redis.Redis) -> Iterator[redis.Redis]:
    """A client of the same server that returns bytes, for keys of other programs; it has one connection of its own.

    From Redis 7.2 on, what it reads does not count as recently used (CLIENT NO-TOUCH).
    """
    options = client.connection_pool.connection_kwargs | {"decode_responses": False}
    pool = redis.ConnectionPool(client.connection_pool.connection_class, max_connections=1, **options)
    raw = redis.Redis(connection_pool=pool)
    try:
        with translated_errors(client), suppress(redis.ResponseError):
            raw.client_no_touch("ON")
        yield raw
    finally:
        pool.disconnect()


@contextmanager
def translated_errors(client: redis.Redis) -> Iterator[None]:
    """Translate the driver's errors into `RedisUnreachable` and `RedisError`, each with a hint."""
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.AuthorizationError) as error:
        raise _authentication_failed(client, error) from error
    except BusyLoadingError as error:
        raise RedisUnreachable(
            f"Redis at {location(client)} is still loading its data", hint="try again when it is done"
        ) from error
    except InvalidResponse as error:
        raise RedisError(
            f"the server at {location(client)} is not Redis: {_one_line(error)}", hint="check [redis] url"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise RedisUnreachable(
            f"Redis at {location(client)} cannot be reached: {_one_line(error)}",
            hint="check [redis] url and that the server runs",
        ) from error
    except redis.RedisError as error:
        if "unauthenticated" in str(error):  # the reply to a long command where the password is missing
            raise _authentication_failed(client, error) from error
        raise RedisError(
            f"Redis at {location(client)} refused a command: {_one_line(error)}", hint=_hint(_one_line(error), error)
        ) from error


def _authentication_failed(client: redis.Redis, error: redis.RedisError) -> RedisError:
    return RedisError(
        f"authentication failed for Redis at {location(client)}: {_one_line(error)}",
        hint="check the user and the password in [redis] url",
    )


_HINTS = {
    "OOM": "free memory or raise its maxmemory; nothing was changed",
    "READONLY": "it is a replica: name the primary in [redis] url",
    # Where MULTI is refused, the driver reports "EXEC without MULTI".
    "NOPERM|has no permissions|EXEC without MULTI": (
        "grant it with ACL SETUSER; `countercache doctor` lists all permissions that are missing"
    ),
    "MISCONF": "it cannot save to disk: see its log",
    "WRONGTYPE": "another program uses keys of this namespace: choose another `namespace`, or delete them",
    "NOREPLICAS": "it waits for replicas: see its min-replicas-to-write",
    "MASTERDOWN": "it is a replica without its primary: name the primary in [redis] url",
    "CROSSSLOT": "the cluster keeps that key apart from this namespace: redis-cli can delete it",
    "CLUSTERDOWN": "the cluster has lost slots: see CLUSTER INFO",
    "MOVED": "the cluster keeps this namespace on another node: name that one in [redis] url",
    "BUSY": "a script blocks it: see SCRIPT KILL",
    "unknown command": "a server of version 5 or newer is needed",
}


def _hint(line: str, error: redis.RedisError) -> str:
    # The driver removes the code from the messages that it knows; in an error of a script it is in the middle.
    text = f"{getattr(error, 'status_code', '')} {line}"
    return next((hint for code, hint in _HINTS.items() if re.search(rf"\b({code})\b", text)), "")


def _one_line(error: Exception) -> str:
    """The driver's message as one line of bounded length, without secrets and the script's digest."""
    text = redact(" ".join(str(error).split()))
    text = re.sub(r"\s*script:( [0-9a-f]{40},)? on @?user_script:\s?\d+\.?", "", text)
    return (text if len(text) <= 300 else text[:300] + "…") or type(error).__name__


def connect(client: redis.Redis) -> None:
    """Connect now, unless there is a connection: a later error is then one of a command, which may have been run."""
    pool = client.connection_pool
    with translated_errors(client):
        pool.release(pool.get_connection())


def ping(client: redis.Redis) -> None:
    """Wait for any reply, be it an error: a server that is stopped (SIGSTOP) still accepts connections."""
    with translated_errors(client), suppress(redis.ResponseError):
        client.ping()


class Script(NamedTuple):
    """A script of the package: its text, and the SHA1 by which the server knows it."""

    text: str
    sha: str


# The files that precede a script, where they are not the usual one, `prelude`.
_PREAMBLES = {"cells": (), "inspect_foreign": ("digest",), "remove": ("prelude", "digest")}


@cache
def script(name: str) -> Script:
    """The script `lua/NAME.lua`, preceded by the code that it shares with others."""
    parts = (*_PREAMBLES.get(name, ("prelude",)), name)
    text = "".join((_SCRIPTS / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


def integer(text: str | None) -> int:
    """An integer that Redis stores; 0 for anything else, since other programs may have written it."""
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,18}", text) else 0


def seconds(microseconds: str | None) -> float:
    """A stored time in seconds since the epoch; 0.0 where there is none."""
    return integer(microseconds) / 1e6
