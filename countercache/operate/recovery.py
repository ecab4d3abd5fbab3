"""`countercache recover`: does what the diagnosis calls for, so that an operator need not know it.

Locks whose holder is provably gone are cleared; what has no value or failed, and no live run covers, is computed again,
also where the circuit breaker would wait. A lock whose holder is alive, or cannot be seen from here, is left, and so is
what it covers. A live run that keeps nothing from being put right is not even mentioned: it is well.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from countercache import agent, locks
from countercache.errors import RedisError
from countercache.model.results import Broken, ClearedLock, RecoverResult, WarmupResult
from countercache.model.states import Category, Event, Failure, Level, State, Verdict
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.model.wording import count
from countercache.settings import Settings
from countercache.store import cell_store, event_log
from countercache.store.lock_owner import this_owner
from countercache.store.redis_client import Store

if TYPE_CHECKING:
    pass

_BROKEN = (State.ERROR, State.PENDING)


class Request(msgspec.Struct, frozen=True):
    """What one `recover` was asked: whether only to say what it would do, and the limit of each job in seconds."""

    dry_run: bool = False
    timeout: float | None = None
    command: str = ""
    commands: Commands = NO_OPTIONS


def recover(store: Store, settings: Settings, request: Request, observer: agent.Observer) -> RecoverResult:
    """Clear dead locks and compute again what is broken; the result says what was found and what became of it.

    Raises `RedisError` where Redis lets nothing begin.
    """
    who = this_owner(request.command)
    seen = [
        locks.clear_listed(store, view, force=False, by=who, dry_run=request.dry_run, commands=request.commands)
        for view in locks.list_locks(store).locks
    ]
    broken = _broken(cell_store.read(store, settings), settings, seen, request.commands)
    seen = [each for each in seen if each.cleared or _matters(each, broken)]
    again = tuple(each.counter for each in broken if not each.left)
    warmed, notes = None, list[str]()
    if not request.dry_run and (again or any(lock.cleared for lock in seen)):
        said = _Said(store, who.name)
        said.record(Level.INFO, "started", _found(seen, again), again)
        if again:
            wanted = agent.Request(
                again, timeout=request.timeout, force=True, command=request.command, commands=request.commands
            )
            warmed = agent.warmup(settings, wanted, observer)
        said.record(*_became(seen, warmed), again)
        notes = said.notes
    return RecoverResult(tuple(seen), broken, warmed, request.dry_run, tuple(notes))


class _Said:
    """The events of one recovery. That Redis does not take one any more is noted, and no reason to lose the result."""

    def __init__(self, store: Store, by: str) -> None:
        self.notes: list[str] = []
        self._store = store
        self._by = by

    def record(self, level: Level, action: str, message: str, counters: tuple[str, ...]) -> None:
        try:
            event = Event(level, Category.RECOVERY, action, message, counters, by=self._by)
            event_log.record(self._store, event)
        except RedisError as error:
            self.notes.append(f"this recovery is not in the log of events: {error}")


def _broken(
    seen: cell_store.Snapshot, settings: Settings, listed: list[ClearedLock], commands: Commands
) -> tuple[Broken, ...]:
    """The counters with a cell that failed or was never computed, each with why it is left, if it is.

    A lock that a dry run would clear is gone here too.
    """
    cleared = {each.lock.id for each in listed if each.cleared}
    standing = {lock.name: lock for lock in seen.locks if lock.lives(seen.now) and lock.id not in cleared}
    seen = msgspec.structs.replace(seen, locks=tuple(standing.values()))
    found: dict[str, list[Failure | None]] = {}
    for id_ in seen.ids:
        view = seen.view(id_, "")
        if view.state in _BROKEN:
            found.setdefault(id_.counter, []).append(view.failure)
    broken = []
    for counter, failures in found.items():
        database = settings.database_of(counter)
        first = next((failure for failure in failures if failure), None)
        left = _left(database, commands) if database in standing else ""
        broken.append(Broken(counter, database, len(failures), first, left))
    return tuple(broken)


def _matters(left: ClearedLock, broken: tuple[Broken, ...]) -> bool:
    """Whether a lock that was left keeps anything from being well: a live run that nothing waits for does not."""
    return left.verdict is not Verdict.LIVE or any(each.left and each.database == left.lock.name for each in broken)


def _left(database: str, commands: Commands) -> str:
    insist = commands.to_type(f"locks clear {shlex.quote(database)} --force")
    return f"the lock {database} is held; run this again when it is free, or end it with: {insist}"


def _found(seen: list[ClearedLock], again: tuple[str, ...]) -> str:
    cleared = [each.lock.name for each in seen if each.cleared]
    parts = [f"cleared the lock {name}" for name in cleared]
    if again:
        parts.append(f"computing {count(len(again), 'counter')} again")
    return "; ".join(parts)


def _became(seen: list[ClearedLock], warmed: WarmupResult | None) -> tuple[Level, str, str]:
    """How grave, what, and in words what became of it."""
    outcomes = [outcome for job in warmed.jobs for outcome in job.counters] if warmed else []
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    parts = [f"{len(outcomes) - failed} of {count(len(outcomes), 'counter')} recovered"] if outcomes else []
    parts += [f"left the lock {each.lock.name} ({each.verdict})" for each in seen if not each.cleared]
    message = "; ".join(parts) or "all well"
    if warmed and warmed.exit_code and failed == len(outcomes):
        return Level.ERROR, "failed", message
    partial = (warmed and warmed.exit_code) or not all(each.cleared for each in seen)
    return (Level.WARNING if partial else Level.INFO), "finished", message
