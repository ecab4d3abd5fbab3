"""The sampler: reads the state of a site all the time, as the command `status` does, and holds it against the promises.

It reads from the server itself, past every proxy; what is `calculating` is checked against the raw lock, not against
the function that derives states. Once in each injection the command `status --json` itself is run, too.
"""

from __future__ import annotations

import json
import threading
import time
from decimal import Decimal
from typing import Any, Self

import redis

from countercache.errors import RedisError, RedisUnreachable
from countercache.model.states import CellId, State
from countercache.store import cell_store
from countercache.store.redis_client import translated_errors
from tests.faults.harness import LEASE, Site

ANSWERS = 2.0
"""Promise F: seconds in which every command answers when Redis cannot be reached."""

LOAD = 1.0
"""Seconds that a process may take to start and end on a machine that is busy with the other tests."""

EVERY = 0.15
"""Seconds between two samples; each takes about a millisecond."""


class Sampler:
    """Samples a site in a thread of its own, as long as it is entered. `violations` are sentences; none is good.

    `asks_at`: seconds after which it runs the command `status --json` once.
    """

    def __init__(self, site: Site, asks_at: float = 0.5) -> None:
        self.site = site
        self.samples = 0
        self.violations: list[str] = []
        self.deadline = 0.0
        """When the last run seen must have ended, by `time.time()`: its lock says so."""
        self._fences: dict[CellId, int] = {}
        self._newest: dict[CellId, int] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        if site.redis_proxy is None:  # a proxy may be waiting for just the next command
            self._threads.append(threading.Thread(target=self._ask, args=(asks_at,), daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def forget_fences(self) -> None:
        """The server has lost data by our hand: what is stored may be older now."""
        self._fences.clear()
        self._newest.clear()

    def _run(self) -> None:
        while True:
            try:
                self.sample()
            except RedisUnreachable:
                pass
            except (RedisError, redis.RedisError) as error:
                if "READONLY" not in str(error) and "NOPERM" not in str(error) and "loading" not in str(error).lower():
                    self.violations.append(f"the sampler got {error!r}")
            if self._stop.wait(EVERY):
                return

    def sample(self) -> None:
        """Read once and check."""
        site = self.site
        seen = cell_store.read(site.store, site.settings)
        self.samples += 1
        for lock in seen.locks:
            if lock.ttl is None:
                self._violated("C", f"the lock {lock.name} has no time to live")
            elif lock.ttl > LEASE + 0.01 or lock.ttl > lock.deadline - seen.now + 0.1:
                self._violated(
                    "A", f"the lock {lock.name} lives {lock.ttl} s, and {lock.deadline - seen.now} s are left"
                )
            self.deadline = max(self.deadline, lock.deadline)
        covered = {counter for lock in seen.locks if lock.ttl is not None for counter in lock.counters}
        for id_ in seen.ids:
            view = seen.view(id_, id_.counter)
            if view.state is State.CALCULATING and id_.counter not in covered:
                self._violated("A", f"{id_} is calculating, and no live lock covers it")
            if view.cell:
                self._check_cell(id_, view.cell.value, view.cell.fence)

    def _check_cell(self, id_: CellId, value: Decimal | None, fence: int) -> None:
        if fence < self._fences.get(id_, 0):
            self._violated("B", f"the fence of {id_} went from {self._fences[id_]} back to {fence}")
        self._fences[id_] = fence
        if value is None:
            return
        generation = self.site.generation_of(id_.counter, id_.period, value)
        if generation is None:
            self._violated("D", f"{id_} is {value}, which is no total of any snapshot")
        elif generation < self._newest.get(id_, 0):
            self._violated("B", f"{id_} went from generation {self._newest[id_]} back to {generation}")
        else:
            self._newest[id_] = generation

    def _violated(self, promise: str, what: str) -> None:
        self.violations.append(f"promise {promise}: {what}")

    def _ask(self, after: float) -> None:
        """Run `status --json` once: it answers in time, and what it shows as calculating has a run in flight."""
        if self._stop.wait(after):
            return
        result = self.site.command("status", "--json", seconds=30)
        if result.code not in (0, 1, 5) or result.seconds > ANSWERS + LOAD:
            self._violated("F", f"`status --json` ended with {result.code} after {result.seconds:.2f} s: {result.err}")
        if result.code:
            return
        document: dict[str, Any] = json.loads(result.out)
        calculating = [state["slug"] for state in document["counter_states"] if state["state"] == "calculating"]
        if calculating and not document["runs"]:
            self._violated("A", f"`status --json` shows {calculating} as calculating, and no run")


def wait_for_lock_to_end(site: Site, *, since: float) -> None:
    """Promise A: the lock is gone one lease after its holder was, and with it every `calculating`."""
    end = since + LEASE + 0.5
    while True:
        now = time.monotonic()
        with translated_errors(site.redis):
            locks = [name for name in site.databases if site.redis.exists(site.keys.lock(name))]
        if not locks:
            break
        assert now < end, f"promise A: the lock {locks} is still there {now - since:.2f} s after its holder was gone"
        time.sleep(0.02)
    seen = cell_store.read(site.store, site.settings)
    for id_ in seen.ids:
        state = seen.view(id_, id_.counter).state
        assert state is not State.CALCULATING, f"promise A: {id_} is calculating without a lock"
