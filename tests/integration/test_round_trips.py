"""How often Redis, a real one, is asked: counted in the driver, where it turns from speaking to listening and back."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from redis.connection import AbstractConnection

from countercache import cli, locks
from countercache.model.states import CellId, Computed, Coverage, Owner, Progress
from countercache.settings import CounterSettings, DatabaseSettings, RedisSettings, Settings, SourceSettings
from countercache.store import cell_store
from countercache.store.cell_store import Publication
from countercache.store.redis_client import open_store
from tests.valkey import Valkey

OWNER = Owner("web-1", "boot", 4711, "99", "deploy", "countercache warmup", "0.1.0")


class Turns:
    """How often the client spoke first or after it had listened, however many commands it sends at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._turns = 0
        self._speaking = False
        speak, listen = AbstractConnection.send_packed_command, AbstractConnection.read_response

        def speaking(*args: Any, **options: Any) -> Any:
            self._turns += not self._speaking
            self._speaking = True
            return speak(*args, **options)  # type: ignore[no-untyped-call]

        def listening(*args: Any, **options: Any) -> Any:
            self._speaking = False
            return listen(*args, **options)

        monkeypatch.setattr(AbstractConnection, "send_packed_command", speaking)
        monkeypatch.setattr(AbstractConnection, "read_response", listening)

    def count(self) -> int:
        """The turns since it was last asked."""
        counted, self._turns = self._turns, 0
        return counted


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    """Counts from now on."""
    return Turns(monkeypatch)


def settings_for(valkey: Valkey) -> Settings:
    """One counter over each period."""
    return Settings(
        namespace="site",
        redis=RedisSettings(url=valkey.url),
        databases={"main": DatabaseSettings(url="sqlite://")},
        sources={"figures": SourceSettings(database="main", table="t", entity="e", period="p")},
        counters={"debt": CounterSettings(source="figures", formula="a", periods="each")},
    )


def entries(count: int) -> list[Publication]:
    """So many cells with a value."""
    return [
        Publication(Computed(CellId("debt", "all", f"p{n}"), f"p{n}", Decimal(n), coverage=Coverage(1, 2)), str(n))
        for n in range(count)
    ]


def test_a_run_asks_as_often_as_it_must(valkey: Valkey, turns: Turns) -> None:
    """Acquire, renew and release are one round trip each, publishing one for 1,000 cells, reading all states two."""
    settings = settings_for(valkey)
    store = open_store(settings)
    options: dict[str, Any] = {"owner": OWNER, "counters": ("debt",), "lease": 30.0, "budget": 900.0}
    first = locks.acquire(store, locks.LockRequest(name="main", id="first", **options))
    first.renew(Progress("reading"))
    cell_store.write(first, entries(1), ["debt"])
    first.release()
    turns.count()  # by now the server knows the scripts, as it does after the first run

    lease = locks.acquire(store, locks.LockRequest(name="main", id="second", **options))
    assert turns.count() == 1
    lease.renew(Progress("reading", 5, 10))
    assert turns.count() == 1
    for cells, trips in ((1, 1), (1000, 1), (1001, 2), (2500, 3)):
        cell_store.write(lease, entries(cells), ["debt"])
        assert turns.count() == trips, cells
    assert len(cell_store.status(store, settings).cells) == 2500
    assert turns.count() == 2
    lease.release()
    assert turns.count() == 1
    store.client.close()


def test_status_asks_three_times_at_most(
    valkey: Valkey, turns: Turns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole command, with what the driver says on connecting."""
    store = open_store(settings_for(valkey))
    wanted = locks.LockRequest(name="main", id="run", owner=OWNER, counters=("debt",), lease=30.0, budget=900.0)
    lease = locks.acquire(store, wanted)
    cell_store.write(lease, entries(1500), ["debt"])
    lease.release()
    store.client.close()
    turns.count()
    config = tmp_path / "countercache.toml"
    config.write_text(f"""
        namespace = "site"
        redis.url = "{valkey.url}"
        databases.main.url = "sqlite:///none"
        sources.figures = {{ database = "main", table = "t", entity = "e", period = "p", field = "f", value = "v" }}
        counters.debt = {{ source = "figures", formula = "a", periods = "each" }}
    """)
    assert cli.main(["status", "--json", "--config", str(config)]) == 0
    assert len(json.loads(capsys.readouterr().out)["counter_states"]) == 1500
    assert 2 <= turns.count() <= 3
