"""Cells in a real server: what is written under a lease, what is refused, and what everybody reads."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from countercache import locks
from countercache.errors import LockLost
from countercache.model.circuit_breaker import Backoff
from countercache.model.states import CellId, Computed, Coverage, Failure, Progress, Reason
from countercache.render import text
from countercache.store import cell_store, event_log
from countercache.store.cell_store import Publication
from countercache.store.keys import Keys, cell_of, member
from countercache.store.publishing import Published
from tests.integration.redis_side import OWNER, Side, cell, failure, value
from tests.valkey import Valkey

USERS = cell("users")
PLAIN = (Published("total:users", "126848813000.00", 5), Published("total:users:newest", "126848813000.00"))


@pytest.fixture
def side(valkey: Valkey) -> Iterator[Side]:
    """An empty namespace."""
    side = Side(valkey.url, valkey.client())
    yield side
    side.client.close()


def stored(side: Side, id_: CellId = USERS) -> dict[str, str]:
    """A cell's hash."""
    found: dict[str, str] = side.raw.hgetall(side.keys.cell(id_))  # type: ignore[assignment]
    return found


def test_a_value_and_all_that_belongs_to_it(side: Side) -> None:
    """The record for us and the plain key for the web stack are written together, by the server's clock."""
    lease = side.acquire()
    computed = Computed(
        USERS,
        "2019/20",
        Decimal("126848813000.00"),
        previous=Decimal("115003603000.00"),
        change=Decimal("10.3"),
        points=True,
        coverage=Coverage(510, 560),
        duration=0.125,
        rejected=2,
    )
    entry = Publication(computed, "£126.8B", fresh_for=60, published=PLAIN)
    assert cell_store.write(lease, [entry], completed=["users"]).refused == ()
    found = cell_store.read(side.store, side.settings).cells[USERS]
    assert (found.value, found.previous, found.change) == (computed.value, computed.previous, computed.change)
    assert found.points
    assert (found.label, found.display, found.coverage) == ("2019/20", "£126.8B", Coverage(510, 560))
    assert (found.duration, found.rejected, found.run, found.fence) == (0.125, 2, lease.id, lease.fence)
    assert found.computed_at == pytest.approx(time.time(), abs=5)
    assert found.fresh_until == pytest.approx((found.computed_at or 0) + 60)
    assert (found.failure, found.failures, found.next_attempt) == (None, 0, None)
    assert side.raw.get("total:users:newest") == side.raw.get("total:users") == "126848813000.00"
    assert side.raw.pttl("total:users:newest") == -1
    assert 4000 < side.raw.pttl("total:users") <= 5000


@pytest.mark.parametrize(
    "number",
    ["0", "-0.00", "-12.50", "1E+3", "1E-30", "123456789012345678901234567890.123456789012345678901234567890"],
)
def test_a_number_is_kept_to_the_last_digit(side: Side, number: str) -> None:
    """Any decimal comes back equal, and is stored without an exponent."""
    cell_store.write(side.acquire(), [value(USERS, number)])
    assert "E" not in stored(side)["value"]
    assert cell_store.read(side.store, side.settings).cells[USERS].value == Decimal(number)


def test_a_published_key_may_stay(side: Side) -> None:
    """Without a time to live the plain key has none, also where it had one before."""
    side.raw.set("total:users", 0, px=1000)
    entry = Publication(Computed(USERS, "", Decimal(1)), published=(Published("total:users", "1", None),))
    cell_store.write(side.acquire(), [entry])
    assert side.raw.pttl("total:users") == -1


def test_a_failure_stays_beside_the_last_value(side: Side) -> None:
    """Promise D: the value, its label, its time and the published key stay; failures in a row are counted."""
    cell_store.write(side.acquire(), [value(USERS, "5", key="total:users")])
    before = stored(side)
    for row in (1, 2):
        side.expire()
        lease = side.acquire()
        cell_store.write(lease, [failure(USERS, f"attempt {row}")], backoff=Backoff(1, (60.0, 120.0)))
        found = cell_store.read(side.store, side.settings).cells[USERS]
        assert found.failure == Failure(Reason.SQL, f"attempt {row}")
        assert (found.failures, found.fence, found.run) == (row, lease.fence, lease.id)
        assert found.failed_at == pytest.approx(time.time(), abs=5)
        assert found.next_attempt == pytest.approx((found.failed_at or 0) + row * 60)
    kept = {"value", "display", "label", "computed_at", "duration", "reported", "entities"}
    assert {name: text for name, text in stored(side).items() if name in kept} == {name: before[name] for name in kept}
    assert side.raw.get("total:users") == "5"


