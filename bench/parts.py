"""The parts of the benchmark: each makes its own servers and tables, measures, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench import baselines, data
from bench import councils as real
from bench.data import Size
from bench.databases import ClickHouse, Database, DuckDB, MariaDB, Postgres, SQLite
from bench.measure import Contender, Sample, Timing, by_turns, peak_memory, run
from tests.clickhouse_server import served
from tests.mariadb import MariaDB as Server
from tests.postgres import Cluster
from tests.valkey import Valkey

SMALL = Size("144 thousand", 1_440)
MEDIUM = Size("5 million", 50_000)
LARGE = Size("50 million", 500_000)

BARE = "SELECT sum(value)"
TOTALS = "countercache, 20 counters"
ONE_PASS = "countercache, 20 counters, in one pass"  # noqa: S105 - no password
ENTITIES = "countercache, and 10 counters over entities"
QUERIES = "one query per counter and period"
LOOP = "a loop over entities"
MEDIUM_TOTALS = "countercache, 20 counters, 5 million figures"
VERSION, HELP, LOCKS, STATUS = (
    f"countercache {command}" for command in ("--version", "--help", "locks list", "status")
)
TYPER, REDIS, IMPORTS = "a bare Typer app", "import redis", "import redis, typer, rich.table"

COMMAND = Path(sys.executable).with_name("countercache")
SAMPLE = 20
"""Entities that the loop over entities is run for; the rest is scaled."""

_TYPER = """
import typer
app = typer.Typer()
@app.command()
def main():
    print("bare")
