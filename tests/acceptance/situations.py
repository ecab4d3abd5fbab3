"""The situations in which `contract` looks at the command: stories of small sites, each with a Redis of its own."""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import redis

from tests.acceptance import site
from tests.acceptance.contract import GROUPS, TEXTS, Record
from tests.acceptance.operating import background, eventually, sql
from tests.terminal import COMMAND, environment, run
from tests.valkey import Valkey

PUBLISH = '[publish]\nkey = "total:{counter}:{group}:{period}"\n'
NOWHERE = "redis://127.0.0.1:1/0"
LOCK = "countercache:{site}:lock:main"
USERS = "countercache:{site}:cell:users:all:all"
FAILING = (
    site.counter("broken", "SELECT count(*) FROM nowhere")
    + site.counter("nothing", "SELECT NULL")
    + site.counter("moving", "SELECT count(*) FROM user")
    + 'max_change = "10%"\nfresh_for = "1h"\n'
    + """
[counters.odd]
source = "figures"
formula = "odd"
[counters.odd-skipped]
source = "figures"
formula = "odd"
rejected = "skip"
[counters.divided]
source = "figures"
formula = "long-term / (odd - odd)"
rejected = "skip"
[counters.share]
source = "figures"
formula = "short-term / long-term"
compare = true
format = { percent = true }
[breaker]
failures = 2
wait = "1h"
[publish]
key = "total:{counter}:{group}:{period}"
encoding = "json"
ttl = "never"
"""
)


