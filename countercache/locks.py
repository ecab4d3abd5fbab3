"""The lock of a job: taken, renewed and released by its holder, listed and cleared by an operator.

A lock changes only within Lua scripts, by the server's clock. The scripts are in `scripts/`.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import redis

from countercache import connection, events
from countercache.commands import to_type
from countercache.connection import Keys, integer, reach, seconds, wrapped
from countercache.durations import duration_text
from countercache.errors import LockHeld, LockLost, RedisUnreachable
from countercache.owner import this_owner, verdict
from countercache.results import ClearedLock, ClearResult, LocksResult, LockView
from countercache.states import Event, Lock, Owner, Progress, Reason, Verdict

__all__ = ["Lease", "acquire", "clear", "list_locks", "lock_of", "this_owner"]

_SCAN_COUNT = 1000
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

    client: redis.Redis
    keys: Keys
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
        return self.keys.lock(self.name)

    def alive(self) -> bool:
        """Whether the lease still runs by this machine's own clock."""
        return time.monotonic() < self.until

    def renew(self, progress: Progress) -> None:
        """Extends the lease and shows `progress` to everybody.

        Raises `LockLost` when the lock is no longer ours, and `RedisUnreachable`, which leaves the lease as it was.
        """
        before = time.monotonic()
        answer = connection.run(
            self.client,
            "renew",
            (self.key, self.keys.cleared(self.id)),
            self.id,
            _milliseconds(self.length),
            progress.phase,
            progress.done,
            "" if progress.total is None else progress.total,
        )
        if answer[0] != "granted":
            raise self.lost(answer[0])
        self.until = _until(before, answer[1])

    def mark(self, reason: Reason, message: str = "") -> None:
        """Records why this run will not end the counters that it has not ended, whoever holds the lock by now.

        It takes so little memory that also a server takes it whose memory is full.
        """
        keys = (self.keys.began, self.keys.events)
        counters = _names(self.counters)
        about = (self.id, self.fence, counters, _record(reason, message), self.name, self.who)
        answer = connection.run(self.client, "mark", keys, *about, self.keys.keep)
        self.tell(answer[1])

    def release(self, ending: Event | None = None) -> None:
        """Gives the lock back, and puts the run's end into the log. A lock that is no longer ours is left alone."""
        said = events.flat(ending) if ending else ()
        keys = (self.key, self.keys.events)
        answer = connection.run(self.client, "release", keys, self.id, self.name, self.who, *said, self.keys.keep)
        self.until = 0.0
        self.tell(answer[1])

    def tell(self, logged: Sequence[events.Entry]) -> None:
        """Hands on the events that a script has written."""
        for event in events.decode(logged):
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


def acquire(
    client: redis.Redis,
    keys: Keys,
    name: str,
    *,
    id: str,  # noqa: A002 - the word for it
    owner: Owner,
    counters: tuple[str, ...],
    lease: float,
    budget: float,
    log: Callable[[Event], None] = unheard,
) -> Lease:
    """Takes the lock `name` over `counters` for the run `id` (letters, digits and `-`).

    It is given for `lease` seconds at a time and `budget` seconds in all: nothing can be written after that, so what is
    to be recorded of a timeout needs a budget a little longer. Where the reply is lost it is asked once more, which is
    safe: the same id gets the same lock. Raises `LockHeld`, `RedisUnreachable` and `RedisError`.
    """
    reach(client)
    request = partial(
        connection.run,
        client,
        "acquire",
        (keys.lock(name), keys.fence, keys.began, keys.events),
        id,
        _milliseconds(lease),
        _milliseconds(budget),
        name,
        who(owner),
        _names(counters),
        *(part for field, value in msgspec.structs.asdict(owner).items() for part in (field, value)),
        keys.keep,
    )
    before = time.monotonic()
    try:
        answer = request()
    except RedisUnreachable:
        before = time.monotonic()
        answer = request()
    if answer[0] == "held":
        raise _held(lock_of(keys, name, _pairs(answer[2]), answer[1]), seconds(answer[3]))
    granted = Lease(
        client=client,
        keys=keys,
        name=name,
        id=id,
        who=who(owner),
        counters=counters,
        length=lease,
        fence=int(answer[1]),
        deadline=seconds(answer[3]),
        until=_until(before, answer[2]),
        log=log,
    )
    granted.tell(answer[4])
    return granted


