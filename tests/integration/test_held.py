"""A value that moves too much is held back, until an operator accepts it or a later one is within the bound."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from countercache.model.states import Cell, Reason
from countercache.operate import acceptance
from countercache.operate.doctor import stored_data
from countercache.store import cell_store, event_log
from countercache.store.cell_store import Hold, Publication
from tests.integration.redis_side import Side, cell, failure, value
from tests.valkey import Valkey

USERS = cell("users")


@pytest.fixture
def side(valkey: Valkey) -> Side:
    """A namespace of its own."""
    return Side(valkey.url, valkey.client())


def put(side: Side, number: str, share: str = "0.5") -> cell_store.Written:
    """Store a value of a counter that may move by so much, as a run does that then ends."""
    entry = value(USERS, number, key="total:users", hold=Hold(Decimal(share), "accept it"))
    lease = side.acquire()
    written = cell_store.write(lease, [entry], completed=["users"])
    assert cell_store.write(lease, [entry], completed=["users"]) == written, (
        "a write whose reply was lost is told the same"
    )
    lease.release()
    return written


def look(side: Side) -> Cell:
    """The cell as it is stored."""
    return cell_store.read(side.store, side.settings).cells[USERS]


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [("100", "10", True), ("100", "50", False), ("100", "151", True), ("-4", "-1", True), ("0", "9", False)],
)
def test_a_value_that_moves_too_much_is_held_back(side: Side, before: str, after: str, held: bool) -> None:
    """The last one stays, also where the site reads it; the state says by how much it moved and what to do."""
    assert not put(side, before).held, "a first value is never held"
    written = put(side, after)
    assert bool(written.held) is held
    now = look(side)
    assert now.value == Decimal(before if held else after)
    assert side.raw.get("total:users") == (before if held else after)
    assert (now.failure is not None) is held
    if now.failure:
        assert now.failure.reason is Reason.HELD
        assert now.failure.text.endswith(f"from £{before} to £{after}; accept it")
        assert now.failures == 0, "the circuit breaker has nothing to count"
        assert [each.action for each in event_log.read(side.store)].count("held") == 1


def test_a_value_of_another_period_is_said_to_be_one(side: Side) -> None:
    """The newest period is another one: the two numbers are of different years."""
    newest = cell("debt", "latest")
    for label, number in (("2021", "2200"), ("2022", "2")):
        entry = value(newest, number, hold=Hold(Decimal("0.5"), "accept it"))
        entry = msgspec.structs.replace(entry, computed=msgspec.structs.replace(entry.computed, label=label))
        lease = side.acquire()
        written = cell_store.write(lease, [entry], completed=["debt"])
        lease.release()
    assert written.held[newest].message == "changed by -99.9 %, from £2200 (2021) to £2 (2022); accept it"


def test_doctor_names_the_command_that_accepts_it(side: Side) -> None:
    """To compute it again would hold it back again."""
    put(side, "100")
    put(side, "10")
    (found,) = [each for each in stored_data.examine(side.store, side.settings) if "users: held" in each.seen]
    assert found.cure == "countercache accept users"


def test_an_operator_accepts_what_was_held_back(side: Side) -> None:
    """Then it is the value, published as it would have been, and said in the log; a second time there is nothing."""
    put(side, "100")
    put(side, "10")
    for expected in ([USERS], []):
        result = acceptance.accept(side.store, side.settings, "users", by="ann@web", command="accept users")
        assert [each.cell for each in result.cells if each.accepted] == expected
        assert result.exit_code == 0
    now = look(side)
    assert (now.value, now.failure, now.display) == (Decimal(10), None, "£10")
    assert side.raw.get("total:users") == "10"
    (event,) = [each for each in event_log.read(side.store) if each.action == "accepted"]
    assert (event.by, event.counters) == ("ann@web", ("users",))


def test_a_later_value_within_the_bound_is_stored(side: Side) -> None:
    """Nothing is left of what was held back: it cannot be accepted any more."""
    put(side, "100")
    put(side, "10")
    put(side, "90")
    assert (look(side).value, look(side).failure) == (Decimal(90), None)
    assert not side.raw.hexists(side.keys.cell(USERS), "held")


def test_what_a_run_has_replaced_is_not_accepted(side: Side) -> None:
    """Another failure came, or another value was held back, since the operator looked: neither is overwritten."""
    put(side, "100")
    put(side, "10")
    seen = cell_store.read(side.store, side.settings)
    lease = side.acquire()
    cell_store.write(lease, [failure(USERS)], completed=["users"])
    fence = seen.cells[USERS].fence
    answer = side.store.run("accept", (side.keys.cell(USERS), side.keys.events), fence, "users", "ann", "", "", 1000)
    assert answer == "changed"
    assert look(side).value == 100
    result = acceptance.accept(side.store, side.settings, "users", by="ann", command="")
    assert result.cells == ()


def test_nothing_is_held_where_no_bound_is_given(side: Side) -> None:
    """It is off by default, and `--accept` leaves the bound out."""
    lease = side.acquire()
    cell_store.write(lease, [value(USERS, "100")])
    lease.release()
    lease = side.acquire()
    assert cell_store.write(lease, [Publication(value(USERS, "1").computed)]).held == {}
    assert look(side).value == 1
