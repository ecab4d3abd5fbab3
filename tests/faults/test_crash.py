"""Crashes: SIGKILL of the guard, of the worker, of both, at every named point of a run and at random moments."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from typing import Any

from tests.faults.figures import FORMULAS
from tests.faults.harness import LEASE, ROOMY
from tests.faults.injections import AT_ONCE_AGAIN, Trial, injections
from tests.faults.points import MOMENTS, point
from tests.faults.processes import until
from tests.faults.proxy import Mode

# The points, each with how often a run passes it at least.
GUARD = (
    ("fork", 1),
    ("read", 2),
    ("acquire", 1),
    ("go", 1),
    ("write", 2),
    ("renew", 1),
    ("release", 1),
    ("script", 4),
    ("stop", 1),
)
WORKER = (("work", 1), ("order", 1), ("connect", 1), ("report", 6))


def kill_at(trial: Trial, points: tuple[tuple[str, int], ...], do: str) -> dict[str, Any]:
    """A point of the run: each in turn, before it or after it, at one of its passings."""
    name, passings = points[trial.seed % len(points)]
    order = point(name, trial.rng.choice(MOMENTS), nth=trial.rng.randint(1, passings), do=do)
    trial.note(f"{order['do']} {order['moment']} {name} {order['nth']}")
    return order


def dies(trial: Trial, order: dict[str, Any]) -> None:
    """A run whose guard dies at a point: nothing of it stays, and the next one succeeds when the lease has ended."""
    site = trial.site
    site.change()
    run = site.start("warmup", *FORMULAS, "nap", points=(order,))
    result = trial.ended(run, -signal.SIGKILL)
    trial.gone(run, result.at)
    trial.recovers(result.at)


@injections("crash", 18)
def test_the_guard_is_killed_at_a_named_point(trial: Trial) -> None:
    """SIGKILL of the guard before or after each step of a run: promises A, C and E, and the next run succeeds."""
    dies(trial, kill_at(trial, GUARD, "kill"))


@injections("crash", 10)
def test_the_worker_is_killed_at_a_named_point(trial: Trial) -> None:
    """SIGKILL of the worker: the guard hears of it at once, stores what was complete and says that the worker died."""
    order = kill_at(trial, WORKER, "kill")
    site = trial.site
    site.change()
    run = site.start("warmup", *FORMULAS, "nap", points=(order,))
    # After `work` it has said all that it had to say: its death is then no loss.
    result = trial.ended(run, *([0] if (order["name"], order["moment"]) == ("work", "after") else [1, 3]))
    trial.gone(run, result.at)
    trial.recovers()


@injections("crash", 9)
def test_both_are_killed_at_a_named_point(trial: Trial) -> None:
    """SIGKILL of the guard and its worker at one moment."""
    dies(trial, kill_at(trial, GUARD, "kill both"))


@injections("crash", 10)
def test_the_guard_is_killed_at_a_random_moment(trial: Trial) -> None:
    """SIGKILL of the guard whenever it hits it."""
    site = trial.site
    site.change()
    run = site.start("warmup", *FORMULAS, "nap")
    wait = trial.rng.uniform(0.0, 1.2)
    trial.note(f"after {wait:.3f} s")
    time.sleep(wait)
    run.signal(signal.SIGKILL)
    result = run.wait()
    trial.gone(run, result.at)
    trial.recovers(result.at)


@injections("crash", 8)
def test_the_worker_is_killed_at_a_random_moment(trial: Trial) -> None:
    """SIGKILL of the worker whenever it hits it: the guard ends in order and the lock is free at once."""
    site = trial.site
    site.change()
    run = site.start("warmup", "slow", *FORMULAS)
    with suppress(AssertionError):
        workers = until(run.workers, seconds=5)
        time.sleep(trial.rng.uniform(0.0, 0.6))
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    result = trial.ended(run, 0, 1, 3)
    trial.note(f"exit {result.code} after {result.seconds:.2f} s")
    trial.gone(run, result.at)
    trial.recovers()


@injections("crash", 3)
def test_the_installed_command_is_killed(trial: Trial) -> None:
    """The same with a fresh interpreter, as a user starts it: the guard, then the next run beside its lock."""
    site = trial.site
    site.change()
    run = site.start_installed("warmup", "nap", *FORMULAS)
    until(site.locked, why="the run holds its lock")
    time.sleep(trial.rng.uniform(0.0, 0.5))
    run.signal(signal.SIGKILL)
    result = run.wait()
    trial.gone(run, result.at)
    second = site.start_installed("warmup", "--wait", "10s", *FORMULAS)
    trial.ended(second, 0)
    assert second.wait().at - result.at < LEASE + 2 * AT_ONCE_AGAIN
    trial.check_values()
    trial.recovers()


@injections("crash", 6)
def test_a_signal_ends_the_run_in_order(trial: Trial) -> None:
    """SIGTERM, SIGINT and SIGHUP: recorded as cancelled, exit 128 + the signal, the last values stay, no lock."""
    number = trial.rng.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    site = trial.site
    before = site.generation
    site.change()
    run = site.start("warmup", "endless", "total")
    trial.until_busy(run)
    trial.note(number.name)
    run.signal(number)
    sent = time.monotonic()
    result = trial.ended(run, 128 + number)
    assert result.at - sent < 1.5, f"it took {result.at - sent:.2f} s"
    trial.gone(run, result.at)
    assert site.cell("endless", "reason") == "cancelled"
    trial.check_values("ratio", generation=before)
    trial.check_values("total")
    trial.recovers()


@injections("crash", 3)
def test_a_signal_ends_a_run_that_waits(trial: Trial) -> None:
    """A run that waits for another's lock goes at once, and the other one does not notice."""
    number = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[trial.seed % 3]
    site = trial.site
    site.change()
    holder = site.start("warmup", *FORMULAS, "nap", *ROOMY)
    until(site.locked, why="the first run holds its lock")
    waiting = site.start("warmup", "--wait", "30s", *FORMULAS)
    until(lambda: waiting.workers() or not waiting.running, why="the second run is there")
    time.sleep(trial.rng.uniform(0.0, 0.3))
    waiting.signal(number)
    sent = time.monotonic()
    result = trial.ended(waiting, 128 + number, 0)  # 0: the first had ended, and it has computed already
    trial.note(f"{number.name}: exit {result.code}")
    assert result.at - sent < 1.5, f"it took {result.at - sent:.2f} s"
    trial.ended(holder, 0)
    trial.check_values(*FORMULAS, "nap")
    trial.gone(waiting, result.at)
    trial.recovers()


