"""The whole examination: the databases are examined in parallel with Redis."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from msgspec import structs

from countercache.errors import ConfigError, RedisError
from countercache.model.results import DoctorResult, Finding, Health
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.operate.doctor import host
from countercache.operate.worker_queries import ask, every_database
from countercache.settings import Settings
from countercache.worker.protocol import DOCTOR, Diagnosed, Ended, Report

TIMEOUT = 30.0
"""Seconds in which the databases must answer."""


def examine(
    load: Callable[[], Settings], commands: Commands = NO_OPTIONS, environ: Mapping[str, str] = os.environ
) -> DoctorResult:
    """Examine everything. `load` returns the settings or raises `ConfigError`; `commands` writes what to type."""
    try:
        settings = load()
    except ConfigError as error:
        return DoctorResult((host.invalid(error),))
    on_host = [*host.configuration(settings), *host.cron(settings, environ)]
    scheduled: list[Finding] = []
    in_redis: list[Finding] = []

    def meanwhile() -> None:
        # Imported here, after the workers were forked, which do not need redis-py.
        from countercache.operate.doctor import redis_server, schedule, stored_data  # noqa: PLC0415
        from countercache.store import cell_store  # noqa: PLC0415

        store, findings = redis_server.examine(settings, commands)
        in_redis.extend(findings)
        if store is not None:
            in_redis.extend(stored_data.examine(store, settings, commands))
            with suppress(RedisError):  # which is among the findings already
                scheduled.extend(schedule.examine(cell_store.read(store, settings), settings, environ))

    reports_by_database = ask(settings, every_database(settings), DOCTOR, TIMEOUT, settings.agent.batch_size, meanwhile)
    databases = [
        finding for name, reports in reports_by_database.items() for finding in _database(name, reports, commands)
    ]
    return DoctorResult((*on_host, *scheduled, *in_redis, *databases))


def _database(name: str, reports: list[Report], commands: Commands) -> list[Finding]:
    """The findings of a worker, and one more where it failed."""
    check = commands.to_type("config check")
    findings = [
        structs.replace(finding, cure=check) if finding.health is Health.WRONG and not finding.cure else finding
        for report in reports
        if isinstance(report, Diagnosed)
        for finding in report.findings
    ]
    why = "none of its counters can be computed"
    for report in reports:
        if isinstance(report, Ended) and report.failure:
            failure = report.failure
            findings.append(Finding(f"database {name}", "server", Health.WRONG, failure.message, why, failure.hint))
    return findings
