"""A lock that is held: renewed, written under and released by its holder.

A lock changes only within Lua scripts (`lua/`), by the server's clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countercache.errors import LockLost
from countercache.model.states import Event, Progress, Reason
from countercache.store import event_log
from countercache.store.lock_record import counters_text
from countercache.store.redis_client import Store

_LONGEST_RECORD = 300


def ignore_event(event: Event) -> None:
    """A callback for events that does nothing."""
    del event


@dataclass
class Lease:
    """A lock that is held, with what its holder needs to renew it, write under it and release it.

    `until` is the moment (`time.monotonic()`) at which the lease ends unless renewed. It counts from before the command
    that granted it was sent, so that the holder stops before anybody else can start. `deadline` is the lock's own end
    (seconds since the epoch by the server's clock), which no renewal moves. `length` is in seconds.
    `log` is called with each event that the scripts of this lease have written to the log.
    """

    store: Store
    name: str
    id: str
    who: str
    counters: tuple[str, ...]
    length: float
    fence: int
    deadline: float
    until: float
    log: Callable[[Event], None] = ignore_event

    @property
    def key(self) -> str:
        """The lock's key in Redis."""
        return self.store.keys.lock(self.name)

    def alive(self) -> bool:
        """Whether the lease has not ended, by this host's own clock."""
        return time.monotonic() < self.until

    def renew(self, progress: Progress) -> None:
        """Extend the lease and store `progress` with the lock, for `status` to show.

        Raises `LockLost` where this run no longer has the lock. `RedisUnreachable` leaves the lease as it was.
        """
        before = time.monotonic()
        answer = self.store.run(
            "renew",
            (self.key, self.store.keys.cleared(self.id)),
            self.id,
            milliseconds(self.length),
            progress.phase,
            progress.done,
            "" if progress.total is None else progress.total,
        )
        if answer[0] != "granted":
            raise self.lost(answer[0])
        self.until = lease_end(before, answer[1])

    def record_failure(self, reason: Reason, message: str = "") -> None:
        """Record why this run's open attempts will not end, whoever holds the lock by now.

        It works even on a server whose memory is full.
        """
        keys = (self.store.keys.began, self.store.keys.events)
        counters = counters_text(self.counters)
        args = (self.id, self.fence, counters, attempt_record(reason, message), self.name, self.who)
        answer = self.store.run("mark_lost", keys, *args, self.store.keys.keep)
        self.log_events(answer[1])

    def release(self, ending: Event | None = None) -> None:
        """Release the lock and log the run's end. A lock that this run no longer has is left alone."""
        fields = event_log.flatten(ending) if ending else ()
        keys = (self.key, self.store.keys.events)
        answer = self.store.run("release", keys, self.id, self.name, self.who, *fields, self.store.keys.keep)
        self.until = 0.0
        self.log_events(answer[1])

    def log_events(self, entries: Sequence[event_log.Entry]) -> None:
        """Call `log` with the events that a script has written."""
        for event in event_log.decode(entries):
            self.log(event)

    def lost(self, refusal: str) -> LockLost:
        """End the lease and return the error for a script's refusal: `cleared`, `taken` or `missing`."""
        self.until = 0.0
        reason = Reason.CLEARED if refusal == "cleared" else Reason.LOCK_LOST
        return LockLost(f"the lock {self.name} {_LOST[refusal]}; nothing more is stored by this run", reason=reason)


_LOST = {
    "cleared": "was cleared by an operator",
    "taken": "ended, and another run has taken it since",
    "missing": "ended: it was not renewed in time, its deadline has passed, or Redis lost it",
}


def attempt_record(reason: Reason, message: str = "") -> str:
    """Why an attempt will not end, as it is stored after its fence."""
    return f"{reason}\n{message[:_LONGEST_RECORD]}" if message else reason


def lease_end(before: float, ttl: int) -> float:
    """When a lease ends that was granted for `ttl` ms, less 1 ms: the server counts in whole ones."""
    return before + (ttl - 1) / 1000


def milliseconds(duration: float) -> int:
    """Seconds in the unit of the scripts."""
    return int(duration * 1000)