@injections("crash", 3, proxied=("database",))
def test_a_signal_ends_a_run_that_connects(trial: Trial) -> None:
    """A run whose database does not answer goes at once, and leaves no lock."""
    number = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[trial.seed % 3]
    site = trial.site
    old = site.generation
    site.change()
    assert site.database_proxy
    site.database_proxy.mode = Mode.HOLD
    run = site.start("warmup", *FORMULAS)
    until(site.locked, why="the run holds its lock")
    time.sleep(trial.rng.uniform(0.0, 0.5))
    run.signal(number)
    sent = time.monotonic()
    result = trial.ended(run, 128 + number)
    assert result.at - sent < 1.5, f"it took {result.at - sent:.2f} s"
    site.database_proxy.calm()
    trial.check_values(generation=old)
    trial.gone(run, result.at)
    trial.recovers()


@injections("crash", 6)
def test_ctrl_c_at_any_moment(trial: Trial) -> None:
    """From the first line of the program to its last, also while it is loaded: no traceback, and no lock is left."""
    site = trial.site
    site.change()
    run = site.start_installed("warmup", *FORMULAS, "nap")
    wait = trial.rng.uniform(0.05, 1.2)
    time.sleep(wait)
    run.signal(signal.SIGINT)
    result = run.wait()
    trial.note(f"after {wait:.3f} s: exit {result.code}")
    # Python's own start, up to our first line, is not ours: where it fails Python says so, and exits with 1.
    unborn = result.code == 1 and re.match(r"Fatal Python error: init_|Could not import runpy module", result.err)
    assert unborn or result.code in (130, -signal.SIGINT, 0), result
    assert not re.search(r"/countercache/(?!__main__)", result.err), result.err
    trial.gone(run, result.at)
    trial.recovers()
