"""The whole examination: each part in its turn, those in the databases while Redis is looked at."""

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
"""Seconds that the databases have to answer."""


def examine(
    load: Callable[[], Settings], commands: Commands = NO_OPTIONS, environ: Mapping[str, str] = os.environ
) -> DoctorResult:
    """Look at everything. `load` gives the settings, or raises what is wrong with them; `commands` says how cures are
    typed.
    """
    try:
        settings = load()
    except ConfigError as error:
        return DoctorResult((host.invalid(error),))
    found = [*host.configuration(settings), *host.cron(settings, environ)]
    scheduled: list[Finding] = []
    in_redis: list[Finding] = []

    def meanwhile() -> None:
        # Not before: the workers are forked without redis-py.
        from countercache.operate.doctor import redis_server, schedule, stored_data  # noqa: PLC0415
        from countercache.store import cell_store  # noqa: PLC0415

        store, seen = redis_server.examine(settings, commands)
        in_redis.extend(seen)
        if store is not None:
            in_redis.extend(stored_data.examine(store, settings, commands))
            with suppress(RedisError):  # which has been said
                scheduled.extend(schedule.examine(cell_store.read(store, settings), settings, environ))

    heard = ask(settings, every_database(settings), DOCTOR, TIMEOUT, settings.agent.batch_size, meanwhile)
    databases = [finding for name, reports in heard.items() for finding in _database(name, reports, commands)]
    return DoctorResult((*found, *scheduled, *in_redis, *databases))


def _database(name: str, reports: list[Report], commands: Commands) -> list[Finding]:
    """What a worker said, and how it ended where that was not well."""
    check = commands.to_type("config check")
    found = [
        structs.replace(finding, cure=check) if finding.health is Health.WRONG and not finding.cure else finding
        for report in reports
        if isinstance(report, Diagnosed)
        for finding in report.findings
    ]
    why = "none of its counters can be computed"
    for report in reports:
        if isinstance(report, Ended) and report.failure:
            failure = report.failure
            found.append(Finding(f"database {name}", "server", Health.WRONG, failure.message, why, failure.hint))
    return found