class Site:
    """A site in a directory of its own, and the record of what its commands show."""

    def __init__(self, directory: Path, server: Valkey) -> None:
        self.directory = directory
        self.record = Record()
        self.client: redis.Redis = server.client()

    def say(self, situation: str, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run a command and record what it shows."""
        # Modules that are compiled once make each of these many commands start sooner.
        done = run(*arguments, cwd=self.directory, env={"PYTHONDONTWRITEBYTECODE": "", **(env or {})})
        command = name_of(arguments)
        assert "Traceback" not in done.stderr, done.stderr
        self.record.ended(command, situation, done.returncode)
        if "--json" in arguments and done.stdout:
            self.record.document(command, done.stdout)
        elif done.stdout and command not in TEXTS and "--help" not in arguments:
            self.record.lines(command, done.stdout)
        return done.stdout

    def both(self, situation: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        """The same as rows and as a document."""
        self.say(situation, *arguments, env=env)
        self.say(situation, *arguments, "--json", env=env)

    def append(self, text: str) -> None:
        """Add to the configuration."""
        with (self.directory / "countercache.toml").open("a", encoding="utf-8") as file:
            file.write(text)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Its database is locked, so that a run waits in vain, and costs no CPU while others are looked at."""
        file = self.directory / "countercache.toml"
        database = "[databases.main]\n"
        patient = file.read_text(encoding="utf-8").replace(database, f'{database}lock_timeout = "1h"\n')
        file.write_text(patient, encoding="utf-8")
        with closing(sqlite3.connect(self.directory / "site.db", isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield

    @contextmanager
    def running(self, lease: str = "10m") -> Iterator[subprocess.Popen[str]]:
        """A run that has taken its lock."""
        with background("warmup", cwd=self.directory, lease=lease) as process:
            eventually(lambda: self.client.hget(LOCK, "pid") == str(process.pid))
            yield process


def name_of(arguments: tuple[str, ...]) -> str:
    """The command's name: that of its group too, and where it prints another thing the option that makes it."""
    words = [each for each in arguments if not each.startswith("-")]
    name = " ".join(words[: 2 if words and words[0] in GROUPS else 1])
    return f"{name} --dry-run" if name == "warmup" and "--dry-run" in arguments else name or "countercache"


def story(more: str) -> Callable[[Callable[[Site], None]], Callable[[Path], Record]]:
    """Make a story, which is told on a new site with `more` in its configuration."""

    def decorate(tell: Callable[[Site], None]) -> Callable[[Path], Record]:
        @functools.wraps(tell)
        def told(parent: Path) -> Record:
            directory = parent / tell.__name__
            directory.mkdir()
            server = Valkey()
            try:
                server.start()
                here = Site(site.make(directory, server.url, more), server)
                tell(here)
            finally:
                server.close()
            return here.record

        return told

    return decorate


@story(PUBLISH)
def well(here: Site) -> None:
    """All goes well."""
    here.say("nothing was computed yet", "status", "--json")
    here.say("nothing was computed yet", "warmup", "--dry-run", "--json")
    here.say("all succeeded", "warmup", "--json")
    here.record.redis(here.client)
    here.say("nothing is due", "warmup", "--due", "--quiet")
    here.client.hset(USERS, "fresh_until", 1)
    here.say("one is stale", "status", "--json")
    here.say("nothing to do", "recover", "--json")
    here.say("nothing to do", "prune", "--json")
    here.say("nothing is held back", "accept", "users", "--json")
    here.say("all is well", "config", "check", "--json")
    here.say("all is well", "config", "show", "--json")
    here.say("all is well", "doctor", "--json")
    here.say("no such lock", "locks", "clear", "nobody", "--json")
    assert here.client.lock("nightly:lock", timeout=600).acquire()
    here.both("a lock of another program", "locks", "list")
    clear = ("locks", "clear", "nightly:lock")
    here.say("a lock of another program", *clear, "--json")
    here.say("a lock of another program, by force", *clear, "--foreign", "--force")


@story(FAILING)
def failing(here: Site) -> None:
    """Counters fail in many ways, and a value is held back."""
    odd = "INSERT INTO figure VALUES ('leeds', 'odd', '2019/20', 'n/a'), ('york', 'odd', '2019/20', 5)"
    sql(here.directory, odd)
    here.say("some failed", "warmup", "--json")
    sql(here.directory, "INSERT INTO user SELECT id FROM user")
    here.say("some failed", "warmup")
    here.both("some failed", "status")
    here.both("some failed", "events")
    here.record.redis(here.client)
    here.record.json("published key", json.loads(str(here.client.get("total:share:all:latest"))))
    here.say("all are put off", "warmup", "broken", "--json")
    here.say("all failed", "warmup", "broken", "--force", "--quiet")
    here.say("some failed, dry run", "recover", "--dry-run", "--json")
    here.say("a value was held back", "accept", "moving", "--json")
    sql(here.directory, "INSERT INTO user SELECT id FROM user")
    here.say("a value is held back", "warmup", "moving", "--json")
    here.say("a value was held back", "accept", "moving")
    here.say("some cannot be mended", "recover", "--json")
    here.say("the configuration is wrong", "config", "check")
    here.say("something is wrong", "doctor")


@story(PUBLISH)
def held(here: Site) -> None:
    """A run that hangs holds the lock, while others look and clear it."""
    with here.locked(), here.running(lease="3s") as process:
        here.both("a run is under way", "status")
        here.say("a run is under way", "locks", "list", "--json")
        here.say("another run holds the lock", "warmup", "--json")
        here.say("another run holds the lock, which is all right", "warmup", "--ok-if-locked")
        here.say("another run holds the lock, waited for in vain", "warmup", "--wait", "100ms", "--json")
        here.say("a run is under way", "recover", "--json")
        here.say("its holder is alive", "locks", "clear")
        here.record.redis(here.client)
        here.say("its holder is alive, by force", "locks", "clear", "main", "--force", "--json")
        here.record.redis(here.client)
        here.record.ended("warmup", "its lock was cleared", process.wait(timeout=30))


@story(PUBLISH)
def ended(here: Site) -> None:
    """Runs that hang are ended, each in another way, and put right."""
    with here.locked():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with here.running() as process:
                process.send_signal(number)
                code = process.wait(timeout=30)
                if number != signal.SIGKILL:
                    here.record.ended("warmup", f"ended by {number.name}", code)
        here.client.hset(LOCK, "total", 4)
        here.say("a run was killed", "status", "--json")
        here.say("a run was killed", "locks", "list")
        here.say("a run was killed, dry run", "recover", "--dry-run", "--json")
        here.say("its holder is gone, dry run", "locks", "clear", "--dry-run", "--json")
        here.client.persist(LOCK)
        here.say("a lock without an end", "locks", "list", "--json")
        here.say("its holder is gone", "locks", "clear")
        here.say("the timeout fired", "warmup", "--timeout", "1s", "--json")
        here.say("it fails again", "recover", "--timeout", "1s")
    (here.directory / "site.db").rename(here.directory / "away.db")
    here.say("the database is not there", "warmup", "--json")
    here.say("the database is not there", "warmup", "--dry-run", "--json")
    here.say("the database is not there", "config", "check")


@story(site.counter("old", "SELECT 1") + PUBLISH)
def pruned(here: Site) -> None:
    """A counter is taken out of the configuration."""
    assert run("warmup", "--quiet", cwd=here.directory).returncode == 0
    file = here.directory / "countercache.toml"
    file.write_text(file.read_text(encoding="utf-8").replace(site.counter("old", "SELECT 1"), ""), encoding="utf-8")
    here.client.hset("countercache:{site}:began", "older", 1)
    here.say("a counter is gone, dry run", "prune", "--dry-run", "--json")
    here.say("a counter is gone", "prune")


@story(PUBLISH)
def wrong(here: Site) -> None:
    """Nothing was asked for that can be done."""
    here.say("asked for", "--help")
    here.say("asked for", "--version")
    usages: list[tuple[str, ...]] = [(), ("locks",), ("status", "--al"), ("warmup", "--timeout", "soon")]
    for arguments in (*usages, ("status", "usrs", "--json")):
        here.say("a wrong usage", *arguments)
    away = {"COUNTERCACHE_REDIS__URL": NOWHERE}
    commands: list[tuple[str, ...]] = [("warmup", "--json"), ("config", "check")]
    for arguments in (*commands, ("status",)):
        here.say("Redis does not answer", *arguments, env=away)
    for situation, output in (("the disk is full", "/dev/full"), ("its reader is gone", "")):
        here.record.ended("status", situation, written_to(here.directory, output))
    here.append("[counters.more]\nsql = 1\n")
    for arguments in (*commands, ("doctor",)):
        here.say("a wrong configuration", *arguments)


@story("")
def followed(here: Site) -> None:
    """A log is written and followed."""
    for name, form in (("text", ()), ("json", ("--json",))):
        with background("events", "--follow", *form, cwd=here.directory) as process:
            assert process.stdout
            done = run("warmup", "users", "--log-format", name, cwd=here.directory)
            logs = [*done.stderr.splitlines(), process.stdout.readline()]
            process.send_signal(signal.SIGINT)
            here.record.ended("events", "followed until SIGINT", process.wait(timeout=30))
        for line in logs:
            if form:
                here.record.document("events --follow", line)
            else:
                here.record.lines("events --follow", "\t".join(line.split(" ", 2)))


@story("")
def demonstrated(here: Site) -> None:
    """The demo, with the bundled Valkey."""
    env = {"COUNTERCACHE_STATE_DIR": str(here.directory / "state")}
    here.say("it does not run", "embedded", "status", "--json", env=env)
    here.both("it does not run", "embedded", "stop", env=env)
    try:
        here.say("all succeeded", "demo", "--json", env=env)
        here.both("it runs", "embedded", "status", env=env)
    finally:
        here.say("it runs", "embedded", "stop", "--json", env=env)
    here.say("Redis does not answer", "demo", "other", "--json", env=env | {"REDIS_URL": NOWHERE})


def written_to(directory: Path, output: str) -> int:
    """The exit code of `status` with its output in a file; without one, in a pipe that nobody reads."""
    with Path(output or os.devnull).open("wb") as file:
        process = subprocess.Popen(
            [str(COMMAND), "status"],
            cwd=directory,
            env=environment(),
            stdout=file if output else subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    if process.stdout:
        process.stdout.close()
    return process.wait(timeout=30)


STORIES = (ended, held, failing, well, demonstrated, wrong, followed, pruned)
"""The longest first."""