def test_a_value_wipes_out_earlier_failures_and_earlier_extras(side: Side) -> None:
    """After a success nothing is left of the failure, of a comparison or of a freshness that no longer apply."""
    compared = Computed(
        USERS, "", Decimal(1), previous=Decimal(2), change=Decimal(-50), points=True, coverage=Coverage(1, 1)
    )
    cell_store.write(side.acquire(), [Publication(compared, fresh_for=60)])
    side.expire()
    cell_store.write(side.acquire(), [failure(USERS)], backoff=Backoff(1, (60.0,)))
    side.expire()
    cell_store.write(side.acquire(), [Publication(Computed(USERS, "", Decimal(3)), "3")])
    assert set(stored(side)) == {"value", "display", "label", "rejected", "duration", "computed_at", "run", "fence"}


def test_a_change_without_a_unit_is_in_percent(side: Side) -> None:
    """Only a change in points says so: cells that an earlier version stored say nothing and are read as before."""
    compared = Computed(USERS, "", Decimal(1), previous=Decimal(2), change=Decimal(-50))
    cell_store.write(side.acquire(), [Publication(compared)])
    assert "change_unit" not in stored(side)
    found = cell_store.read(side.store, side.settings).cells[USERS]
    assert (found.change, found.points) == (Decimal(-50), False)


def test_the_same_write_again_changes_nothing(side: Side) -> None:
    """A write whose reply was lost is sent again: accepted, not counted twice, not written twice."""
    lease = side.acquire()
    entries = [value(USERS), failure(cell("debt"))]
    assert cell_store.write(lease, entries, completed=["users"]).refused == ()
    before = [stored(side), stored(side, cell("debt"))]
    assert cell_store.write(lease, entries, completed=["users"]).refused == ()
    assert [stored(side), stored(side, cell("debt"))] == before
    assert before[1]["failures"] == "1"
    assert [event.category for event in event_log.read(side.store, 10)].count("counter") == 1


def test_what_a_run_has_stored_it_does_not_fail_later(side: Side) -> None:
    """The failure of a whole run does not touch the cells that it has completed before."""
    lease = side.acquire()
    cell_store.write(lease, [value(USERS, "7")])
    cell_store.write(lease, [failure(USERS), failure(cell("debt"))])
    assert side.states()[USERS] == "ready"


def test_a_newer_run_is_never_overwritten(side: Side) -> None:
    """The fence: a cell that a newer run wrote under another lock is left alone, and the caller is told which."""
    late = side.acquire("main")
    newer = side.acquire("archive")
    cell_store.write(newer, [value(USERS, "2", key="total:users")])
    assert cell_store.write(late, [value(USERS, "1", key="total:users"), value(cell("debt"))]).refused == (USERS,)
    assert cell_store.write(late, [failure(USERS)]).refused == (USERS,)
    assert (stored(side)["value"], side.raw.get("total:users")) == ("2", "2")
    assert "reason" not in stored(side)
    assert stored(side, cell("debt"))["value"] == "1"


def test_a_fence_of_another_run_is_not_mine(side: Side) -> None:
    """An equal fence is mine only together with my id (an old snapshot restored may bring one back)."""
    lease = side.acquire()
    side.raw.hset(side.keys.cell(USERS), mapping={"fence": lease.fence, "run": "somebody-else", "value": "9"})
    assert cell_store.write(lease, [value(USERS, "1")]).refused == (USERS,)
    assert stored(side)["value"] == "9"


