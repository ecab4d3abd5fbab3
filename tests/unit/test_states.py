"""How the state of a cell is derived, and which cells are configured."""

from __future__ import annotations

from decimal import Decimal

import pytest

from countercache.model.states import (
    Attempt,
    Cell,
    CellId,
    Failure,
    Lock,
    Owner,
    Progress,
    Reason,
    State,
    configured_cells,
    derive,
)
from countercache.settings import CounterSettings, DatabaseSettings, Settings, SourceSettings

NOW = 1000.0
BAD = Failure(Reason.SQL, "no such column")


def cell(
    fence: int = 5, *, value: str | None = "1", failure: Failure | None = None, fresh: float | None = None
) -> Cell:
    """A stored cell."""
    number = Decimal(value) if value is not None else None
    return Cell(CellId("debt", "all", "all"), "", fence, value=number, failure=failure, fresh_until=fresh)


def lock(fence: int = 7, *, ttl: float | None = 1.0, counters: tuple[str, ...] = ("debt",)) -> Lock:
    """A lock as it was read."""
    owner = Owner("h", "b", 1, "1", "u", "c", "1")
    return Lock("main", "key", "id", fence, owner, counters, 990.0, 1990.0, ttl, Progress("adding"))


@pytest.mark.parametrize(
    ("stored", "locks", "attempt", "expected"),
    [
        (None, [], None, State.PENDING),
        (cell(), [], None, State.READY),
        (cell(fresh=NOW + 1), [], None, State.READY),
        (cell(fresh=NOW), [], None, State.STALE),
        (cell(failure=BAD), [], None, State.ERROR),
        (cell(failure=BAD, fresh=NOW - 9), [], None, State.ERROR),
        (None, [lock()], Attempt(7), State.CALCULATING),
        (cell(), [lock()], Attempt(7), State.CALCULATING),
        (cell(failure=BAD), [lock()], Attempt(7), State.CALCULATING),
        # Written by the very run that goes on with other counters, or with other cells of this one.
        (cell(7), [lock()], None, State.READY),
        (cell(7), [lock()], Attempt(7), State.READY),
        (cell(7, failure=BAD), [lock()], Attempt(7), State.ERROR),
        # The run has ended the counter, and this cell was none of its.
        (cell(5), [lock()], None, State.READY),
        # Promise A: without a live lease of that very attempt nothing is calculating.
        (None, [], Attempt(7), State.ERROR),
        (cell(), [], Attempt(7), State.ERROR),
        (cell(), [lock(ttl=None)], Attempt(7), State.ERROR),
        (cell(), [lock(counters=("other",))], Attempt(7), State.ERROR),
        (cell(), [lock(9)], Attempt(7), State.ERROR),
        (cell(), [lock()], Attempt(7, Reason.LOCK_LOST), State.ERROR),
        # A counter that has moved to another database is covered by one of two locks.
        (cell(), [lock(6), lock(7)], Attempt(7), State.CALCULATING),
        # An attempt older than the cell was overtaken.
        (cell(8), [], Attempt(7), State.READY),
    ],
)
def test_the_state_of_a_cell(stored: Cell | None, locks: list[Lock], attempt: Attempt | None, expected: State) -> None:
    """Each rule of the design's section 6, and that `calculating` needs a live lease (promise A)."""
    state, failure = derive(stored, "debt", locks, {"debt": attempt} if attempt else {}, NOW)
    assert state == expected
    assert (failure is not None) == (state is State.ERROR)


def test_a_value_of_another_configuration_is_stale() -> None:
    """However fresh it is; a failure and an attempt say more."""
    assert derive(cell(fresh=NOW + 1), "debt", [], {}, NOW, redefined=True) == (State.STALE, None)
    assert derive(cell(failure=BAD), "debt", [], {}, NOW, redefined=True) == (State.ERROR, BAD)
    assert derive(cell(), "debt", [lock()], {"debt": Attempt(7)}, NOW, redefined=True) == (State.CALCULATING, None)


@pytest.mark.parametrize("reason", list(Reason))
def test_an_attempt_that_did_not_end_says_why(reason: Reason) -> None:
    """Whatever reason was recorded for a run's end is what its unwritten cells show, in words."""
    state, failure = derive(cell(), "debt", [], {"debt": Attempt(7, reason)}, NOW)
    assert state is State.ERROR
    assert failure is not None
    assert failure.reason is reason
    assert failure.message


def test_the_failure_of_a_cell_is_its_own() -> None:
    """A stored failure is shown as it was stored."""
    assert derive(cell(failure=BAD), "debt", [], {}, NOW) == (State.ERROR, BAD)


SETTINGS = Settings(
    databases={"main": DatabaseSettings(url="sqlite://")},
    sources={"figures": SourceSettings(database="main", table="t", entity="e", period="p")},
    counters={
        "debt": CounterSettings(source="figures", formula="a", periods=("latest", "all"), groups=("all", "england")),
        "each": CounterSettings(source="figures", formula="a", periods="each", groups=("all", "wales")),
        "users": CounterSettings(database="main", sql="SELECT 1"),
    },
)


def test_the_cells_that_are_configured() -> None:
    """Groups by periods in the file's order; a SQL counter is one cell; over each period: the known ones, in order."""
    known = [
        CellId("each", "all", "2019/20"),
        CellId("each", "all", "2018/19"),
        CellId("each", "all", "each"),
        CellId("each", "wales", "each"),
        CellId("gone", "all", "all"),
    ]
    assert [(c.counter, c.group, c.period) for c in configured_cells(SETTINGS, known)] == [
        ("debt", "all", "latest"),
        ("debt", "all", "all"),
        ("debt", "england", "latest"),
        ("debt", "england", "all"),
        ("each", "all", "2018/19"),
        ("each", "all", "2019/20"),
        ("each", "wales", "each"),
        ("users", "all", "all"),
    ]


def test_the_cells_of_some_counters() -> None:
    """Only the named counters, in the order they were named."""
    found = [c.counter for c in configured_cells(SETTINGS, [], ["users", "each"])]
    assert found == ["users", "each", "each"]
