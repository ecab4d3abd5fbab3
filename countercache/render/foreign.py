"""Locks of the web stack, for people and for scripts: their columns and keys. Pure, without rich.

A key is spelled so that it can be typed as it is shown: `locks clear` takes it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from countercache.model.key_text import spelled
from countercache.model.wording import count
from countercache.render import text
from countercache.render.document_parts import Document, seconds

if TYPE_CHECKING:
    from countercache.model.results import ClearedForeign, ForeignLock

PREVIEW = 60
"""Characters of what is in a lock that are shown."""

_KEY_LIMIT = 1000


def key(lock: ForeignLock) -> str:
    """Its key. One that is longer than anybody would type is shortened."""
    return spelled(lock.key, _KEY_LIMIT)


def age(lock: ForeignLock) -> str:
    """How old it is: `3m 2s`, or at least that, `3m 2s+`, where only its last use is known."""
    if lock.age is not None:
        return text.duration(lock.age)
    return f"{text.duration(lock.idle)}+" if lock.idle else text.NOTHING


def expires(lock: ForeignLock) -> str:
    """The time it has left, or `none`: it never ends by itself."""
    return "none" if lock.ttl is None else text.duration(lock.ttl)


def preview(lock: ForeignLock, limit: int = PREVIEW) -> str:
    """The beginning of what is in it; how much there is, where there is more or nothing to show."""
    shown = spelled(lock.preview, limit)
    if lock.type == "string":
        return f"{shown} ({lock.size} bytes)" if lock.size > len(lock.preview) else shown
    return shown or (count(lock.size, "item") if lock.size >= 0 else "")


def columns(lock: ForeignLock) -> list[str]:
    """A line of `locks list`, in the columns of our own locks: what it does not have stays empty."""
    return [
        *(
            key(lock),
            lock.framework,
            lock.verdict,
            "",
            "",
            age(lock),
            expires(lock),
            "",
            "",
            "",
            text.escape(lock.type, text.LIMIT),
        ),
        *(preview(lock), text.escape(lock.why, text.LIMIT)),
    ]


def cleared_columns(cleared: ClearedForeign) -> list[str]:
    """A line of `locks clear`, in the columns of our own locks."""
    outcome = "cleared" if cleared.cleared else "left"
    return [
        key(cleared.lock),
        outcome,
        cleared.lock.verdict,
        cleared.lock.framework,
        text.escape(cleared.why, text.LIMIT),
    ]


def document(lock: ForeignLock) -> Document:
    """A lock of `locks list --json`, with the keys of our own locks."""
    return {
        "name": key(lock),
        "key": key(lock),
        "kind": lock.framework,
        "verdict": lock.verdict,
        "why": lock.why,
        "type": lock.type,
        "size": lock.size,
        "preview": spelled(lock.preview, text.LIMIT),
        "age_seconds": seconds(lock.age),
        "idle_seconds": seconds(lock.idle),
        "ttl_seconds": seconds(lock.ttl),
        "counters": [],
    } | dict.fromkeys(
        (
            *("id", "fence", "owner", "user", "host", "pid", "command", "version", "acquired", "deadline_in_seconds"),
            "progress",
        )
    )


def cleared_document(cleared: ClearedForeign) -> Document:
    """A lock of `locks clear --json`, with the keys of our own locks."""
    return {
        "name": key(cleared.lock),
        "key": key(cleared.lock),
        "kind": cleared.lock.framework,
        "verdict": cleared.lock.verdict,
        "cleared": cleared.cleared,
        "why": cleared.why,
    } | dict.fromkeys(("id", "fence", "owner", "pid"))
