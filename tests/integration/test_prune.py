"""What is no longer configured goes from a real server, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from countercache.model.results import Pruned, PruneResult
from countercache.model.states import ALL, EACH, LATEST, CellId, Computed, Owner, configured_cells
from countercache.operate import pruning
from countercache.settings import PublishSettings
from countercache.store import cell_store, event_log
from countercache.store.cell_store import Publication
from countercache.store.keys import member
from tests.integration.redis_side import Side, cell, failure, settings_for, value
from tests.valkey import Valkey

GONE = CellId("gone", "all", "latest")
NO_GROUP = CellId("debt", "wales", "latest")
NO_PERIOD = CellId("debt", "all", "2018/19")
CONFIGURED = (cell("debt", "latest"), cell("debt", "all"), cell("each", "2019/20"), cell("users"))
PLAIN = PublishSettings(key="total:{counter}:{group}:{period}")


@pytest.fixture
def side(valkey: Valkey) -> Iterator[Side]:
    """A namespace with a value in each configured cell and in three that are not, and their plain keys."""
    side = Side(valkey.url, valkey.client())
    side.settings = msgspec.structs.replace(side.settings, publish=PLAIN)
    lease = side.acquire(counters=("debt", "each", "users", "gone"))
    entries = [value(id_, "5", key=f"total:{id_.counter}:{id_.group}:{id_.period}") for id_ in (*CONFIGURED, NO_GROUP)]
    label = Publication(msgspec.structs.replace(value(GONE, "7").computed, label="2019/20"), "7")
    cell_store.write(lease, [*entries, label, failure(NO_PERIOD)], ["debt", "each", "users", "gone"])
    for key in ("total:gone:all:latest", "total:gone:all:2019/20"):
        side.raw.set(key, "7")
    lease.release()
    yield side
    side.client.close()


def everything(side: Side) -> dict[str, object]:
    """All keys but the log, each with a dump of what is in it."""
    return {key: side.raw.object("encoding", key) for key in side.raw.scan_iter() if key != side.keys.events} | {
        key: side.raw.hgetall(key) for key in side.raw.scan_iter(_type="hash")
    }


def run(side: Side, *, dry_run: bool = False) -> PruneResult:
    """Prune, as an operator."""
    return pruning.prune(side.store, side.settings, by="ops@bastion", dry_run=dry_run)


def test_what_is_gone_from_the_configuration_goes(side: Side) -> None:
    """A counter, a group and a period that it no longer has; the cells that it has stay to the last field."""
    before = everything(side)
    result = run(side)
    assert set(result.cells) == {
        Pruned(GONE, removed=True, keys=("total:gone:all:2019/20", "total:gone:all:latest")),
        Pruned(NO_GROUP, removed=True, keys=("total:debt:wales:latest",)),
        Pruned(NO_PERIOD, removed=True),
    }
    assert result.exit_code == 0
    gone = {side.keys.cell(each.cell) for each in result.cells} | {key for each in result.cells for key in each.keys}
    assert everything(side) == {key: kept for key, kept in before.items() if key not in gone}
    assert side.raw.smembers(side.keys.index) == set(map(member, CONFIGURED))
    assert run(side) == PruneResult(())


def test_it_is_on_record(side: Side) -> None:
    """One event: who, how much, and of which counters; none of a second one, which finds nothing."""
    run(side)
    run(side)
    (event,) = [event for event in event_log.read(side.store) if event.action == "pruned"]
    assert (event.level, event.category, event.by) == ("info", "counter", "ops@bastion")
    assert event.counters == ("debt", "gone")
    assert event.message == "3 cells and 3 published keys that are no longer configured"


def test_a_dry_run_changes_nothing(side: Side) -> None:
    """It says the same as the real one, and that it was none."""
    before = everything(side), side.raw.xlen(side.keys.events)
    dry = run(side, dry_run=True)
    assert (everything(side), side.raw.xlen(side.keys.events)) == before
    assert dry == msgspec.structs.replace(run(side), dry_run=True)


def test_a_plain_key_that_is_not_ours_any_more_stays(side: Side) -> None:
    """Somebody else has written there since; and keys of another kind are not even read."""
    side.raw.set("total:gone:all:latest", "8")
    side.raw.delete("total:gone:all:2019/20")
    side.raw.hset("total:gone:all:2019/20", "7", "7")
    (found,) = [each for each in run(side).cells if each.cell == GONE]
    assert found == Pruned(GONE, removed=True)
    assert side.raw.get("total:gone:all:latest") == "8"
    assert side.raw.hgetall("total:gone:all:2019/20") == {"7": "7"}


def test_a_plain_key_that_a_configured_cell_publishes_stays(side: Side) -> None:
    """The period 2019/20 is asked for by name no more; but it is the latest one, which stands under its label too."""
    lease = side.acquire(counters=("debt",))
    shared = CellId("debt", "all", "2019/20")
    latest = Computed(cell("debt", "latest"), "2019/20", value(GONE, "5").computed.value)
    cell_store.write(lease, [value(shared, "5", key="total:debt:all:2019/20"), Publication(latest, "5")], ["debt"])
    lease.release()
    assert Pruned(shared, removed=True) in run(side).cells
    assert side.raw.get("total:debt:all:2019/20") == "5"


@pytest.mark.parametrize(("text", "removed"), [('{"value":"7"}', True), ('{"value":"8"}', False), ("7", False)])
def test_plain_keys_that_hold_json(side: Side, text: str, removed: bool) -> None:
    """They are compared by the value in them."""
    side.settings = msgspec.structs.replace(side.settings, publish=msgspec.structs.replace(PLAIN, encoding="json"))
    side.raw.set("total:gone:all:latest", text)
    run(side)
    assert side.raw.exists("total:gone:all:latest") == (not removed)


def test_attempts_at_counters_that_are_gone_are_forgotten(side: Side) -> None:
    """Nobody would ever end them; those at counters that are there tell their state, and stay."""
    side.acquire(counters=("gone", "never-stored", "users"))
    side.expire()
    assert run(side).attempts == ("gone", "never-stored")
    assert set(side.raw.hkeys(side.keys.began)) == {"users"}


def test_what_a_live_run_covers_is_left(side: Side) -> None:
    """Another host may have the counter in a newer configuration; that is said, and is exit code 3."""
    lease = side.acquire("archive", counters=("gone", "newer"))
    result = run(side)
    assert result.exit_code == 3
    left = [each for each in result.cells if not each.removed]
    assert [(each.cell, each.why) for each in left] == [(GONE, pruning.LEFT)]
    assert not result.attempts
    cell_store.write(lease, [value(GONE, "9")], ["gone"])
    lease.release()
    assert run(side).exit_code == 0


def test_the_run_of_a_dead_process_keeps_nothing(side: Side) -> None:
    """Its lock stays for the rest of its lease; its process is provably gone."""
    from countercache.store.lock_owner import this_owner

    dead: Owner = msgspec.structs.replace(this_owner("countercache warmup"), pid=2**22 + 1)
    side.acquire("archive", counters=("gone",), owner=dead)
    assert run(side).exit_code == 0


def test_a_cell_that_is_written_meanwhile_is_left(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare-and-delete: it was not this value that was to be removed."""
    read = cell_store.cells

    def then_written(*arguments: object) -> object:
        found = read(*arguments)  # type: ignore[arg-type]
        cell_store.write(side.acquire("archive", counters=("gone",)), [value(GONE, "8")], ["gone"])
        return found

    monkeypatch.setattr(cell_store, "cells", then_written)
    result = run(side)
    assert Pruned(GONE, removed=False, why=pruning.CHANGED) in result.cells
    assert result.exit_code == 3
    assert side.raw.hget(side.keys.cell(GONE), "value") == "8"


