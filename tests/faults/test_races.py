"""Races: many warmups at one instant, and operators who clear while runs renew, publish, release and begin again."""

from __future__ import annotations

import json
import signal
import threading
import time
from itertools import pairwise
from typing import Any

from countercache import locks
from countercache.store.lock_owner import this_owner
from tests.faults.figures import FORMULAS
from tests.faults.harness import LEASE, ROOMY, Site
from tests.faults.injections import Trial, injections
from tests.faults.points import point
from tests.faults.processes import until

RACERS = 50
ROUNDS = 20


def _now(site: Site) -> str:
    """The last event's id, for `_events` to begin after."""
    entries: Any = site.redis.xrevrange(site.keys.events, count=1)
    return entries[0][0] if entries else "0"


def _events(site: Site, since: str) -> list[tuple[str, str]]:
    """What became of the lock, in order: (action, run)."""
    entries: Any = site.redis.xrange(site.keys.events, min=f"({since}")
    kept = [fields for _, fields in entries if fields.get("category") == "lock"]
    return [(fields["action"], fields.get("run", "")) for fields in kept]


def _one_holder(site: Site, since: str) -> None:
    """Between two acquisitions lies the end of the first: by release, or by clearing."""
    seen = [event for event in _events(site, since) if event[0] in ("acquired", "released", "cleared")]
    for (first, run), (second, other) in pairwise(seen):
        assert (first, second) != ("acquired", "acquired"), f"promise B: {other} acquired while {run} held"


@injections("races", 1, at_once=1)
def test_fifty_at_one_instant(trial: Trial) -> None:
    """50 processes ask for the lock at the same instant, 20 times: each time exactly one gets it at a time."""
    site = trial.site
    since = _now(site)
    go = site.directory / "go"
    # Held long enough for the slowest to have asked meanwhile.
    racers = [site.race(path=str(site.path), go=str(go), rounds=ROUNDS, every=0.45, hold=0.25) for _ in range(RACERS)]
    until(lambda: all(racer.said("ready") for racer in racers), seconds=60, why="all racers are ready")
    (site.directory / "start").write_text(repr(time.monotonic() + 0.3), encoding="ascii")
    (site.directory / "start").rename(go)
    lines: list[dict[str, Any]] = []
    for racer in racers:
        result = trial.ended(racer, 0, seconds=60)
        lines += [json.loads(line) for line in result.out.splitlines()[1:]]
    go.unlink()
    assert len(lines) == RACERS * ROUNDS
    held = sorted((line for line in lines if "from" in line), key=lambda line: line["from"])
    for first, second in pairwise(held):
        assert first["to"] <= second["from"], f"promise B: two holders: {first} {second}"
        assert first["fence"] < second["fence"], f"promise B: the fence did not grow: {first} {second}"
    # On a busy machine one holder may still be asleep at the next instant; then nobody gets it there.
    assert len(held) > ROUNDS / 2
    trial.note(f"{len(held)} holders in {ROUNDS} rounds of {RACERS}")
    _one_holder(site, since)
    trial.recovers()


@injections("races", 5, at_once=2)
def test_warmups_at_one_instant(trial: Trial) -> None:
    """Whole commands started together: one computes, the others say who holds the lock, exit 4."""
    site = trial.site
    site.change()
    since = _now(site)
    runs = [site.start("warmup", *FORMULAS, "nap", *ROOMY) for _ in range(12)]
    results = [trial.ended(run, 0, 4) for run in runs]
    codes = [result.code for result in results]
    trial.note(f"{codes.count(0)} of {len(codes)} computed")
    assert 0 in codes and 4 in codes, codes
    assert all("is held by" in result.err for result in results if result.code == 4)
    _one_holder(site, since)
    trial.check_values(*FORMULAS, "nap")
    trial.recovers()


@injections("races", 3, at_once=2)
def test_warmups_that_wait_for_each_other(trial: Trial) -> None:
    """With --wait all of them succeed, one after another."""
    site = trial.site
    site.change()
    since = _now(site)
    for run in [site.start("warmup", *FORMULAS, "--wait", "20s", *ROOMY) for _ in range(8)]:
        trial.ended(run, 0)
    _one_holder(site, since)
    trial.check_values()
    trial.recovers()


CLEARED_AT = (
    point("acquire", "after", do="stop"),
    point("renew", "before", do="stop"),
    point("renew", "after", do="stop"),
    point("write", "before", do="stop"),
    point("write", "after", do="stop"),
    point("write", "before", nth=2, do="stop"),
)


