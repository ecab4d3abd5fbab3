"""MariaDB that is slow, locked, stopped, killed or restarted, and runs on it that die: the same promises as elsewhere.

The server does not notice that a client has died while it works for it: that no query of a run is left is the work of
the process beside the worker (`databases/mysql/query_killer.py`).
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from tests.faults.figures import FORMULAS
from tests.faults.injections import Trial, injections
from tests.faults.processes import until
from tests.faults.proxy import Mode
from tests.faults.test_crash import GUARD, dies, kill_at
from tests.faults.test_database import a_figure_changes, fails_of_the_database
from tests.faults.test_slow import deadline_at_a_lock, one_slow_counter, times_out
from tests.faults.test_stopped import STOPPED_SERVER


@injections("slow query", 2, kind="mariadb")
def test_a_slow_query_times_out_on_mariadb(trial: Trial) -> None:
    """`SLEEP`: exit 124, at most 1 s over; what was complete is stored, the rest keeps its last values."""
    times_out(trial)


@injections("slow query", 2, kind="mariadb")
def test_one_slow_counter_does_not_cost_the_others_theirs_on_mariadb(trial: Trial) -> None:
    """Promise G: a counter over its own timeout fails alone; exit 3."""
    one_slow_counter(trial)


@injections("locked table", 2, kind="mariadb")
def test_a_locked_table_ends_the_run_at_its_deadline_on_mariadb(trial: Trial) -> None:
    """`LOCK TABLES … WRITE` and a lock_timeout longer than the run: exit 124 at the deadline, never later."""
    deadline_at_a_lock(trial)


@injections("locked table", 1, kind="mariadb")
def test_a_locked_table_and_three_seconds(trial: Trial) -> None:
    """`LOCK TABLES … WRITE` and `--timeout 3s`: exit 124 within 4.5 s, and 2 s later no query is left."""
    site = trial.site
    site.change()
    with site.table_locked():
        run = site.start("warmup", *FORMULAS, "--timeout", "3s")
        result = trial.ended(run, 124)
        assert 3 <= result.seconds < 4.5, f"it took {result.seconds:.2f} s"
        trial.gone(run, result.at)
    trial.recovers()


@injections("locked table", 2, kind="mariadb")
def test_a_locked_table_is_an_error_in_time_on_mariadb(trial: Trial) -> None:
    """`LOCK TABLES … WRITE` by another session: the error of lock_timeout, which has whole seconds here."""
    site = trial.site
    old = site.generation
    site.change()
    site.configure(lock_timeout="300ms")
    with site.table_locked():
        run = site.start("warmup", "total", "ratio", "--timeout", "10s")
        result = trial.ended(run, 1)
    assert 1 <= result.seconds < 5
    assert site.cell("total", "reason") == "database"
    assert "lock" in (site.cell("total", "error") or "")
    trial.check_values("total", "ratio", generation=old)
    site.configure()
    trial.recovers()


@injections("wrong numbers", 2, kind="mariadb")
def test_a_figure_changes_during_the_run_on_mariadb(trial: Trial) -> None:
    """One consistent snapshot, taken at the beginning, for formulas and SQL counters alike."""
    a_figure_changes(trial)


@injections("wrong numbers", 2, kind="mariadb")
def test_a_query_is_killed(trial: Trial) -> None:
    """`KILL QUERY` in the middle of a batch: the source's counters fail, none of them gets a partial sum or 0."""
    fails_of_the_database(trial, "KILL QUERY")


@injections("database restarts", 2, kind="mariadb")
def test_a_connection_is_killed(trial: Trial) -> None:
    """`KILL` by an administrator: `error: database`, the last good values stay, the next run succeeds."""
    fails_of_the_database(trial, "KILL")


@injections("database restarts", 2, kind="mariadb", own_cluster=True, at_once=1)
def test_mariadb_is_stopped_during_a_run(trial: Trial) -> None:
    """In order, and by SIGKILL, and started again: the same."""
    fails_of_the_database(trial, ("fast", "immediate")[trial.seed % 2])


