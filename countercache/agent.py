"""The totals agent: runs a job for each database and collects the outcomes.

For each job the guard has a worker that computes (`worker`), while the agent holds the lease, stores results as they
come and records how the rest ended. Only the guard process connects to Redis, and only the workers to databases.
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
    """The options of one `warmup`, as in docs/cli.md: no `counters` are all counters, times are in seconds.

    `None` is what is configured. `command` is the command line, `commands` writes the commands that messages suggest.
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
    """Receives the progress and events of a run."""

    def progress(self, database: str, progress: Progress, elapsed: float, remaining: float) -> None:
        """Called for each job about five times a second."""
        ...

    def waiting(self, database: str, held: LockHeld) -> None:
        """Called while another run holds the lock and this one waits for it."""
        ...

    def event(self, event: Event) -> None:
        """Called with each event of the run."""
        ...


def by_database(settings: Settings, names: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """The counters of that name, or all of them, by database. Raises `UsageError` for an unknown name."""
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
    """Compute the counters and store them; failures of jobs and counters are in the result.

    `program` is a pipe from the program that has started the run; its end ends the run as SIGTERM does. Raises
    `UsageError` for a counter that does not exist, and `RedisError` where Redis cannot be used at all.
    """
    requested = by_database(settings, request.counters)
    targets = {database: partial(worker_process.work, settings, database) for database in requested}
    with Guard(targets, program) as guard:
        # Imported here, so that the workers load SQLAlchemy while this process loads redis-py, which halves the start.
        from countercache import locks  # noqa: PLC0415
        from countercache.run.job import Base, Job, Task  # noqa: PLC0415
        from countercache.store import cell_store  # noqa: PLC0415
        from countercache.store.publishing import Claims  # noqa: PLC0415
        from countercache.store.redis_client import open_store  # noqa: PLC0415

        store = open_store(settings)
        snapshot = cell_store.read(store, settings, chain(*requested.values()))
        requested, skips = _select_counters(request, requested, snapshot)
        base = Base(
            store,
            locks.this_owner(request.command),
            snapshot.known,
            snapshot.labels(),
            Claims(settings.publish, configured_cells(settings, snapshot.known)),
            observer.event,
            request.commands,
        )
        timeout, size = request.timeout or settings.agent.timeout, request.batch_size or settings.agent.batch_size
        jobs = {
            database: Job(
                settings,
                base,
                Task(database, attempted, timeout, request.wait, size, request.accept),
                guard.workers[database],
            )
            for database, names in requested.items()
            if (attempted := tuple(name for name in names if name not in skips))
        }
        for database in guard.workers.keys() - jobs.keys():
            guard.workers[database].stop()  # before it has connected to anything
        for event in skipped_events(skips):
            observer.event(event)
        guard.watch(jobs, lambda: _show(observer, jobs.values()))
    notes: tuple[str, ...] = ()
    shown = tuple(chain(*requested.values()))
    try:
        base.cooldown.raise_if_active()
        views = cell_store.status(store, settings, shown).cells if shown else ()
    except RedisError as error:
        # The outcomes of the jobs are known without it.
        views, notes = (), (str(error),)
    outcomes = []
    for database, names in requested.items():
        skipped = skipped_outcomes({name: skips[name] for name in names if name in skips}, views)
        if database in jobs:
            outcomes.append(jobs[database].outcome(views, skipped, ok_if_locked=request.ok_if_locked))
        elif skipped:
            outcomes.append(JobOutcome(database, "", skipped, 0.0, exit_code=job_exit_code(skipped, None)))
    return WarmupResult(tuple(outcomes), run_exit_code(outcomes, guard.signal), notes)


def _select_counters(
    request: Request, requested: Mapping[str, tuple[str, ...]], snapshot: Snapshot
) -> tuple[dict[str, tuple[str, ...]], dict[str, Skip]]:
    """The counters of each database that are requested, and those of them that the circuit breaker skips."""
    skips = {} if request.force else dict(snapshot.put_off)
    if not request.due:
        return dict(requested), skips
    due = {id_.counter for id_ in snapshot.ids if snapshot.view(id_, "").state in _DUE}
    requested = {database: tuple(name for name in names if name in due) for database, names in requested.items()}
    return requested, {name: skip for name, skip in skips.items() if name in due}


def _show(observer: Observer, jobs: Iterable[Job]) -> None:
    for job in jobs:
        if job.held:
            observer.waiting(job.task.database, job.held)
        elif job.lease:
            now = time.monotonic()
            observer.progress(job.task.database, job.progress, now - job.began, job.deadline - now)