@pytest.mark.parametrize("how", ["expired", "taken", "cleared", "released", "flushed"])
def test_a_run_without_its_lock_writes_nothing(side: Side, how: str) -> None:
    """Promise B: whatever became of the lock, the late write is refused as a whole and says why."""
    lease = side.acquire()
    if how == "cleared":
        locks.clear(side.store, (), force=True, by=OWNER)
    elif how == "released":
        lease.release()
    elif how == "flushed":
        side.raw.flushall()
    else:
        side.expire()
    if how == "taken":
        side.acquire()
    with pytest.raises(LockLost) as caught:
        cell_store.write(lease, [value(USERS, key="total:users"), failure(cell("debt"))], completed=["users"])
    assert caught.value.reason is (Reason.CLEARED if how == "cleared" else Reason.LOCK_LOST)
    assert not lease.alive()
    assert not stored(side)
    assert not side.raw.exists("total:users", side.keys.index)


def test_nothing_is_written_after_the_deadline(side: Side) -> None:
    """Also where somebody's PERSIST has kept the lock's key."""
    lease = side.acquire(budget=0.05)
    side.raw.persist(side.keys.lock("main"))
    end = time.monotonic() + 5
    while cell_store.status(side.store, side.settings).runs and time.monotonic() < end:
        pass
    with pytest.raises(LockLost):
        while time.monotonic() < end:
            cell_store.write(lease, [value(USERS)])


# --- states


def test_the_states_of_a_life(side: Side) -> None:
    """From pending over calculating to ready, and to error and back; `calculating` ends with the lease (promise A)."""
    latest, overall = cell("debt", "latest"), cell("debt", "all")
    assert set(side.states().values()) == {"pending"}
    lease = side.acquire(counters=("debt",))
    assert side.states() == {
        latest: "calculating",
        overall: "calculating",
        cell("each", "each"): "pending",
        USERS: "pending",
    }
    cell_store.write(lease, [value(latest)])
    assert (side.states()[latest], side.states()[overall]) == ("ready", "calculating")
    side.expire()
    assert (side.states()[latest], side.states()[overall]) == ("ready", "error")
    lease = side.acquire(counters=("debt",))
    assert (side.states()[latest], side.states()[overall]) == ("calculating", "calculating")
    cell_store.write(lease, [value(latest, fresh_for=0.0), failure(overall)], completed=["debt"])
    assert (side.states()[latest], side.states()[overall]) == ("stale", "error")
    lease.release()
    assert (side.states()[latest], side.states()[overall]) == ("stale", "error")


@pytest.mark.parametrize(
    ("end", "reason"),
    [("expired", Reason.ABANDONED), ("cleared", Reason.CLEARED), ("lost", Reason.LOCK_LOST)],
)
def test_a_run_that_did_not_end_shows_why(side: Side, end: str, reason: Reason) -> None:
    """The cells that it has not written are in error, with the last value beside; what it has written is not."""
    cell_store.write(side.acquire(), [value(USERS, "5"), value(cell("debt"), "6")])
    side.expire()
    lease = side.acquire(counters=("users", "debt"))
    cell_store.write(lease, [value(cell("debt"), "7")])
    if end == "cleared":
        locks.clear(side.store, (), force=True, by=OWNER)
    else:
        side.expire()
        if end == "lost":
            lease.record_failure(Reason.LOCK_LOST)
    view = next(v for v in cell_store.status(side.store, side.settings, ["users"]).cells)
    assert (view.state, view.failure and view.failure.reason) == ("error", reason)
    assert view.cell is not None
    assert view.cell.value == 5
    assert side.states()[cell("debt")] == "ready"


def test_a_later_attempt_overtakes_an_older_record(side: Side) -> None:
    """The record of an abandoned attempt goes when a newer run has ended the counter, not when an older one has."""
    old = side.acquire("main", counters=("users",))
    new = side.acquire("archive", counters=("users",))
    cell_store.write(old, [value(USERS)], completed=["users"])
    assert side.raw.hget(side.keys.began, "users") == str(new.fence)
    assert side.states()[USERS] == "error"  # `archive` is no database of these settings, so its lease is not seen
    cell_store.write(new, [value(USERS)], completed=["users"])
    assert not side.raw.exists(side.keys.began)
    assert side.states()[USERS] == "ready"


def test_real_periods_replace_the_placeholder(side: Side) -> None:
    """A counter over each period shows one cell while none is known, and then its own, in order."""
    placeholder = cell("each", "each")
    cell_store.write(side.acquire(), [failure(placeholder)], completed=["each"])
    assert [id_ for id_ in side.states() if id_.counter == "each"] == [placeholder]
    side.expire()
    lease = side.acquire()
    cell_store.write(lease, [value(cell("each", label)) for label in ("2019/20", "2018/19")], completed=["each"])
    assert [id_.period for id_ in side.states() if id_.counter == "each"] == ["2018/19", "2019/20"]
    assert not stored(side, placeholder)
    assert not side.raw.sismember(side.keys.index, member(placeholder))


