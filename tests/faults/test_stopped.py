"""Stopped servers and stuck code: what no longer answers, and what can no longer be spoken to, ends in time."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from tests.faults.figures import FORMULAS
from tests.faults.harness import LEASE, ROOMY, TIMEOUT
from tests.faults.injections import STOPS, Trial, injections
from tests.faults.points import point
from tests.faults.processes import stopped, until

STOPPED_SERVER = 3.0
"""Seconds that a run may end after its deadline when a server is stopped."""


@injections("stopped server", 5)
def test_a_backend_is_stopped(trial: Trial) -> None:
    """SIGSTOP of the backend in the middle of a query: exit 124, deadline + 3 s at most; the lock is released."""
    site = trial.site
    old = site.generation
    site.change()
    run = site.start("warmup", "slow", "total", "ratio", "sum", "--timeout", "2s")
    trial.until_busy(run)
    time.sleep(trial.rng.uniform(0.0, 0.3))
    backends = site.backends()
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        result = trial.ended(run, 124)
        trial.in_time(run, result, over=STOPPED_SERVER)
        assert not site.locked()
        trial.check_values("sum", generation=old)
        until(lambda: not run.processes(), seconds=2, why="promise E: no process of the run is left")
    finally:
        for pid in backends:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    trial.gone(run, time.monotonic())
    trial.recovers()


@injections("stopped server", 3, own_cluster=True, at_once=2)
def test_the_postmaster_is_stopped(trial: Trial) -> None:
    """SIGSTOP of the postmaster: new connections hang, and the run says so within the connect timeout, exit 5."""
    site = trial.site
    old = site.generation
    site.change()
    site.cluster.process.send_signal(signal.SIGSTOP)
    try:
        run = site.start("warmup", *FORMULAS)
        result = trial.ended(run, 5)
        assert result.seconds < 2 + STOPPED_SERVER, f"it took {result.seconds:.2f} s"
        assert not site.locked()
        trial.check_values(generation=old)
        assert site.cell("total", "reason") == "unreachable"
    finally:
        site.cluster.process.send_signal(signal.SIGCONT)
    trial.gone(run, time.monotonic())
    trial.recovers()


@injections("stopped server", 3, own_cluster=True, at_once=2)
def test_the_postmaster_is_stopped_while_a_query_runs(trial: Trial) -> None:
    """It cannot even take the cancellation: the run ends at its deadline, and its backend by its limits."""
    site = trial.site
    site.change()
    run = site.start("warmup", "total", "endless", "--timeout", "1500ms")
    trial.until_busy(run)
    site.cluster.process.send_signal(signal.SIGSTOP)
    try:
        result = trial.ended(run, 124)
        trial.in_time(run, result, over=STOPPED_SERVER)
        assert not site.locked()
    finally:
        site.cluster.process.send_signal(signal.SIGCONT)
    trial.gone(run, max(result.at, time.monotonic() - 1))
    trial.check_values("total")
    trial.recovers()


@injections("stopped server", 5, own_valkey=())
def test_valkey_is_stopped_during_a_run(trial: Trial) -> None:
    """SIGSTOP of Valkey past the lease: the holder stops by its own clock; what it sent late is refused."""
    site = trial.site
    old = site.generation
    before = site.cell("nap", "value")
    site.change()
    run = site.start("warmup", "total", "slow", "ratio", "sum", "nap")
    until(site.locked, why="the run holds its lock")
    time.sleep(trial.rng.uniform(0.0, 1.0))
    site.valkey.pause()
    paused = time.monotonic()
    try:
        result = trial.ended(run, 1, 3)
        assert result.at - paused < LEASE + STOPS, f"the holder stopped after {result.at - paused:.2f} s"
        assert "Redis" in result.err, result.err
        until(lambda: not run.processes(), seconds=2, why="promise E: no process of the run is left")
    finally:
        site.valkey.resume()
    trial.gone(run, result.at)
    assert site.cell("nap", "value") == before
    assert site.generation_of("sum", "all", site.cell("sum", "value")) in (old, site.generation)
    trial.recovers(paused)


@injections("stopped server", 2, own_valkey=(), databases=5)
def test_valkey_is_stopped_during_a_run_of_many_jobs(trial: Trial) -> None:
    """Five jobs that cannot reach Redis do not wait for it one after another: the run ends as soon as one alone."""
    site = trial.site
    site.change()
    run = site.start("warmup", *(f"nap{suffix}" for suffix in ("", "-other1", "-other2", "-other3", "-other4")))
    until(lambda: all(site.redis.exists(site.keys.lock(name)) for name in site.databases), why="all locks are held")
    site.valkey.pause()
    paused = time.monotonic()
    try:
        result = trial.ended(run, 1)
        assert result.at - paused < LEASE + STOPS, f"the holder stopped after {result.at - paused:.2f} s"
    finally:
        site.valkey.resume()
    trial.gone(run, result.at)
    trial.recovers(paused)


@injections("stopped server", 3, own_valkey=())
def test_valkey_is_stopped_for_a_moment(trial: Trial) -> None:
    """Shorter than the lease: what was not answered is tried again, and the run succeeds."""
    site = trial.site
    site.change()
    run = site.start("warmup", *FORMULAS, "nap", *ROOMY)
    until(site.locked, why="the run holds its lock")
    site.valkey.pause()
    time.sleep(trial.rng.uniform(0.1, 0.8))
    site.valkey.resume()
    result = trial.ended(run, 0)
    trial.check_values(*FORMULAS, "nap")
    trial.gone(run, result.at)
    trial.recovers()


STUCK = ("hang in C", "hold the interpreter", "spin", "ignore signals", "hang", "stop")


@injections("stuck code", 12)
def test_a_worker_is_stuck(trial: Trial) -> None:
    """In C with and without the interpreter's lock, in Python, deaf, or stopped: killed by deadline + grace."""
    deed = STUCK[trial.seed % len(STUCK)]
    name, nth = trial.rng.choice((("work", 1), ("order", 1), ("connect", 1), ("report", 1), ("report", 4)))
    trial.note(f"{deed} at {name} {nth}")
    site = trial.site
    old = site.generation
    site.change()
    run = site.start(
        "warmup", *FORMULAS, "--timeout", "2s", points=(point(name, trial.rng.choice(("before",)), nth=nth, do=deed),)
    )
    result = trial.ended(run, 124)
    trial.in_time(run, result, over=1.2)
    trial.gone(run, result.at)
    trial.check_values("sum", generation=old)
    assert site.cell("sum", "reason") == "timeout"
    trial.recovers()


