"""`countercache recover`: clears dead locks and computes again what failed.

Locks whose holder is provably gone are cleared. Counters that failed or have no value are computed again, even where
the circuit breaker would wait. A lock whose holder is alive, or cannot be seen from this host, is left, and so are its
counters; a live run that blocks no recovery is not mentioned.
"""

from __future__ import annotations

import shlex

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

_BROKEN = (State.ERROR, State.PENDING)


class Request(msgspec.Struct, frozen=True):
    """The options of one `recover`; `timeout` is the limit of each job in seconds."""

    dry_run: bool = False
    timeout: float | None = None
    command: str = ""
    commands: Commands = NO_OPTIONS


def recover(store: Store, settings: Settings, request: Request, observer: agent.Observer) -> RecoverResult:
    """Clear dead locks and compute broken counters again; the result says what was found and how it ended.

    Raises `RedisError` where Redis cannot be used at all.
    """
    owner = this_owner(request.command)
    handled = [
        locks.clear_listed(store, view, force=False, by=owner, dry_run=request.dry_run, commands=request.commands)
        for view in locks.list_locks(store).locks
    ]
    broken = _broken_counters(cell_store.read(store, settings), settings, handled, request.commands)
    handled = [lock for lock in handled if lock.cleared or _blocks_recovery(lock, broken)]
    counters = tuple(counter.counter for counter in broken if not counter.left)
    warmed, notes = None, list[str]()
    if not request.dry_run and (counters or any(lock.cleared for lock in handled)):
        log = _RecoveryLog(store, owner.name)
        log.record(Level.INFO, "started", _plan_text(handled, counters), counters)
        if counters:
            warmup = agent.Request(
                counters, timeout=request.timeout, force=True, command=request.command, commands=request.commands
            )
            warmed = agent.warmup(settings, warmup, observer)
        log.record(*_outcome(handled, warmed), counters)
        notes = log.notes
    return RecoverResult(tuple(handled), broken, warmed, request.dry_run, tuple(notes))


class _RecoveryLog:
    """The events of one recovery. Where Redis fails to log one, that becomes a note, and the result is not lost."""

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


def _broken_counters(
    snapshot: cell_store.Snapshot, settings: Settings, handled: list[ClearedLock], commands: Commands
) -> tuple[Broken, ...]:
    """The counters with a cell that failed or was never computed, each with the reason where it is left.

    A lock that a dry run would clear counts as cleared.
    """
    cleared = {lock.lock.id for lock in handled if lock.cleared}
    held = {lock.name: lock for lock in snapshot.locks if lock.lives(snapshot.now) and lock.id not in cleared}
    snapshot = msgspec.structs.replace(snapshot, locks=tuple(held.values()))
    failures_of: dict[str, list[Failure | None]] = {}
    for id_ in snapshot.ids:
        view = snapshot.view(id_, "")
        if view.state in _BROKEN:
            failures_of.setdefault(id_.counter, []).append(view.failure)
    broken = []
    for counter, failures in failures_of.items():
        database = settings.database_of(counter)
        first = next((failure for failure in failures if failure), None)
        left = _held_text(database, commands) if database in held else ""
        broken.append(Broken(counter, database, len(failures), first, left))
    return tuple(broken)


def _blocks_recovery(lock: ClearedLock, broken: tuple[Broken, ...]) -> bool:
    """Whether a lock that was left needs attention: a live run does only where a broken counter waits for it."""
    return lock.verdict is not Verdict.LIVE or any(
        counter.left and counter.database == lock.lock.name for counter in broken
    )


def _held_text(database: str, commands: Commands) -> str:
    force = commands.to_type(f"locks clear {shlex.quote(database)} --force")
    return f"the lock {database} is held; run this again when it is free, or end it with: {force}"


def _plan_text(handled: list[ClearedLock], counters: tuple[str, ...]) -> str:
    parts = [f"cleared the lock {lock.lock.name}" for lock in handled if lock.cleared]
    if counters:
        parts.append(f"computing {count(len(counters), 'counter')} again")
    return "; ".join(parts)


def _outcome(handled: list[ClearedLock], warmed: WarmupResult | None) -> tuple[Level, str, str]:
    """The level, action and message of the event that ends the recovery."""
    outcomes = [outcome for job in warmed.jobs for outcome in job.counters] if warmed else []
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    parts = [f"{len(outcomes) - failed} of {count(len(outcomes), 'counter')} recovered"] if outcomes else []
    parts += [f"left the lock {lock.lock.name} ({lock.verdict})" for lock in handled if not lock.cleared]
    message = "; ".join(parts) or "all well"
    if warmed and warmed.exit_code and failed == len(outcomes):
        return Level.ERROR, "failed", message
    partial = (warmed and warmed.exit_code) or not all(lock.cleared for lock in handled)
    return (Level.WARNING if partial else Level.INFO), "finished", message
