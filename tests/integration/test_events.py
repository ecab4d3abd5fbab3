"""The log in a real server: what gets into it, how long it is, and what is read of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from countercache import locks
from countercache.errors import RedisError, RedisUnreachable
from countercache.model.states import Computed, Event, Failure, Level, Reason
from countercache.store import cell_store, event_log
from countercache.store.cell_store import Publication, Remark
from countercache.store.event_log import EventFilter
from countercache.store.keys import Keys
from countercache.store.redis_client import Store
from tests.integration.redis_side import OWNER, Side, cell, failure, value
from tests.valkey import MakeValkey, Valkey


@pytest.fixture
def side(valkey: Valkey) -> Iterator[Side]:
    """An empty namespace."""
    side = Side(valkey.url, valkey.client())
    yield side
    side.client.close()


def logged(side: Side) -> list[tuple[str, str, str]]:
    """Level, category and action of each event, oldest first."""
    return [(each.level, each.category, each.action) for each in event_log.read(side.store)]


def record(side: Side, *messages: str, level: str = "info", category: str = "run", run: str = "") -> None:
    """Put events into the log, one a message."""
    for message in messages:
        event_log.record(side.store, Event(level, category, "x", message, run=run))


def failed(reason: Reason, counter: str = "users", message: str = "…") -> Publication:
    """A cell that failed for that reason."""
    id_ = cell(counter)
    return Publication(Computed(id_, id_.period, failure=Failure(reason, message)))


def test_the_life_of_a_run(side: Side) -> None:
    """Taking the lock begins the run, giving it back ends it, and each is told at once to whoever listens."""
    heard: list[Event] = []
    lease = side.acquire(id="run-a", log=heard.append)
    lease.release(Event("info", "run", "finished", "3 of 3", lock="main", run="run-a", by="deploy@web-1"))
    stored = event_log.read(side.store)
    assert logged(side) == [
        ("debug", "lock", "acquired"),
        ("info", "run", "started"),
        ("info", "run", "finished"),
        ("debug", "lock", "released"),
    ]
    assert {(each.lock, each.run, each.by) for each in stored} == {("main", "run-a", "deploy@web-1")}
    assert tuple(heard) == stored
    assert stored[1].message == "3 counters"
    assert stored[0].at == pytest.approx(time.time(), abs=5)


def test_the_end_of_a_run_that_lost_its_lock_is_told_all_the_same(side: Side) -> None:
    """The lock is another's by then and stays so."""
    late = side.acquire(id="run-a")
    side.expire()
    side.acquire(id="run-b")
    late.release(Event("error", "run", "failed", run="run-a"))
    assert logged(side)[-1] == ("error", "run", "failed")
    assert side.raw.hget(side.keys.lock("main"), "id") == "run-b"


def test_counters_that_failed_alike_are_one_event(side: Side) -> None:
    """A database that is away does not fill the log; a timeout has a category of its own."""
    heard: list[Event] = []
    lease = side.acquire(log=heard.append)
    entries = [failed(Reason.UNREACHABLE, "debt"), failed(Reason.TIMEOUT, "each"), failed(Reason.UNREACHABLE)]
    cell_store.write(lease, entries)
    found = [(each.category, each.action, each.counters, each.message) for each in heard if each.level == "error"]
    assert found == [
        ("counter", "failed", ("debt", "users"), "unreachable: …"),
        ("timeout", "fired", ("each",), "timeout: …"),
    ]


def test_only_what_is_stored_is_told(side: Side) -> None:
    """Neither the failure of a cell that a newer run has written, nor that of a run that was told to stop."""
    late = side.acquire("main")
    cell_store.write(side.acquire("archive"), [value(cell("users"))])
    cell_store.write(
        late, [failure(cell("users")), failed(Reason.CANCELLED, "debt")], remarks=[Remark("users", "slow", "took 1m")]
    )
    assert not [each for each in logged(side) if each[1] == "counter"]


def test_a_slow_counter_is_told(side: Side) -> None:
    """A warning, with all that were as slow."""
    lease = side.acquire()
    entries = [value(cell("users")), value(cell("debt"))]
    cell_store.write(
        lease, entries, remarks=[Remark("users", "slow", "took 8m of 15m"), Remark("debt", "slow", "took 8m of 15m")]
    )
    (event,) = [each for each in event_log.read(side.store) if each.action == "slow"]
    assert (event.level, event.category, event.counters) == ("warning", "counter", ("users", "debt"))


