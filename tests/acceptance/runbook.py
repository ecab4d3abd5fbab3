"""`docs/runbook.md` as something that can be carried out: its sections, the commands in them, and what they print.

A section's console blocks are played from top to bottom. A line `$ countercache …` runs the installed command in a
terminal, `$ psql …` the real psql, `$ redis-cli …` sends the command; for any other line the test says what stands for
it. What is printed must be what the page shows, but for what differs from run to run (durations, times, process ids);
`…` on a line of its own stands for any lines. With RUNBOOK=write in the environment the page gets what was printed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psycopg

from countercache.config import loader
from countercache.model.results import StatusResult
from countercache.store import cell_store
from countercache.store.redis_client import open_store
from tests.postgres import Cluster
from tests.terminal import COMMAND, Terminal, environment
from tests.valkey import Valkey

PAGE = Path(__file__).parents[2] / "docs" / "runbook.md"
WIDTH = 100
HOST = "web1"
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_VARIES = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b[0-9a-f]{8}…|\b[0-9a-f]{32}\b", "ID"),
    (r"(?<![\w.])(just now|\d+[smhd] ago)", "AGO"),
    (r"(?<![\w.])(\d+(\.\d+)?(ms|s|m|h|d) ?)+(?!\w)", "SPAN"),
    (r"[━─]+", "─"),
    (r"(?<![\w.,£/:])\d{2,}(?![\w.,/:])", "N"),
    (r"[+-]{3,}", "--"),
    (r"\s+", ""),  # columns are as wide as what is in them
)


class Step(NamedTuple):
    """One command of the page, and the lines that it prints there."""

    command: str
    shown: list[str]


class Run(NamedTuple):
    """How a command ended."""

    code: int
    text: str


def sections() -> dict[str, str]:
    """The text of each section by its heading."""
    parts = re.split(r"^#{2,3} (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def steps(section: str) -> list[Step]:
    """The commands of a section, in order."""
    found: list[Step] = []
    for block in _BLOCK.findall(section):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line.removeprefix("$ "), []))
            else:
                found[-1].shown.append(line)
    return found


class Site:
    """What the page's examples come from: a database, a Redis and a configuration, with a command that can be slow."""

    def __init__(self, directory: Path, cluster: Cluster, valkey: Valkey) -> None:
        self.directory = directory
        self.cluster = cluster
        self.valkey = valkey
        self.name = f"runbook_{os.getpid()}_{time.monotonic_ns()}"
        cluster.execute(f"CREATE DATABASE {self.name}")
        cluster.execute(TABLES, self.name)
        (directory / "countercache.toml").write_text(SETTINGS, encoding="utf-8")
        self.url = cluster.url(self.name)
        # The host's name is in what is printed, and as wide as it is.
        (directory / "sitecustomize.py").write_text(f"import socket\nsocket.gethostname = lambda: {HOST!r}\n")
        self.variables = {
            "DATABASE_URL": self.url,
            "REDIS_URL": valkey.tcp_url,
            "LOGNAME": "deploy",
            "PYTHONPATH": os.pathsep.join([str(directory), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }

    def execute(self, sql: str) -> None:
        """Change the database."""
        self.cluster.execute(sql, self.name)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """A command that runs beside the others, as cron starts it."""
        return subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=self.directory,
            env=environment(**self.variables, **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> str:
        """What a command prints in a pipe, on both streams."""
        done = subprocess.run(
            [str(COMMAND), *arguments],
            cwd=self.directory, env=environment(**self.variables, **variables), stdin=subprocess.DEVNULL,
            capture_output=True, encoding="utf-8", timeout=60, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    def status(self) -> StatusResult:
        """What `status` would say."""
        settings = loader.load(self.directory / "countercache.toml", self.variables)
        with open_store(settings) as store:
            return cell_store.status(store, settings)

    def states(self) -> dict[str, str]:
        """The state of each counter."""
        return {view.id.counter: view.state.value for view in self.status().cells}

    def is_at_the_query(self) -> bool:
        """Whether a run is busy with the query that can be slow."""
        return any(run.progress.phase == "query of signups" for run in self.status().runs)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that another process brings about."""
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, what

    def play(self, heading: str, **stand_ins: Callable[[], object]) -> list[Run]:
        """Carry out a section. `stand_ins` are what is done for a line with that word; `last`: before the last one."""
        runs = []
        every = steps(sections()[heading])
        for step in every:
            if step is every[-1] and "last" in stand_ins:
                stand_ins["last"]()
            run = self._do(step.command, stand_ins)
            runs.append(run)
            shown = self._said(run.text)
            if os.environ.get("RUNBOOK") == "write" and "…" not in step.shown:
                _write(heading, step, shown)
            else:
                assert _alike(step.shown, shown), f"$ {step.command}\n" + "\n".join(shown)
        return runs

    def _do(self, line: str, stand_ins: Mapping[str, Callable[[], object]]) -> Run:
        words = shlex.split(os.path.expandvars(line) if "$" not in line else _expanded(line, self.variables))
        match words[0] if not line.startswith("#") else "#":
            case "countercache":
                with Terminal(*words[1:], width=WIDTH, env=self.variables, cwd=self.directory) as terminal:
                    code = terminal.finish(90)
                    return Run(code, _unwrapped(terminal.lines))
            case "psql":
                program = self.cluster.programs / "psql"
                done = subprocess.run(
                    [program, "-X", *words[1:]], capture_output=True, encoding="utf-8", timeout=30, check=False
                )
                return Run(done.returncode, done.stdout + done.stderr)
            case "redis-cli":
                skip = 4 if words[1] == "-h" else 0
                answer = self.valkey.client().execute_command(*words[1 + skip :])  # type: ignore[no-untyped-call]
                return Run(0, "OK" if answer is True else str(answer))
            case _:
                (stand_in,) = (do for word, do in stand_ins.items() if word in line.replace("-", "_"))
                stand_in()
                return Run(0, "")

    def _said(self, text: str) -> list[str]:
        """What was printed, as it would be on the site of the page."""
        for here, there in (
            (str(self.directory), "/etc"),
            (f"127.0.0.1:{self.valkey.port}", "127.0.0.1:6379"),
            (f"-h 127.0.0.1 -p {self.valkey.port}", "-h 127.0.0.1 -p 6379"),
            (f"127.0.0.1:{self.cluster.port}", "127.0.0.1:5432"),
            (f"port {self.cluster.port}", "port 5432"),
            (str(COMMAND), "/opt/countercache/bin/countercache"),
        ):
            text = re.sub(rf"(?<![\w-]){re.escape(here)}(?![\w-])", there, text)
        return [line.rstrip() for line in text.splitlines()]


def _unwrapped(lines: list[str]) -> str:
    """What is on a screen; a sentence or a command that the terminal has folded is one line again."""
    text, folded = "", False
    for line in lines:
        folded = len(line) == WIDTH and (folded or re.match(r"countercache: |  \S", line) is not None)
        text += line if folded else f"{line}\n"
    return text


def _expanded(line: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda match: variables[match[1]], line)


def _alike(shown: list[str], printed: list[str]) -> bool:
    """Whether the page shows what was printed."""
    pattern = "".join(".*" if line == "…" else re.escape(_constant(line)) for line in shown)
    return re.fullmatch(pattern, "".join(map(_constant, printed))) is not None


def _constant(line: str) -> str:
    """A line without what differs from run to run."""
    for varies, constant in _VARIES:
        line = re.sub(varies, constant, line)
    return line


def _write(heading: str, step: Step, printed: list[str]) -> None:
    """Put what was printed below its command."""
    page = PAGE.read_text(encoding="utf-8")
    at = page.index(f" {heading}\n")
    old = "\n".join([f"$ {step.command}", *step.shown]) + "\n"
    new = "\n".join([f"$ {step.command}", *printed]) + "\n"
    start = page.index(old, at)
    PAGE.write_text(page[:start] + new + page[start + len(old) :], encoding="utf-8")


def closed(site: Site) -> None:
    """Remove the site's database, whoever is still in it."""
    site.cluster.execute(f"DROP DATABASE IF EXISTS {site.name} WITH (FORCE)")


def locked(site: Site, table: str) -> Iterator[None]:
    """Another session holds the table for as long as this lasts."""
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(site.url) as other:
        other.execute(f"LOCK TABLE {table}".encode())
        yield


TABLES = """
CREATE TABLE council (id integer PRIMARY KEY, slug text, country text);
INSERT INTO council VALUES (1, 'leeds', 'England'), (2, 'york', 'England'), (3, 'fife', 'Scotland');
CREATE TABLE figure (council_id integer, field text, year text, value text);
INSERT INTO figure SELECT id, 'debt', year, id * amount FROM council,
  (VALUES ('2018/19', 100000000), ('2019/20', 120000000)) years (year, amount);
CREATE TABLE account (id integer);
INSERT INTO account SELECT generate_series(1, 1234);
CREATE TABLE slowness (seconds integer);
INSERT INTO slowness VALUES (0);
CREATE VIEW active_account AS
  SELECT id FROM account WHERE (SELECT pg_sleep(seconds) FROM slowness) IS NOT NULL;
"""
SETTINGS = """
namespace = "site"

[redis]
url = "${REDIS_URL}"

[databases.main]
url = "${DATABASE_URL}"
lock_timeout = "2s"

[sources.figures]
database = "main"
table = "figure"
entity = "council_id"
field = "field"
period = "year"
value = "value"
entities = { table = "council", name = "slug" }

[counters.total-debt]
source = "figures"
formula = "debt"
compare = true
format = { currency = "GBP", notation = "compact" }

[counters.signups]
database = "main"
sql = "SELECT count(*) FROM active_account"

[publish]
key = "total:{counter}:{period}"

[breaker]
failures = 2
"""
