"""Slow queries and locked tables: a run ends at its deadline whatever its database does, and keeps what it has."""

from __future__ import annotations

import time

from tests.faults.figures import FORMULAS
from tests.faults.harness import ROOMY
from tests.faults.injections import Trial, injections

OVERSHOOT = 1.0
"""Seconds that a run may end after its deadline."""


def times_out(trial: Trial) -> None:
    """A query that would take a minute ends the run at its deadline, which keeps what it has."""
    site = trial.site
    old = site.generation
    trial.warm("nap")
    site.change()
    run = site.start("warmup", "total", "endless", "nap")
    result = trial.ended(run, 124)
    trial.in_time(run, result, over=OVERSHOOT)
    trial.gone(run, result.at)
    assert site.cell("endless", "reason") == "timeout"
    trial.check_values("total")  # complete before the deadline: published
    trial.check_values("nap", generation=old)  # not reached: its last good value, and beside it the reason
    assert site.cell("nap", "reason") == "timeout"
    trial.recovers()


@injections("slow query", 6)
def test_a_slow_query_times_out(trial: Trial) -> None:
    """`pg_sleep`: exit 124, at most 1 s over; what was complete is stored, the rest keeps its last values."""
    times_out(trial)


@injections("slow query", 3, kind="sqlite")
def test_a_slow_query_on_sqlite_times_out(trial: Trial) -> None:
    """A recursive query on SQLite: the same."""
    times_out(trial)


@injections("slow query", 5)
def test_a_slow_source_times_out(trial: Trial) -> None:
    """The deadline within a batch, wherever it hits: exit 124, no partial sum, at most 1 s over."""
    site = trial.site
    site.change()
    before = site.cell("slow", "value")
    timeout = trial.rng.uniform(0.3, 1.2)
    trial.note(f"timeout {timeout:.2f} s")
    run = site.start("warmup", "slow", "total", "--timeout", f"{int(timeout * 1000)}ms")
    result = trial.ended(run, 124)
    trial.in_time(run, result, over=OVERSHOOT)
    trial.gone(run, result.at)
    assert site.cell("slow", "value") == before
    trial.recovers()


def one_slow_counter(trial: Trial) -> None:
    """A counter beyond its own timeout fails alone."""
    site = trial.site
    site.change()
    run = site.start("warmup", "brief", *FORMULAS)
    result = trial.ended(run, 3)
    trial.gone(run, result.at)
    assert site.cell("brief", "reason") == "timeout"
    trial.check_values()
    trial.recovers()


@injections("slow query", 3)
def test_one_slow_counter_does_not_cost_the_others_theirs(trial: Trial) -> None:
    """Promise G: a counter over its own timeout fails alone; exit 3."""
    one_slow_counter(trial)


@injections("slow query", 2, kind="sqlite")
def test_one_slow_counter_on_sqlite_does_not_cost_the_others_theirs(trial: Trial) -> None:
    """The same on SQLite."""
    one_slow_counter(trial)


@injections("locked table", 4)
def test_a_locked_table_is_an_error_in_time(trial: Trial) -> None:
    """ACCESS EXCLUSIVE held by another session: the lock_timeout's error, the last values stay."""
    site = trial.site
    old = site.generation
    site.change()
    seconds = trial.rng.choice((0.3, 0.6, 1.0))
    site.configure(lock_timeout=f"{int(seconds * 1000)}ms")
    with site.table_locked():
        run = site.start("warmup", "total", "ratio", "broken")
        result = trial.ended(run, 1)
        trial.gone(run, result.at) if site.kind == "sqlite" else None
    assert seconds <= result.seconds < seconds + 2.0
    assert site.cell("total", "reason") == "database"
    assert "lock" in (site.cell("total", "error") or "")
    trial.check_values("total", "ratio", generation=old)
    site.configure()
    trial.recovers()


@injections("locked table", 3)
def test_a_locked_table_ends_the_run_at_its_deadline(trial: Trial) -> None:
    """A lock_timeout longer than the run: exit 124 at the deadline, never later, also behind 30 entities' batches."""
    deadline_at_a_lock(trial)


@injections("locked table", 2, kind="sqlite")
def test_a_locked_file_ends_the_run_at_its_deadline(trial: Trial) -> None:
    """BEGIN EXCLUSIVE on SQLite: the busy timeout is never longer than the time left."""
    deadline_at_a_lock(trial)


def deadline_at_a_lock(trial: Trial) -> None:
    """Another session holds the table, or the file, for longer than the run may take."""
    site = trial.site
    old = site.generation
    site.change()
    timeout = trial.rng.uniform(0.5, 2.0)
    trial.note(f"timeout {timeout:.2f} s")
    with site.table_locked():
        run = site.start("warmup", *FORMULAS, "--timeout", f"{int(timeout * 1000)}ms")
        # At the very end the database's own word may come first.
        result = trial.ended(run, 124, 1)
        trial.note(f"exit {result.code}")
        trial.in_time(run, result, over=OVERSHOOT)
    trial.gone(run, result.at)
    trial.check_values(generation=old)
    trial.recovers()


@injections("locked table", 3)
def test_a_table_that_is_unlocked_in_time_is_read(trial: Trial) -> None:
    """A lock that goes away before any limit is waited for, and the run succeeds."""
    site = trial.site
    site.change()
    with site.table_locked():
        run = site.start("warmup", *FORMULAS, *ROOMY)
        trial.until_busy(run)
        time.sleep(trial.rng.uniform(0.0, 0.5))
    result = trial.ended(run, 0)
    trial.check_values()
    trial.gone(run, result.at)
    trial.recovers()


@injections("locked table", 2, kind="sqlite")
def test_a_locked_file_is_an_error_in_time(trial: Trial) -> None:
    """BEGIN EXCLUSIVE on SQLite within the lock_timeout: one error that says locked, the last values stay."""
    site = trial.site
    old = site.generation
    site.change()
    site.configure(lock_timeout="400ms")
    with site.table_locked():
        result = trial.ended(site.start("warmup", *FORMULAS), 1)
    assert "locked" in result.out + result.err
    assert site.cell("total", "reason") == "database"
    trial.check_values(generation=old)
    site.configure()
    trial.recovers()
