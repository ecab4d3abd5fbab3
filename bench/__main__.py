"""`python -m bench [PART…]`: measure, keep the results beside those of other parts, say which bounds were kept."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench import chart, parts, report
from bench.bounds import judge
from bench.parts import Result, Rounds, Say

PARTS: dict[str, Callable[[Rounds, Say], Result]] = {
    "start-up": parts.start_up,
    "councils": parts.councils,
    "postgres-144k": lambda rounds, say: parts.postgres(parts.SMALL, rounds, say),
    "sqlite-144k": lambda rounds, say: parts.sqlite(parts.SMALL, rounds, say),
    "postgres-5m": lambda rounds, say: parts.postgres(parts.MEDIUM, rounds, say),
    "sqlite-5m": lambda rounds, say: parts.sqlite(parts.MEDIUM, rounds, say),
    "mariadb-5m": lambda rounds, say: parts.mariadb(parts.MEDIUM, rounds, say),
    "postgres-50m": parts.postgres_large,
    "duckdb-50m": lambda rounds, say: parts.duck(parts.LARGE, rounds, say),
    "clickhouse-50m": lambda rounds, say: parts.clickhouse(parts.LARGE, rounds, say),
}
SIZES = {"small": list(PARTS)[:4], "default": list(PARTS)[:7], "large": list(PARTS)}
NOISY = 10.0
"""Percent of the processors that others use: more, and the figures tell of them too."""


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: those of --size")
    parser.add_argument("--size", choices=SIZES, default="default")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="where performance.{json,svg,md} are")
    parser.add_argument("--rounds", type=int, default=Rounds().most, help="how often most things are run")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rounds = Rounds(options.rounds, min(options.rounds, Rounds().slow), 3 * options.rounds)
    run(options.parts or SIZES[options.size], rounds, options.output)


def run(names: list[str], rounds: Rounds, output: Path) -> None:
    """Run the parts, writing after each what it found, and print the verdict."""
    began = time.monotonic()
    document = report.read(output / "performance.json")
    for name in names:
        where = report.machine()
        say(f"{name} (others keep the machine {where.busy:g} % busy)")
        if where.busy > NOISY:
            say("  NOISY: other work runs on this machine; the figures are not to be trusted")
        found = report.Entry(PARTS[name](rounds, say), where)
        document = msgspec.structs.replace(document, parts=document.parts | {name: found})
        write(output, document)
    verdicts = judge({name: document.results[name] for name in names})
    say(f"\n{report.verdict(verdicts)}\n\n{time.monotonic() - began:.0f} s; results in {output}/performance.md")
    missed = sum(each.met is False for each in verdicts)
    if missed:
        say(f"\n*** {missed} BOUND{'S' * (missed > 1)} MISSED ***")


def write(output: Path, document: report.Document) -> None:
    """Write the JSON file and the chart, and put the tables into the page."""
    report.write(output / "performance.json", document)
    (output / "performance.svg").write_text(chart.chart(document.results), encoding="utf-8")
    page = output / "performance.md"
    page.write_text(report.page(page.read_text(encoding="utf-8"), document), encoding="utf-8")


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