def list_locks(client: redis.Redis, keys: Keys, found: Collection[str] | None = None) -> LocksResult:
    """All locks of the namespace with the verdict on their holders. Changes nothing.

    `found` are their keys, where they have been searched already.
    """
    locks, now = _read_all(client, keys, found)
    return LocksResult(tuple(_view(lock, now) for lock in locks))


def clear(
    client: redis.Redis, keys: Keys, names: tuple[str, ...], *, force: bool, by: Owner, dry_run: bool = False
) -> ClearResult:
    """Deletes the locks `names` (names, ids or keys; none: all) whose holder is provably gone, or with `force` all.

    Each only if it is still the one that was listed. The run that held it notices at its next renewal. In a `dry_run`
    the result says what would be done.
    """
    views = list_locks(client, keys).locks
    words = {view.lock.key: {view.lock.name, view.lock.id, view.lock.key} for view in views}
    wanted = [view for view in views if not names or words[view.lock.key] & set(names)]
    found = set().union(*(words[view.lock.key] for view in wanted))
    return ClearResult(
        tuple(clear_listed(client, keys, view, force=force, by=by, dry_run=dry_run) for view in wanted),
        unknown=tuple(name for name in names if name not in found),
        dry_run=dry_run,
    )


def clear_listed(
    client: redis.Redis, keys: Keys, view: LockView, *, force: bool, by: Owner, dry_run: bool = False
) -> ClearedLock:
    """Deletes one lock as `clear` does, if it is still the one that `view` shows."""
    lock = view.lock
    if not force and view.verdict is not Verdict.DEAD:
        insist = f"`{_insist(lock)}` clears it all the same"
        why = f"left, held by {_holder(lock, view.age)}: {view.why}; {insist}"
        return ClearedLock(lock, view.verdict, cleared=False, why=why)
    if dry_run:
        return ClearedLock(lock, view.verdict, cleared=True, why=f"would be cleared: {view.why}")
    record = f"held by {_holder(lock, view.age)}; {view.verdict}: {view.why}; cleared with: {by.command}"
    touched = (lock.key, keys.cleared(lock.id), keys.began, keys.events)
    dead = view.verdict is Verdict.DEAD
    attempts = _record(Reason.ABANDONED, _ABANDONED) if dead else _record(Reason.CLEARED)
    answer = connection.run(client, "clear", touched, lock.id, lock.name, who(by), record, attempts, keys.keep)
    why = {
        "cleared": f"cleared: {view.why}",
        "missing": "it ended by itself meanwhile",
        "taken": f"left: another run has taken it meanwhile; `{to_type('locks list')}` shows it",
    }[answer]
    return ClearedLock(lock, view.verdict, cleared=answer != "taken", why=why)


_ABANDONED = "the run that computed it ended without a word (killed, or its host went down); its dead lock was cleared"


def _record(reason: Reason, message: str = "") -> str:
    """Why an attempt will not end, as it is kept with its fence."""
    return f"{reason}\n{message[:_LONGEST_RECORD]}" if message else reason


def who(owner: Owner) -> str:
    """An owner in one word, as events name them."""
    return f"{owner.user}@{owner.host}"


