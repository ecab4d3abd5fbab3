"""Databases that restart, and numbers that could come out wrong: an error or the exact total, never anything else."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from decimal import Decimal

import pymysql

from tests.faults.figures import FORMULAS
from tests.faults.harness import ROOMY
from tests.faults.injections import Trial, injections
from tests.faults.points import point
from tests.faults.processes import until


def fails_of_the_database(trial: Trial, how: str) -> None:
    """A run that loses its database in the middle of a query: an error at once, the last values stay."""
    site = trial.site
    old = site.generation
    site.change()
    failed_at, before = site.cell("slow", "failed_at"), site.cell("slow", "value")
    run = site.start("warmup", "slow", *FORMULAS)
    trial.until_busy(run)
    time.sleep(trial.rng.uniform(0.0, 0.4))
    trial.note(how)
    struck = time.monotonic()
    if how in ("fast", "immediate"):
        site.cluster.stop(site.cluster.stops[how])
    else:
        until(lambda: _told(trial, how, failed_at) or not run.running, why="a statement is hit")
    result = trial.ended(run, 1, 3)
    assert result.at - struck < 3, f"it took {result.at - struck:.2f} s"
    assert site.cell("slow", "reason") in ("database", "unreachable"), site.cell("slow", "error")
    assert site.cell("slow", "value") == before
    if how not in ("pg_cancel_backend", "KILL QUERY"):
        trial.check_values("sum", generation=old)
        assert site.cell("sum", "reason") == "database"
    if site.cluster.process.poll() is not None:
        site.cluster.start()
    trial.gone(run, result.at, within=4)
    trial.recovers()


def _told(trial: Trial, how: str, failed_at: str | None) -> bool:
    """Do it to the run's sessions, and say whether the run has felt it: between two statements it feels nothing."""
    site = trial.site
    for pid in site.backends():
        with suppress(pymysql.Error):  # it is gone
            site.cluster.execute(f"SELECT {how}({pid})" if site.kind == "postgres" else f"{how} {pid}")
    return site.cell("slow", "failed_at") != failed_at


@injections("database restarts", 4, own_cluster=True, at_once=3)
def test_postgresql_is_stopped_during_a_run(trial: Trial) -> None:
    """`pg_ctl stop` fast and immediate: `error: database`, the last good values stay, the next run succeeds."""
    fails_of_the_database(trial, ("fast", "immediate")[trial.seed % 2])


@injections("database restarts", 5)
def test_the_session_is_ended_by_an_administrator(trial: Trial) -> None:
    """`pg_terminate_backend` in the middle of a query: the same."""
    fails_of_the_database(trial, "pg_terminate_backend")


@injections("database restarts", 2)
def test_the_backend_crashes(trial: Trial) -> None:
    """Postgres ends all sessions when one backend is killed; here only ours is, by SIGTERM at a random moment."""
    site = trial.site
    site.change()
    run = site.start("warmup", "slow", *FORMULAS)
    trial.until_busy(run)
    time.sleep(trial.rng.uniform(0.0, 0.8))
    for pid in site.backends():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    result = trial.ended(run, 0, 1, 3)
    trial.note(f"exit {result.code}")
    trial.gone(run, result.at)
    trial.recovers()


@injections("wrong numbers", 5)
def test_a_statement_is_cancelled_in_the_middle_of_a_batch(trial: Trial) -> None:
    """What a statement_timeout does: the source's counters fail, none of them gets a partial sum or 0."""
    fails_of_the_database(trial, "pg_cancel_backend")


@injections("wrong numbers", 6)
def test_one_batch_fails(trial: Trial) -> None:
    """One entity's figure cannot be read: its source's counters fail as a whole, and cost no other its result."""
    site = trial.site
    site.change()
    entity = f"e{trial.rng.randint(0, 11)}"
    site.sql(
        "CREATE OR REPLACE VIEW slow_figure AS SELECT entity, field, period, "
        f"value / CASE WHEN entity = '{entity}' THEN value - value ELSE 1 END AS value FROM figure"
    )
    trial.note(entity)
    before = site.cell("slow", "value")
    run = site.start("warmup", "slow", *FORMULAS)
    result = trial.ended(run, 3)
    assert site.cell("slow", "value") == before
    assert site.cell("slow", "reason") in ("database", "sql")
    trial.check_values()
    site.sql(
        "CREATE OR REPLACE VIEW slow_figure AS SELECT entity, field, period, value + nap(0.008) AS value FROM figure"
    )
    trial.gone(run, result.at)
    trial.recovers()


def a_figure_changes(trial: Trial) -> None:
    """All counters of a run are of the snapshot that it began with, whatever is committed meanwhile."""
    site = trial.site
    site.change()
    before = site.generation
    run = site.start("warmup", "total", "slow", "ratio", "sum", *ROOMY)
    until(lambda: site.cell("slow", "value") is not None or site.locked(), why="the run has begun")
    until(lambda: site.kind == "sqlite" or site.busy(), why="its snapshot is taken")
    for _ in range(3):
        time.sleep(trial.rng.uniform(0.0, 0.1))
        site.change()  # on SQLite it waits until it can
    result = trial.ended(run, 0)
    values = {name: site.cell(name, "value") for name in ("total", "ratio", "sum", "slow")}
    generation = site.generation_of("sum", "all", values["sum"])
    assert generation is not None, values
    trial.note(f"snapshot {generation - before} of {site.generation - before}")
    if site.kind != "sqlite":
        assert generation == before, "the snapshot was taken before the changes"
    trial.check_values("total", "ratio", "sum", "slow", generation=generation)
    trial.gone(run, result.at)
    trial.recovers()


@injections("wrong numbers", 5)
def test_a_figure_changes_during_the_run(trial: Trial) -> None:
    """PostgreSQL: REPEATABLE READ, one snapshot for formulas and SQL counters alike."""
    a_figure_changes(trial)


@injections("wrong numbers", 3, kind="sqlite")
def test_a_figure_changes_during_the_run_on_sqlite(trial: Trial) -> None:
    """SQLite: one read transaction, all counters of one snapshot."""
    a_figure_changes(trial)


@injections("wrong numbers", 4)
def test_two_runs_of_one_snapshot_and_a_crash_between_writes(trial: Trial) -> None:
    """A crash between two writes of a run leaves each cell whole: of this run or of the one before, never mixed up."""
    site = trial.site
    old = site.generation
    site.change()
    order = point("write", trial.rng.choice(("before", "after")), nth=2)
    run = site.start("warmup", "total", "nap", "sum", points=(order,))
    result = trial.ended(run, -signal.SIGKILL)
    trial.check_values("ratio", generation=old)
    for counter in ("total", "sum"):
        stored = site.cell(counter, "value")
        period = "latest" if counter == "total" else "all"
        assert site.generation_of(counter, period, stored) in (old, site.generation), stored
    trial.gone(run, result.at)
    trial.recovers(result.at)


@injections("wrong numbers", 2)
def test_a_number_of_any_length_costs_no_other_its_result(trial: Trial) -> None:
    """Promise G: a counter whose value has 2,000 digits is stored to the last one, and the others beside it."""
    site = trial.site
    site.change()
    run = site.start("warmup", "huge", *FORMULAS, "nap", *ROOMY)
    result = trial.ended(run, 0)
    assert Decimal(site.cell("huge", "value") or 0) == site.expected("huge", "all")
    trial.check_values(*FORMULAS, "nap")
    trial.gone(run, result.at)
    trial.recovers()
