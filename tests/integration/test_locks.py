"""The lock against a real server: who gets it, for how long, who may renew, release and clear it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pytest

from countercache import locks
from countercache.errors import LockHeld, LockLost, RedisUnreachable
from countercache.model.results import RecoverResult
from countercache.model.states import Owner, Progress, Reason, Verdict
from countercache.render import documents, plain
from countercache.store import event_log
from countercache.store.keys import Keys
from countercache.store.lock_owner import this_owner
from countercache.store.redis_client import Store
from tests.integration.redis_side import OWNER, Side, commands_beyond
from tests.valkey import MakeValkey, Valkey


@pytest.fixture
def side(valkey: Valkey) -> Iterator[Side]:
    """An empty namespace."""
    side = Side(valkey.url, valkey.client())
    yield side
    side.client.close()


def hash_of(side: Side, name: str = "main") -> dict[str, str]:
    """The lock's fields."""
    found: dict[str, str] = side.raw.hgetall(side.keys.lock(name))  # type: ignore[assignment]
    return found


def pttl(side: Side, name: str = "main") -> int:
    """The lock's time to live in ms."""
    return side.raw.pttl(side.keys.lock(name))


def actions(side: Side) -> list[str]:
    """What was done to locks, oldest first."""
    return [event.action for event in event_log.read(side.store, 100) if event.category == "lock"]


# --- acquire


def test_a_lock_says_all_about_its_holder(side: Side) -> None:
    """The hash names the process, what it covers and until when, and always has a time to live (promise C)."""
    lease = side.acquire(id="run-a", lease=30, budget=900)
    found = hash_of(side)
    assert {name: found[name] for name in Owner.__struct_fields__} == {
        name: str(part) for name, part in msgspec.structs.asdict(OWNER).items()
    }
    assert (found["id"], found["fence"], found["counters"]) == ("run-a", str(lease.fence), '["debt","each","users"]')
    assert 29_000 < pttl(side) <= 30_000
    assert lease.alive()
    assert lease.deadline == pytest.approx(time.time() + 900, abs=5)


def test_only_one_gets_it(side: Side) -> None:
    """A second run is refused; the error names the holder, the time it has left, and the commands that help."""
    side.acquire(id="run-a", lease=30, budget=900)
    with pytest.raises(LockHeld) as caught:
        side.acquire(id="run-b")
    held = caught.value
    assert held.lock.id == "run-a"
    assert held.lock.owner == OWNER
    assert held.exit_code == 4
    for part in ("deploy@web-1", "pid 4711", r"for \d+s", r"in 1[45]m", "locks list", "locks clear main --force"):
        assert re.search(part, str(held))


def test_the_commands_that_help_can_be_typed_as_they_stand(side: Side) -> None:
    """A name with a space is quoted."""
    side.acquire("my db")
    with pytest.raises(LockHeld, match="locks clear 'my db' --force"):
        side.acquire("my db")


def test_locks_of_other_names_are_apart(side: Side) -> None:
    """Each database has its own lock, and the fences of all grow together."""
    assert side.acquire("main").fence < side.acquire("other").fence


def test_the_same_run_gets_the_same_lock_again(side: Side) -> None:
    """Idempotent: asked again after a lost reply, the fence and the deadline stay and nothing is counted twice."""
    first = side.acquire(id="run-a", budget=100)
    again = side.acquire(id="run-a", budget=500)
    assert (again.fence, again.deadline) == (first.fence, first.deadline)
    assert side.raw.get(side.keys.fence) == str(first.fence)
    assert actions(side) == ["acquired"]


def test_a_lost_reply_leaves_no_orphan(make_valkey: MakeValkey) -> None:
    """The server stalls past the client's patience and then does what it was asked: the second try gets that lock."""
    server = make_valkey()
    side = Side(server.url, server.client(), timeout=1.0)
    side.acquire("other")  # connected, and the script is known
    server.pause()
    timer = threading.Timer(1.25, server.resume)
    timer.start()
    lease = side.acquire(id="run-a")
    timer.join()
    assert hash_of(side)["fence"] == str(lease.fence)
    assert actions(side) == ["acquired", "acquired"]
    lease.renew(Progress("adding"))
    side.client.close()