app()
"""

Say = Callable[[str], None]

_OVER_TOTALS, _WITH_ENTITIES = (partial(data.config, entities=entities) for entities in (False, True))


class Rounds(msgspec.Struct, frozen=True):
    """How often things are run: most of them, those that take long, and the starts."""

    most: int = 5
    slow: int = 3
    starts: int = 15


class Result(msgspec.Struct, frozen=True):
    """What a part found: timings and peaks of memory (bytes, guard and worker together) by contender."""

    figures: int
    timings: dict[str, Timing]
    memory: dict[str, int] = {}


class Stand:
    """Where a part runs: a directory and a Valkey, which are gone when the stack is left."""

    def __init__(self, stack: ExitStack) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="bench-"))
        stack.callback(shutil.rmtree, self.directory)
        self._valkey = Valkey()
        stack.callback(self._valkey.close)
        self._valkey.start()
        # As installed: configured by nothing but its file, and compiled once.
        self._environment = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("COUNTERCACHE_") and name != "PYTHONDONTWRITEBYTECODE"
        }

    def configure(self, name: str, database: Database, write: Callable[[str, str, str], str] = _OVER_TOTALS) -> Path:
        """Write a configuration with a namespace of its own; `write` is given both URLs and that name."""
        path = self.directory / f"{name}.toml"
        path.write_text(write(database.url, self._valkey.url, name), encoding="utf-8")
        return path

    def countercache(self, config: Path, *arguments: str) -> tuple[float, str]:
        """Run the installed command: seconds, and what it printed."""
        return run([COMMAND, *arguments, "--config", config], self._environment)

    def warmup(self, config: Path, *options: str) -> Sample:
        """Run a warmup of one job."""
        wall, printed = self.countercache(config, "warmup", "--json", *options)
        (job,) = json.loads(printed)["jobs"]
        return Sample(wall, job=job["duration_seconds"])

    def python(self, *arguments: str) -> float:
        """Run this interpreter: seconds."""
        return run([sys.executable, *arguments], self._environment)[0]

    def memory(self, config: Path) -> int:
        """The peak of memory of a warmup, in bytes."""
        return peak_memory([COMMAND, "warmup", "--config", config], self._environment)

    def values(self, config: Path) -> dict[tuple[str, str], Decimal]:
        """The stored values of the group `all` by counter and period. Raises `ValueError` unless all are ready."""
        document: dict[str, Any] = json.loads(self.countercache(config, "status", "--json")[1])
        cells = document["counter_states"]
        if document["ready"] != len(cells) or not cells:
            raise ValueError(f"only {document['ready']} of {len(cells)} cells are ready")
        return {(cell["slug"], cell["period"]): Decimal(cell["value"]) for cell in cells if cell["group"] == "all"}


def postgres(size: Size, rounds: Rounds, say: Say) -> Result:
    """All contenders on PostgreSQL."""
    with ExitStack() as stack:
        stand, cluster = Stand(stack), Cluster()
        stack.callback(cluster.close)
        return _compare(stand, Postgres(cluster, "bench", partial(data.fill_postgres, size)), size, rounds, say)


def postgres_large(rounds: Rounds, say: Say) -> Result:
    """50 million figures on PostgreSQL beside 5 million, by turns: what a figure costs at both sizes."""
    with ExitStack() as stack:
        stand, cluster = Stand(stack), Cluster()
        stack.callback(cluster.close)
        medium = Postgres(cluster, "medium", partial(data.fill_postgres, MEDIUM))
        large = Postgres(cluster, "large", partial(data.fill_postgres, LARGE))
        at_medium, at_large = stand.configure("medium", medium), stand.configure("large", large)
        entities = stand.configure("entities", large, _WITH_ENTITIES)
        contenders = [
            _bare(large, rounds.slow),
            _warmup(MEDIUM_TOTALS, stand, medium, at_medium, rounds.slow),
            _warmup(TOTALS, stand, large, at_large, rounds.slow),
            _warmup(ENTITIES, stand, large, entities, 1),
        ]
        timings = by_turns(contenders, say)
        return Result(LARGE.figures, timings, _peaks(stand, {TOTALS: at_large, ENTITIES: entities}, say))


def clickhouse(size: Size, rounds: Rounds, say: Say) -> Result:
    """ClickHouse: totals, a bare sum, and one query for each counter and period. No loop over entities."""
    with ExitStack() as stack:
        stand, server = Stand(stack), stack.enter_context(served())
        database = ClickHouse(server, size)
        totals = stand.configure("totals", database)
        stand.warmup(totals)
        with database.asking() as ask:
            # What it divides itself has no more decimals than what it divides.
            whole = {counter.name for counter in data.TOTALS if "/" not in counter.formula}
            ours, theirs = stand.values(totals), baselines.by_query(ask)
            _agree(*({cell: value for cell, value in of.items() if cell[0] in whole} for of in (ours, theirs)))
        contenders = [
            _bare(database, rounds.most),
            _warmup(TOTALS, stand, database, totals, rounds.most),
            Contender(QUERIES, lambda: database.timed_asking(baselines.by_query), rounds.slow),
        ]
        return Result(size.figures, by_turns(contenders, say), _peaks(stand, {TOTALS: totals}, say))


def mariadb(size: Size, rounds: Rounds, say: Say) -> Result:
    """All contenders on MariaDB, whose tables fit into memory as the others' do."""
    with ExitStack() as stack:
        stand, server = Stand(stack), Server(innodb_buffer_pool_size="2G")
        stack.callback(server.close)
        return _compare(stand, MariaDB(server, size), size, rounds, say)


def sqlite(size: Size, rounds: Rounds, say: Say) -> Result:
    """All contenders on SQLite."""
    with ExitStack() as stack:
        stand = Stand(stack)
        return _compare(stand, SQLite(stand.directory / "bench.sqlite3", size), size, rounds, say)


def duck(size: Size, rounds: Rounds, say: Say) -> Result:
    """All figures of a DuckDB file. (Its memory is what DuckDB takes for its cache, so it is not measured.)"""
    with ExitStack() as stack:
        stand = Stand(stack)
        database = DuckDB(stand.directory / "bench.duckdb", size)
        config = stand.configure("totals", database)
        stand.warmup(config)
        with database.asking() as ask:
            _agree(stand.values(config), baselines.by_query(ask))
        contenders = [
            _bare(database, rounds.most),
            _warmup(TOTALS, stand, database, config, rounds.most),
            Contender(QUERIES, lambda: database.timed_asking(baselines.by_query), rounds.slow),
        ]
        return Result(size.figures, by_turns(contenders, say))


