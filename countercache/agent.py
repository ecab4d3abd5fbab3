"""The totals agent: which counters, on which databases, under which lease; and what became of them.

One job a database. For each the guard has a worker that computes (`worker`), and the agent holds the lease, stores what
comes as it comes, and records how the rest ended. Redis is spoken to from here only, databases from the worker only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from countercache.errors import ConfigError, LockHeld, RedisError
from countercache.model.circuit_breaker import skipped_events
from countercache.model.results import JobOutcome, Skip, WarmupResult
from countercache.model.states import Event, Progress, State, configured_cells
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.model.suggestions import check_counters
from countercache.run import worker_process
from countercache.run.outcome import job_exit_code, run_exit_code, skipped_outcomes
from countercache.run.supervisor import Guard
from countercache.settings import Settings

if TYPE_CHECKING:
    from countercache.run.job import Job
    from countercache.store.cell_store import Snapshot

_DUE = (State.STALE, State.ERROR, State.PENDING)


class Request(msgspec.Struct, frozen=True):
    """What one `warmup` was asked: counters (none: all), limits in seconds (`None`: as configured), whether to try what
    the circuit breaker puts off, whether to store values that would be held back, what to do when a lock is held.
    `command` is what was typed, `commands` how the next ones are.
    """

    counters: tuple[str, ...] = ()
    timeout: float | None = None
    batch_size: int | Literal["auto"] | None = None
    due: bool = False
    force: bool = False
    wait: float = 0.0
    accept: bool = False
    ok_if_locked: bool = False
    command: str = ""
    commands: Commands = NO_OPTIONS


class Observer(Protocol):
    """Who shows a run while it runs."""

    def progress(self, database: str, progress: Progress, elapsed: float, remaining: float) -> None:
        """Called for each job about five times a second."""
        ...

    def waiting(self, database: str, held: LockHeld) -> None:
        """Another run holds the lock, and is waited for."""
        ...

    def event(self, event: Event) -> None:
        """Something happened that belongs into a log."""
        ...


def by_database(settings: Settings, names: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """The counters to compute (none named: all), by their database. Raises `UsageError` for an unknown name."""
    check_counters(settings, names)
    if not settings.counters:
        raise ConfigError("no counters are configured", hint="add a [counters.NAME] table, or try: countercache demo")
    jobs: dict[str, tuple[str, ...]] = {}
    for name in settings.counters:
        if not names or name in names:
            database = settings.database_of(name)
            jobs[database] = (*jobs.get(database, ()), name)
    return jobs


def warmup(settings: Settings, request: Request, observer: Observer, program: int | None = None) -> WarmupResult:
    """Compute the counters and store them; what goes wrong with a job or a counter is in the result.

    `program` is a pipe from the program that wants the run; its end ends it as SIGTERM does. Raises `UsageError` for a
    counter that does not exist and `RedisError` where Redis lets nothing begin.
    """
    wanted = by_database(settings, request.counters)
    targets = {database: partial(worker_process.work, settings, database) for database in wanted}
    with Guard(targets, program) as guard:
        # Imported here, so that the workers load SQLAlchemy while this process loads redis-py: half of the start.
        from countercache import locks  # noqa: PLC0415
        from countercache.run.job import Base, Job, Task  # noqa: PLC0415
        from countercache.store import cell_store  # noqa: PLC0415
        from countercache.store.publishing import Claims  # noqa: PLC0415
        from countercache.store.redis_client import open_store  # noqa: PLC0415

        store = open_store(settings)
        seen = cell_store.read(store, settings, chain(*wanted.values()))
        wanted, skips = _to_try(request, wanted, seen)
        base = Base(
            store,
            locks.this_owner(request.command),
            seen.known,
            seen.labels(),
            Claims(settings.publish, configured_cells(settings, seen.known)),
            observer.event,
            request.commands,
        )
        timeout, size = request.timeout or settings.agent.timeout, request.batch_size or settings.agent.batch_size
        jobs = {
            database: Job(
                settings,
                base,
                Task(database, tried, timeout, request.wait, size, request.accept),
                guard.workers[database],
            )
            for database, names in wanted.items()
            if (tried := tuple(name for name in names if name not in skips))
        }
        for database in guard.workers.keys() - jobs.keys():
            guard.workers[database].stop()  # before it has connected to anything
        for event in skipped_events(skips):
            observer.event(event)
        guard.watch(jobs, lambda: _show(observer, jobs.values()))
    notes: tuple[str, ...] = ()
    shown = tuple(chain(*wanted.values()))
    try:
        base.cooldown.check()
        views = cell_store.status(store, settings, shown).cells if shown else ()
    except RedisError as error:
        # How the jobs ended is known all the same.
        views, notes = (), (str(error),)
    outcomes = []
    for database, names in wanted.items():
        skipped = skipped_outcomes({name: skips[name] for name in names if name in skips}, views)
        if database in jobs:
            outcomes.append(jobs[database].outcome(views, skipped, ok_if_locked=request.ok_if_locked))
        elif skipped:
            outcomes.append(JobOutcome(database, "", skipped, 0.0, exit_code=job_exit_code(skipped, None)))
    return WarmupResult(tuple(outcomes), run_exit_code(outcomes, guard.signal), notes)


def _to_try(
    request: Request, wanted: Mapping[str, tuple[str, ...]], seen: Snapshot
) -> tuple[dict[str, tuple[str, ...]], dict[str, Skip]]:
    """The counters of each database that the request is about, and those of them that the circuit breaker puts off."""
    skips = {} if request.force else dict(seen.put_off)
    if not request.due:
        return dict(wanted), skips
    due = {id_.counter for id_ in seen.ids if seen.view(id_, "").state in _DUE}
    wanted = {database: tuple(name for name in names if name in due) for database, names in wanted.items()}
    return wanted, {name: skip for name, skip in skips.items() if name in due}


def _show(observer: Observer, jobs: Iterable[Job]) -> None:
    for job in jobs:
        if job.held:
            observer.waiting(job.task.database, job.held)
        elif job.lease:
            now = time.monotonic()
            observer.progress(job.task.database, job.progress, now - job.began, job.deadline - now)
