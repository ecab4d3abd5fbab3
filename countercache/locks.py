"""The locks of jobs: a run acquires one, an operator lists and clears them.

Locks change only within Lua scripts (`store/lua/`), by the server's clock.
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
from countercache.store.lease import Lease, attempt_record, ignore_event, lease_end, milliseconds
from countercache.store.lock_owner import this_owner, verdict
from countercache.store.lock_record import counters_text, lock_of
from countercache.store.redis_client import Store, connect, seconds

__all__ = ["Lease", "LockRequest", "acquire", "clear", "ignore_event", "list_locks", "lock_of", "this_owner"]

_SCAN_COUNT = 1000


class LockRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for the lock `name` by the run `id` (letters, digits and `-`), to compute these counters.

    It is granted for `lease` seconds at a time and `budget` seconds in all. Nothing can be written after that, so a run
    that is to record its timeout asks for a budget a little longer.
    """

    name: str
    id: str
    owner: Owner
    counters: tuple[str, ...]
    lease: float
    budget: float


def acquire(
    store: Store, request: LockRequest, log: Callable[[Event], None] = ignore_event, commands: Commands = NO_OPTIONS
) -> Lease:
    """Acquire a lock. `log` is called with each event that the scripts of its lease write to the log.

    After a lost reply it tries once more, which is safe: the same id gets the same lock. Raises `LockHeld`,
    `RedisUnreachable` and `RedisError`.
    """
    connect(store.client)
    keys, owner = store.keys, request.owner
    acquire_once = partial(
        store.run,
        "acquire",
        (keys.lock(request.name), keys.fence, keys.began, keys.events),
        request.id,
        milliseconds(request.lease),
        milliseconds(request.budget),
        request.name,
        owner.name,
        counters_text(request.counters),
        *(part for field, value in msgspec.structs.asdict(owner).items() for part in (field, value)),
        keys.keep,
    )
    before = time.monotonic()
    try:
        answer = acquire_once()
    except RedisUnreachable:
        before = time.monotonic()
        answer = acquire_once()
    if answer[0] == "held":
        raise _held(lock_of(keys, request.name, _pairs(answer[2]), answer[1]), seconds(answer[3]), commands)
    lease = Lease(
        store=store,
        name=request.name,
        id=request.id,
        who=owner.name,
        counters=request.counters,
        length=request.lease,
        fence=int(answer[1]),
        deadline=seconds(answer[3]),
        until=lease_end(before, answer[2]),
        log=log,
    )
    lease.log_events(answer[4])
    return lease


def list_locks(store: Store, keys: Collection[str] | None = None) -> LocksResult:
    """List all locks of the namespace, with the verdict on their holders. Changes nothing.

    `keys` are their keys, where they are known already.
    """
    locks, now = _read_all(store, keys)
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
    """Delete the locks `names` (names, ids or keys; empty: all) whose holder is provably gone, or with `force` any.

    Each is deleted only if it is still the one that was listed. The run that held it notices at its next renewal. In a
    `dry_run` the result says what would be done.
    """
    views = list_locks(store).locks
    aliases = {view.lock.key: {view.lock.name, view.lock.id, view.lock.key} for view in views}
    selected = [view for view in views if not names or aliases[view.lock.key] & set(names)]
    known = set().union(*(aliases[view.lock.key] for view in selected))
    return ClearResult(
        tuple(clear_listed(store, view, force=force, by=by, dry_run=dry_run, commands=commands) for view in selected),
        unknown=tuple(name for name in names if name not in known),
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
    """Delete one lock as `clear` does, if it is still the one that `view` shows."""
    lock = view.lock
    if not force and view.verdict is not Verdict.DEAD:
        hint = f"`{_force_command(lock, commands)}` clears it all the same"
        why = f"left, held by {_holder(lock, view.age)}: {view.why}; {hint}"
        return ClearedLock(lock, view.verdict, cleared=False, why=why)
    if dry_run:
        return ClearedLock(lock, view.verdict, cleared=True, why=f"would be cleared: {view.why}")
    record = f"held by {_holder(lock, view.age)}; {view.verdict}: {view.why}; cleared with: {by.command}"
    keys = (lock.key, store.keys.cleared(lock.id), store.keys.began, store.keys.events)
    dead = view.verdict is Verdict.DEAD
    attempts = attempt_record(Reason.ABANDONED, _ABANDONED) if dead else attempt_record(Reason.CLEARED)
    answer = store.run("clear", keys, lock.id, lock.name, by.name, record, attempts, store.keys.keep)
    why = {
        "cleared": f"cleared: {view.why}",
        "missing": "it ended by itself meanwhile",
        "taken": f"left: another run has taken it meanwhile; `{commands.to_type('locks list')}` shows it",
    }[answer]
    return ClearedLock(lock, view.verdict, cleared=answer != "taken", why=why)


_ABANDONED = "the run that computed it ended without a word (killed, or its host went down); its dead lock was cleared"


def _read_all(store: Store, keys: Collection[str] | None) -> tuple[list[Lock], float]:
    """Read all locks, in the order of their names, and the server's time."""
    client = store.client
    with store.translated_errors():
        found = keys if keys is not None else client.scan_iter(match=store.keys.locks, count=_SCAN_COUNT)
        ordered = sorted(set(found))
        pipe = client.pipeline(transaction=False)
        for key in ordered:
            pipe.hgetall(key)
            pipe.pttl(key)
        pipe.time()
        answers: list[Any] = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and "WRONGTYPE" not in str(answer):
                raise answer
    second, microsecond = answers.pop()
    locks = []
    for key, fields, ttl in zip(ordered, answers[::2], answers[1::2], strict=True):
        if ttl == -2:  # it has ended in the meantime
            continue
        name = key.removeprefix(store.keys.lock(""))
        locks.append(lock_of(store.keys, name, {} if isinstance(fields, Exception) else fields, ttl))
    return locks, second + microsecond / 1e6


def _view(lock: Lock, now: float) -> LockView:
    result, why = verdict(lock) if lock.id else (_unreadable(lock), "the key holds something else than our lock")
    if lock.id and lock.set_back(now) and result not in (Verdict.LIVE, Verdict.DEAD):
        result, why = Verdict.DEAD, "its lease is over: it was not renewed since the server's clock was set back"
    return LockView(
        lock, kind="own", verdict=result, why=why, age=max(0.0, now - lock.acquired) if lock.acquired else 0.0
    )


def _unreadable(lock: Lock) -> Verdict:
    return Verdict.NO_TTL if lock.ttl is None else Verdict.UNKNOWN


def _held(lock: Lock, now: float, commands: Commands) -> LockHeld:
    end = f"; it ends in {whole_seconds_text(lock.deadline - now)} at the latest" if lock.deadline else ""
    return LockHeld(
        f"the lock {lock.name} is held by {_holder(lock, now - lock.acquired)}{end}",
        lock=lock,
        hint=f"`{commands.to_type('locks list')}` shows it, `{_force_command(lock, commands)}` ends it",
    )


def _force_command(lock: Lock, commands: Commands) -> str:
    return commands.to_type(f"locks clear {shlex.quote(lock.name)} --force")


def _holder(lock: Lock, age: float) -> str:
    if not lock.id:
        return "somebody unknown"
    return f"{lock.owner.name} (pid {lock.owner.pid}) for {whole_seconds_text(age)}"


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
