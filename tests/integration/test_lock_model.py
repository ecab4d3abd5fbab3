"""The lock's promises under any order of events: hypothesis plays several runs, operators and disasters at once against
a real server, and after each of 10,000 steps looks at all that is stored.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import hypothesis
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from countercache import locks
from countercache.errors import LockHeld, LockLost
from countercache.model.results import LockView
from countercache.model.states import CellId, Progress, Reason
from countercache.store import cell_store
from countercache.store.lease import Lease
from tests.integration.redis_side import OWNER, Side, cell, failure, value
from tests.valkey import Valkey

STEPS = 10_000
NAMES = ("main", "archive")
COUNTERS = ("debt", "users")
CELLS = (cell("debt"), cell("users"))
LOOK = """
local time = redis.call('TIME')
local function hash(key)
  local flat, found = redis.call('HGETALL', key), {}
  for index = 1, #flat, 2 do found[flat[index]] = flat[index + 1] end
  return found
end
local seen = {now = time[1] * 1000000 + time[2], locks = {}, cells = {}, began = hash(KEYS[1])}
for index = 2, #KEYS do
  local key = KEYS[index]
  if redis.call('EXISTS', key) == 1 then
    local lock = index <= tonumber(ARGV[1]) + 1
    local found = hash(key)
    found.expires = redis.call('PEXPIRETIME', key)
    seen[lock and 'locks' or 'cells'][key] = found
  end
