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
import redis

from countercache.errors import LockHeld, RedisUnreachable
from countercache.model.durations import whole_seconds_text
from countercache.model.results import ClearedLock, ClearResult, LocksResult, LockView
from countercache.model.states import Event, Lock, Owner, Reason, Verdict
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.store import redis_client
from countercache.store.lease import Lease, attempt_record, lease_end, milliseconds, unheard
from countercache.store.lock_owner import this_owner, verdict
from countercache.store.lock_record import counters_text, lock_of
from countercache.store.redis_client import Keys, reach, seconds, wrapped

__all__ = ["Lease", "acquire", "clear", "list_locks", "lock_of", "this_owner", "unheard"]

_SCAN_COUNT = 1000


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
    commands: Commands = NO_OPTIONS,
) -> Lease:
    """Takes the lock `name` over `counters` for the run `id` (letters, digits and `-`).

    It is given for `lease` seconds at a time and `budget` seconds in all: nothing can be written after that, so what is
    to be recorded of a timeout needs a budget a little longer. Where the reply is lost it is asked once more, which is
    safe: the same id gets the same lock. Raises `LockHeld`, `RedisUnreachable` and `RedisError`.
    """
    reach(client)
    request = partial(
        redis_client.run,
        client,
        "acquire",
        (keys.lock(name), keys.fence, keys.began, keys.events),
        id,
        milliseconds(lease),
        milliseconds(budget),
        name,
        owner.name,
        counters_text(counters),
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
        raise _held(lock_of(keys, name, _pairs(answer[2]), answer[1]), seconds(answer[3]), commands)
    granted = Lease(
        client=client,
        keys=keys,
        name=name,
        id=id,
        who=owner.name,
        counters=counters,
        length=lease,
        fence=int(answer[1]),
        deadline=seconds(answer[3]),
        until=lease_end(before, answer[2]),
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
    client: redis.Redis,
    keys: Keys,
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
    views = list_locks(client, keys).locks
    words = {view.lock.key: {view.lock.name, view.lock.id, view.lock.key} for view in views}
    wanted = [view for view in views if not names or words[view.lock.key] & set(names)]
    found = set().union(*(words[view.lock.key] for view in wanted))
    return ClearResult(
        tuple(
            clear_listed(client, keys, view, force=force, by=by, dry_run=dry_run, commands=commands) for view in wanted
        ),
        unknown=tuple(name for name in names if name not in found),
        dry_run=dry_run,
    )


def clear_listed(
    client: redis.Redis,
    keys: Keys,
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
    touched = (lock.key, keys.cleared(lock.id), keys.began, keys.events)
    dead = view.verdict is Verdict.DEAD
    attempts = attempt_record(Reason.ABANDONED, _ABANDONED) if dead else attempt_record(Reason.CLEARED)
    answer = redis_client.run(client, "clear", touched, lock.id, lock.name, by.name, record, attempts, keys.keep)
    why = {
        "cleared": f"cleared: {view.why}",
        "missing": "it ended by itself meanwhile",
        "taken": f"left: another run has taken it meanwhile; `{commands.to_type('locks list')}` shows it",
    }[answer]
    return ClearedLock(lock, view.verdict, cleared=answer != "taken", why=why)


_ABANDONED = "the run that computed it ended without a word (killed, or its host went down); its dead lock was cleared"


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
