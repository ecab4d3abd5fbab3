"""The random comparison by itself: `python -m tests.evaluator --cases 500 --seed 1`, a part of `make soak`."""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clickhouse_server import Server as ClickHouseServer
from tests.evaluator.compare import report
from tests.evaluator.generate import draw
from tests.evaluator.places import ClickHouse, DuckDB, Generic, MariaDB, Place, PostgreSQL, SQLite
from tests.mariadb import MariaDB as Server
from tests.postgres import Cluster

FILES = (DuckDB, Generic, SQLite)
KINDS = ("clickhouse", "duckdb", "generic", "mariadb", "postgresql", "sqlite")


@contextmanager
def _places(kinds: tuple[str, ...], directory: Path) -> Iterator[dict[str, Place]]:
    """A database of each kind."""
    places: dict[str, Place] = {}
    cluster = Cluster() if "postgresql" in kinds else None
    server = Server() if "mariadb" in kinds else None
    clickhouse = ClickHouseServer(directory / "clickhouse") if "clickhouse" in kinds else None
    try:
        if cluster:
            cluster.execute("CREATE DATABASE comparison TEMPLATE template0")
            places["postgresql"] = PostgreSQL(cluster.url("comparison"))
        if clickhouse:
            clickhouse.execute("CREATE DATABASE comparison")
            places["clickhouse"] = ClickHouse(clickhouse.url("comparison"))
        places |= {of.kind: of(directory / f"figures.{of.kind}") for of in FILES if of.kind in kinds}
        if server:
            server.execute("CREATE DATABASE comparison")
            places["mariadb"] = MariaDB(server, "comparison")
        yield places
    finally:
        for place in places.values():
            place.close()
        if clickhouse:
            clickhouse.close()
        if cluster:
            cluster.close()
        if server:
            server.close()


def main() -> int:
    """Draw cases, in turn on each kind of database; exit 1 where any differs from the page."""
    parser = argparse.ArgumentParser(description="Compare what countercache computes with what docs/semantics.md says.")
    parser.add_argument("--cases", type=int, default=500, help="how many (default: 500)")
    parser.add_argument(
        "--seed", type=int, help="the seed of the first case; each next one's is one more (default: new)"
    )
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="store_true", help=f"on {kind} only")
    given = parser.parse_args()
    kinds = tuple(kind for kind in KINDS if getattr(given, kind)) or KINDS
    first = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"random comparison: {given.cases} cases from seed {first} on {' and '.join(kinds)}", flush=True)
    began, different = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as temporary, _places(kinds, Path(temporary)) as places:
        for seed in range(first, first + given.cases):
            kind = kinds[seed % len(kinds)]
            found = report(draw(seed, kind), places[kind], Path(temporary))
            if found:
                different += 1
                print(f"{'=' * 100}\n{found}", flush=True)
    print(f"{given.cases} cases from seed {first}, {different} different, in {time.monotonic() - began:.0f} s")
    return 1 if different else 0


raise SystemExit(main())
