"""The lock of a job: taken, renewed and released by its holder, listed and cleared by an operator.

A lock changes only within Lua scripts, by the server's clock. The scripts are in `store/lua/`.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import msgspec

from countercache.errors import LockHeld, RedisUnreachable
from countercache.model.durations import whole_seconds_text
from countercache.model.results import ClearedLock, ClearResult, LocksResult, LockView
from countercache.model.states import Event, Lock, Owner, Reason, Verdict
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.store.lease import Lease, attempt_record, lease_end, milliseconds, unheard
from countercache.store.lock_owner import this_owner, verdict
from countercache.store.lock_record import counters_text, lock_of
from countercache.store.redis_client import Store, reach, seconds

__all__ = ["Lease", "LockRequest", "acquire", "clear", "list_locks", "lock_of", "this_owner", "unheard"]

_SCAN_COUNT = 1000


class LockRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a lock: the run `id` (letters, digits and `-`) of this owner, to compute these counters.

    It is given for `lease` seconds at a time and `budget` seconds in all: nothing can be written after that, so what is
    to be recorded of a timeout needs a budget a little longer.
    """

    name: str
    id: str
    owner: Owner
    counters: tuple[str, ...]
    lease: float
    budget: float


def acquire(
    store: Store, wanted: LockRequest, log: Callable[[Event], None] = unheard, commands: Commands = NO_OPTIONS
) -> Lease:
    """Takes a lock. `log` hears of what the run's commands put into the log of events.

    Where the reply is lost it is asked once more, which is safe: the same id gets the same lock. Raises `LockHeld`,
    `RedisUnreachable` and `RedisError`.
    """
    reach(store.client)
    keys, owner = store.keys, wanted.owner
    request = partial(
        store.run,
        "acquire",
        (keys.lock(wanted.name), keys.fence, keys.began, keys.events),
        wanted.id,
        milliseconds(wanted.lease),
        milliseconds(wanted.budget),
        wanted.name,
        owner.name,
        counters_text(wanted.counters),
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
        raise _held(lock_of(keys, wanted.name, _pairs(answer[2]), answer[1]), seconds(answer[3]), commands)
    granted = Lease(
        store=store,
        name=wanted.name,
        id=wanted.id,
        who=owner.name,
        counters=wanted.counters,
        length=wanted.lease,
        fence=int(answer[1]),
        deadline=seconds(answer[3]),
        until=lease_end(before, answer[2]),
        log=log,
    )
    granted.tell(answer[4])
    return granted


def list_locks(store: Store, found: Collection[str] | None = None) -> LocksResult:
    """All locks of the namespace with the verdict on their holders. Changes nothing.

    `found` are their keys, where they have been searched already.
    """
    locks, now = _read_all(store, found)
    return LocksResult(tuple(_view(lock, now) for lock in locks))


def clear(
    store: Store,
    names: tuple[str, ...],
    *,
    force: bool,
    by: Owner,
    dry_run: bool = False,
    commands: Commands = NO_OPTIONS,
) -> ClearResult:
    """Deletes the locks `names` (names, ids or keys; none: all) whose holder is provably gone, or with `force` all.

    Each only if it is still the one that was listed. The run that held it notices at its next renewal. In a `dry_run`
    the result says what would be done.
    """
    views = list_locks(store).locks
    words = {view.lock.key: {view.lock.name, view.lock.id, view.lock.key} for view in views}
    wanted = [view for view in views if not names or words[view.lock.key] & set(names)]
    found = set().union(*(words[view.lock.key] for view in wanted))
    return ClearResult(
        tuple(clear_listed(store, view, force=force, by=by, dry_run=dry_run, commands=commands) for view in wanted),
        unknown=tuple(name for name in names if name not in found),
        dry_run=dry_run,
    )


def clear_listed(
    store: Store,
    view: LockView,
    *,
    force: bool,
    by: Owner,
    dry_run: bool = False,
    commands: Commands = NO_OPTIONS,
) -> ClearedLock:
    """Deletes one lock as `clear` does, if it is still the one that `view` shows."""
    lock = view.lock
    if not force and view.verdict is not Verdict.DEAD:
        insist = f"`{_insist(lock, commands)}` clears it all the same"
        why = f"left, held by {_holder(lock, view.age)}: {view.why}; {insist}"
        return ClearedLock(lock, view.verdict, cleared=False, why=why)
    if dry_run:
        return ClearedLock(lock, view.verdict, cleared=True, why=f"would be cleared: {view.why}")
    record = f"held by {_holder(lock, view.age)}; {view.verdict}: {view.why}; cleared with: {by.command}"
    touched = (lock.key, store.keys.cleared(lock.id), store.keys.began, store.keys.events)
    dead = view.verdict is Verdict.DEAD
    attempts = attempt_record(Reason.ABANDONED, _ABANDONED) if dead else attempt_record(Reason.CLEARED)
    answer = store.run("clear", touched, lock.id, lock.name, by.name, record, attempts, store.keys.keep)
    why = {
        "cleared": f"cleared: {view.why}",
        "missing": "it ended by itself meanwhile",
        "taken": f"left: another run has taken it meanwhile; `{commands.to_type('locks list')}` shows it",
    }[answer]
    return ClearedLock(lock, view.verdict, cleared=answer != "taken", why=why)


_ABANDONED = "the run that computed it ended without a word (killed, or its host went down); its dead lock was cleared"


def _read_all(store: Store, known: Collection[str] | None) -> tuple[list[Lock], float]:
    """All locks by name, and the server's time."""
    client = store.client
    with store.wrapped():
        found = known if known is not None else client.scan_iter(match=store.keys.locks, count=_SCAN_COUNT)
        names = sorted(set(found))
        pipe = client.pipeline(transaction=False)
        for key in names:
            pipe.hgetall(key)
            pipe.pttl(key)
        pipe.time()
        answers: list[Any] = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and "WRONGTYPE" not in str(answer):
                raise answer
    second, microsecond = answers.pop()
    locks = []
    for key, fields, ttl in zip(names, answers[::2], answers[1::2], strict=True):
        if ttl == -2:  # it has ended since it was found
            continue
        name = key.removeprefix(store.keys.lock(""))
        locks.append(lock_of(store.keys, name, {} if isinstance(fields, Exception) else fields, ttl))
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


def _held(lock: Lock, now: float, commands: Commands) -> LockHeld:
    end = f"; it ends in {whole_seconds_text(lock.deadline - now)} at the latest" if lock.deadline else ""
    return LockHeld(
        f"the lock {lock.name} is held by {_holder(lock, now - lock.acquired)}{end}",
        lock=lock,
        hint=f"`{commands.to_type('locks list')}` shows it, `{_insist(lock, commands)}` ends it",
    )


def _insist(lock: Lock, commands: Commands) -> str:
    return commands.to_type(f"locks clear {shlex.quote(lock.name)} --force")


def _holder(lock: Lock, age: float) -> str:
    if not lock.id:
        return "somebody unknown"
    return f"{lock.owner.name} (pid {lock.owner.pid}) for {whole_seconds_text(age)}"


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
