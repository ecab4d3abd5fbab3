"""Errors of a worker as failures: the reason and the line that a counter or a job gets in place of a value. Pure."""

from __future__ import annotations

from countercache.databases.base import Refused
from countercache.errors import ConfigError, CountercacheError, DatabaseUnreachable, DeadlineExceeded
from countercache.model.states import Failure, Reason


def failure(error: CountercacheError) -> Failure:
    """An error as what a counter or a job has instead of a value."""
    match error:
        case Refused():
            reason = error.reason
        case ConfigError():
            reason = Reason.CONFIG
        case DatabaseUnreachable():
            reason = Reason.UNREACHABLE
        case DeadlineExceeded():
            reason = Reason.TIMEOUT
        case _:
            reason = Reason.DATABASE
    return Failure(reason, error.message, error.hint)
