"""The circuit breaker in a real server: failures in a row put the next attempt off, a success closes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from countercache.model.circuit_breaker import Backoff
from countercache.model.states import ALL, Cell, CellId, Computed, Event, Failure, Reason
from countercache.render import documents
from countercache.store import cell_store, event_log
from countercache.store.cell_store import Publication
from tests.integration.redis_side import Side, cell, failure, value
from tests.valkey import Valkey

USERS, LATEST, OVERALL = cell("users"), cell("debt", "latest"), cell("debt", "all")
BACKOFF = Backoff(2, (60.0, 120.0))


@pytest.fixture
def side(valkey: Valkey) -> Iterator[Side]:
    """An empty namespace."""
    side = Side(valkey.url, valkey.client())
    yield side
    side.client.close()


def attempt(side: Side, *entries: Publication, backoff: Backoff = BACKOFF) -> None:
    """One run that ends so."""
    side.expire()
    cell_store.write(side.acquire(), entries, ["users", "debt", "each"], backoff=backoff)


def stored(side: Side, id_: CellId = USERS) -> Cell:
    """A cell as it is stored."""
    return cell_store.read(side.store, side.settings).cells[id_]


def waits(side: Side) -> dict[str, float]:
    """The counters that are put off, and for how many seconds."""
    seen = cell_store.read(side.store, side.settings)
    return {counter: skip.wait for counter, skip in seen.put_off.items()}


def told(side: Side) -> list[Event]:
    """What the log says of breakers."""
    return [event for event in event_log.read(side.store) if event.category == "breaker"]


def test_failures_in_a_row_open_it_and_each_further_one_waits_longer(side: Side) -> None:
    """One failure is none too many; then the first wait, the second, and that again."""
    attempt(side, failure(USERS))
    assert stored(side).next_attempt is None
    assert not waits(side)
    for row, wait in enumerate((60, 120, 120), start=2):
        attempt(side, failure(USERS))
        found = stored(side)
        assert found.failures == row
        assert found.next_attempt == pytest.approx((found.failed_at or 0) + wait)
        assert waits(side) == {"users": pytest.approx(wait, abs=5)}
    assert [(each.level, each.action, each.counters) for each in told(side)] == [("warning", "opened", ("users",))] * 3
    assert told(side)[0].message == "2 failures in a row; not tried again for 60 s"


def test_a_success_closes_it(side: Side) -> None:
    """Nothing is left of it, and the log says so; a success without it says nothing."""
    attempt(side, value(USERS), failure(LATEST), failure(OVERALL))
    assert not told(side)
    attempt(side, failure(USERS), failure(LATEST), failure(OVERALL))
    attempt(side, failure(USERS), value(LATEST), value(OVERALL))
    assert set(waits(side)) == {"users"}
    attempt(side, value(USERS))
    assert not waits(side)
    assert (stored(side).failures, stored(side).next_attempt) == (0, None)
    assert [(each.level, each.action, each.counters) for each in told(side)] == [
        ("warning", "opened", ("debt",)),
        ("warning", "opened", ("users",)),
        ("info", "closed", ("debt",)),
        ("info", "closed", ("users",)),
    ]


def test_counters_that_fail_together_wait_together(side: Side) -> None:
    """As those of a database that is away: one event, one moment."""
    for _ in range(2):
        attempt(side, failure(USERS), failure(LATEST), failure(OVERALL), failure(cell("each", "each")))
    (event,) = told(side)
    assert event.counters == ("users", "debt", "each")
    assert len({stored(side, id_).next_attempt for id_ in (USERS, LATEST, OVERALL)}) == 1


def test_a_counter_of_which_a_cell_succeeds_is_not_put_off(side: Side) -> None:
    """A group that fails for ever keeps the others neither from being computed nor from being fresh."""
    for _ in range(4):
        attempt(side, failure(LATEST), value(OVERALL))
    assert stored(side, LATEST).failures == 4
    assert not waits(side)
    assert not told(side)
    views = cell_store.status(side.store, side.settings, ["debt"]).cells
    assert [view.retry_in for view in views] == [None, None]
    assert [documents.cell(view)["next_attempt"] for view in views] == [None, None]


def test_a_cell_that_is_new_lets_the_counter_be_tried(side: Side) -> None:
    """The period `all` has been added since: it has not failed."""
    for _ in range(3):
        attempt(side, failure(LATEST))
    assert not waits(side)


def test_being_told_to_stop_is_no_failure_of_the_counter(side: Side) -> None:
    """A deployment that ends runs by SIGTERM opens nothing, and does not hide what failed before either."""
    attempt(side, failure(USERS))
    stop = Publication(Computed(USERS, "all", failure=Failure(Reason.CANCELLED, "told to stop")))
    for _ in range(3):
        attempt(side, stop)
    assert (stored(side).failures, stored(side).next_attempt) == (1, None)
    assert stored(side).failure == Failure(Reason.CANCELLED, "told to stop")
    attempt(side, failure(USERS))
    assert waits(side)


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.UNREACHABLE, Reason.WORKER, Reason.SQL])
def test_any_other_failure_counts(side: Side, reason: Reason) -> None:
    """Also one that is nobody's fault."""
    for _ in range(2):
        attempt(side, Publication(Computed(USERS, "all", failure=Failure(reason, "…"))))
    assert set(waits(side)) == {"users"}


def test_a_write_that_is_repeated_counts_once(side: Side) -> None:
    """A failure whose reply was lost and that is told again is no second one, and no second event."""
    lease = side.acquire()
    for _ in range(3):
        cell_store.write(lease, [failure(USERS)], ["users"], backoff=Backoff(1, (60.0,)))
    assert stored(side).failures == 1
    assert len(told(side)) == 1


def test_a_failure_told_after_the_lock_counts_too(side: Side) -> None:
    """A timeout is told when the lock has ended at its deadline."""
    lease = side.acquire(counters=("users",))
    side.expire()
    cell_store.write(lease, [failure(USERS)], ["users"], backoff=Backoff(1, (60.0,)))
    assert set(waits(side)) == {"users"}
    assert [each.action for each in told(side)] == ["opened"]


def test_status_says_until_when(side: Side) -> None:
    """The state is what it is, an error; beside it stands for how long it is not tried again."""
    for _ in range(2):
        attempt(side, failure(USERS))
    (view,) = cell_store.status(side.store, side.settings, ["users"]).cells
    assert view.state == "error"
    assert view.retry_in == pytest.approx(60, abs=5)


def test_what_is_wrong_in_the_configuration_does_not_open_it(side: Side) -> None:
    """As soon as somebody has corrected it the counter is tried, and not only when its wait is over."""
    for _ in range(4):
        attempt(side, Publication(Computed(USERS, ALL, failure=Failure(Reason.CONFIG, "no such table"))))
    assert stored(side).failures == 0
    assert not waits(side)
    attempt(side, failure(USERS))
    attempt(side, failure(USERS))
    assert waits(side)
