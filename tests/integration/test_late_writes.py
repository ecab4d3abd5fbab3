"""What a run may still write when its lock has ended: why it failed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from countercache import locks
from countercache.errors import LockLost
from countercache.model.states import Failure, Reason
from countercache.store import cell_store
from tests.integration.redis_side import OWNER, Side, cell, failure, value
from tests.valkey import Valkey

USERS = cell("users")


@pytest.fixture
def side(valkey: Valkey) -> Iterator[Side]:
    """An empty namespace."""
    side = Side(valkey.url, valkey.client())
    yield side
    side.client.close()


def test_a_run_whose_lock_has_ended_may_still_say_why(side: Side) -> None:
    """A lock ends at the deadline: that this was the reason is recorded after it, beside the last value."""
    cell_store.write(side.acquire(), [value(USERS, "5")], completed=["users"])
    side.expire()
    lease = side.acquire(counters=("users", "debt"))
    side.expire()
    assert (
        cell_store.write(
            lease, [failure(USERS, "not done in time"), failure(cell("debt"))], completed=["users", "debt"]
        ).refused
        == ()
    )
    found = cell_store.read(side.store, side.settings)
    assert found.cells[USERS].failure == Failure(Reason.SQL, "not done in time")
    assert found.cells[USERS].value == 5
    assert set(found.attempts) == {"each"}  # began by the first run, which did not end it
    with pytest.raises(LockLost):  # a value never: somebody else may have begun
        cell_store.write(lease, [value(USERS, "6")])


def test_a_late_failure_may_be_told_twice(side: Side) -> None:
    """As under the lock: sent again after a lost reply it is accepted and not counted twice."""
    lease = side.acquire(counters=("users",))
    side.expire()
    for _ in range(2):
        assert cell_store.write(lease, [failure(USERS)], completed=["users"]).refused == ()
    assert cell_store.read(side.store, side.settings).cells[USERS].failures == 1


def test_a_failure_without_the_lock_does_not_touch_what_others_began(side: Side) -> None:
    """Neither a counter that a newer run has begun nor one whose lock an operator cleared."""
    late = side.acquire(counters=("users", "debt"))
    side.expire()
    side.acquire(counters=("users",))
    assert cell_store.write(late, [failure(USERS), failure(cell("debt"))], completed=["users", "debt"]).refused == (
        USERS,
    )
    assert (side.states()[USERS], side.states()[cell("debt")]) == ("calculating", "error")
    locks.clear(side.store, (), force=True, by=OWNER)
    cleared = side.acquire(counters=("users", "debt"))
    locks.clear(side.store, (), force=True, by=OWNER)
    with pytest.raises(LockLost):
        cell_store.write(cleared, [failure(USERS), failure(cell("debt"))])
    assert cell_store.read(side.store, side.settings).attempts["users"].reason is Reason.CLEARED