def test_connecting_is_tried_once(side: Side) -> None:
    """A host that swallows what is sent to it costs one timeout, not two: nothing was sent that might be repeated."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fill the queue that nobody serves
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        away = Side(f"redis://127.0.0.1:{listener.getsockname()[1]}", side.raw, timeout=1.0)
        before = time.monotonic()
        with pytest.raises(RedisUnreachable):
            away.acquire()
        assert 0.9 < time.monotonic() - before < 1.9
        away.client.close()


def test_the_time_to_live_ends_with_the_deadline(side: Side) -> None:
    """Neither acquire nor renew grants more than what is left of the budget (promise A)."""
    lease = side.acquire(lease=30, budget=2)
    assert 0 < pttl(side) <= 2000
    assert lease.until <= time.monotonic() + 2
    lease.renew(Progress("adding"))
    assert 0 < pttl(side) <= 2000
    assert lease.until <= time.monotonic() + 2


def test_a_lease_counts_from_before_it_was_asked_for(side: Side) -> None:
    """Self-fencing: by the holder's clock the lease ends no later than by the server's."""
    before = time.monotonic()
    lease = side.acquire(lease=5)
    left = pttl(side) / 1000
    assert lease.until <= time.monotonic() + left
    assert lease.until >= before + 4.9


def test_a_lease_that_is_not_renewed_ends(side: Side) -> None:
    """After its time another run gets the lock, with a greater fence; the first is told when it asks."""
    lost = side.acquire(lease=0.05)
    end = time.monotonic() + 5
    while True:
        try:
            won = side.acquire(id="run-b")
            break
        except LockHeld:
            assert time.monotonic() < end
    assert not lost.alive()
    assert won.fence > lost.fence
    with pytest.raises(LockLost) as caught:
        lost.renew(Progress("adding"))
    assert caught.value.reason is Reason.LOCK_LOST
    assert "another run has taken it" in str(caught.value)
    assert hash_of(side)["id"] == "run-b"


def test_fences_grow_whatever_is_lost(side: Side) -> None:
    """After FLUSHALL the clock keeps them growing; with a clock that was set back the last fence does."""
    first = side.acquire().fence
    side.raw.flushall()
    second = side.acquire().fence
    assert second > first
    ahead = second + 10**12
    side.raw.set(side.keys.fence, ahead)
    side.expire()
    assert side.acquire().fence == ahead + 1


def test_a_lock_whose_time_to_live_was_taken_away_ends_at_its_deadline(side: Side) -> None:
    """Somebody's PERSIST cannot make a lock eternal: past its deadline it is nobody's."""
    lost = side.acquire(lease=30, budget=0.05)
    assert side.raw.persist(side.keys.lock("main"))
    with pytest.raises(LockHeld):
        side.acquire(id="run-b")
    end = time.monotonic() + 5
    while True:
        try:
            side.acquire(id="run-c")
            break
        except LockHeld:
            assert time.monotonic() < end
    assert pttl(side) > 0
    with pytest.raises(LockLost):
        lost.renew(Progress("adding"))


def test_a_time_to_live_that_somebody_prolonged_is_no_longer_lease(side: Side) -> None:
    """PEXPIRE by another program, or a server's clock that was set back: over for all but its holder."""
    lease = side.acquire(lease=5)
    side.raw.pexpire(side.keys.lock("main"), 10**7)
    assert set(side.states().values()) == {"error"}
    lease.renew(Progress("adding"))
    assert 0 < pttl(side) <= 5000
    assert set(side.states().values()) == {"calculating"}
    side.raw.pexpire(side.keys.lock("main"), 10**7)
    assert side.acquire(lease=5).fence > lease.fence
    assert 0 < pttl(side) <= 5000


