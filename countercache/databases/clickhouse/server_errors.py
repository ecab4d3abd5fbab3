"""What ClickHouse, the driver and the network say when something fails, as our errors."""

from __future__ import annotations

import re
from enum import IntEnum

from clickhouse_connect.driver.exceptions import Error
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from countercache.databases.base import Lost, Refused, Target
from countercache.errors import CountercacheError, DatabaseUnreachable
from countercache.model.states import Reason


class Code(IntEnum):
    """Errors of ClickHouse by its own numbers."""

    UNKNOWN_DATABASE = 81
    TIMEOUT_EXCEEDED = 159
    READONLY = 164
    RUNNING_ALREADY = 216
    MEMORY_LIMIT_EXCEEDED = 241
    QUERY_WAS_CANCELLED = 394
    ACCESS_DENIED = 497


_LOGIN = {192, 193, 194, 516}
_OF_THE_SERVER = {158, 201, 202, 203, 209, 210, 236, 243, 252, 279, 290, 307, 319, 396, 425, 439, 499, 999, 1002}
"""Errors that say nothing of the SQL: too much to read, a quota, a network, a disk, a shard."""

_FURTHER = re.compile(r":? (?:In scope|[Ww]hile (?:executing|processing)) | \((?:for url|version) |\.? \([A-Z_\d]+\)")
_LONG = 300


class WireError(Exception):
    """The connection failed: raised past the driver, which would try again."""


def said(target: Target, error: Exception) -> str:
    """What an error says, in one line and without what only its programmers want to know."""
    cause = error.__cause__ if isinstance(error, WireError) else error
    text = str(cause)
    for beginning in ("DB::Exception: ", "server response: "):
        text = text.partition(beginning)[2] or text
    if isinstance(cause, HTTPError):
        text = text.rpartition(": ")[2] if isinstance(cause, (NewConnectionError, SSLError)) else text
        if isinstance(cause, (ConnectTimeoutError, ReadTimeoutError)) and not isinstance(cause, NewConnectionError):
            text = "no answer in time"
    text = target.clean(_FURTHER.split(text)[0])
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def unreachable(target: Target, where: str, error: Exception) -> DatabaseUnreachable:
    """An error of connecting."""
    name, code = target.name, error.code if isinstance(error, Error) else None
    if code in _LOGIN:
        return _login_refused(target)
    if code == Code.UNKNOWN_DATABASE:
        hint = f"check the name after the last / in the url of database {name}"
        return DatabaseUnreachable(f'database {name}: there is no database "{target.url.database}"', hint=hint)
    text = said(target, error)
    if isinstance(error, WireError) or code is not None:
        hint = "check that it runs and that its url is right"
        return DatabaseUnreachable(f"database {name} at {where} cannot be reached: {text}", hint=hint)
    hint = "its url needs the port for HTTP, 8123 by default, or with ?secure=true that for HTTPS, 8443"
    return DatabaseUnreachable(f"database {name}: what answers at {where} is no ClickHouse: {text}", hint=hint)


def _login_refused(target: Target) -> DatabaseUnreachable:
    hint = f"check user and password in the url of database {target.name}"
    user = target.url.username or "default"
    return DatabaseUnreachable(f'database {target.name}: user "{user}" was refused', hint=hint)


def refused(target: Target, error: Error) -> CountercacheError:
    """An error of a statement."""
    name, text, hint = target.name, said(target, error), ""
    reason = Reason.DATABASE if error.code in _OF_THE_SERVER else Reason.SQL
    if error.code in _LOGIN:
        return _login_refused(target)
    match error.code:
        case None:
            return Lost(f"database {name} gave an answer that is none: {text}")
        case Code.RUNNING_ALREADY:
            # Our names for queries are unique: the driver has asked again after the connection was lost.
            return Lost(f"the connection to database {name} was lost")
        case Code.QUERY_WAS_CANCELLED:
            reason, text = Reason.DATABASE, f"database {name}: {text}"
        case Code.MEMORY_LIMIT_EXCEEDED:
            reason, text = Reason.DATABASE, f"database {name} allows less memory than the query needs: {text}"
            hint = "raise max_memory_usage for its user, or set batch_size to read fewer entities at a time"
        case Code.ACCESS_DENIED:
            user = target.url.username or "default"
            needed = re.search(r"grant (SELECT(?:\([^)]*\))? ON \S+)", text)
            reason, text = Reason.DATABASE, f"database {name}: {text.partition('. To execute')[0]} (as {user})"
            hint = f"run: GRANT {needed[1]} TO {user}" if needed else "GRANT it"
        case Code.READONLY:
            text = f"the statement does more than read, which is refused: {text}"
    return Refused(reason, text, hint=hint)