def start_up(rounds: Rounds, say: Say) -> Result:
    """How long commands take that compute nothing."""
    with ExitStack() as stack:
        stand = Stand(stack)
        tiny = Size("tiny", 10)
        config = stand.configure("bench", SQLite(stand.directory / "bench.sqlite3", tiny))
        stand.countercache(config, "warmup")
        bare = stand.directory / "bare.py"
        bare.write_text(_TYPER, encoding="utf-8")
        commands = {VERSION: ["--version"], HELP: ["--help"], LOCKS: ["locks", "list"], STATUS: ["status"]}
        programs = {TYPER: [str(bare)], REDIS: ["-c", REDIS], IMPORTS: ["-c", IMPORTS]}

        def command(line: list[str]) -> Sample:
            return Sample(stand.countercache(config, *line)[0])

        def program(line: list[str]) -> Sample:
            return Sample(stand.python(*line))

        contenders = [
            *(Contender(name, partial(command, line), rounds.starts) for name, line in commands.items()),
            *(Contender(name, partial(program, line), rounds.starts) for name, line in programs.items()),
        ]
        return Result(tiny.figures, by_turns(contenders, say))


def councils(rounds: Rounds, say: Say) -> Result:
    """Real figures on PostgreSQL: twenty counters, seven years, the United Kingdom and its four countries."""
    with ExitStack() as stack:
        stand, cluster = Stand(stack), Cluster()
        stack.callback(cluster.close)
        database = Postgres(cluster, "councils", real.fill_postgres)
        config = stand.configure("councils", database, real.config)
        with database.asking() as ask:
            ((figures,),) = ask("SELECT count(*) FROM financial_figure")
        stand.warmup(config)
        stand.values(config)
        contenders = [
            Contender(BARE, lambda: database.timed_asking(lambda ask: ask(real.BARE_SUM)), rounds.most),
            _warmup(TOTALS, stand, database, config, rounds.most),
        ]
        return Result(figures, by_turns(contenders, say), _peaks(stand, {TOTALS: config}, say))


def _compare(stand: Stand, database: Database, size: Size, rounds: Rounds, say: Say) -> Result:
    """Time everything on one database, after a run that warms the caches and shows that all agree on the values."""
    totals = stand.configure("totals", database)
    entities = stand.configure("entities", database, _WITH_ENTITIES)
    stand.warmup(totals)
    with database.asking() as ask:
        _agree(stand.values(totals), baselines.by_query(ask))
    scale = size.entities

    def loop() -> Sample:
        with database.asking() as ask:
            return Sample(baselines.by_entity(ask, range(1, scale, max(1, scale // SAMPLE))) * scale)

    contenders = [
        _bare(database, rounds.most),
        _warmup(TOTALS, stand, database, totals, rounds.most),
        _warmup(ONE_PASS, stand, database, totals, rounds.most, "--batch-size", str(10**12)),
        _warmup(ENTITIES, stand, database, entities, rounds.most),
        Contender(QUERIES, lambda: database.timed_asking(baselines.by_query), rounds.slow),
        Contender(LOOP, loop, rounds.slow, f"{SAMPLE} entities, and scaled"),
    ]
    timings = by_turns(contenders, say)
    return Result(size.figures, timings, _peaks(stand, {TOTALS: totals, ENTITIES: entities}, say))


def _bare(database: Database, rounds: int) -> Contender:
    return Contender(BARE, lambda: database.timed_asking(lambda ask: ask(baselines.BARE_SUM)), rounds)


def _warmup(name: str, stand: Stand, database: Database, config: Path, rounds: int, *options: str) -> Contender:
    return Contender(name, lambda: database.timed(lambda: stand.warmup(config, *options)), rounds)


def _peaks(stand: Stand, configs: dict[str, Path], say: Say) -> dict[str, int]:
    peaks = {name: stand.memory(config) for name, config in configs.items()}
    for name, peak in peaks.items():
        say(f"  memory  {name:<48} {peak / 1e6:9.1f} MB")
    return peaks


def _agree(ours: dict[tuple[str, str], Decimal], theirs: dict[tuple[str, str], Decimal]) -> None:
    """Raise `ValueError` unless both have the same cells and the same values.

    To ten digits, since SQLite's own sums are floats; to the penny where one such sum is taken from another.
    """
    if ours.keys() != theirs.keys():
        raise ValueError(f"not the same cells: {sorted(ours.keys() ^ theirs.keys())[:5]}")
    differences = {counter.name for counter in data.TOTALS if " - " in counter.formula}
    for cell, value in ours.items():
        near = Decimal("0.01") if cell[0] in differences else abs(value) * Decimal("1e-10")
        if abs(value - theirs[cell]) > near:
            raise ValueError(f"{cell} is {value} here and {theirs[cell]} there")
