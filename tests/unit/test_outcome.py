"""How a run ends, as a number."""

import pytest

from countercache.model.results import CounterOutcome, JobOutcome, Skip
from countercache.model.states import Failure, Reason
from countercache.run.outcome import job_exit_code, run_ended, run_exit_code


def counter(values: int, *reasons: Reason) -> CounterOutcome:
    """A counter of which so many cells got a value, and the others failed."""
    return CounterOutcome("c", (), values, tuple(Failure(reason, "…") for reason in reasons))


def job(exit_code: int) -> JobOutcome:
    """A job that ended so."""
    return JobOutcome("d", "r", (), 0.0, exit_code=exit_code)


@pytest.mark.parametrize(
    ("counters", "failure", "code"),
    [
        ([], None, 0),
        ([counter(1), counter(3)], None, 0),
        ([counter(1), counter(0, Reason.SQL)], None, 3),
        ([counter(1, Reason.DIVISION_BY_ZERO)], None, 3),
        ([counter(0, Reason.SQL), counter(0, Reason.DATABASE)], None, 1),
        ([counter(0, Reason.CONFIG), counter(0, Reason.CONFIG)], None, 2),
        ([counter(0, Reason.TIMEOUT)], None, 124),
        ([counter(1), counter(0, Reason.TIMEOUT)], None, 3),
        ([counter(1), counter(0, Reason.TIMEOUT)], Reason.TIMEOUT, 124),
        ([counter(0, Reason.UNREACHABLE)], Reason.UNREACHABLE, 5),
        ([counter(0, Reason.LOCKED)], Reason.LOCKED, 4),
        ([counter(2), counter(0, Reason.LOCK_LOST)], Reason.LOCK_LOST, 3),
        ([counter(0, Reason.LOCK_LOST)], Reason.LOCK_LOST, 1),
        ([counter(0, Reason.CLEARED)], Reason.CLEARED, 1),
        ([counter(0, Reason.WORKER)], Reason.WORKER, 1),
    ],
)
def test_job(counters: list[CounterOutcome], failure: Reason | None, code: int) -> None:
    """What stops a job decides; else its counters do: one that fails beside one that succeeds is partial."""
    assert job_exit_code(counters, Failure(failure, "…") if failure else None) == code


@pytest.mark.parametrize(
    ("codes", "signal", "code"),
    [
        ([], 0, 0),
        ([0, 0], 0, 0),
        ([0, 5], 0, 3),
        ([5, 5], 0, 5),
        ([4, 0], 0, 3),
        ([4, 5], 0, 1),
        ([0, 124], 0, 124),
        ([3, 1], 0, 3),
        ([0, 0], 15, 143),
        ([1, 1], 2, 130),
    ],
)
def test_run(codes: list[int], signal: int, code: int) -> None:
    """A signal decides, then a timeout, then what the jobs have in common."""
    assert run_exit_code([job(code) for code in codes], signal) == code


def skipped(reason: Reason) -> CounterOutcome:
    """A counter that is put off because it failed so."""
    return CounterOutcome("s", (), skipped=Skip(5, 60.0, 60.0, Failure(reason, "…")))


SKIPPED, LATE, WRONG = skipped(Reason.UNREACHABLE), skipped(Reason.TIMEOUT), skipped(Reason.SQL)


@pytest.mark.parametrize(
    ("counters", "failure", "code"),
    [
        ([SKIPPED], None, 5),
        ([SKIPPED, SKIPPED], None, 5),
        ([LATE], None, 124),
        ([SKIPPED, LATE], None, 1),
        ([WRONG], None, 1),
        ([SKIPPED, counter(0, Reason.UNREACHABLE)], None, 5),
        ([SKIPPED, counter(1)], None, 3),
        ([SKIPPED, counter(0, Reason.CONFIG)], None, 1),
        ([SKIPPED, counter(1)], Reason.TIMEOUT, 124),
        ([SKIPPED, counter(0, Reason.UNREACHABLE)], Reason.UNREACHABLE, 5),
    ],
)
def test_what_was_not_tried_has_failed(counters: list[CounterOutcome], failure: Reason | None, code: int) -> None:
    """A run in which everything was put off ends as the one did that put it off; one in which some was is partial."""
    assert job_exit_code(counters, Failure(failure, "…") if failure else None) == code


@pytest.mark.parametrize(
    ("counters", "failure", "level", "action", "words"),
    [
        ([counter(1), counter(3)], None, "info", "finished", "2 of 2 counters succeeded, in 0.5s"),
        ([counter(1), counter(0, Reason.SQL)], None, "warning", "finished", "1 of 2 counters succeeded, in 0.5s"),
        ([counter(0, Reason.SQL)], None, "error", "failed", "0 of 1 counter succeeded, in 0.5s"),
        ([counter(1)], Reason.TIMEOUT, "error", "failed", "timeout: … (1 of 1 counter stored, after 0.5s)"),
        ([counter(1)], Reason.CANCELLED, "warning", "cancelled", "cancelled: … (1 of 1 counter stored, after 0.5s)"),
    ],
)
def test_how_it_ended_in_words(
    counters: list[CounterOutcome], failure: Reason | None, level: str, action: str, words: str
) -> None:
    """The event of a run's end says how much of it succeeded, and is as grave as its exit code."""
    found = run_ended(counters, Failure(failure, "…") if failure else None, 0.5)
    assert found == (level, action, words, tuple(each.counter for each in counters if each.failures))