def test_the_log_is_bounded_whoever_writes(side: Side) -> None:
    """`[events] keep` holds for what scripts and commands write, but for a hundred that Redis keeps for speed."""
    store = Store(side.client, Keys("site", 10))
    for number in range(60):
        record(side, str(number))
    for number in range(90):
        wanted = locks.LockRequest(name="main", id=f"r{number}", owner=OWNER, counters=("users",), lease=30, budget=60)
        lease = locks.acquire(store, wanted)
        lease.release(Event("info", "run", "finished"))
    assert 10 <= side.raw.xlen(store.keys.events) <= 110
    assert logged(side)[-1] == ("debug", "lock", "released")


def test_what_is_wanted_of_it(side: Side) -> None:
    """By level, category, counter and run, the newest so many of those, oldest first."""
    record(side, "a", level="debug")
    record(side, "b", level="error", category="lock", run="5a1d")
    record(side, "c", "d", level="warning")

    def found(**wanted: object) -> list[str]:
        result = event_log.find(side.store, EventFilter(**wanted))  # type: ignore[arg-type]
        return [each.message for each in result.events]

    assert found() == ["a", "b", "c", "d"]
    assert found(level=Level.WARNING) == ["b", "c", "d"]
    assert found(level=Level.WARNING, limit=2) == ["c", "d"]
    assert found(categories=("lock",)) == ["b"]
    assert found(run="5a") == ["b"]
    assert found(limit=100) == ["a", "b", "c", "d"]


def test_only_of_late(side: Side) -> None:
    """`since` counts by the server's clock, which stamps the events."""
    record(side, "new")
    side.raw.xadd(Keys("other").events, {"level": "info"})
    assert [each.message for each in event_log.find(side.store, EventFilter(since=60)).events] == ["new"]
    end = time.monotonic() + 5
    while event_log.find(side.store, EventFilter(since=0.05)).events:
        assert time.monotonic() < end


def test_following(side: Side) -> None:
    """The newest few come first, then each as it is written: none twice, none left out, none that is not wanted."""
    record(side, *map(str, range(30)))
    seen = event_log.follow(side.store, EventFilter(level=Level.INFO))
    assert [next(seen).message for _ in range(event_log.FOLLOW_COUNT)] == [str(number) for number in range(20, 30)]
    other = Side(side.url, side.raw)

    def write() -> None:
        record(other, "no", level="debug")
        record(other, "yes", "and yes")

    writer = threading.Timer(0.8, write)
    writer.start()
    assert [next(seen).message for _ in range(2)] == ["yes", "and yes"]
    writer.join()
    other.client.close()


def test_following_an_empty_log(side: Side) -> None:
    """It waits for the first."""
    seen = event_log.follow(side.store, EventFilter())
    other = Side(side.url, side.raw)
    writer = threading.Timer(0.3, lambda: record(other, "first"))
    writer.start()
    assert next(seen).message == "first"
    writer.join()
    other.client.close()


def test_following_a_server_that_goes_away_ends(make_valkey: MakeValkey) -> None:
    """Within two seconds, be it stopped or mute."""
    for end in ("kill", "pause"):
        server = make_valkey()
        side = Side(server.url, server.client())
        record(side, "first")
        seen = event_log.follow(side.store, EventFilter())
        assert next(seen).message == "first"
        getattr(server, end)()
        began = time.monotonic()
        with pytest.raises(RedisUnreachable):
            next(seen)
        assert time.monotonic() - began < 2
        side.client.close()


def test_odd_entries_are_shown_as_they_are(side: Side) -> None:
    """What somebody else has put there breaks nothing: missing words are empty, bytes that are no text are escaped."""
    side.raw.xadd(side.keys.events, {"level": b"\xff", "counter": "a\nb\n", "surplus": "x"})
    (event,) = event_log.read(side.store)
    assert (event.level, event.category, event.counters) == ("\\xff", "", ("a", "b", ""))


def test_a_key_that_is_no_log_is_one_clear_error(side: Side) -> None:
    """Somebody else's key of that name."""
    side.raw.set(side.keys.events, "x")
    with pytest.raises(RedisError, match=r"DEL 'countercache:{site}:events'"):
        event_log.read(side.store)