@injections("stopped server", 2, kind="mariadb", own_cluster=True, at_once=1)
def test_mariadb_is_silent_during_a_run(trial: Trial) -> None:
    """SIGSTOP of the server in the middle of a query: exit 124, deadline + 3 s at most; the lock is released."""
    site = trial.site
    old = site.generation
    site.change()
    run = site.start("warmup", "slow", "total", "ratio", "sum", "--timeout", "2s")
    trial.until_busy(run)
    site.cluster.process.send_signal(signal.SIGSTOP)
    try:
        result = trial.ended(run, 124)
        trial.in_time(run, result, over=STOPPED_SERVER)
        assert not site.locked()
        until(lambda: not run.processes(), seconds=2, why="promise E: no process of the run is left")
    finally:
        site.cluster.process.send_signal(signal.SIGCONT)
    trial.check_values("sum", generation=old)
    trial.gone(run, time.monotonic())
    trial.recovers()


@injections("stopped server", 1, kind="mariadb", own_cluster=True, at_once=1)
def test_mariadb_is_silent_before_a_run(trial: Trial) -> None:
    """A server that takes the connection and says nothing: exit 5 within the connect timeout."""
    site = trial.site
    old = site.generation
    site.change()
    site.cluster.process.send_signal(signal.SIGSTOP)
    try:
        run = site.start("warmup", *FORMULAS)
        result = trial.ended(run, 5)
        assert result.seconds < 2 + STOPPED_SERVER, f"it took {result.seconds:.2f} s"
        assert site.cell("total", "reason") == "unreachable"
    finally:
        site.cluster.process.send_signal(signal.SIGCONT)
    trial.check_values(generation=old)
    trial.gone(run, time.monotonic())
    trial.recovers()


@injections("network", 2, kind="mariadb", proxied=("database",))
def test_the_network_goes_silent_during_a_run(trial: Trial) -> None:
    """Nobody can tell the server that the run has ended: exit 124 at the deadline, at which the query ends by its own
    limit; the idle session follows after as much time as the statement had.
    """
    site = trial.site
    assert site.database_proxy
    site.change()
    run = site.start("warmup", "total", "endless", "--timeout", "3s")
    trial.until_busy(run)
    site.database_proxy.mode = trial.rng.choice((Mode.SILENT, Mode.HOLD))
    trial.note(site.database_proxy.mode)
    result = trial.ended(run, 124)
    trial.in_time(run, result, over=2.0)
    assert not site.locked()
    until(
        lambda: not site.busy(), seconds=max(0.05, result.at + 2 - time.monotonic()), why="promise E: no query is left"
    )
    trial.gone(run, result.at, within=5.0)
    site.database_proxy.calm()
    trial.recovers()


@injections("crash", 4, kind="mariadb")
def test_the_guard_is_killed_at_a_named_point_on_mariadb(trial: Trial) -> None:
    """SIGKILL of the guard: its worker dies with it, and the query of that within 2 s."""
    dies(trial, kill_at(trial, GUARD, "kill"))


@injections("crash", 3, kind="mariadb")
def test_a_process_is_killed_during_a_query(trial: Trial) -> None:
    """SIGKILL of the guard, of the worker or of both while a query runs: it is gone 2 s later."""
    site = trial.site
    site.change()
    run = site.start("warmup", "total", "endless", "--timeout", "60s")
    trial.until_busy(run)
    workers = run.workers()
    whom = {0: [run.pid], 1: workers, 2: [run.pid, *workers]}[trial.seed % 3]
    trial.note(f"{len(whom)} of {1 + len(workers)}")
    for pid in whom:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    result = run.wait()
    trial.gone(run, result.at)
    trial.check_values("total")
    trial.recovers(result.at if run.pid in whom else None)


@injections("crash", 2, kind="mariadb")
def test_a_run_is_terminated_during_a_query(trial: Trial) -> None:
    """SIGTERM: exit 143, and the query is cancelled."""
    site = trial.site
    site.change()
    run = site.start("warmup", "total", "endless", "--timeout", "60s")
    trial.until_busy(run)
    run.signal(signal.SIGTERM)
    result = trial.ended(run, 143)
    trial.gone(run, result.at)
    trial.check_values("total")
    trial.recovers()
