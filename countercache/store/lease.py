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


def unheard(event: Event) -> None:
    """The log of whoever wants none."""
    del event


@dataclass
class Lease:
    """A lock that is held: what its holder needs to renew, write under and release it.

    `until` is the moment (`time.monotonic()`) at which the lease ends unless renewed, counted from before the command
    that granted it was sent: so the holder stops before anybody else can start, whatever Redis says. `deadline` is the
    lock's own end (seconds since the epoch by the server's clock), which no renewal moves. `length` is in seconds.
    `log` hears of what the run's commands put into the log.
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
    log: Callable[[Event], None] = unheard

    @property
    def key(self) -> str:
        """The lock's key in Redis."""
        return self.store.keys.lock(self.name)

    def alive(self) -> bool:
        """Whether the lease still runs by this machine's own clock."""
        return time.monotonic() < self.until

    def renew(self, progress: Progress) -> None:
        """Extends the lease and shows `progress` to everybody.

        Raises `LockLost` when the lock is no longer ours, and `RedisUnreachable`, which leaves the lease as it was.
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

    def mark(self, reason: Reason, message: str = "") -> None:
        """Records why this run will not end the counters that it has not ended, whoever holds the lock by now.

        It takes so little memory that also a server takes it whose memory is full.
        """
        keys = (self.store.keys.began, self.store.keys.events)
        counters = counters_text(self.counters)
        about = (self.id, self.fence, counters, attempt_record(reason, message), self.name, self.who)
        answer = self.store.run("mark_lost", keys, *about, self.store.keys.keep)
        self.tell(answer[1])

    def release(self, ending: Event | None = None) -> None:
        """Gives the lock back, and puts the run's end into the log. A lock that is no longer ours is left alone."""
        said = event_log.flat(ending) if ending else ()
        keys = (self.key, self.store.keys.events)
        answer = self.store.run("release", keys, self.id, self.name, self.who, *said, self.store.keys.keep)
        self.until = 0.0
        self.tell(answer[1])

    def tell(self, logged: Sequence[event_log.Entry]) -> None:
        """Hands on the events that a script has written."""
        for event in event_log.decode(logged):
            self.log(event)

    def lost(self, why: str) -> LockLost:
        """The error for a refusal, as the scripts word it; the lease has ended."""
        self.until = 0.0
        reason = Reason.CLEARED if why == "cleared" else Reason.LOCK_LOST
        return LockLost(f"the lock {self.name} {_LOST[why]}; nothing more is stored by this run", reason=reason)


_LOST = {
    "cleared": "was cleared by an operator",
    "taken": "ended, and another run has taken it since",
    "missing": "ended: it was not renewed in time, its deadline has passed, or Redis lost it",
}


def attempt_record(reason: Reason, message: str = "") -> str:
    """Why an attempt will not end, as it is kept with its fence."""
    return f"{reason}\n{message[:_LONGEST_RECORD]}" if message else reason


def lease_end(before: float, ttl: int) -> float:
    """When a lease ends that was granted for `ttl` ms: the server counts in whole ms, so it may be one less."""
    return before + (ttl - 1) / 1000


def milliseconds(duration: float) -> int:
    """Seconds as the scripts take them."""
    return int(duration * 1000)
