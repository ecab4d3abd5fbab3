"""The totals agent: which counters, on which databases, under which lease; and what became of them.

One job a database. For each the guard has a worker that computes (`worker`), and the agent holds the lease, stores what
comes as it comes, and records how the rest ended. Redis is spoken to from here only, databases from the worker only.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from countercache.breaker import put_off, skipped_events
from countercache.document import nearest
from countercache.errors import EXIT_OK, EXIT_USAGE, ConfigError, LockHeld, RedisError, UsageError
from countercache.guard import Channel, Ending, Guard
from countercache.messages import CHECK, PLAN, Checked, Ended, Go, Planned, Report, decode_go, decode_report, encode
from countercache.outcome import job_exit_code, run_exit_code, skipped_outcomes
from countercache.redact import redact
from countercache.results import Check, CheckResult, CounterOutcome, JobOutcome, PlanResult, WarmupResult
from countercache.settings import Settings
from countercache.states import Event, Failure, Progress, Reason, State

if TYPE_CHECKING:
    from countercache.job import Job

CHECK_TIMEOUT = 30.0
"""Seconds that `config check` gives the databases to answer."""

_DUE = (State.STALE, State.ERROR, State.PENDING)


class Request(msgspec.Struct, frozen=True):
    """What one `warmup` was asked: counters (none: all), limits in seconds (`None`: as configured), whether to try what
    the circuit breaker puts off, what to do when a lock is held.
    """

    counters: tuple[str, ...] = ()
    timeout: float | None = None
    batch_size: int | Literal["auto"] | None = None
    due: bool = False
    force: bool = False
    wait: float = 0.0
    ok_if_locked: bool = False
    command: str = ""


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
    for name in names:
        if name not in settings.counters:
            raise UsageError(f"no counter is called {name!r}", hint=nearest(name, settings.counters))
    if not settings.counters:
        raise ConfigError("no counters are configured", hint="add a [counters.NAME] table, or try: countercache demo")
    jobs: dict[str, tuple[str, ...]] = {}
    for name in settings.counters:
        if not names or name in names:
            database = settings.database_of(name)
            jobs[database] = (*jobs.get(database, ()), name)
    return jobs


def warmup(settings: Settings, request: Request, observer: Observer) -> WarmupResult:
    """Compute the counters and store them; what goes wrong with a job or a counter is in the result.

    Raises `UsageError` for a counter that does not exist and `RedisError` where Redis lets nothing begin.
    """
    wanted = by_database(settings, request.counters)
    with Guard({database: partial(_work, settings, database) for database in wanted}) as guard:
        # Imported here, so that the workers load SQLAlchemy while this process loads redis-py: half of the start.
        from countercache import locks, store  # noqa: PLC0415
        from countercache.connection import Keys, open_redis  # noqa: PLC0415
        from countercache.job import Base, Job, Task  # noqa: PLC0415

        redis, keys = open_redis(settings), Keys(settings.namespace, settings.events.keep)
        seen = store.read(redis, keys, settings, chain(*wanted.values()))
        base = Base(redis, keys, locks.this_owner(request.command), seen.known, observer.event)
        skips = {} if request.force else put_off(seen.ids, seen.cells, seen.now)
        if request.due:
            due = {id_.counter for id_ in seen.ids if seen.view(id_, "").state in _DUE}
            wanted = {database: tuple(name for name in names if name in due) for database, names in wanted.items()}
            skips = {name: skip for name, skip in skips.items() if name in due}
        timeout, size = request.timeout or settings.agent.timeout, request.batch_size or settings.agent.batch_size
        jobs = {
            database: Job(settings, base, Task(database, tried, timeout, request.wait, size), guard.workers[database])
            for database, names in wanted.items()
            if (tried := tuple(name for name in names if name not in skips))
        }
        for database in wanted.keys() - jobs.keys():
            guard.workers[database].stop()  # before it has connected to anything
        for event in skipped_events(skips):
            observer.event(event)
        guard.watch(jobs, lambda: _show(observer, jobs.values()))
    notes: tuple[str, ...] = ()
    shown = tuple(chain(*wanted.values()))
    try:
        base.silence.check()
        views = store.status(redis, keys, settings, shown).cells if shown else ()
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


def dry_run(settings: Settings, request: Request) -> PlanResult:
    """What `warmup` would compute, and with which queries. Reads the databases' catalogues; Redis is not touched."""
    wanted = by_database(settings, request.counters)
    timeout = request.timeout or settings.agent.timeout
    heard = ask(settings, wanted, PLAN, timeout, request.batch_size or settings.agent.batch_size)
    plans = [report for reports in heard.values() for report in reports if isinstance(report, Planned)]
    failures = [
        (database, report.failure)
        for database, reports in heard.items()
        for report in reports
        if isinstance(report, Ended) and report.failure
    ]
    cells = tuple(cell for plan in plans for cell in plan.cells)
    failures = [*(failure for plan in plans for failure in plan.failures), *failures]
    as_run = CounterOutcome("", (), values=len(cells), failures=tuple(failure for _, failure in failures))
    return PlanResult(
        cells=cells,
        steps=tuple(step for plan in plans for step in plan.steps),
        failures=tuple(failures),
        exit_code=job_exit_code((as_run,), None),
    )


