"""ClickHouse fails in the middle of a run: killed, stopped, silent, cut off, started again. The promises hold there.

Each test has a server of its own, reached through a proxy, and a run of the installed command.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clickhouse_server import Server
from tests.faults.processes import Result, until
from tests.faults.proxy import Mode, Proxy
from tests.valkey import Valkey

TOTAL = 4 * Decimal("10.25")
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(number, sleep(0.02))"
TABLES = f"""
CREATE TABLE figure (entity String, field String, period String, value Decimal(20, 2)) ORDER BY entity;
INSERT INTO figure SELECT toString(number), 'debt', '2024', 10.25 FROM numbers(4);
CREATE VIEW slow_figure AS SELECT f.* FROM figure AS f CROSS JOIN ({ENDLESS}) AS n;
"""
CONFIG = """
namespace = "faults"
[redis]
url = "{redis}"
[agent]
lease = "2s"
timeout = "{timeout}"
[databases.main]
url = "{url}"
[sources.figures]
database = "main"
table = "figure"
entity = "entity"
field = "field"
period = "period"
value = "value"
[sources.slow]
database = "main"
table = "slow_figure"
entity = "entity"
field = "field"
period = "period"
value = "value"
[counters.total]
source = "figures"
formula = "debt"
[counters.sum]
database = "main"
sql = "SELECT sum(value) FROM figure"
[counters.slow]
source = "slow"
formula = "debt"
[counters.endless]
database = "main"
sql = "{endless}"
"""


class Run:
    """A command that runs, in a session of its own."""

    def __init__(self, config: Path, *arguments: str) -> None:
        self.started = time.monotonic()
        environment = {name: text for name, text in os.environ.items() if not name.startswith("COUNTERCACHE_")}
        command = [sys.executable, "-m", "countercache", *arguments, "--config", str(config)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
        )

    def wait(self, seconds: float = 20.0) -> Result:
        """How it ended."""
        out, err = self.process.communicate(timeout=seconds)
        now = time.monotonic()
        return Result(self.process.returncode, now, now - self.started, out, err)

    def is_gone(self) -> bool:
        """Whether neither the command nor its workers are there."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


class Site:
    """A server of its own behind a proxy, a Valkey, and a configuration."""

    def __init__(self, directory: Path, valkey: Valkey) -> None:
        self.server = Server(directory / "data")
        self.server.script(TABLES, "default", {})
        self.proxy = Proxy(self.server.port)
        self._directory, self._valkey = directory, valkey

    def close(self) -> None:
        """End the server."""
        self.proxy.__exit__()
        self.server.close()

    def start(self, *counters: str, timeout: str = "20s") -> Run:
        """Start a warmup."""
        return Run(self.config(timeout), "warmup", "--json", *counters)

    def config(self, timeout: str = "20s") -> Path:
        """The configuration's file."""
        path = self._directory / f"countercache-{timeout}.toml"
        url = self.server.url().replace(f":{self.server.port}/", f":{self.proxy.port}/")
        path.write_text(CONFIG.format(redis=self._valkey.url, url=url, timeout=timeout, endless=ENDLESS))
        return path

    def until_busy(self) -> None:
        """Wait until a long query runs."""
        slow = ("sleep", "FROM `slow_figure`")
        until(lambda: any(each in query for query in self.server.running() for each in slow), why="the query runs")

    def status(self) -> dict[str, Any]:
        """The cells by counter."""
        result = Run(self.config(), "status", "--json").wait()
        return {cell["slug"]: cell for cell in json.loads(result.out)["counter_states"]}

    def check(self, run: Run, *, server: bool = True) -> None:
        """Promises A and E: no process, no lock and no query is left."""
        until(run.is_gone, seconds=2, why="promise E: no process is left")
        if server:
            until(lambda: not self.server.running(), seconds=2, why="promise E: no query is left")
        locks = Run(self.config(), "locks", "list", "--json").wait()
        assert json.loads(locks.out)["locks"] == []

    def recovers(self) -> None:
        """The next run succeeds, with exact totals."""
        self.proxy.calm()
        assert self.start("total", "sum").wait().code == 0
        found = self.status()
        assert [Decimal(found[name]["value"]) for name in ("total", "sum")] == [TOTAL, TOTAL]


