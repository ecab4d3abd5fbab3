"""Pauses: a guard that is stopped past its lease, while a rival runs, can never overwrite what the rival has stored."""

from __future__ import annotations

import signal
import time

from tests.faults.figures import FORMULAS
from tests.faults.harness import LEASE, ROOMY, TIMEOUT
from tests.faults.injections import Trial, injections
from tests.faults.points import point
from tests.faults.processes import until

POINTS = (
    point("acquire", "after", do="stop"),
    point("go", "after", do="stop"),
    point("write", "before", do="stop"),
    point("write", "before", nth=2, do="stop"),
    point("renew", "before", do="stop"),
    point("renew", "after", do="stop"),
    point("script", "before", nth=2, do="stop"),
    point("script", "after", nth=2, do="stop"),
)


@injections("pause", 12)
def test_a_paused_guard_cannot_overwrite_a_rival(trial: Trial) -> None:
    """SIGSTOP at a named point past the lease, a rival runs, SIGCONT: the late publish is refused; the run says so."""
    order = POINTS[trial.seed % len(POINTS)]
    trial.note(f"{order['moment']} {order['name']} {order['nth']}")
    site = trial.site
    site.change()
    late = trial.paused("total", "nap", "ratio", "sum", order=order)
    site.change()
    trial.warm()  # it waits for the lease to end, and no longer
    late.signal(signal.SIGCONT)
    continued = time.monotonic()
    result = trial.ended(late, 1, 3, 124)
    assert result.at - continued < 2.0, "the late run noticed too late"
    assert "lock" in result.err or result.code == 124, result.err
    trial.check_values()
    trial.gone(late, result.at)
    trial.recovers()


@injections("pause", 4)
def test_a_guard_that_is_paused_at_a_random_moment(trial: Trial) -> None:
    """The same whenever it hits it: either it had stored all, or it stores nothing more."""
    site = trial.site
    site.change()
    late = site.start("warmup", "total", "nap", "ratio", "sum")
    wait = trial.rng.uniform(0.05, 1.0)
    trial.note(f"after {wait:.3f} s")
    time.sleep(wait)
    late.signal(signal.SIGSTOP)
    site.change()
    trial.warm()
    late.signal(signal.SIGCONT)
    result = trial.ended(late, 0, 1, 3, 4)
    # Stopped before it had asked for the lock, it is simply the later of two runs.
    trial.note(f"exit {result.code}")
    trial.check_values()
    trial.gone(late, result.at)
    trial.recovers()


@injections("pause", 3)
def test_a_guard_that_is_paused_past_its_deadline(trial: Trial) -> None:
    """It wakes up when all its time is over: exit 124, nothing stored, no failure beside newer values."""
    site = trial.site
    site.change()
    late = trial.paused("total", "nap", order=point("write", "before", do="stop"))
    began = time.monotonic()
    site.change()
    trial.warm("total", "nap", "ratio", "sum")
    until(lambda: time.monotonic() > began + TIMEOUT, seconds=TIMEOUT + 1, why="the deadline")
    late.signal(signal.SIGCONT)
    result = trial.ended(late, 124, 1, 3)
    trial.check_values("total", "nap", "ratio", "sum")
    assert site.cell("nap", "reason") is None
    assert site.cell("total", "reason") is None
    trial.gone(late, result.at)
    trial.recovers()


@injections("pause", 3)
def test_a_short_pause_is_no_loss(trial: Trial) -> None:
    """A pause that is shorter than the lease changes nothing: the run goes on and succeeds."""
    site = trial.site
    site.change()
    run = trial.paused(*FORMULAS, "nap", *ROOMY, order=point("write", "before", do="stop"))
    time.sleep(trial.rng.uniform(0.1, LEASE / 3))
    run.signal(signal.SIGCONT)
    result = trial.ended(run, 0)
    trial.check_values(*FORMULAS, "nap")
    trial.gone(run, result.at)
    trial.recovers()
