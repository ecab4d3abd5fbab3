"""The log of events: a stream of bounded length, written by the Lua scripts and by `record`."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from countercache.errors import RedisError
from countercache.model.results import EventsResult
from countercache.model.states import Event, Level
from countercache.store.redis_client import Store, redis_cli

BLOCK = 0.5
"""Seconds that `follow` waits in Redis at a time: less than the client's timeout, so that it notices a server that is
gone.
"""

FOLLOW_COUNT = 10
"""How many of the newest events `follow` begins with by default."""

_LEVELS = tuple(Level)
_LONGEST_MESSAGE = 2000
_TEXTS = ("level", "category", "action", "message", "lock", "run", "by")

Entry = tuple[str, Sequence[str] | dict[str, str]]


class EventFilter(msgspec.Struct, frozen=True):
    """Selects events: of a level or above, of any of `categories` (empty: of all), about a counter, of a run.

    `run` is the run's id or how it begins. Only events of the last `since` seconds are selected, and of those the
    newest `limit`.
    """

    level: Level = Level.DEBUG
    categories: tuple[str, ...] = ()
    counter: str = ""
    run: str = ""
    since: float | None = None
    limit: int | None = None

    def matches(self, event: Event) -> bool:
        """Whether the event is selected, whenever it was. An unknown level is above all others."""
        severe = event.level not in _LEVELS or _LEVELS.index(Level(event.level)) >= _LEVELS.index(self.level)
        return (
            severe
            and (not self.categories or event.category in self.categories)
            and (not self.counter or self.counter in event.counters)
            and event.run.startswith(self.run)
        )


def find(store: Store, selection: EventFilter) -> EventsResult:
    """Return the events that are selected, oldest first."""
    return EventsResult(_select(_read(store, selection), selection, selection.limit))


def follow(store: Store, selection: EventFilter) -> Iterator[Event]:
    """Yield the events that are selected, and then new ones as they come, for ever.

    Without a `since` or a `limit` it begins with the newest few. Raises `RedisUnreachable` when the server goes away.
    """
    events = _read(store, selection)
    yield from _select(events, selection, selection.limit or (FOLLOW_COUNT if selection.since is None else None))
    last = events[-1].id if events else "0-0"
    while True:
        with _translated_errors(store):
            answer: Any = store.client.xread({store.keys.events: last}, block=int(BLOCK * 1000), count=1000)
        for event in map(_event, answer[0][1] if answer else ()):
            last = event.id
            if selection.matches(event):
                yield event


def read(store: Store, count: int | None = None) -> tuple[Event, ...]:
    """Return the last `count` events, or all of them, oldest first."""
    with _translated_errors(store):
        entries = cast("list[Entry]", store.client.xrevrange(store.keys.events, count=count))
    return tuple(map(_event, reversed(entries)))


def record(store: Store, event: Event) -> None:
    """Add one event to the log; the server gives it its time and id."""
    fields = flatten(event)
    with _translated_errors(store):
        pairs: Any = dict(zip(fields[::2], fields[1::2], strict=True))
        store.client.xadd(store.keys.events, pairs, maxlen=store.keys.keep, approximate=True)


@contextmanager
def _translated_errors(store: Store) -> Iterator[None]:
    """Translate the driver's errors; where the log's key is not a stream, say so, with the command that deletes it."""
    try:
        with store.translated_errors():
            yield
    except RedisError as error:
        if "WRONGTYPE" not in error.message:
            raise
        raise RedisError(f"the event log cannot be used: {wrong_type(store)}", hint=delete_hint(store)) from error


def wrong_type(store: Store) -> str:
    """The problem where the log's key is not a stream, in words."""
    return f"another program has written to its key, {store.keys.events}"


def delete_hint(store: Store) -> str:
    """The hint for such a key: the command that deletes it."""
    return f"delete the key: {redis_cli(store.client)} DEL {shlex.quote(store.keys.events)}"


def flatten(event: Event) -> tuple[str, ...]:
    """An event's fields as XADD takes them: names and values in turn, `level`, `category` and `action` first."""
    fields = {name: getattr(event, name) for name in _TEXTS} | {"counter": "\n".join(event.counters)}
    fields["message"] = truncate(event.message)
    return tuple(part for name, text in fields.items() if text for part in (name, text))


def truncate(message: str) -> str:
    """Cut a message to the longest that is stored."""
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"


def decode(entries: Sequence[Entry]) -> tuple[Event, ...]:
    """Decode the events that a script returned. One that the log did not take has no id, and happened now."""
    events = map(_event, entries)
    return tuple(event if event.id else msgspec.structs.replace(event, at=time.time()) for event in events)


def _event(entry: Entry) -> Event:
    """Decode an entry of the stream. Another program may have written it: what is missing or invalid is empty or 0."""
    id_, content = entry
    fields = content if isinstance(content, dict) else dict(zip(content[::2], content[1::2], strict=False))
    counters = fields.get("counter", "")
    return Event(
        **{name: fields.get(name, "") for name in _TEXTS},
        counters=tuple(counters.split("\n")) if counters else (),
        at=int(id_.partition("-")[0]) / 1000 if re.fullmatch(r"[0-9]{1,18}-[0-9]+", id_) else 0.0,
        id=id_,
    )


def _read(store: Store, selection: EventFilter) -> tuple[Event, ...]:
    if selection.since is None:
        return read(store)
    with _translated_errors(store):
        now = store.client.time()
        first = max(0, int((now[0] + now[1] / 1e6 - selection.since) * 1000))
        entries = cast("list[Entry]", store.client.xrange(store.keys.events, min=first))
    return tuple(map(_event, entries))


def _select(events: Sequence[Event], selection: EventFilter, limit: int | None) -> tuple[Event, ...]:
    selected = tuple(event for event in events if selection.matches(event))
    return selected if limit is None else selected[-limit:]
