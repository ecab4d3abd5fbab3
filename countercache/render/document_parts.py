"""What several JSON documents have in them: locks, failures, progress, texts from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from countercache.model.redaction import redact
from countercache.render import text

if TYPE_CHECKING:
    from countercache.model.results import ClearedLock
    from countercache.model.states import Failure, Lock, Progress

Document = dict[str, Any]

MESSAGE_LIMIT = 2000
"""Characters of a message from outside in a document."""


def lock(held: Lock, now: float) -> Document:
    """A lock and its owner; `now` is the moment at which it was listed."""
    return _identity(held) | {
        "user": held.owner.user,
        "host": held.owner.host,
        "command": short(held.owner.command),
        "version": held.owner.version,
        "counters": list(held.counters),
        "acquired": text.moment(held.acquired),
        "ttl_seconds": seconds(held.ttl),
        "deadline_in_seconds": seconds(held.deadline - now),
        "progress": progress(held.progress),
    }


def cleared_lock(each: ClearedLock) -> Document:
    """What became of a lock that was to be cleared."""
    return _identity(each.lock) | {"verdict": each.verdict, "cleared": each.cleared, "why": each.why}


def _identity(held: Lock) -> Document:
    return {
        "name": held.name,
        "key": held.key,
        "id": short(held.id),
        "fence": held.fence,
        "owner": held.owner.name,
        "pid": held.owner.pid,
    }


def progress(value: Progress) -> Document:
    """How far a run is."""
    return {"phase": value.phase, "done": value.done, "total": value.total}


def failure(value: Failure | None) -> Document | None:
    """Why there is no new value."""
    return {"reason": value.reason, "message": said(value.text)} if value else None


def seconds(value: float | None) -> float | None:
    """A duration to the millisecond."""
    return None if value is None else round(value, 3)


def short(value: str) -> str:
    """A text of bounded length."""
    return value if len(value) <= MESSAGE_LIMIT else value[: MESSAGE_LIMIT - 1] + "…"


def said(message: str) -> str:
    """A message of a driver or of ours, without what nobody should see."""
    return short(redact(message))
