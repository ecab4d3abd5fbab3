"""How a run ended: its exit code, and its event in the log. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from countercache.errors import (
    EXIT_FAILED,
    EXIT_LOCKED,
    EXIT_OK,
    EXIT_PARTIAL,
    EXIT_TIMEOUT,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
)
from countercache.model.durations import rough_text
from countercache.model.results import CellView, CounterOutcome, JobOutcome, Skip
from countercache.model.states import Failure, Level, Reason
from countercache.model.wording import count

_CODES = {
    Reason.TIMEOUT: EXIT_TIMEOUT,
    Reason.UNREACHABLE: EXIT_UNREACHABLE,
    Reason.CONFIG: EXIT_USAGE,
    Reason.LOCKED: EXIT_LOCKED,
}
_ENDS_THE_RUN = (Reason.TIMEOUT, Reason.UNREACHABLE, Reason.LOCKED)


def job_exit_code(counters: Sequence[CounterOutcome], failure: Failure | None) -> int:
    """The exit code of one job: that of what stopped it, or else that of its counters.

    Where all failures have the same reason and nothing succeeded, it is the code of that reason (2 for a configuration
    error), so that a script can tell what to fix. A counter that the circuit breaker skipped counts as failed, with its
    last reason.
    """
    if failure and failure.reason in _ENDS_THE_RUN:
        return _CODES[failure.reason]
    failures = [failure] if failure else []
    failures += [failed for counter in counters for failed in counter.failures]
    failures += [counter.skipped.failure for counter in counters if counter.skipped]
    codes = {_CODES.get(failed.reason, EXIT_FAILED) for failed in failures}
    if not codes:
        return EXIT_OK
    if any(counter.values for counter in counters):
        return EXIT_PARTIAL
    return codes.pop() if len(codes) == 1 else EXIT_FAILED


def skipped_outcomes(skips: Mapping[str, Skip], views: Sequence[CellView]) -> tuple[CounterOutcome, ...]:
    """The outcomes of counters that the circuit breaker skips; `views` are the cells as stored now."""
    return tuple(
        CounterOutcome(name, tuple(view for view in views if view.id.counter == name), skipped=skip)
        for name, skip in skips.items()
    )


def run_exit_code(jobs: Sequence[JobOutcome], signal: int) -> int:
    """The exit code of the whole command: 128 + the signal that ended it, or else what its jobs have in common."""
    if signal:
        return 128 + signal
    codes = {job.exit_code for job in jobs}
    if EXIT_TIMEOUT in codes:
        return EXIT_TIMEOUT
    if len(codes) > 1:
        return EXIT_PARTIAL if codes & {EXIT_OK, EXIT_PARTIAL} else EXIT_FAILED
    return codes.pop() if codes else EXIT_OK


def run_ended(
    counters: Sequence[CounterOutcome], failure: Failure | None, duration: float
) -> tuple[Level, str, str, tuple[str, ...]]:
    """The level, action, message and counters of the event that ends a job."""
    failed = tuple(counter.counter for counter in counters if counter.failures)
    succeeded, took = len(counters) - len(failed), rough_text(duration)
    if failure:
        message = (
            f"{failure.reason}: {failure.text} ({succeeded} of {count(len(counters), 'counter')} stored, after {took})"
        )
        if failure.reason is Reason.CANCELLED:
            return Level.WARNING, "cancelled", message, failed
        return Level.ERROR, "failed", message, failed
    message = f"{succeeded} of {count(len(counters), 'counter')} succeeded, in {took}"
    if not failed:
        return Level.INFO, "finished", message, ()
    if any(counter.values for counter in counters):
        return Level.WARNING, "finished", message, failed
    return Level.ERROR, "failed", message, failed