def test_a_key_that_is_no_lock_is_not_overwritten(side: Side) -> None:
    """What somebody else put there is refused as a lock held by an unknown, listed, and cleared by force only."""
    side.raw.set(side.keys.lock("main"), "surprise")
    with pytest.raises(LockHeld, match="held by somebody unknown"):
        side.acquire()
    (view,) = locks.list_locks(side.store).locks
    assert (view.verdict, view.lock.id) == (Verdict.NO_TTL, "")
    assert locks.clear(side.store, (), force=False, by=OWNER).exit_code == 3
    assert locks.clear(side.store, ("main",), force=True, by=OWNER).exit_code == 0
    side.acquire()


# --- renew, release, mark


def test_renewing_extends_the_lease_and_shows_progress(side: Side) -> None:
    """The time to live starts anew, and progress is there for everybody to see."""
    lease = side.acquire(lease=30)
    side.raw.pexpire(side.keys.lock("main"), 1000)
    lease.renew(Progress("adding", 120, 400))
    assert pttl(side) > 29_000
    (view,) = locks.list_locks(side.store).locks
    assert view.lock.progress == Progress("adding", 120, 400)
    lease.renew(Progress("storing", 7))
    (view,) = locks.list_locks(side.store).locks
    assert view.lock.progress == Progress("storing", 7, None)


def test_renewing_gives_back_a_time_to_live_that_was_taken_away(side: Side) -> None:
    """Promise C holds again at the next renewal after somebody's PERSIST."""
    lease = side.acquire()
    side.raw.persist(side.keys.lock("main"))
    lease.renew(Progress("adding"))
    assert pttl(side) > 0


def test_nobody_renews_a_lock_of_another_run(side: Side) -> None:
    """The id is checked: neither the time to live nor the progress of the newer lock is touched."""
    lost = side.acquire(lease=30)
    side.expire()
    side.acquire(id="run-b", lease=5)
    with pytest.raises(LockLost):
        lost.renew(Progress("late"))
    assert not lost.alive()
    assert pttl(side) <= 5000
    assert hash_of(side)["phase"] == "starting"


def test_a_vanished_lock_is_not_made_again(side: Side) -> None:
    """A renewal after the lease ended leaves no key behind."""
    lost = side.acquire()
    side.expire()
    with pytest.raises(LockLost, match="not renewed in time"):
        lost.renew(Progress("late"))
    assert not side.raw.exists(side.keys.lock("main"))


def test_nothing_is_renewed_after_the_deadline(side: Side) -> None:
    """At its deadline the lock has ended even where its key was kept alive by somebody's PERSIST."""
    lease = side.acquire(lease=30, budget=0.05)
    side.raw.persist(side.keys.lock("main"))
    end = time.monotonic() + 5
    with pytest.raises(LockLost):
        while time.monotonic() < end:
            lease.renew(Progress("adding"))
            side.raw.persist(side.keys.lock("main"))


def test_releasing_leaves_nothing_and_only_once(side: Side) -> None:
    """The next run can start at once."""
    lease = side.acquire()
    lease.release()
    lease.release()
    assert not lease.alive()
    assert not side.raw.exists(side.keys.lock("main"))
    assert actions(side) == ["acquired", "released"]


def test_releasing_late_does_not_touch_the_next_run(side: Side) -> None:
    """Compare-and-delete: a lock that changed hands stays."""
    lost = side.acquire()
    side.expire()
    side.acquire(id="run-b")
    lost.release()
    assert hash_of(side)["id"] == "run-b"