@injections("races", 12)
def test_a_clear_against_a_run(trial: Trial) -> None:
    """`locks clear --force` while the run is about to renew or to publish: it ends as cleared, exit 1 or 3, and nothing
    that it computed later is stored.
    """
    site = trial.site
    old = site.generation
    site.change()
    order = CLEARED_AT[trial.seed % len(CLEARED_AT)]
    trial.note(f"{order['moment']} {order['name']} {order['nth']}")
    run = trial.paused("total", "sum", "nap", order=order)
    cleared = trial.ended(site.start("locks", "clear", "--force"), 0)
    assert "clear" in cleared.out, cleared.out
    assert not site.locked()
    values = {name: site.cell(name, "value") for name in ("total", "sum", "nap")}
    run.signal(signal.SIGCONT)
    continued = time.monotonic()
    result = trial.ended(run, 1, 3)
    assert result.at - continued < LEASE / 3 + 1.5, f"noticed after {result.at - continued:.2f} s"
    # Paused for longer than its lease it stops by its own clock, before it hears why.
    assert "cleared" in result.err or continued - run.started > LEASE, result.err
    assert values == {name: site.cell(name, "value") for name in ("total", "sum", "nap")}
    assert site.redis.hget(site.keys.began, "nap"), "the end of the attempt is recorded as cleared"
    trial.check_values("ratio", generation=old)
    trial.gone(run, result.at)
    trial.recovers()


@injections("races", 4)
def test_a_clear_of_a_lock_that_changed_hands(trial: Trial) -> None:
    """What was listed is compared with what is there: a newer lock is never removed."""
    site = trial.site
    site.change()
    first = trial.paused("total", order=point("acquire", "after", do="stop"))
    (view,) = locks.list_locks(site.store).locks
    if trial.seed % 2:  # the listed lock ends by itself, and a newer run begins
        until(lambda: not site.locked(), seconds=LEASE + 1, why="the lease ends")
    else:  # a first operator clears it, and a newer run begins
        trial.ended(site.start("locks", "clear", "--force"), 0)
    newer = trial.paused(*FORMULAS, "nap", order=point("write", "before", do="stop"))
    answer = locks.clear_listed(site.store, view, force=True, by=this_owner("test"))
    assert not answer.cleared, answer.why
    assert site.locked(), "the newer lock was removed"
    newer.signal(signal.SIGCONT)
    result = trial.ended(newer, 0)
    first.signal(signal.SIGCONT)
    trial.ended(first, 1)
    trial.check_values(*FORMULAS, "nap")
    trial.gone(newer, result.at)
    trial.recovers()


@injections("races", 2, at_once=2)
def test_operators_who_clear_all_the_time(trial: Trial) -> None:
    """Runs and forced clears for three seconds: one holder at a time, and every run ends as done, held or cleared."""
    site = trial.site
    site.change()
    since = _now(site)
    stop = threading.Event()

    def clear() -> None:
        while not stop.wait(trial.rng.uniform(0.02, 0.2)):
            locks.clear(site.store, (), force=True, by=this_owner("test"))

    operator = threading.Thread(target=clear)
    operator.start()
    codes: list[int] = []
    until_then = time.monotonic() + 3
    try:
        while time.monotonic() < until_then:
            runs = [site.start("warmup", *FORMULAS) for _ in range(2)]
            codes += [trial.ended(run, 0, 1, 3, 4).code for run in runs]
    finally:
        stop.set()
        operator.join(10)
    trial.note(f"{len(codes)} runs, {_count(site, since, 'cleared')} clears: {sorted(set(codes))}")
    _one_holder(site, since)
    trial.recovers()


@injections("races", 3)
def test_a_clear_without_force_leaves_a_live_lock(trial: Trial) -> None:
    """Exit 3, and the run goes on as if nothing had been asked."""
    site = trial.site
    site.change()
    run = site.start("warmup", *FORMULAS, "nap")
    until(site.locked, why="the run holds its lock")
    left = trial.ended(site.start("locks", "clear"), 3)
    assert "--force" in left.out + left.err
    trial.ended(run, 0)
    trial.check_values(*FORMULAS, "nap")
    trial.recovers()


@injections("races", 3)
def test_a_dead_lock_is_cleared_without_force(trial: Trial) -> None:
    """The guard was killed: `locks clear` proves it dead and frees the lock before its lease is over."""
    site = trial.site
    site.change()
    run = site.start("warmup", *FORMULAS, "nap")
    until(site.locked, why="the run holds its lock")
    run.signal(signal.SIGKILL)
    result = run.wait()
    trial.ended(site.start("locks", "clear"), 0)
    assert time.monotonic() - result.at < LEASE, "slower than the lease itself"
    trial.gone(run, result.at)
    trial.recovers()


def _count(site: Site, since: str, action: str) -> int:
    return sum(event[0] == action for event in _events(site, since))