@injections("stuck code", 3)
def test_a_worker_is_stuck_after_all_its_work(trial: Trial) -> None:
    """What was computed is stored at once; a worker that then does not go is killed, and the run is a success."""
    site = trial.site
    site.change()
    deed = trial.rng.choice(("hang in C", "hold the interpreter", "stop"))
    trial.note(deed)
    run = site.start("warmup", *FORMULAS, points=(point("work", "after", do=deed),))
    result = trial.ended(run, 0)
    assert result.seconds < TIMEOUT, f"it took {result.seconds:.2f} s: it waited for its deadline"
    trial.check_values()
    trial.gone(run, result.at)
    trial.recovers()


@injections("stuck code", 3)
def test_an_error_that_nobody_foresaw(trial: Trial) -> None:
    """An exception in the worker, wherever: one clear line, exit 1 or 3, the last values stay, no lock is left."""
    site = trial.site
    old = site.generation
    site.change()
    name = trial.rng.choice(("order", "connect", "report"))
    trial.note(name)
    run = site.start("warmup", *FORMULAS, points=(point(name, "before", do="raise"),))
    result = trial.ended(run, 1, 3)
    assert "nobody foresaw" in result.err, result.err
    trial.gone(run, result.at)
    trial.check_values("sum", generation=old)
    assert site.cell("sum", "reason") == "worker died"
    trial.recovers()


@injections("stuck code", 3)
def test_a_stopped_worker_loses_its_guard(trial: Trial) -> None:
    """The guard is killed while its worker is stopped, or holds the interpreter: the worker dies all the same."""
    site = trial.site
    site.change()
    deed = ("stop", "hold the interpreter", "spin")[trial.seed % 3]
    run = site.start("warmup", *FORMULAS, points=(point("report", "before", nth=2, do=deed),))
    until(lambda: site.backends() and run.workers(), why="the worker has connected")
    time.sleep(0.3)
    if deed == "stop":
        assert all(stopped(pid) for pid in run.workers())
    run.signal(signal.SIGKILL)
    result = run.wait()
    trial.gone(run, result.at, within=1.0)
    trial.recovers(result.at)
