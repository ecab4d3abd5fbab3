"""The benchmark itself, on tables so small that it takes seconds: what it reports is what it ran."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bench import __main__ as program
from bench import bounds, chart, parts, report
from bench.baselines import query
from bench.data import ENTITIES, TOTALS, Size
from bench.measure import CommandFailedError, Contender, Sample, Timing, by_turns, peak_memory, ratio, run
from bench.parts import Result, Rounds

pytestmark = [
    pytest.mark.mariadb,
    pytest.mark.postgres,
    pytest.mark.valkey,
    pytest.mark.timeout(300),
]  # the machine may be busy

TINY = Size("tiny", 20)
ONCE = Rounds(1, 1, 1)


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Each part that can be tiny, run once. That countercache and plain SQL agree on all values, the parts check."""
    return {
        "start-up": parts.start_up(ONCE, quiet),
        "councils": parts.councils(ONCE, quiet),
        "postgres-5m": parts.postgres(TINY, ONCE, quiet),
        "sqlite-5m": parts.sqlite(TINY, ONCE, quiet),
        "duckdb-50m": parts.duck(TINY, ONCE, quiet),
        "mariadb-5m": parts.mariadb(TINY, ONCE, quiet),
        "clickhouse-50m": parts.clickhouse(TINY, ONCE, quiet),
    }


def test_every_contender_is_timed(results: dict[str, Result]) -> None:
    """A part times all that it compares, on PostgreSQL also by the server's clock, and measures the memory."""
    for name in ("postgres-5m", "sqlite-5m", "mariadb-5m"):
        found = results[name]
        assert set(found.timings) == {
            *(parts.BARE, parts.TOTALS, parts.ONE_PASS, parts.ENTITIES, parts.QUERIES, parts.LOOP)
        }
        assert all(timing.wall > 0 for timing in found.timings.values())
        assert all(10e6 < peak < 500e6 for peak in found.memory.values())
        assert len(found.memory) == 2
    on_server = results["postgres-5m"].timings
    assert all(0 < (on_server[name].database or 0) < on_server[name].wall for name in (parts.TOTALS, parts.QUERIES))
    in_file = results["sqlite-5m"].timings
    assert in_file[parts.TOTALS].database is None
    assert 0 < (in_file[parts.TOTALS].job or 0) < in_file[parts.TOTALS].wall


def test_every_bound_finds_its_figure(results: dict[str, Result]) -> None:
    """Bounds of parts that ran have a figure, the others are said not to be measured, and a miss is loud."""
    verdicts = bounds.judge(results)
    assert len(verdicts) == len(bounds.BOUNDS)
    unknown = [each.work for each in verdicts if each.met is None]
    assert unknown == [each.work for each in bounds.BOUNDS if "144 thousand" in each.work or "SQL, 50 M" in each.work]
    missed = msgspec.structs.replace(verdicts[0], measured=99.0)
    assert "MISSED" in report.verdict([missed])
    assert missed.met is False


def test_large_is_held_against_medium() -> None:
    """What a figure costs at 50 million is compared with what it costs at 5 million, in the same run."""
    timings = {
        parts.TOTALS: Timing(parts.TOTALS, (Sample(12.0, 11.0),)),
        parts.MEDIUM_TOTALS: Timing(parts.MEDIUM_TOTALS, (Sample(1.5, 1.0),)),
    }
    found = {each.work: each.measured for each in bounds.judge({"postgres-50m": Result(50_000_000, timings)})}
    assert [value for work, value in found.items() if "SQL, 50 M" in work] == [pytest.approx(1.1)]


def test_the_files(results: dict[str, Result], tmp_path: Path) -> None:
    """What is written can be read again; the page keeps its words and shows each part; the chart is SVG with bars."""
    page = tmp_path / "performance.md"
    page.write_text(f"# Before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n", encoding="utf-8")
    entries = {name: report.Entry(result, report.machine()) for name, result in results.items()}
    document = report.Document(parts=entries)
    program.write(tmp_path, document)
    assert report.read(tmp_path / "performance.json") == document
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Before\n\n")
    assert text.endswith("\n\nafter\n")
    assert "old" not in text
    assert all(f"### {name}" in text for name in results)
    root = ET.fromstring((tmp_path / "performance.svg").read_text(encoding="utf-8"))
    bars = [name for part in chart.TITLES for name in chart.SHOWN if part in results and name in results[part].timings]
    assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == len(bars) > 10


def test_rounds_alternate() -> None:
    """Every other round is run backwards; one with fewer rounds sits the last ones out; ratios are those of a round."""
    ran: list[str] = []

    def contender(name: str, seconds: list[float]) -> Contender:
        def once() -> Sample:
            ran.append(name)
            return Sample(seconds[ran.count(name) - 1])

        return Contender(name, once, len(seconds))

    timings = by_turns([contender("a", [1, 2, 9]), contender("b", [2, 4])], quiet)
    assert ran == ["a", "b", "b", "a", "a"]
    assert ratio(timings["b"], timings["a"]) == 2
    assert timings["a"].wall == 2


def test_a_command_that_fails_is_no_measurement() -> None:
    """A command that does not end well raises, so that no bound is ever met by a run that did nothing."""
    failing = ["sh", "-c", "echo no >&2; exit 3"]
    with pytest.raises(CommandFailedError, match="exit 3\nno"):
        run(failing, {"PATH": "/usr/bin:/bin"})
    with pytest.raises(CommandFailedError, match="exit 3\nno"):
        peak_memory(failing, {"PATH": "/usr/bin:/bin"})


def test_the_work_is_what_was_promised() -> None:
    """Twenty counters over totals and ten over entities; the baselines ask for the same formulas."""
    assert len(TOTALS) == 20
    assert [counter.aggregate for counter in ENTITIES].count("avg") == 3
    assert len(ENTITIES) == 10
    assert sum("/" in counter.formula for counter in TOTALS) == 5
    by_name = {counter.name: counter for counter in TOTALS}
    assert "WHERE topic_id IN (1, 2, 3) AND year_id = 4" in query(by_name["short-term"], 4)
    share = query(by_name["fifth-share"], 1)
    of = "sum(CASE WHEN topic_id = {} THEN value END)"
    assert f"100 * {of.format(9)} / nullif({of.format(10)}, 0)" in share


def test_counted_memory_is_that_of_all_processes() -> None:
    """The memory of a child counts too."""
    hold = "import os, time; b = bytearray(60_000_000); time.sleep(0.5)"
    both = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    import sys

    assert peak_memory([sys.executable, "-c", both], {}) > Decimal(60_000_000)