def test_status_shows_runs_and_ages(side: Side) -> None:
    """Runs of any process with their progress, cells with their age and the counter's own name."""
    lease = side.acquire(budget=900)
    cell_store.write(lease, [value(cell("debt"))])
    lease.renew(Progress("adding", 120, 400))
    found = cell_store.status(side.store, side.settings, ["debt"])
    (run,) = found.runs
    assert (run.lock, run.progress) == ("main", Progress("adding", 120, 400))
    assert 0 <= run.elapsed < 5
    assert 895 < run.deadline_in <= 900
    assert found.namespace == "site"
    assert [(view.name, view.id.period) for view in found.cells] == [("Debt", "latest"), ("Debt", "all")]
    assert found.cells[0].age is None
    assert 0 <= (found.cells[1].age or 0) < 5


@pytest.mark.parametrize(("period", "shown"), [("p", ["", "8/12 entity-periods"]), (None, ["", ""])])
def test_coverage_is_by_period_where_there_are_periods(side: Side, period: str | None, shown: list[str]) -> None:
    """Of all periods; in a source without any, the same numbers are entities."""
    source = msgspec.structs.replace(side.settings.sources["figures"], period=period)
    settings = msgspec.structs.replace(side.settings, sources={"figures": source})
    cells = [CellId("debt", "all", each) for each in ("latest", "all")]
    found = [Computed(id_, id_.period, Decimal(1), coverage=Coverage(8, 12)) for id_ in cells]
    cell_store.write(side.acquire(), [Publication(each) for each in found])
    assert [text.remarks(view) for view in cell_store.status(side.store, settings, ["debt"]).cells] == shown


def test_failures_are_in_the_log(side: Side) -> None:
    """One event for a counter that failed, with its first message, however many cells it has."""
    lease = side.acquire()
    cell_store.write(lease, [failure(cell("debt", str(n)), f"bad {n}") for n in range(5)])
    (event,) = [event for event in event_log.read(side.store, 10) if event.category == "counter"]
    assert (event.level, event.action, event.counters, event.lock, event.run) == (
        "error",
        "failed",
        ("debt",),
        "main",
        lease.id,
    )
    assert event.message == "sql: bad 0"


# --- names, odd data, size


def test_no_two_cells_share_a_key(side: Side) -> None:
    """Names with the separators in them stay apart, and come back as they were."""
    ids = [
        CellId(*parts)
        for parts in (
            ("a:b", "c", "d"),
            ("a", "b:c", "d"),
            ("a", "b", "c:d"),
            ("a%3Ab", "c", "d"),
            ("a%b", "c", "%"),
            ("a", "b", "2018/19 {x} *?\n£"),
            ("", "", ""),
        )
    ]
    keys = Keys("site")
    assert len({keys.cell(id_) for id_ in ids}) == len(ids)
    assert [cell_of(member(id_)) for id_ in ids] == ids
    cell_store.write(side.acquire(), [value(id_) for id_ in ids])
    assert cell_store.read(side.store, side.settings).known == frozenset(ids)


def test_keys_of_a_namespace_share_one_hash_tag() -> None:
    """So a script may touch several of them on a cluster."""
    keys = Keys("site")
    names = (keys.fence, keys.index, keys.began, keys.events, keys.lock("main"), keys.cell(USERS), keys.cleared("x"))
    assert all(name.startswith("countercache:{site}:") for name in names)
    assert len(set(names)) == len(names)


