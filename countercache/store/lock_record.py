"""Decodes a lock from what Redis stores: a hash with a time to live."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from countercache.model.states import Lock, Owner, Progress
from countercache.store import event_log
from countercache.store.keys import Keys
from countercache.store.redis_client import integer, seconds


def lock_of(keys: Keys, name: str, fields: Mapping[str, str], ttl: int) -> Lock:
    """Decode a lock from its hash and PTTL.

    Another program may have written there: what is missing or invalid becomes empty or 0, and text that is longer than
    countercache writes it is truncated.
    """
    id_, total = fields.get("id", ""), fields.get("total")
    return Lock(
        name=name,
        key=keys.lock(name),
        id=id_ if re.fullmatch("[A-Za-z0-9-]+", id_) else "",
        fence=integer(fields.get("fence")),
        owner=Owner(
            **{part: event_log.truncate(fields.get(part, "")) for part in Owner.__struct_fields__ if part != "pid"},
            pid=integer(fields.get("pid")),
        ),
        counters=_counters(fields.get("counters", "[]")),
        acquired=seconds(fields.get("acquired")),
        deadline=seconds(fields.get("deadline")),
        ttl=ttl / 1000 if ttl >= 0 else None,
        progress=Progress(
            event_log.truncate(fields.get("phase", "")), integer(fields.get("done")), integer(total) if total else None
        ),
        lease=integer(fields.get("lease")) / 1000 or None,
    )


def counters_text(counters: tuple[str, ...]) -> str:
    """Counters as the scripts take them, in JSON."""
    return msgspec.json.encode(counters).decode()


def _counters(text: str) -> tuple[str, ...]:
    try:
        return tuple(map(event_log.truncate, msgspec.json.decode(text, type=tuple[str, ...])))
    except msgspec.MsgspecError:
        return ()
