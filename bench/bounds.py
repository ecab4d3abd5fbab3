"""What was promised, as data: each bound, and how its figure is found in the results of the parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from bench import parts
from bench.measure import Sample, Timing, of_job, of_server, on_clock, ratio
from bench.parts import Result

Results = Mapping[str, Result]

LARGE = "postgres-50m"


class Bound(msgspec.Struct, frozen=True):
    """A promise: `find` gives the measured figure, or `None` where its part was not run; `unit` is ×, s or MB."""

    work: str
    limit: float
    unit: str
    find: Callable[[Results], float | None]


class Verdict(msgspec.Struct, frozen=True):
    """A bound with what was measured (`None`: not)."""

    work: str
    limit: float
    unit: str
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether it was kept; `None`: nobody looked."""
        return None if self.measured is None else self.measured <= self.limit


def _ratio(
    part: str, one: str, other: str, of: Callable[[Sample], float] = on_clock
) -> Callable[[Results], float | None]:
    def find(results: Results) -> float | None:
        if part not in results:
            return None
        return ratio(results[part].timings[one], results[part].timings[other], of)

    return find


def _seconds(part: str, name: str) -> Callable[[Results], float | None]:
    return lambda results: results[part].timings[name].wall if part in results else None


def _growth(results: Results) -> float | None:
    if LARGE not in results:
        return None
    timings: Mapping[str, Timing] = results[LARGE].timings
    factor = parts.LARGE.figures / parts.MEDIUM.figures
    return ratio(timings[parts.TOTALS], timings[parts.MEDIUM_TOTALS], of_server) / factor


def _memory(results: Results) -> float | None:
    peaks = [peak for result in results.values() for peak in result.memory.values()]
    return max(peaks) / 1e6 if peaks else None


BOUNDS = (
    Bound(
        "PostgreSQL, 5 M figures, 20 counters over totals: the server's time / bare sum",
        *(3.0, "×", _ratio("postgres-5m", parts.TOTALS, parts.BARE, of_server)),
    ),
    Bound(
        "the same with 10 counters over entities: the server's time / bare sum",
        *(12.0, "×", _ratio("postgres-5m", parts.ENTITIES, parts.BARE, of_server)),
    ),
    Bound("PostgreSQL, 50 M figures against 5 M: the server's time for each figure", 1.2, "×", _growth),
    Bound(
        "PostgreSQL, 5 M: automatic batches / one pass",
        *(1.3, "×", _ratio("postgres-5m", parts.TOTALS, parts.ONE_PASS)),
    ),
    Bound(
        "PostgreSQL, 5 M: whole command / one query for each counter and period",
        *(0.4, "×", _ratio("postgres-5m", parts.TOTALS, parts.QUERIES)),
    ),
    Bound("PostgreSQL, 144 thousand figures: whole command", 0.9, "s", _seconds("postgres-144k", parts.TOTALS)),
    Bound("SQLite, 144 thousand figures: whole command", 0.9, "s", _seconds("sqlite-144k", parts.TOTALS)),
    Bound(
        "SQLite, 5 M figures, exact decimals: the job, from its lock to its end / bare sum",
        *(13.0, "×", _ratio("sqlite-5m", parts.TOTALS, parts.BARE, of_job)),
    ),
    Bound(
        "ClickHouse, 50 M figures, 20 counters over totals: whole command / one query for each counter and period",
        *(0.3, "×", _ratio("clickhouse-50m", parts.TOTALS, parts.QUERIES)),
    ),
    Bound("the same: whole command", 3.0, "s", _seconds("clickhouse-50m", parts.TOTALS)),
    Bound(
        "MariaDB, 5 M figures, 20 counters over totals: the job, from its lock to its end / bare sum",
        *(4.0, "×", _ratio("mariadb-5m", parts.TOTALS, parts.BARE, of_job)),
    ),
    Bound(
        "DuckDB, 50 M figures: whole command / one query for each counter and period",
        *(0.3, "×", _ratio("duckdb-50m", parts.TOTALS, parts.QUERIES)),
    ),
    Bound("DuckDB, 50 M figures: whole command", 3.0, "s", _seconds("duckdb-50m", parts.TOTALS)),
    Bound(
        "PostgreSQL, the demo's real figures, 20 counters: whole command", 1.5, "s", _seconds("councils", parts.TOTALS)
    ),
    Bound("countercache --version / a bare Typer app", 1.3, "×", _ratio("start-up", parts.VERSION, parts.TYPER)),
    Bound(
        "countercache locks list / import redis, typer, rich.table",
        *(1.3, "×", _ratio("start-up", parts.LOCKS, parts.IMPORTS)),
    ),
    Bound("countercache --version", 0.15, "s", _seconds("start-up", parts.VERSION)),
    Bound("countercache locks list", 0.4, "s", _seconds("start-up", parts.LOCKS)),
    Bound("peak memory, guard and worker together, at every size", 150.0, "MB", _memory),
)


def judge(results: Results) -> list[Verdict]:
    """Every bound with what was measured."""
    return [Verdict(each.work, each.limit, each.unit, each.find(results)) for each in BOUNDS]