def test_other_namespaces_and_keys_are_not_touched(side: Side) -> None:
    """What looks much like ours is somebody else's."""
    others = ["countercache:{other}:cell:gone:all:latest", "countercache:site:cell:gone:all:latest", "cell:gone"]
    for key in others:
        side.raw.set(key, "7")
    run(side)
    assert side.raw.exists(*others) == 3


def test_thousands_go_in_steps(side: Side) -> None:
    """No script is long enough to keep others waiting; all are removed."""
    lease = side.acquire("archive", counters=("old",))
    cell_store.write(lease, [value(CellId("old", "all", f"{number:04}")) for number in range(1700)], ["old"])
    lease.release()
    side.raw.config_resetstat()
    assert len(run(side).cells) == 1703
    assert side.raw.info("commandstats")["cmdstat_evalsha"]["calls"] <= 4
    assert side.raw.scard(side.keys.index) == len(CONFIGURED)


def test_a_counter_over_each_period_keeps_what_it_has_found(valkey: Valkey) -> None:
    """Its periods are those that are stored; the words of a configuration before it was over each are not."""
    settings = settings_for(valkey.url)
    known = {cell("each", "2018/19"), cell("each", LATEST), cell("each", ALL), cell("each", EACH)}
    assert list(configured_cells(settings, known, ["each"])) == [cell("each", "2018/19")]
    assert cell("each", LATEST) in pruning.orphans(settings, known)
