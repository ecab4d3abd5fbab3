"""The log of what runs and operators did: a stream of bounded length, written by the scripts and by `record`."""

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
"""Seconds that one step of `follow` waits in Redis: less than the client's patience, so that a server that is away is
noticed.
"""

FOLLOWED = 10
"""How many of the newest events `follow` begins with, where nothing else was asked."""

_LEVELS = tuple(Level)
_LONGEST_MESSAGE = 2000
_TEXTS = ("level", "category", "action", "message", "lock", "run", "by")

Entry = tuple[str, Sequence[str] | dict[str, str]]


class Wanted(msgspec.Struct, frozen=True):
    """Which events: at that level or above, of one of the categories (none: all), about a counter, of a run (its id or
    how that begins), of the last `since` seconds, the newest `limit` of those.
    """

    level: Level = Level.DEBUG
    categories: tuple[str, ...] = ()
    counter: str = ""
    run: str = ""
    since: float | None = None
    limit: int | None = None

    def takes(self, event: Event) -> bool:
        """Whether the event is one of those, whenever it was. A level that nobody knows is above all."""
        grave = event.level not in _LEVELS or _LEVELS.index(Level(event.level)) >= _LEVELS.index(self.level)
        return (
            grave
            and (not self.categories or event.category in self.categories)
            and (not self.counter or self.counter in event.counters)
            and event.run.startswith(self.run)
        )


def find(store: Store, wanted: Wanted) -> EventsResult:
    """The events that are wanted, oldest first."""
    return EventsResult(_chosen(_read(store, wanted), wanted, wanted.limit))


def follow(store: Store, wanted: Wanted) -> Iterator[Event]:
    """The events that are wanted, and for ever those that come. Raises `RedisUnreachable` when the server goes away.

    Without a `since` or a `limit` it begins with the newest few.
    """
    seen = _read(store, wanted)
    yield from _chosen(seen, wanted, wanted.limit or (FOLLOWED if wanted.since is None else None))
    last = seen[-1].id if seen else "0-0"
    while True:
        with _log_of(store):
            answer: Any = store.client.xread({store.keys.events: last}, block=int(BLOCK * 1000), count=1000)
        for event in map(_event, answer[0][1] if answer else ()):
            last = event.id
            if wanted.takes(event):
                yield event


def read(store: Store, count: int | None = None) -> tuple[Event, ...]:
    """The last `count` events (none given: all), oldest first."""
    with _log_of(store):
        entries = cast("list[Entry]", store.client.xrevrange(store.keys.events, count=count))
    return tuple(map(_event, reversed(entries)))


def record(store: Store, event: Event) -> None:
    """Puts one event into the log; its `at` and `id` are the server's affair."""
    given = flat(event)
    with _log_of(store):
        pairs: Any = dict(zip(given[::2], given[1::2], strict=True))
        store.client.xadd(store.keys.events, pairs, maxlen=store.keys.keep, approximate=True)


@contextmanager
def _log_of(store: Store) -> Iterator[None]:
    """What Redis refuses within, as ours; where the log's key holds something else, with the key and the cure."""
    try:
        with store.wrapped():
            yield
    except RedisError as error:
        if "WRONGTYPE" not in error.message:
            raise
        raise RedisError(f"the event log cannot be used: {not_a_log(store)}", hint=cure(store)) from error


def not_a_log(store: Store) -> str:
    """What is wrong where the key holds something else."""
    return f"another program has written to its key, {store.keys.events}"


def cure(store: Store) -> str:
    """The command that makes room for the log."""
    return f"delete the key: {redis_cli(store.client)} DEL {shlex.quote(store.keys.events)}"


def flat(event: Event) -> tuple[str, ...]:
    """Names and values as they are stored, `level`, `category` and `action` first."""
    fields = {name: getattr(event, name) for name in _TEXTS} | {"counter": "\n".join(event.counters)}
    fields["message"] = short(event.message)
    return tuple(part for name, text in fields.items() if text for part in (name, text))


def short(message: str) -> str:
    """A message of bounded length."""
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"


def decode(entries: Sequence[Entry]) -> tuple[Event, ...]:
    """The events that a script has written, as it returned them. One that the log did not take happened now."""
    read = map(_event, entries)
    return tuple(event if event.id else msgspec.structs.replace(event, at=time.time()) for event in read)


def _event(entry: Entry) -> Event:
    """An event from the stream. What is missing or odd (anybody can write there) becomes empty or 0."""
    id_, given = entry
    fields = given if isinstance(given, dict) else dict(zip(given[::2], given[1::2], strict=False))
    counters = fields.get("counter", "")
    return Event(
        **{name: fields.get(name, "") for name in _TEXTS},
        counters=tuple(counters.split("\n")) if counters else (),
        at=int(id_.partition("-")[0]) / 1000 if re.fullmatch(r"[0-9]{1,18}-[0-9]+", id_) else 0.0,
        id=id_,
    )


def _read(store: Store, wanted: Wanted) -> tuple[Event, ...]:
    if wanted.since is None:
        return read(store)
    with _log_of(store):
        now = store.client.time()
        first = max(0, int((now[0] + now[1] / 1e6 - wanted.since) * 1000))
        entries = cast("list[Entry]", store.client.xrange(store.keys.events, min=first))
    return tuple(map(_event, entries))


def _chosen(events: Sequence[Event], wanted: Wanted, limit: int | None) -> tuple[Event, ...]:
    chosen = tuple(event for event in events if wanted.takes(event))
    return chosen if limit is None else chosen[-limit:]
