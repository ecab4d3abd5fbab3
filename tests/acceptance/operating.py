"""What tests of an operator's work share: a site that can be made to hang, its log and its states."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.acceptance import site
from tests.terminal import COMMAND, environment, run

# Never ends while there is a row in `gate`.
GATED = f"SELECT CASE WHEN EXISTS (SELECT 1 FROM gate) THEN ({site.FOR_EVER}) ELSE 7 END"
NAME = "long-term-borrowing-of-councils"


def sql(directory: Path, statement: str) -> None:
    """Change the site's database."""
    with closing(sqlite3.connect(directory / "site.db", timeout=10)) as connection:
        connection.executescript(statement)


def document(*arguments: str, cwd: Path) -> Any:
    """The JSON document of a command."""
    return json.loads(run(*arguments, "--json", cwd=cwd).stdout)


def states(directory: Path) -> dict[str, str]:
    """The state of each counter's first cell."""
    cells = document("status", cwd=directory)["counter_states"]
    return {cell["slug"]: cell["state"] for cell in reversed(cells)}


def logged(directory: Path, *filters: str) -> list[tuple[str, str, str]]:
    """Level, category and action of the events, oldest first."""
    found = document("events", *filters, cwd=directory)["events"]
    return [(each["level"], each["category"], each["action"]) for each in found]


@contextmanager
def server(directory: Path) -> Iterator[redis.Redis]:
    """The site's Redis, for what would take a command each time."""
    settings = tomllib.loads((directory / "countercache.toml").read_text(encoding="utf-8"))
    with closing(redis.Redis.from_url(settings["redis"]["url"], decode_responses=True)) as client:
        yield client


def eventually(what: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def background(*arguments: str, cwd: Path, lease: str = "30s") -> Iterator[subprocess.Popen[str]]:
    """A command that runs beside the test, and at its end no more."""
    with subprocess.Popen(
        [str(COMMAND), *arguments],
        cwd=cwd,
        env=environment(COUNTERCACHE_AGENT__LEASE=lease),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running(directory: Path, *options: str, lease: str = "30s") -> Iterator[subprocess.Popen[str]]:
    """A run that has got as far as the counter that never ends."""
    with background("warmup", *options, cwd=directory, lease=lease) as process, server(directory) as client:
        eventually(lambda: bool(client.exists("countercache:{site}:cell:users:all:all")))  # the one before it
        yield process
