"""The soak: the injections of this directory at random for a given time, with a report of every one of them.

`make soak` runs it for half an hour; `make soak DURATION=5m SEED=7` as it says. The same seed draws the same faults in
the same order; what then happens is up to the machine. The report names the seed of every injection, each of which can
be run again by itself. Exit 1 where a promise was violated.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import random
import secrets
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from countercache.config.loader import duration
from tests.faults.harness import World
from tests.faults.injections import REGISTRY, ROWS, Done, Injection, run_all
from tests.postgres import Cluster


def load() -> None:
    """Import the tests, so that the registry is full."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"tests.faults.{path.stem}")


@dataclasses.dataclass
class Soak:
    """One soak: what it was asked, and what it has found so far."""

    seed: int
    seconds: float
    at_once: int
    done: list[tuple[Injection, Done]] = dataclasses.field(default_factory=list)

    def run(self, world: World) -> None:
        """Inject at random until the time is over; those that have begun are ended."""
        rng = random.Random(self.seed)
        end = time.monotonic() + self.seconds
        drawing = threading.Lock()
        places = {injection.name: threading.Semaphore(injection.at_once) for injection in REGISTRY}

        def work() -> None:
            while time.monotonic() < end:
                with drawing:
                    injection = rng.choices(REGISTRY, weights=[it.times for it in REGISTRY])[0]
                    seed = rng.randrange(10**9)
                with places[injection.name]:
                    (one,) = run_all(world, injection, [seed])
                self.done.append((injection, one))
                sign = "✗" if one.failure else "✓"
                left = max(0.0, end - time.monotonic())
                print(
                    f"{sign} {len(self.done):5} {left:6.0f} s left  {injection.row}: {one.name} seed {seed}", flush=True
                )
                if one.failure:
                    print(one.failure, flush=True)

        with ThreadPoolExecutor(self.at_once) as pool:
            for future in [pool.submit(work) for _ in range(self.at_once)]:
                future.result()

    @property
    def violations(self) -> int:
        """How many injections have violated a promise."""
        return sum(bool(one.failure) for _, one in self.done)

    def write(self, directory: Path, took: float) -> str:
        """Write the report, as JSON and as text, and return the text."""
        directory.mkdir(parents=True, exist_ok=True)
        rows = Counter(injection.row for injection, _ in self.done)
        samples = sum(one.samples for _, one in self.done)
        document = {
            "seed": self.seed,
            "seconds": round(took, 1),
            "injections": len(self.done),
            "samples": samples,
            "violations": self.violations,
            "rows": {row: rows[row] for row in ROWS},
            "all": [{"row": injection.row, **one._asdict()} for injection, one in self.done],
        }
        (directory / "report.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
        lines = [
            f"soak of {took / 60:.1f} minutes, seed {self.seed}",
            f"{len(self.done)} injections, {samples} samples, {self.violations} violations",
            "",
            *(f"{rows[row]:6}  {row}" for row in ROWS),
            *(
                f"\n{one.name} seed {one.seed} ({', '.join(one.notes)})\n{one.failure}"
                for _, one in self.done
                if one.failure
            ),
        ]
        text = "\n".join(lines) + "\n"
        (directory / "report.txt").write_text(text, encoding="utf-8")
        return text


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Inject faults at random, and report what they did.")
    parser.add_argument("--duration", default="30m", help="how long, such as 30m (default)")
    parser.add_argument("--seed", type=int, help="draw the same faults again (default: a new seed)")
    parser.add_argument("--at-once", type=int, default=4 * (os.cpu_count() or 1), help="injections at a time")
    parser.add_argument("--report", type=Path, default=Path("build/soak"), help="the directory of the reports")
    given = parser.parse_args()
    load()
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    soak = Soak(seed, duration(given.duration), given.at_once)
    print(f"seed {seed}; {len(REGISTRY)} kinds of faults, {given.at_once} at a time, for {given.duration}", flush=True)
    began = time.monotonic()
    cluster = Cluster()
    try:
        world = World(cluster)
        try:
            soak.run(world)
        finally:
            world.close()
    finally:
        cluster.close()
    print(soak.write(given.report / str(seed), time.monotonic() - began), end="")
    return 1 if soak.violations or not soak.done else 0


if __name__ == "__main__":
    sys.exit(main())
