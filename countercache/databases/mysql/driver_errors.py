"""Errors of the driver as ours. Pure but for the clock.

The numbers are those of the servers' manuals; both have the same where both have the error.
"""

from __future__ import annotations

import re
import time
from typing import NoReturn

import pymysql

from countercache.databases.base import Lost, Refused, Target
from countercache.errors import ConfigError, DatabaseUnreachable, DeadlineExceeded
from countercache.model.states import Reason

_TIME_LIMIT = {1969, 3024}
_KILLED = {1317}
_ENDED = {0, 1053, 1080, 1152, 1153, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2014, 2055, 3169, 4031}
_LOCK_WAIT = {1205, 3572}
_NO_RIGHT = {1142, 1143, 1044, 1227, 1345, 1356, 1370}
_READ_ONLY = {1290, 1792, 1836}
_TRANSIENT = {1021, 1028, 1037, 1038, 1041, 1114, 1194, 1206, 1213, 1412, 1615}
_WRONG_LOGIN = {1045, 1698, 1862, 3118, 3159, 3955}
_TLS = {2026, 3159}
_TOO_MANY = {1040, 1203, 1226}
_SLACK = 0.05
_DENIED = re.compile(r"command denied to user ('[^']*'@'[^']*') for (?:table|column) (?:'[^']*' in table )?(\S+)")


def unreachable(target: Target, where: str, error: Exception) -> Exception:
    """An error of connecting."""
    text = target.clean(_text(error))
    name, user = target.name, target.url.username
    code = _code(error)
    if code == 1049:
        hint = f"check the name after the last / in the url of database {name}"
        return DatabaseUnreachable(f'database {name}: there is no database "{target.url.database}"', hint=hint)
    if code == 1044:
        hint = f"check the name, or run: GRANT SELECT ON `{target.url.database}`.* TO {user}"
        problem = f'user "{user}" may not use "{target.url.database}", or there is no such database'
        return DatabaseUnreachable(f"database {name}: {problem}", hint=hint)
    if code in _TOO_MANY:
        hint = "raise the limit, or let fewer programs use this user"
        return DatabaseUnreachable(f"database {name} at {where} takes no more connections: {text}", hint=hint)
    if code in _WRONG_LOGIN:
        hint = f"check user and password in the url of database {name}"
        return DatabaseUnreachable(f'database {name}: user "{user}" was refused', hint=hint)
    if isinstance(error, (ValueError, TypeError, LookupError)):
        return ConfigError(f"the url of database {name} cannot be used: {text}", hint="see its options")
    hint = "check that it runs and that its url is right"
    if isinstance(error, RuntimeError):  # the package cryptography is needed for a password without TLS
        hint = 'use TLS or a unix socket, or run: pip install "PyMySQL[rsa]"'
    elif isinstance(error, OSError) or code in _TLS or re.search("ssl|certificate", text, re.IGNORECASE):
        hint = "check ssl_ca, ssl_cert and ssl_key in its url, and whether the server has TLS"
    reason = re.sub(r"^Can't connect to MySQL server on '[^']*' \((?:\[Errno -?\d+\] )?(.*)\)$", r"\1", text)
    return DatabaseUnreachable(f"database {name} at {where} cannot be reached: {reason}", hint=hint)


def raise_ours(target: Target, error: pymysql.Error, *, deadline: float, limit: float | None) -> NoReturn:
    """Raise an error of a statement that had `limit` seconds, where that is less than what was left."""
    name, text, code = target.name, target.clean(_text(error)), _code(error)
    over = time.monotonic() >= deadline - _SLACK
    if over and code in _TIME_LIMIT | _KILLED | _ENDED | _LOCK_WAIT:
        raise DeadlineExceeded(f"the time for database {name} is over") from error
    if code in _ENDED:
        raise Lost(f"database {name} ended the connection: {text}") from error
    if code in _TIME_LIMIT and limit is not None:
        raise Refused(Reason.TIMEOUT, f"the query took more than {limit:g} s") from error
    if code in _TIME_LIMIT | _KILLED:
        raise Refused(Reason.DATABASE, f"database {name}: {text}") from error
    if code in _LOCK_WAIT:
        seconds = min(target.settings.lock_timeout, max(deadline - time.monotonic(), 0))
        hint = "look for who holds it in SHOW FULL PROCESSLIST, or raise lock_timeout"
        message = f"a table of database {name} is locked by another session for more than {seconds:.3g} s"
        raise Refused(Reason.DATABASE, message, hint=hint) from error
    if code in _NO_RIGHT:
        found = _DENIED.search(text)
        grant = f"run: GRANT SELECT ON {found[2]} TO {found[1]}" if found else "GRANT it"
        raise Refused(Reason.DATABASE, f"database {name}: {text}", hint=grant) from error
    if code in _READ_ONLY:
        raise Refused(Reason.SQL, f"the statement writes, and the transaction is read-only: {text}") from error
    raise Refused(Reason.DATABASE if code in _TRANSIENT else Reason.SQL, text) from error


def _code(error: Exception) -> int:
    found = error.args[0] if error.args else None
    return found if isinstance(found, int) else -1


def _text(error: Exception) -> str:
    return str(error.args[1]) if len(error.args) > 1 and _code(error) >= 0 else str(error) or type(error).__name__