@pytest.fixture
def site(valkey: Valkey) -> Iterator[Site]:
    """A site whose totals have been computed once."""
    with tempfile.TemporaryDirectory(prefix="clickhouse-") as directory:
        site = Site(Path(directory), valkey)
        try:
            site.recovers()
            yield site
        finally:
            site.close()


def took(result: Result) -> float:
    """Seconds from the lock to its end: how long a process takes to start on a busy machine is no part of it."""
    (job,) = json.loads(result.out)["jobs"]
    return float(job["duration_seconds"])


def one_line(result: Result) -> None:
    """Promise F: no traceback and no password."""
    assert "Traceback" not in result.out + result.err
    assert "s3cret" not in result.out + result.err


@pytest.mark.parametrize("counter", ["slow", "endless"])
def test_a_slow_query_ends_at_the_deadline(site: Site, counter: str) -> None:
    """Exit 124 in time, whatever was complete is stored, and no query is left."""
    run = site.start("total", counter, timeout="3s")
    result = run.wait()
    assert result.code == 124, result
    assert 3.0 <= took(result) < 4.5
    one_line(result)
    site.check(run)
    assert site.status()[counter]["error"]["reason"] == "timeout"
    site.recovers()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_run_is_killed(site: Site, how: signal.Signals) -> None:
    """SIGTERM of the guard, or its sudden death: worker and query are gone within 2 s."""
    run = site.start("endless")
    site.until_busy()
    run.process.send_signal(how)
    assert run.wait().code == (143 if how is signal.SIGTERM else -9)
    until(run.is_gone, seconds=2, why="promise E: no process is left")
    until(lambda: not site.server.running(), seconds=2, why="promise E: no query is left")
    site.recovers() if how is signal.SIGTERM else None


def test_the_worker_is_killed(site: Site) -> None:
    """Its query ends since its client is gone; the run says so, the last value stays."""
    run = site.start("slow")
    site.until_busy()
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)
    result = run.wait()
    assert result.code == 1, result
    one_line(result)
    site.check(run)
    site.recovers()


def test_the_server_is_killed_and_started_again(site: Site) -> None:
    """An error at once, the last values stay; while it is away each run ends with exit 5 in 2 s."""
    run = site.start("slow")
    site.until_busy()
    struck = time.monotonic()
    site.server.close()
    result = run.wait()
    assert result.code == 1, result
    assert result.at - struck < 2.5
    one_line(result)
    away = site.start("total").wait()
    assert away.code == 5, away
    assert took(away) < 3
    one_line(away)
    cell = site.status()["total"]
    assert (cell["state"], Decimal(cell["value"])) == ("error", TOTAL)
    site.check(run, server=False)
    site.server.start()
    site.recovers()


def test_the_server_is_stopped(site: Site) -> None:
    """A server that says nothing any more: exit 124 at the deadline; before it is connected to, exit 5."""
    run = site.start("slow", timeout="5s")
    site.until_busy()
    site.server.process.send_signal(signal.SIGSTOP)
    try:
        result = run.wait()
        assert result.code == 124, result
        assert took(result) < 5 + 3
        one_line(result)
        late = site.start("total").wait()
        assert late.code == 5, late
        assert took(late) < 2 + 3
    finally:
        site.server.process.send_signal(signal.SIGCONT)
    site.check(run)
    site.recovers()


@pytest.mark.parametrize("mode", [Mode.RESET, Mode.REFUSE, Mode.SILENT])
def test_the_connection_fails_in_mid_query(site: Site, mode: Mode) -> None:
    """Reset or closed: an error at once. Silent: exit 124 at the deadline, when the query's own limit ends it too."""
    run = site.start("slow", timeout="4s")
    site.until_busy()
    struck = time.monotonic()
    site.proxy.mode = mode
    result = run.wait()
    one_line(result)
    if mode is Mode.SILENT:
        assert result.code == 124, result
        assert took(result) < 4 + 3
    else:
        assert result.code in (1, 5), result
        assert result.at - struck < 2.5
    site.proxy.calm()
    site.check(run)
    site.recovers()
