"""Processes that race for a lock: each takes it with the real `locks.acquire`, at the same instants as all the others.

Each writes one line a round to its stdout: what it got, and for how long it was sure to hold it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from countercache import locks
from countercache.config import loader
from countercache.errors import LockHeld
from countercache.store.lock_owner import this_owner
from countercache.store.redis_client import open_store


def main(path: str, go: str, rounds: int, every: float, hold: float) -> None:
    """Take the lock `main` in each round, at `start + round * every` by `time.monotonic()`, and hold it for `hold` s.

    `start` is what the file `go` says as soon as it is there; it comes when all racers have said that they are ready.
    """
    settings = loader.load(Path(path))
    store = open_store(settings)
    store.client.ping()
    owner = this_owner("race")
    print("ready", flush=True)
    while not Path(go).exists():
        time.sleep(0.01)
    start = float(Path(go).read_text(encoding="ascii"))
    for number in range(rounds):
        instant = start + number * every
        time.sleep(max(0.0, instant - time.monotonic() - 0.02))
        while time.monotonic() < instant:
            pass
        line: dict[str, object] = {"round": number, "asked": time.monotonic()}
        try:
            wanted = locks.LockRequest(
                name="main", id=f"{owner.pid}-{number}", owner=owner, counters=("total",), lease=2.0, budget=5.0
            )
            lease = locks.acquire(store, wanted)
        except LockHeld as held:
            line["held by"] = held.lock.id
        else:
            line["from"] = time.monotonic()
            line["fence"] = lease.fence
            time.sleep(hold)
            line["to"] = time.monotonic()
            lease.release()
        print(json.dumps(line))
    sys.stdout.flush()
    store.client.close()
