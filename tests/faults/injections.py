"""How faults are injected many times: seeded, several at once, each on a site that is proved healthy again after it.

A test of this directory is a function from a `Trial` decorated with `injections`. Pytest runs it so many times, each
with another seed, `AT_ONCE` at a time, and fails with every violation and the seed of its injection. `make soak`
(`soak.py`) runs the same functions at random. `COUNTERCACHE_SEED=n` makes n the first seed of each test.
"""

from __future__ import annotations

import os
import random
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, NamedTuple

from tests.faults.figures import CLOSE, FORMULAS
from tests.faults.harness import ROOMY, TIMEOUT, Site, World
from tests.faults.processes import Result, Run, stopped, until
from tests.faults.sampler import Sampler, wait_for_lock_to_end

AT_ONCE = int(os.environ.get("COUNTERCACHE_AT_ONCE", "4"))
"""Injections at a time in one process; most of their time they wait."""

AT_ONCE_AGAIN = 6.0
"""Seconds in which a run after a fault succeeds: well below any lease in use, well above what a busy machine needs."""

STOPS = 2.5
"""Seconds after the end of its lease in which a holder that cannot reach Redis has ended: a command that is under way
may take one, the last look at the states another."""

ROWS = (
    "crash",
    "pause",
    "slow query",
    "locked table",
    "stopped server",
    "network",
    "Redis stalls",
    "Redis loses data",
    "Redis refuses",
    "races",
    "database restarts",
    "wrong numbers",
    "stuck code",
)
"""The rows of the table of faults; each has injections."""


class Trial:
    """One injection: a healthy site, a seeded generator, and what every injection must prove at its end."""

    def __init__(self, site: Site, sampler: Sampler, seed: int) -> None:
        self.site = site
        self.sampler = sampler
        self.seed = seed
        self.rng = random.Random(seed)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep what was drawn, for the message of a failure and the report."""
        self.notes.append(text)

    def warm(self, *counters: str) -> None:
        """A run that must succeed, and the exact values of now after it."""
        counters = counters or FORMULAS
        result = self.site.command("warmup", "--wait", "10s", *ROOMY, *counters)
        assert result.code == 0, f"a run on a healthy site ended with {result.code}: {result.err}{result.out}"
        self.check_values(*counters)

    def check_values(self, *counters: str, generation: int | None = None) -> None:
        """The cells of the counters are exactly those of a generation (none given: of now), and so are their keys."""
        site = self.site
        for counter in counters or FORMULAS:
            periods = ("latest", "all") if counter == "total" else ("latest",)
            for period in periods if site.settings.counters[counter].sql is None else ("all",):
                expected = site.expected(counter, period, generation)
                published: Any = site.redis.get(f"published:{site.namespace}:{counter}:all:{period}")
                stored = site.cell(counter, "value", period)
                assert stored is not None, f"{counter} {period} has no value"
                assert published == stored, f"promise D: {counter} {period} is {stored}, published is {published}"
                assert abs(Decimal(stored) - expected) < CLOSE, f"{counter} {period}: {stored}, not {expected}"

    def paused(self, *counters: str, order: dict[str, Any]) -> Run:
        """A run whose guard has stopped itself at a point."""
        run = self.site.start("warmup", *counters, points=(order,))
        until(lambda: stopped(run.pid) or not run.running, why="the guard stops at its point")
        assert run.running, f"the guard did not stop at {order}: {run.wait()}"
        return run

    def until_busy(self, run: Run) -> None:
        """Wait until a statement of the run sleeps or waits in the database."""
        until(lambda: self.site.busy() or not run.running, why="a statement of the run is in the database")
        assert run.running, f"the run ended before a statement was seen: {run.wait()}"

    def gone(self, run: Run, since: float, *, within: float = 2.0) -> None:
        """Promise E: so many seconds after that moment no process and no backend of the run is alive."""
        left = max(0.05, since + within - time.monotonic())
        until(
            lambda: not run.processes(),
            seconds=left,
            every=0.05,
            why=f"promise E: processes {run.processes()} of the run gone",
        )
        left = max(0.05, since + within - time.monotonic())
        until(lambda: not self.site.backends(), seconds=left, why="promise E: backends of the run gone")

    def ended(self, run: Run, *codes: int, seconds: float = 20.0) -> Result:
        """Wait for the run's end; its exit code must be one of those, its errors one line and no traceback."""
        result = run.wait(seconds)
        shown = f"exit {result.code} after {result.seconds:.2f} s\n{result.out}{result.err}"
        assert result.code in codes, f"wanted exit {' or '.join(map(str, codes))}, got {shown}"
        assert "Traceback" not in result.out + result.err, shown
        return result

    def in_time(self, run: Run, result: Result, *, over: float) -> None:
        """The run has ended by the deadline of its lock and so much more."""
        deadline = self.sampler.deadline or run.started + time.time() - time.monotonic() + TIMEOUT
        late = result.at - time.monotonic() + time.time() - deadline
        assert late <= over, f"the run ended {late:.2f} s after its deadline, not within {over:g} s"

    def recovers(self, since: float | None = None) -> None:
        """The lock ends by itself one lease after `since` (its holder's end; `None`: it has ended already), and the
        next run succeeds at once.
        """
        if since is None:
            assert not self.site.locked(), "the run has ended, and its lock has not"
        else:
            wait_for_lock_to_end(self.site, since=since)
        self.site.change()
        before = time.monotonic()
        self.warm()
        took = time.monotonic() - before
        assert took < AT_ONCE_AGAIN, f"the next run took {took:.2f} s"


