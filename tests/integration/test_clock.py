"""The clock of a real server is set back and forth under locks: it runs under libfaketime, which only it sees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from countercache import locks
from countercache.errors import LockLost
from countercache.model.results import StatusResult
from countercache.model.states import Owner, Progress, Verdict
from countercache.operate import recovery
from countercache.store import cell_store
from countercache.store.lock_owner import this_owner
from tests import debian
from tests.integration.redis_side import OWNER, Side, cell, value
from tests.valkey import MakeValkey

HOUR = 3600.0
LEASE = 5.0


class Clock(NamedTuple):
    """The server's clock: what is in the file is how far it is off."""

    file: Path
    side: Side

    def turn(self, seconds: float) -> None:
        """Sets the clock, and waits until the server goes by it."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}\n", encoding="ascii")
        new.replace(self.file)
        end = time.monotonic() + 5
        while abs(self.side.raw.time()[0] - time.time() - seconds) > 60:
            assert time.monotonic() < end, "the server's clock does not turn"


@pytest.fixture
def clock(make_valkey: MakeValkey, tmp_path: Path) -> Iterator[Clock]:
    """An empty namespace on a server whose clock can be set."""
    file = tmp_path / "clock"
    file.write_text("+0\n", encoding="ascii")
    server = make_valkey(
        env={
            "LD_PRELOAD": str(debian.file("libfaketime.so.1", "libfaketime")),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    side = Side(server.url, server.client())
    yield Clock(file, side)
    side.client.close()


def pttl(side: Side) -> int:
    """The lock's time to live in ms, as the server has it."""
    return side.raw.pttl(side.keys.lock("main"))


def states(side: Side) -> set[str]:
    """The states of the cells."""
    return set(side.states().values())


def status(side: Side) -> StatusResult:
    """What everybody sees."""
    return cell_store.status(side.store, side.settings)


@pytest.mark.parametrize("age", [0.0, 2 * HOUR], ids=["just begun", "a long run"])
def test_a_dead_run_is_over_when_the_clock_is_set_back(clock: Clock, age: float) -> None:
    """Promises A and C: its key lives for another hour, but nothing is calculating, and the next run gets the lock with
    one lease.
    """
    side = clock.side
    lease = side.acquire(lease=LEASE, budget=3 * HOUR)
    # A lock that is older than the clock is set back by does not begin in the future then.
    side.raw.hset(side.keys.lock("main"), "acquired", int((lease.deadline - 3 * HOUR - age) * 1e6))
    assert states(side) == {"calculating"}
    clock.turn(-HOUR)
    assert pttl(side) > LEASE * 1000  # what makes it dangerous
    assert states(side) == {"error"}
    assert status(side).runs == ()
    (view,) = locks.list_locks(side.store).locks
    assert (view.verdict, "clock was set back" in view.why) == (Verdict.DEAD, True)
    won = side.acquire(lease=LEASE)
    assert won.fence > lease.fence
    assert 0 < pttl(side) <= LEASE * 1000
    assert states(side) == {"calculating"}
    with pytest.raises(LockLost):
        lease.renew(Progress("late"))


def test_such_a_lock_is_cleared_without_force(clock: Clock) -> None:
    """What the next run may take, `locks clear` and `recover` may remove."""
    side = clock.side
    side.acquire(lease=LEASE)
    clock.turn(-HOUR)
    dry = recovery.Request(dry_run=True)
    found = recovery.recover(side.store, side.settings, dry, observer=None)  # type: ignore[arg-type]
    assert [each.cleared for each in found.locks] == [True]
    assert not any(each.left for each in found.broken)
    assert locks.clear(side.store, (), force=False, by=OWNER).exit_code == 0
    assert not side.raw.exists(side.keys.lock("main"))


def test_a_live_run_keeps_one_lease_when_the_clock_is_set_back(clock: Clock) -> None:
    """Its own renewal puts the lock right: one lease, as much time to its deadline as before."""
    side = clock.side
    lease = side.acquire(lease=LEASE, budget=100, owner=this_owner("warmup"))
    clock.turn(-HOUR)
    (view,) = locks.list_locks(side.store).locks
    assert view.verdict is Verdict.LIVE
    lease.renew(Progress("adding"))
    assert 0 < pttl(side) <= LEASE * 1000
    assert states(side) == {"calculating"}
    (run,) = status(side).runs
    assert 90 < run.deadline_in <= 100
    cell_store.write(lease, [value(cell("users"), "5")], ["users"])
    assert side.states()[cell("users")] == "ready"
    again = side.acquire(id=lease.id, lease=LEASE)
    assert again.fence == lease.fence


def test_a_value_is_stored_before_the_next_renewal_too(clock: Clock) -> None:
    """Nobody else has taken the lock, so that nothing is lost."""
    side = clock.side
    lease = side.acquire(lease=LEASE)
    clock.turn(-HOUR)
    cell_store.write(lease, [value(cell("users"), "5")], ["users"])
    assert side.states()[cell("users")] == "ready"


def test_a_run_ends_when_the_clock_is_set_forward(clock: Clock) -> None:
    """Its lease is over by that clock: it is told so, and what it computed is refused."""
    side = clock.side
    lease = side.acquire(lease=LEASE)
    clock.turn(HOUR)
    assert states(side) == {"error"}
    with pytest.raises(LockLost, match="not renewed in time"):
        lease.renew(Progress("adding"))
    with pytest.raises(LockLost):
        cell_store.write(lease, [value(cell("users"), "5")], ["users"])


def test_a_lock_of_an_older_version_is_judged_by_its_beginning(clock: Clock) -> None:
    """It has no lease recorded; but one that begins in the future is over all the same."""
    side = clock.side
    side.acquire(lease=LEASE, owner=Owner("web-2", "b", 1, "1", "u", "c", "0.3.0"))
    side.raw.hdel(side.keys.lock("main"), "lease")
    assert states(side) == {"calculating"}
    clock.turn(-HOUR)
    assert states(side) == {"error"}
    side.acquire(lease=LEASE)