def check(settings: Settings) -> CheckResult:
    """Look whether what the configuration names is there: in the databases, and whether Redis answers."""
    wanted = by_database(settings)
    heard = ask(settings, wanted, CHECK, CHECK_TIMEOUT, "auto")
    checks: list[Check] = []
    codes: set[int] = set()
    try:
        _reach_redis(settings)
    except RedisError as error:
        checks.append(Check("redis", ok=False, message=str(error)))
        codes.add(error.exit_code)
    else:
        checks.append(Check("redis", ok=True, message="answers"))
    for database, reports in heard.items():
        for report in reports:
            if isinstance(report, Checked):
                checks += report.checks
                codes |= {EXIT_USAGE for check in report.checks if not check.ok}
            elif isinstance(report, Ended) and report.failure:
                checks.append(Check(f"database {database}", ok=False, message=report.failure.message))
                codes.add(job_exit_code((), report.failure))
    # What is wrong in the configuration goes before what cannot be reached: the first does not mend itself.
    code = EXIT_USAGE if EXIT_USAGE in codes else max(codes, default=EXIT_OK)
    return CheckResult(checks=tuple(checks), exit_code=code)


class _Inquiry:
    """A ward whose worker only answers: no lock, nothing stored."""

    def __init__(self, timeout: float) -> None:
        self.deadline = time.monotonic() + timeout
        self.reports: list[Report] = []
        self._closed = False
        self._timeout = timeout

    def done(self) -> bool:
        return self._closed

    def receive(self, line: bytes) -> None:
        self.reports.append(decode_report(line))

    def closed(self, status: int) -> None:
        self._closed = True
        if not any(isinstance(report, Ended) for report in self.reports):
            self.reports.append(Ended(Failure(Reason.WORKER, f"the worker process died (status {status})")))

    def beat(self) -> float:
        return math.inf

    def end(self, ending: Ending) -> None:
        if ending is Ending.TIMEOUT:
            self.reports.append(Ended(Failure(Reason.TIMEOUT, f"no answer within {self._timeout:g} s")))
        elif ending is Ending.SIGNAL:
            self.reports.append(Ended(Failure(Reason.CANCELLED, "told to stop by a signal")))


def ask(
    settings: Settings,
    wanted: dict[str, tuple[str, ...]],
    order: str,
    timeout: float,
    batch_size: int | str,
    meanwhile: Callable[[], None] = lambda: None,
) -> dict[str, list[Report]]:
    """Have a worker of each database answer, all side by side; the reports by database.

    `meanwhile` is called while they work; it is not interrupted by a signal, and must be short.
    """
    with Guard({database: partial(_work, settings, database) for database in wanted}) as guard:
        inquiries = {database: _Inquiry(timeout) for database in wanted}
        for database, counters in wanted.items():
            go = Go(order, counters, inquiries[database].deadline, batch_size)
            guard.workers[database].go(encode(go))
        meanwhile()
        guard.watch(inquiries, lambda: None)
    return {database: inquiry.reports for database, inquiry in inquiries.items()}


class _Line:
    """The worker's end of the channel, in messages instead of bytes."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.on_stop = channel.on_stop

    def receive(self) -> Go:
        return decode_go(self._channel.receive())

    def send(self, report: Report) -> None:
        self._channel.send(encode(report))


def _work(settings: Settings, database: str, channel: Channel) -> None:
    """What a worker process does. An error that nobody foresaw is reported too: a process that dies says nothing."""
    line = _Line(channel)
    try:
        from countercache import worker  # noqa: PLC0415 - SQLAlchemy is for workers only

        worker.run(line, settings, database)
    except Exception as error:  # noqa: BLE001
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        message = f"unexpected {type(error).__name__} at {place}: {redact(str(error))}"
        line.send(Ended(Failure(Reason.WORKER, message)))


def _reach_redis(settings: Settings) -> None:
    from countercache.connection import converse, open_redis  # noqa: PLC0415

    converse(open_redis(settings))


def _show(observer: Observer, jobs: Iterable[Job]) -> None:
    for job in jobs:
        if job.held:
            observer.waiting(job.task.database, job.held)
        elif job.lease:
            now = time.monotonic()
            observer.progress(job.task.database, job.progress, now - job.began, job.deadline - now)
