"""What the tests of locks and cells share: a namespace on a real server, and short words for common steps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import redis

from countercache import locks
from countercache.model.states import CellId, Computed, Coverage, Failure, Owner, Reason
from countercache.settings import CounterSettings, DatabaseSettings, RedisSettings, Settings, SourceSettings
from countercache.store import cell_store
from countercache.store.cell_store import Publication
from countercache.store.keys import Keys
from countercache.store.lease import Lease
from countercache.store.publishing import Published
from countercache.store.redis_client import Store, open_store

NAMESPACE = "site"
OWNER = Owner("web-1", "boot", 4711, "99", "deploy", "countercache warmup", "0.1.0")


def settings_for(url: str, namespace: str = NAMESPACE) -> Settings:
    """Three counters of one database: one of several cells, one over each period, one of a single cell."""
    return Settings(
        namespace=namespace,
        redis=RedisSettings(url=url),
        databases={"main": DatabaseSettings(url="sqlite://")},
        sources={"figures": SourceSettings(database="main", table="t", entity="e", period="p")},
        counters={
            "debt": CounterSettings(name="Debt", source="figures", formula="a", periods=("latest", "all")),
            "each": CounterSettings(source="figures", formula="a", periods="each"),
            "users": CounterSettings(database="main", sql="SELECT 1"),
        },
    )


def version(raw: redis.Redis) -> tuple[int, ...]:
    """The version of Redis that the server is, or is compatible with."""
    text: str = raw.info("server")["redis_version"]
    return tuple(int(part) for part in text.split("."))


def commands_beyond(allowed: str, raw: redis.Redis) -> set[str]:
    """The commands used since the statistics were reset that are not `allowed`. Redis 6 counts no subcommands."""
    names = allowed.split() if version(raw) >= (7,) else [name.partition("|")[0] for name in allowed.split()]
    return {name.removeprefix("cmdstat_") for name in raw.info("commandstats")} - set(names)


@dataclass
class Side:
    """One namespace: `client` as the product opens it, `raw` as anybody may."""

    url: str
    raw: redis.Redis
    timeout: float = 1.0
    settings: Settings = field(init=False)
    store: Store = field(init=False)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.settings = settings_for(self.url)
        self.store = open_store(self.settings, timeout=self.timeout)

    @property
    def client(self) -> redis.Redis:
        """The client of the store."""
        return self.store.client

    @property
    def keys(self) -> Keys:
        """The keys of the store."""
        return self.store.keys

    def acquire(self, name: str = "main", **changes: Any) -> Lease:
        """Takes a lock for a new run, unless `changes` say otherwise."""
        options: dict[str, Any] = {
            "id": f"run-{next(self._ids)}",
            "owner": OWNER,
            "counters": ("debt", "each", "users"),
            "lease": 30.0,
            "budget": 900.0,
        }
        keywords = {key: changes.pop(key) for key in ("log", "commands") if key in changes}
        return locks.acquire(self.store, locks.LockRequest(name=name, **options | changes), **keywords)

    def states(self) -> dict[CellId, str]:
        """The state of each configured cell."""
        return {view.id: view.state.value for view in cell_store.status(self.store, self.settings).cells}

    def expire(self, name: str = "main") -> None:
        """Ends a lease as the server does when nobody renews it."""
        self.raw.pexpire(self.keys.lock(name), 0)


def cell(counter: str = "users", period: str = "all") -> CellId:
    """A cell of the group `all`."""
    return CellId(counter, "all", period)


def value(id_: CellId, number: str = "1", key: str | None = None, **changes: Any) -> Publication:
    """A cell that got a value."""
    computed = Computed(id_, id_.period, Decimal(number), coverage=Coverage(3, 4), duration=0.25)
    published = (Published(key, number, 5.0),) if key else ()
    return Publication(computed, f"£{number}", published=published, **changes)


def failure(id_: CellId, message: str = "no such column", **changes: Any) -> Publication:
    """A cell that failed."""
    return Publication(Computed(id_, id_.period, failure=Failure(Reason.SQL, message)), **changes)
