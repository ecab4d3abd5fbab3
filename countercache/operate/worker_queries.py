"""Queries to workers that take no lock and store nothing: dry runs, checks and the diagnosis of `doctor`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from signal import Signals

from countercache.agent import Request, by_database
from countercache.errors import EXIT_OK, EXIT_USAGE, Interrupted, RedisError
from countercache.model.results import Check, CheckResult, CounterOutcome, PlanResult
from countercache.model.states import Failure, Reason
from countercache.run import worker_process
from countercache.run.outcome import job_exit_code
from countercache.run.supervisor import Ending, Guard
from countercache.settings import Settings
from countercache.worker.protocol import (
    CHECK,
    PLAN,
    Checked,
    Ended,
    Planned,
    Report,
    StartCommand,
    decode_report,
    encode,
)

CHECK_TIMEOUT = 30.0
"""Seconds that `config check` gives the databases to answer."""


def dry_run(settings: Settings, request: Request) -> PlanResult:
    """Return what `warmup` would compute, and with which queries. Reads only the databases' catalogues."""
    counters_by_database = by_database(settings, request.counters)
    timeout = request.timeout or settings.agent.timeout
    reports_by_database = ask(
        settings, counters_by_database, PLAN, timeout, request.batch_size or settings.agent.batch_size
    )
    plans = [report for reports in reports_by_database.values() for report in reports if isinstance(report, Planned)]
    failures = [
        (database, report.failure)
        for database, reports in reports_by_database.items()
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
    """Check that every database has what the configuration names, and that Redis answers."""
    checks: list[Check] = []
    codes: set[int] = set()

    def meanwhile() -> None:
        try:
            reach_redis(settings)
        except RedisError as error:
            checks.append(Check("redis", ok=False, message=error.message, hint=error.hint))
            codes.add(error.exit_code)
        else:
            checks.append(Check("redis", ok=True, message="answers"))

    reports_by_database = ask(settings, every_database(settings), CHECK, CHECK_TIMEOUT, "auto", meanwhile)
    for database, reports in reports_by_database.items():
        for report in reports:
            if isinstance(report, Checked):
                checks += report.checks
                codes |= {EXIT_USAGE for check in report.checks if not check.ok}
            elif isinstance(report, Ended) and report.failure:
                checks.append(
                    Check(f"database {database}", ok=False, message=report.failure.message, hint=report.failure.hint)
                )
                codes.add(job_exit_code((), report.failure))
    if not settings.counters:
        hint = "add a [counters.NAME] table"
        checks.append(Check("counters", ok=False, message="no counters are configured", hint=hint))
        codes.add(EXIT_USAGE)
    # A wrong configuration takes precedence over what cannot be reached: only the latter may pass by itself.
    code = EXIT_USAGE if EXIT_USAGE in codes else max(codes, default=EXIT_OK)
    return CheckResult(checks=tuple(checks), exit_code=code)


def every_database(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The counters of each database, including databases that no counter uses."""
    counters: dict[str, tuple[str, ...]] = dict.fromkeys(settings.databases, ())
    for counter in settings.counters:
        counters[settings.database_of(counter)] += (counter,)
    return counters


def ask(
    settings: Settings,
    counters_by_database: dict[str, tuple[str, ...]],
    task: str,
    timeout: float,
    batch_size: int | str,
    meanwhile: Callable[[], None] = lambda: None,
) -> dict[str, list[Report]]:
    """Run a task in a worker of each database, all in parallel, and return their reports by database.

    `meanwhile` is called while they work; no signal interrupts it, so it must be short. Raises `Interrupted` where a
    signal came before all had answered.
    """
    with Guard(
        {database: partial(worker_process.work, settings, database) for database in counters_by_database}
    ) as guard:
        queries = {database: _WorkerQuery(timeout) for database in counters_by_database}
        for database, counters in counters_by_database.items():
            start = StartCommand(task, counters, queries[database].deadline, batch_size)
            guard.workers[database].start(encode(start))
        meanwhile()
        guard.watch(queries, lambda: None)
    if guard.signal:
        name = Signals(guard.signal).name
        raise Interrupted(f"interrupted by {name} before all databases had answered", signal=guard.signal)
    return {database: query.reports for database, query in queries.items()}


class _WorkerQuery:
    """A supervised job that only collects reports: it takes no lock and stores nothing."""

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

    def tick(self) -> float:
        return math.inf

    def end(self, ending: Ending) -> None:
        if ending is Ending.TIMEOUT:
            self.reports.append(Ended(Failure(Reason.TIMEOUT, f"no answer within {self._timeout:g} s")))


def reach_redis(settings: Settings) -> None:
    """Check that Redis answers; the bundled one is started first. Raises `RedisError`."""
    from countercache.store.redis_client import open_redis, ping  # noqa: PLC0415

    ping(open_redis(settings))