class Injection(NamedTuple):
    """A kind of fault: how to inject it, on what site, and how many times in `make test`."""

    row: str
    name: str
    inject: Callable[[Trial], None]
    times: int
    site: dict[str, Any]
    at_once: int


REGISTRY: list[Injection] = []


class Done(NamedTuple):
    """What became of one injection: `failure` is empty when no promise was violated."""

    name: str
    seed: int
    seconds: float
    samples: int
    notes: tuple[str, ...]
    failure: str


def injections(
    row: str, count: int, *, at_once: int = AT_ONCE, **site: Any
) -> Callable[[Callable[[Trial], None]], Callable[[World], None]]:
    """Register a fault of that row of the table, and make a test of it that injects it `count` times.

    `site` are options of `Site`.
    """
    assert row in ROWS, row

    def decorate(function: Callable[[Trial], None]) -> Callable[[World], None]:
        injection = Injection(row, function.__name__, function, count, site, at_once)
        REGISTRY.append(injection)

        def test(world: World) -> None:
            given = os.environ.get("COUNTERCACHE_SEED")
            first = int(given) if given else zlib.crc32(injection.name.encode()) % 1_000_000
            done = run_all(world, injection, range(first, first + count))
            for one in done:
                print(f"{injection.name} seed {one.seed}: {one.seconds:.2f} s, {one.samples} samples; {one.notes}")
            failed = [one for one in done if one.failure]
            assert not failed, "\n".join(
                f"seed {one.seed} ({', '.join(one.notes)}): {one.failure}\n"
                f"again: COUNTERCACHE_SEED={one.seed} pytest -n0 -k {injection.name}"
                for one in failed
            )

        test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
        return test

    return decorate


def run_all(world: World, injection: Injection, seeds: Sequence[int]) -> list[Done]:
    """Inject once a seed, several at a time, each worker on a site of its own for as long as that stays healthy."""
    left = list(reversed(seeds))
    lock = threading.Lock()
    done: list[Done] = []

    def work() -> None:
        site: Site | None = None
        while True:
            with lock:
                if not left:
                    break
                seed = left.pop()
            try:
                site = site or healthy_site(world, injection)
                one = inject(injection, site, seed)
            except BaseException:  # noqa: BLE001 - it is shown with its seed
                one = Done(injection.name, seed, 0.0, 0, (), f"no healthy site: {traceback.format_exc()}")
            done.append(one)
            if one.failure and site:
                site.close()
                site = None
        if site:
            world.keep(repr(injection.site), site)

    workers = min(injection.at_once, len(seeds))
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work) for _ in range(workers)]:
            future.result()
    return sorted(done, key=lambda one: one.seed)


def healthy_site(world: World, injection: Injection) -> Site:
    """A site of the kind that the injection needs, with values of now: one that another test has left, or a new one."""
    site = world.kept(repr(injection.site))
    if site:
        site.calm()
        return site
    site = Site(world, **injection.site)
    first = site.command("warmup", *FORMULAS)
    assert first.code == 0, first
    return site


def inject(injection: Injection, site: Site, seed: int) -> Done:
    """Inject once, with the sampler on; what was found."""
    start = time.monotonic()
    failure = ""
    with Sampler(site, asks_at=random.Random(seed).uniform(0.1, 1.5)) as sampler:
        trial = Trial(site, sampler, seed)
        try:
            injection.inject(trial)
        except BaseException as error:  # noqa: BLE001 - it is shown with its seed
            failure = "".join(traceback.format_exception(error, limit=-4))
    if not failure and sampler.violations:
        failure = "; ".join(sampler.violations[:5])
    elif not failure and not sampler.samples:
        failure = "the sampler has seen nothing"
    return Done(injection.name, seed, time.monotonic() - start, sampler.samples, tuple(trial.notes), failure)