end
return cjson.encode(seen)
"""


class Seen(msgspec.Struct, frozen=True):
    """All that is stored at one moment; `now` in µs, `expires` in ms (-1: never)."""

    now: float
    locks: dict[str, dict[str, Any]]
    cells: dict[str, dict[str, Any]]
    began: dict[str, str]

    def lasting(self, now: float) -> tuple[object, ...]:
        """What does not end by itself until `now`."""
        return (
            {key: lock for key, lock in self.locks.items() if lock["expires"] * 1000 > now + 2000},
            self.cells,
            self.began,
        )


@dataclass
class Run:
    """A run, and the lock that it got if it got one.

    That is no part of what hypothesis draws, since it may depend on the time: a draw must be repeatable.
    """

    name: str
    id: str
    lease: Lease | None = None


class Model(RuleBasedStateMachine):
    """Runs take, use and lose two locks that guard the same cells."""

    side: ClassVar[Side]
    steps: ClassVar[int] = 0
    runs = Bundle("runs")
    lists = Bundle("lists")

    def __init__(self) -> None:
        super().__init__()
        self.side.raw.flushall()
        self.ids = itertools.count()
        self.fences = [0]
        self.granted: list[Lease] = []
        self.acted = False

    # --- what everybody sees

    def look(self) -> Seen:
        """All that is stored now."""
        self.acted = True
        keys = self.side.keys
        names = [keys.lock(name) for name in NAMES]
        all_keys = [keys.began, *names, *map(keys.cell, CELLS)]
        answer = self.side.raw.eval(LOOK, len(all_keys), *all_keys, len(NAMES))
        return msgspec.json.decode(answer, type=Seen)

    def holder(self, seen: Seen, name: str) -> str | None:
        """Whose lock it is."""
        return seen.locks.get(self.side.keys.lock(name), {}).get("id")

    def unchanged(self, before: Seen) -> None:
        """What was refused has left no trace."""
        after = self.look()
        assert before.lasting(after.now) == after.lasting(after.now)

    # --- runs

    def take(self, name: str, id_: str, lease: float, budget: float) -> Lease:
        """Asks for a lock."""
        return self.side.acquire(name, id=id_, counters=COUNTERS, lease=lease, budget=budget)

    def attempt(self, run: Run, lease: float, budget: float) -> None:
        """A run that has no lock asks for it."""
        before = self.look()
        try:
            run.lease = self.take(run.name, run.id, lease, budget)
        except LockHeld as held:
            assert held.lock.id == self.holder(before, run.name)
            self.unchanged(before)
            return
        now = time.monotonic()
        assert not [other for other in self.granted if other.name == run.name and other.until > now]
        assert run.lease.fence > max(self.fences)
        self.fences.append(run.lease.fence)
        self.granted.append(run.lease)

    @rule(
        target=runs,
        name=st.sampled_from(NAMES),
        lease=st.sampled_from([0.002, 5.0, 60.0]),
        budget=st.sampled_from([0.004, 7.0, 900.0]),
    )
    def acquire(self, name: str, lease: float, budget: float) -> Run:
        """A new run wants a lock. It gets it only when no other holds it, with the greatest fence of all."""
        run = Run(name, f"run-{next(self.ids)}")
        self.attempt(run, lease, budget)
        return run

    @rule(run=runs, budget=st.sampled_from([0.004, 900.0]))
    def acquire_again(self, run: Run, budget: float) -> None:
        """The reply was lost, so the run asks again: the same lock, not a longer one; or a new fence; or nothing."""
        lease = run.lease
        if lease is None:
            self.attempt(run, 60.0, 900.0)
            return
        before = self.look()
        try:
            got = self.take(lease.name, lease.id, 60.0, budget)
        except LockHeld as held:
            assert held.lock.id != lease.id
            self.unchanged(before)
            return
        if got.fence in self.fences:
            assert self.holder(before, lease.name) == lease.id
            assert (got.fence, got.deadline) == (lease.fence, lease.deadline)
        else:
            assert got.fence > max(self.fences)
            assert got.deadline * 1e6 >= before.now
            self.fences.append(got.fence)
        lease.fence, lease.deadline, lease.until = got.fence, got.deadline, got.until

    @rule(run=runs, done=st.integers(0, 9))
    def renew(self, run: Run, done: int) -> None:
        """Only the holder renews; the refusal of another changes nothing."""
        lease = run.lease
        if lease is None:
            self.attempt(run, 60.0, 900.0)
            return
        before = self.look()
        try:
            lease.renew(Progress("adding", done))
        except LockLost:
            after = self.look()
            # In its last millisecond a lock cannot be renewed any more: there is no time to live left to give it.
            assert self.holder(after, lease.name) != lease.id or after.now >= lease.deadline * 1e6 - 2000
            self.unchanged(before)
        else:
            assert self.holder(before, lease.name) == lease.id

    @rule(run=runs, id_=st.sampled_from(CELLS), fails=st.booleans(), done=st.booleans())
    def write(self, run: Run, id_: CellId, fails: bool, done: bool) -> None:
        """A cell only ever gets a greater fence; a value needs the lock, a failure at least an attempt that stands."""
        lease = run.lease
        if lease is None:
            self.attempt(run, 60.0, 900.0)
            return
        key = self.side.keys.cell(id_)
        before = self.look()
        entry = failure(id_) if fails else value(id_, str(lease.fence))
        try:
            refused = cell_store.write(lease, [entry], completed=[id_.counter] if done else []).refused
        except LockLost:
            self.unchanged(before)
            return
        after = self.look()
        old, new = before.cells.get(key, {}), after.cells.get(key, {})
        mine = self.holder(before, lease.name) == lease.id
        assert mine or fails
        for counter, attempt in before.began.items():
            assert after.began.get(counter) in (attempt, None if attempt == str(lease.fence) else attempt)
        if old == new:
            assert refused or (int(old["fence"]), old["run"]) == (lease.fence, lease.id)
            assert bool(refused) == (int(old.get("fence", 0)) > lease.fence) or not mine
            return
        assert not refused
        assert int(new["fence"]) == lease.fence > int(old.get("fence", 0))
        assert mine or before.began[id_.counter] == str(lease.fence)
        assert ("reason" in new) == fails

    @rule(run=runs)
    def mark(self, run: Run) -> None:
        """A run that gives up speaks of its own attempts only."""
        lease = run.lease
        if lease is None:
            self.attempt(run, 60.0, 900.0)
            return
        before = self.look()
        lease.record_failure(Reason.LOCK_LOST)
        for counter, attempt in self.look().began.items():
            assert attempt == before.began[counter] or before.began[counter] == str(lease.fence)

    @rule(run=runs)
    def release(self, run: Run) -> None:
        """Gives back one's own lock and no other."""
        lease = run.lease
        if lease is None:
            self.attempt(run, 60.0, 900.0)
            return
        before = self.look()
        lease.release()
        after = self.look()
        assert self.holder(after, lease.name) != lease.id
        if self.holder(before, lease.name) != lease.id:
            self.unchanged(before)

    # --- operators

    @rule(target=lists)
    def list_them(self) -> dict[str, LockView]:
        """An operator looks at the locks, and may act on what was seen much later."""
        before = self.look()
        found = locks.list_locks(self.side.store).locks
        self.unchanged(before)
        return {view.lock.name: view for view in found}

    @rule(listed=lists, name=st.sampled_from(NAMES), force=st.booleans())
    def clear(self, listed: dict[str, LockView], name: str, force: bool) -> None:
        """Clears the lock that was seen, never its successor, and without force no lock of an unknown holder."""
        view = listed.get(name)
        if view is None:
            return
        before = self.look()
        result = locks.clear_listed(self.side.store, view, force=force, by=OWNER)
        if not force or self.holder(before, name) != view.lock.id:
            self.unchanged(before)
            assert not result.cleared or "ended by itself" in result.why
            return
        assert result.cleared
        assert self.holder(self.look(), name) is None
        self.forget(name)

    # --- disasters

    def forget(self, name: str) -> None:
        """The lock was taken from its holder before its lease was over, which only we and operators can do."""
        for lease in self.granted:
            if lease.name == name:
                lease.until = 0.0

    @rule(name=st.sampled_from(NAMES))
    def expire(self, name: str) -> None:
        """A holder is paused for longer than its lease."""
        self.acted = True
        self.side.expire(name)
        self.forget(name)

    @rule()
    def flush(self) -> None:
        """Somebody empties the server."""
        self.acted = True
        self.side.raw.flushall()
        for name in NAMES:
            self.forget(name)

    @rule(back=st.integers(0, 9))
    def restore(self, back: int) -> None:
        """The server comes back with an older fence, or none."""
        self.acted = True
        self.side.raw.set(self.side.keys.fence, self.fences[-back:][0])

    # --- promises

    @invariant()
    def promises(self) -> None:
        """C: no lock without a time to live. A: none beyond its deadline, and `calculating` only under a live lock."""
        type(self).steps += self.acted
        seen = self.look()
        self.acted = False
        for lock in seen.locks.values():
            assert 0 < lock["expires"] * 1000 <= float(lock["deadline"])
            assert int(lock["fence"]) <= max(self.fences)
        for stored in seen.cells.values():
            assert int(stored["fence"]) <= max(self.fences)
        if not seen.locks:
            assert "calculating" not in self.side.states().values()


@pytest.mark.timeout(300)
def test_any_order_of_events(valkey: Valkey) -> None:
    """10,000 steps: never two holders, no accepted write with an older fence, no lock without end, fences that grow."""
    base = int(os.environ.get("COUNTERCACHE_SEED") or random.randrange(2**32))
    side = Side(valkey.url, valkey.client())
    Model.side, Model.steps = side, 0
    options = settings(
        max_examples=25,
        stateful_step_count=100,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    for seed in itertools.count(base):
        print(f"COUNTERCACHE_SEED={seed}")
        run_state_machine_as_test(hypothesis.seed(seed)(Model), settings=options)
        if Model.steps >= STEPS:
            break
    print(f"{Model.steps} steps")
    side.client.close()
