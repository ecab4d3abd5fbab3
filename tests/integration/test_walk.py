"""The way from the command line to Redis in docs/architecture.md is the way that a run takes."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.valkey import Valkey

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
HOP = re.compile(r"^\| (\d+) \| (guard|worker) \| `([\w.]+)` \|", re.MULTILINE)

CONFIG = """
namespace = "walk"
[redis]
url = "{redis}"
[databases.main]
url = "sqlite:///figures.db"
[sources.figures]
database = "main"
table = "figures"
layout = "wide"
entity = "council"
period = "year"
[counters.debt]
source = "figures"
formula = "debt"
"""

# Writes each call of a documented function: who, and its name.
RECORDER = """
import os, sys
from pathlib import Path
from countercache import cli

out, guard, documented = Path("calls"), os.getpid(), set(sys.argv[1:])

def record(frame, event, _):
    function = f"{frame.f_globals.get('__name__', '').removeprefix('countercache.')}.{frame.f_code.co_qualname}"
    if event == "call" and function in documented:
        with out.open("a") as calls:
            calls.write(f"{'guard' if os.getpid() == guard else 'worker'} {function}\\n")

sys.setprofile(record)
code = cli.main(["warmup", "--quiet"])
sys.setprofile(None)
sys.exit(code)
"""


def test_a_run_goes_the_documented_way(valkey: Valkey, tmp_path: Path) -> None:
    """Each process calls the functions that the page names in the order in which it names them, fewer than 25."""
    with contextlib.closing(sqlite3.connect(tmp_path / "figures.db")) as connection, connection:
        connection.execute("CREATE TABLE figures (council TEXT NOT NULL, year INTEGER NOT NULL, debt INTEGER)")
        connection.execute("INSERT INTO figures VALUES ('Leeds', 2024, 7)")
    (tmp_path / "countercache.toml").write_text(CONFIG.format(redis=valkey.url), encoding="utf-8")
    hops = HOP.findall(PAGE.read_text(encoding="utf-8"))
    assert [int(number) for number, _, _ in hops] == list(range(1, len(hops) + 1))
    assert 10 < len(hops) < 25
    command = [sys.executable, "-c", RECORDER, *(function for _, _, function in hops)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    calls = [line.split() for line in (tmp_path / "calls").read_text(encoding="utf-8").splitlines()]
    for process in ("guard", "worker"):
        called = iter([function for where, function in calls if where == process])
        # Each is found behind the one before it.
        missing = [function for _, where, function in hops if where == process and function not in called]
        assert not missing