def test_odd_data_is_an_error_of_its_cell(side: Side) -> None:
    """What somebody else wrote into our keys breaks neither `status` nor the next run."""
    cell_store.write(side.acquire(), [value(USERS), value(cell("debt")), value(cell("debt", "latest"))])
    side.raw.hset(
        side.keys.cell(USERS),
        mapping={
            "value": b"\xff\\x41\x1b[31m",
            "display": b'\xfe"\\',
            "computed_at": "soon",
            "previous": "NaN",
            "failures": "x",
        },
    )
    side.raw.hset(side.keys.cell(cell("debt")), mapping={"reason": "from a later version", "error": "€"})
    side.raw.sadd(side.keys.index, b"\xff:x", "no cell")
    side.raw.hset(side.keys.began, "debt", b"x\xff lock lost")
    views = {view.id: view for view in cell_store.status(side.store, side.settings).cells}
    odd = views[USERS]
    assert odd.state == "error"
    assert odd.failure is not None
    assert "not a number" in odd.failure.text
    assert odd.cell is not None
    assert odd.cell.display == '\\xfe"\\'
    assert views[cell("debt")].failure == Failure(Reason.REDIS, "€")
    assert views[cell("debt", "latest")].state == "ready"
    side.expire()
    cell_store.write(side.acquire(), [value(USERS)], completed=["debt", "each", "users"])
    assert side.states()[USERS] == "ready"


@pytest.mark.parametrize("number", ["9" * 1_000_000, "1E+1000000", "-1e-1000000", "0e-1000000"])
def test_an_absurd_number_is_none(side: Side, number: str) -> None:
    """Neither a megabyte of digits nor what would be one when it is written out is shown as a value."""
    cell_store.write(side.acquire(), [value(USERS)])
    side.raw.hset(side.keys.cell(USERS), mapping={"value": number, "previous": number, "change": number})
    view = cell_store.read(side.store, side.settings).view(USERS, "Users")
    assert view.failure is not None
    assert "not a number" in view.failure.text
    assert view.cell is not None
    assert (view.cell.value, view.cell.previous, view.cell.change) == (None, None, None)


def test_megabytes_in_a_cell_are_cut(side: Side) -> None:
    """What we never write so long is not shown whole."""
    cell_store.write(side.acquire(), [value(USERS)])
    names = ("label", "display", "run", "error", "reason")
    side.raw.hset(side.keys.cell(USERS), mapping=dict.fromkeys(names, "x" * 1_000_000))
    view = cell_store.read(side.store, side.settings).view(USERS, "Users")
    assert len(msgspec.json.encode(view)) < 20_000


def test_a_long_error_is_cut(side: Side) -> None:
    """A megabyte from a database does not go into every cell."""
    cell_store.write(side.acquire(), [failure(USERS, "x" * 1_000_000)])
    assert len(stored(side)["error"]) < 3000


def commands(side: Side) -> dict[str, int]:
    """How often each command was called since the statistics were reset; those within scripts do not count."""
    statistics = side.raw.info("commandstats")
    return {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in statistics.items()}


def test_a_thousand_cells_a_round_trip(side: Side) -> None:
    """2,500 cells are written by three calls of the script, and none is lost; the last one ends the counters."""
    lease = side.acquire()
    cell_store.write(lease, [value(USERS)])
    side.raw.config_resetstat()
    cell_store.write(lease, [value(cell("each", f"{n:04}"), str(n)) for n in range(2500)], completed=["each"])
    assert commands(side)["evalsha"] == 3
    found = cell_store.read(side.store, side.settings, ["each"])
    assert [found.cells[id_].value for id_ in found.ids] == list(range(2500))
    assert "each" not in found.attempts


def test_ten_thousand_cells_are_read_at_once(side: Side) -> None:
    """The status of 10,000 cells takes well under a second of processor time, which a busy machine does not change."""
    computed = Computed(USERS, "2019/20", Decimal("126848813000.00"), Decimal("115003603000.00"), Decimal("10.3"))
    lease = side.acquire()
    cells = [cell("each", f"{n:05}") for n in range(10_000)]
    changed = (Computed(id_, id_.period, computed.value, computed.previous, computed.change) for id_ in cells)
    cell_store.write(
        lease,
        [Publication(each, "£126.8B", fresh_for=900.0, definition="0123456789abcdef") for each in changed],
        completed=["each"],
    )
    times = []
    tracer = sys.gettrace()
    sys.settrace(None)  # that of the coverage, which would be measured too
    for _ in range(3):
        before = time.process_time()
        found = cell_store.status(side.store, side.settings, ["each"]).cells
        times.append(time.process_time() - before)
        assert len(found) == 10_000
    sys.settrace(tracer)
    assert min(times) < 0.9, times