def lock_of(keys: Keys, name: str, fields: Mapping[str, str], ttl: int) -> Lock:
    """A lock from its hash and PTTL. What is missing or odd (nobody but us should write there) becomes empty or 0, and
    what is longer than we write it is cut.
    """
    id_, total = fields.get("id", ""), fields.get("total")
    return Lock(
        name=name,
        key=keys.lock(name),
        id=id_ if re.fullmatch("[A-Za-z0-9-]+", id_) else "",
        fence=integer(fields.get("fence")),
        owner=Owner(
            **{part: events.short(fields.get(part, "")) for part in Owner.__struct_fields__ if part != "pid"},
            pid=integer(fields.get("pid")),
        ),
        counters=_counters(fields.get("counters", "[]")),
        acquired=seconds(fields.get("acquired")),
        deadline=seconds(fields.get("deadline")),
        ttl=ttl / 1000 if ttl >= 0 else None,
        progress=Progress(
            events.short(fields.get("phase", "")), integer(fields.get("done")), integer(total) if total else None
        ),
        lease=integer(fields.get("lease")) / 1000 or None,
    )


def _read_all(client: redis.Redis, keys: Keys, known: Collection[str] | None) -> tuple[list[Lock], float]:
    """All locks by name, and the server's time."""
    with wrapped(client):
        found = sorted(set(client.scan_iter(match=keys.locks, count=_SCAN_COUNT) if known is None else known))
        pipe = client.pipeline(transaction=False)
        for key in found:
            pipe.hgetall(key)
            pipe.pttl(key)
        pipe.time()
        answers: list[Any] = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and "WRONGTYPE" not in str(answer):
                raise answer
    second, microsecond = answers.pop()
    locks = []
    for key, fields, ttl in zip(found, answers[::2], answers[1::2], strict=True):
        if ttl == -2:  # it has ended since it was found
            continue
        name = key.removeprefix(keys.lock(""))
        locks.append(lock_of(keys, name, {} if isinstance(fields, Exception) else fields, ttl))
    return locks, second + microsecond / 1e6


def _view(lock: Lock, now: float) -> LockView:
    found, why = verdict(lock) if lock.id else (_unreadable(lock), "the key holds something that is no lock of ours")
    if lock.id and lock.set_back(now) and found not in (Verdict.LIVE, Verdict.DEAD):
        found, why = Verdict.DEAD, "its lease is over: it was not renewed since the server's clock was set back"
    return LockView(
        lock, kind="own", verdict=found, why=why, age=max(0.0, now - lock.acquired) if lock.acquired else 0.0
    )


def _unreadable(lock: Lock) -> Verdict:
    return Verdict.NO_TTL if lock.ttl is None else Verdict.UNKNOWN


def _held(lock: Lock, now: float) -> LockHeld:
    end = f"; it ends in {_span(lock.deadline - now)} at the latest" if lock.deadline else ""
    return LockHeld(
        f"the lock {lock.name} is held by {_holder(lock, now - lock.acquired)}{end}",
        lock=lock,
        hint=f"`{to_type('locks list')}` shows it, `{_insist(lock)}` ends it",
    )


def _insist(lock: Lock) -> str:
    return to_type(f"locks clear {shlex.quote(lock.name)} --force")


def _holder(lock: Lock, age: float) -> str:
    if not lock.id:
        return "somebody unknown"
    return f"{who(lock.owner)} (pid {lock.owner.pid}) since {_span(age)}"


def _span(duration: float) -> str:
    return duration_text(max(0, round(duration)))


def _names(counters: tuple[str, ...]) -> str:
    """Counters as the scripts take them."""
    return msgspec.json.encode(counters).decode()


def _counters(text: str) -> tuple[str, ...]:
    try:
        return tuple(map(events.short, msgspec.json.decode(text, type=tuple[str, ...])))
    except msgspec.MsgspecError:
        return ()


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _until(before: float, ttl: int) -> float:
    """When a lease ends that was granted for `ttl` ms: the server counts in whole ms, so it may be one less."""
    return before + (ttl - 1) / 1000


def _milliseconds(duration: float) -> int:
    return int(duration * 1000)