def test_a_lost_run_marks_its_own_attempts_only(side: Side) -> None:
    """What a newer run began is left alone; what an operator's clearing said first stays said."""
    lost = side.acquire(counters=("debt", "users"))
    side.expire()
    newer = side.acquire(counters=("users",))
    lost.record_failure(Reason.LOCK_LOST)
    assert side.raw.hgetall(side.keys.began) == {"debt": f"{lost.fence} lock lost", "users": str(newer.fence)}
    lost.record_failure(Reason.CANCELLED)
    assert side.raw.hget(side.keys.began, "debt") == f"{lost.fence} lock lost"
    assert actions(side).count("lost") == 1


# --- list


def test_listing_changes_nothing_and_never_uses_keys(side: Side) -> None:
    """Only commands that read, and SCAN in place of KEYS; each lock comes once, by name."""
    for name in ("main", "archive", "odd *[name]"):
        side.acquire(name)
    for decoy in range(3000):
        side.raw.set(f"decoy:{decoy}", 1)
    before = {key: side.raw.dump(key) for key in side.raw.keys("countercache:*")}
    side.raw.config_resetstat()
    found = locks.list_locks(side.store).locks
    beyond = commands_beyond("scan hgetall pttl time config|resetstat info", side.raw)
    assert [view.lock.name for view in found] == ["archive", "main", "odd *[name]"]
    assert not beyond
    assert {key: side.raw.dump(key) for key in side.raw.keys("countercache:*")} == before


def test_a_namespace_is_no_pattern(valkey: Valkey) -> None:
    """A namespace with the characters of a pattern lists its own locks and no other's."""
    side = Side(valkey.url, valkey.client())
    stores = [Store(side.client, Keys(namespace)) for namespace in ("a*", "ab", "[ab]", "a", r"a\*")]
    wanted = locks.LockRequest(name="main", id="x", owner=OWNER, counters=(), lease=9, budget=9)
    for store in stores:
        locks.acquire(store, wanted)
    for store in stores:
        assert [view.lock.key for view in locks.list_locks(store).locks] == [store.keys.lock("main")]
    side.client.close()


def test_hostile_bytes_in_a_lock_are_shown(side: Side) -> None:
    """Broken UTF-8, control sequences and numbers that are none never break the list."""
    side.acquire()
    key = side.keys.lock("main")
    side.raw.hset(
        key, mapping={"user": b"\xff\x1b[31m", "counters": b"\xff{", "fence": "9" * 5000, "pid": "x", "total": "-"}
    )
    side.raw.hset(side.keys.lock("b\n[red]"), mapping={"id": b"\xfe"})
    odd, main = locks.list_locks(side.store).locks
    assert main.lock.owner.user == "\\xff\x1b[31m"
    assert (main.lock.counters, main.lock.fence, main.lock.owner.pid) == ((), 0, 0)
    assert (odd.lock.name, odd.lock.ttl, odd.verdict) == ("b\n[red]", None, Verdict.NO_TTL)
    assert locks.clear(side.store, (), force=True, by=OWNER).exit_code == 0


def test_megabytes_in_a_lock_are_cut(side: Side) -> None:
    """What we never write so long is neither shown nor told whole; the lock can be cleared all the same."""
    side.acquire()
    long = "x" * 1_000_000
    side.raw.hset(side.keys.lock("main"), mapping=dict.fromkeys((*Owner.__struct_fields__, "id", "phase"), long))
    side.raw.hset(side.keys.lock("main"), "counters", f'["{long}"]')
    listed = locks.list_locks(side.store)
    cleared = locks.clear(side.store, (), force=True, by=OWNER)
    assert cleared.exit_code == 0
    for result in (listed, cleared, RecoverResult(cleared.locks, (), None)):
        assert len(documents.encode(documents.document(result), indent=False)) < 25_000
        assert sum(map(len, plain.lines(result))) < 10_000


# --- clear


