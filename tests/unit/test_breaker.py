"""When a counter that keeps failing is left alone, and for how long."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countercache.model.circuit_breaker import backoff, put_off, skipped_events, words
from countercache.model.results import Skip
from countercache.model.states import Cell, CellId, Failure, Reason
from countercache.settings import BreakerSettings

NOW = 1000.0
FAILURE = Failure(Reason.UNREACHABLE, "the database main cannot be reached")


def cell(counter: str, period: str, next_attempt: float | None, failures: int = 5) -> Cell:
    """A cell that failed so often, with its next attempt so many seconds from now."""
    at = None if next_attempt is None else NOW + next_attempt
    return Cell(CellId(counter, "all", period), period, 1, failure=FAILURE, failures=failures, next_attempt=at)


def skips(*cells: Cell, more: tuple[CellId, ...] = ()) -> dict[str, Skip]:
    """What is put off, of these cells and of `more` of which nothing is stored."""
    return put_off((*(each.id for each in cells), *more), {each.id: each for each in cells}, NOW)


def test_the_waits_double_up_to_the_longest() -> None:
    """As the defaults have it: after 5 failures a minute, then two, four, … and never more than an hour."""
    found = backoff(BreakerSettings(), 0.0)
    assert found.failures == 5
    assert found.waits == (60, 120, 240, 480, 960, 1920, 3600)


def test_a_factor_of_one_waits_the_same_each_time() -> None:
    """There is one wait then, and it is the last one too."""
    assert backoff(BreakerSettings(factor=1, wait=30.0), 0.0).waits == (30,)


@given(st.floats(0, 1), st.floats(0.001, 1e6), st.integers(1, 10), st.floats(1, 1e6))
def test_chance_takes_off_a_fifth_at_most(chance: float, wait: float, factor: int, times: float) -> None:
    """Whatever the settings: few waits, each within its bounds, none shorter than the one before."""
    settings = BreakerSettings(wait=wait, factor=factor, max=wait * times)
    waits = backoff(settings, chance).waits
    full = backoff(settings, 0.0).waits
    assert len(waits) <= 25
    assert list(waits) == sorted(waits)
    assert all(0.8 * most <= each <= most <= settings.max for each, most in zip(waits, full, strict=True))


def test_a_counter_waits_while_all_its_cells_do() -> None:
    """The trial is due as soon as one of them is; the reason is that of the cell that failed most."""
    worse = msgspec.structs.replace(cell("debt", "all", 90, 7), failure=Failure(Reason.SQL, "no such column"))
    assert skips(cell("debt", "latest", 60), worse) == {"debt": Skip(7, NOW + 60, 60.0, worse.failure or FAILURE)}


@pytest.mark.parametrize("other", [cell("debt", "all", None), cell("debt", "all", 0.0), cell("debt", "all", -5.0)])
def test_a_counter_with_a_cell_that_is_due_is_tried(other: Cell) -> None:
    """A cell that may be tried, or whose wait is over at this very moment, lets the whole counter be tried."""
    assert not skips(cell("debt", "latest", 60), other)


def test_a_counter_with_a_cell_that_was_never_tried_is_tried() -> None:
    """A period that has been added to the configuration does not wait for the others."""
    assert not skips(cell("debt", "latest", 60), more=(CellId("debt", "all", "2019/20"),))


def test_counters_are_judged_one_by_one() -> None:
    """One that waits keeps no other from being tried."""
    assert list(skips(cell("debt", "latest", 60), cell("users", "all", None))) == ["debt"]


def test_why_and_until_when_is_said_in_one_sentence() -> None:
    """How often it failed, the last reason, and the time that is left, which is never nothing."""
    assert words(Skip(5, NOW, 62.4, FAILURE)) == (
        "not tried after 5 failures in a row (the last: unreachable: the database main cannot be reached); "
        "next attempt in 1m2s"
    )
    assert words(Skip(1, NOW, 0.1, FAILURE)).startswith("not tried after 1 failure (")
    assert words(Skip(1, NOW, 0.1, FAILURE)).endswith("next attempt in 1s")


def test_counters_that_wait_for_the_same_reason_are_one_event() -> None:
    """A database that is away is one line in the log, with all its counters."""
    skip = Skip(5, NOW, 60.0, FAILURE)
    found = list(skipped_events({"a": skip, "b": msgspec.structs.replace(skip, failures=6), "c": skip}))
    assert [event.counters for event in found] == [("a", "c"), ("b",)]
    assert {(event.level, event.category, event.action) for event in found} == {("warning", "breaker", "skipped")}