@pytest.fixture
def dead(side: Side) -> Owner:
    """The owner of a process that has been killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        owner = msgspec.structs.replace(this_owner("countercache warmup"), pid=child.pid, pid_start="1")
        child.send_signal(signal.SIGKILL)
    return owner


def test_a_dead_lock_is_cleared_and_a_live_one_left(side: Side, dead: Owner) -> None:
    """Without force only what is provably dead goes; for the rest the result says who holds it and how to insist."""
    side.acquire("gone", owner=dead)
    side.acquire("here", owner=this_owner("countercache warmup"))
    side.acquire("away", owner=OWNER)
    result = locks.clear(side.store, (), force=False, by=OWNER)
    assert [(lock.lock.name, lock.verdict, lock.cleared) for lock in result.locks] == [
        ("away", Verdict.UNKNOWN, False),
        ("gone", Verdict.DEAD, True),
        ("here", Verdict.LIVE, False),
    ]
    assert result.exit_code == 3
    away, _, here = result.locks
    assert "deploy@web-1 (pid 4711)" in away.why
    assert "locks clear away --force" in away.why
    assert f"pid {os.getpid()}" in here.why
    assert {view.lock.name for view in locks.list_locks(side.store).locks} == {"away", "here"}


def test_force_clears_by_name_or_id(side: Side) -> None:
    """Only what was named, whatever its life; a name that is not there is told."""
    for name in ("a", "b", "c"):
        side.acquire(name, id=f"id-{name}")
    result = locks.clear(side.store, ("a", "id-b", "zzz"), force=True, by=OWNER)
    assert [lock.lock.name for lock in result.locks if lock.cleared] == ["a", "b"]
    assert result.unknown == ("zzz",)
    assert result.exit_code == 3
    assert [view.lock.name for view in locks.list_locks(side.store).locks] == ["c"]


def test_the_holder_of_a_cleared_lock_is_told(side: Side) -> None:
    """Its next renewal ends it as `cleared`, also when another run has taken the lock meanwhile; its cells say so."""
    lease = side.acquire(counters=("debt",))
    locks.clear(side.store, (), force=True, by=OWNER)
    assert side.raw.hget(side.keys.began, "debt") == f"{lease.fence} cleared"
    side.acquire("main", counters=("users",))
    with pytest.raises(LockLost) as caught:
        lease.renew(Progress("adding"))
    assert caught.value.reason is Reason.CLEARED
    lease.record_failure(Reason.LOCK_LOST)
    assert side.raw.hget(side.keys.began, "debt") == f"{lease.fence} cleared"


def test_a_clear_is_on_record(side: Side) -> None:
    """The event says who cleared whose lock and what was known of it."""
    side.acquire(id="run-a")
    locks.clear(side.store, (), force=True, by=msgspec.structs.replace(OWNER, user="ops", host="bastion"))
    event = event_log.read(side.store, 1)[0]
    assert (event.level, event.category, event.action) == ("warning", "lock", "cleared")
    assert (event.lock, event.run, event.by) == ("main", "run-a", "ops@bastion")
    assert "deploy@web-1 (pid 4711)" in event.message


def test_a_lock_that_changed_hands_since_it_was_listed_is_left(side: Side) -> None:
    """Compare-and-delete: the decision was about the lock that was seen, not about its successor."""
    side.acquire(id="run-a")
    (listed,) = locks.list_locks(side.store).locks
    side.expire()
    side.acquire(id="run-b")
    result = locks.clear_listed(side.store, listed, force=True, by=OWNER)
    assert not result.cleared
    assert "another run has taken it meanwhile" in result.why
    assert hash_of(side)["id"] == "run-b"


def test_a_lock_that_ended_since_it_was_listed_is_no_trouble(side: Side) -> None:
    """There is nothing left to clear, which is what was asked for."""
    side.acquire(id="run-a")
    (listed,) = locks.list_locks(side.store).locks
    side.expire()
    result = locks.clear_listed(side.store, listed, force=True, by=OWNER)
    assert (result.cleared, result.why) == (True, "it ended by itself meanwhile")
    assert actions(side) == ["acquired"]
