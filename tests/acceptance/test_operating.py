"""What an operator types at 3 a.m.: see what happened, put it right, and what cron does meanwhile."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.acceptance import site
from tests.terminal import COMMAND, Terminal, environment, run
from tests.valkey import MakeValkey, Valkey

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


@pytest.fixture
def directory(tmp_path: Path, valkey: Valkey) -> Path:
    """A site whose counter `gated` never ends while its gate is shut, and which publishes plain keys."""
    more = site.counter("gated", GATED) + '[publish]\nkey = "total:{counter}:{group}:{period}"\n'
    site.make(tmp_path, valkey.url, more)
    sql(tmp_path, "CREATE TABLE gate (id INTEGER)")
    return tmp_path


@pytest.fixture
def shut(directory: Path) -> Path:
    """The same with its gate shut."""
    sql(directory, "INSERT INTO gate VALUES (1)")
    return directory


@contextmanager
def running(directory: Path, *options: str, lease: str = "30s") -> Iterator[subprocess.Popen[str]]:
    """A run that has got as far as the counter that never ends."""
    with background("warmup", *options, cwd=directory, lease=lease) as process, server(directory) as client:
        eventually(lambda: bool(client.exists("countercache:{site}:cell:users:all:all")))  # the one before it
        yield process


# --- recover


def test_a_killed_run_is_put_right_with_one_command(shut: Path) -> None:
    """Kill -9: the site says "Calculating…", status names the cure, and `recover` clears the lock and computes."""
    with running(shut) as process:
        process.kill()
        process.wait()
        assert states(shut)["gated"] == "calculating"
        assert "# countercache recover: " in run("status", cwd=shut).stdout
        assert document("status", cwd=shut)["runs"][0]["verdict"] == "dead"
        sql(shut, "DELETE FROM gate")
        done = run("recover", cwd=shut)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:4] for row in rows] == [["lock", "main", "cleared", "dead"], ["counter", "gated", "computed", "main"]]
    assert rows[1][5].startswith("cleared: ")
    assert set(states(shut).values()) == {"ready"}
    assert logged(shut, "--category", "recovery") == [("info", "recovery", "started"), ("info", "recovery", "finished")]
    assert ("warning", "lock", "cleared") in logged(shut)
    assert "recover" not in run("status", cwd=shut).stdout


def test_nothing_to_recover(directory: Path) -> None:
    """All well: exit 0, nothing computed, nothing in the log, and in a terminal a word that it is so."""
    assert run("warmup", cwd=directory).returncode == 0
    before = logged(directory)
    done = run("recover", cwd=directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert logged(directory) == before
    with Terminal("recover", cwd=directory) as terminal:
        assert terminal.finish() == 0
    assert "No counter to recover" in terminal.text


def test_a_redis_that_lost_everything_is_filled_again(directory: Path, valkey: Valkey) -> None:
    """After a FLUSHALL nothing tells what was there: what the configuration has is computed."""
    assert run("warmup", cwd=directory).returncode == 0
    valkey.client().flushall()
    assert set(states(directory).values()) == {"pending"}
    assert run("recover", "--quiet", cwd=directory).returncode == 0
    assert set(states(directory).values()) == {"ready"}
    assert valkey.client().get("total:users:all:all") == "3"


def test_a_dry_run_says_what_it_would_do(shut: Path) -> None:
    """The dead lock and the counters are named; the lock is still there, nothing is computed, nothing logged."""
    with running(shut) as process:
        process.kill()
        process.wait()
    before = logged(shut)
    done = document("recover", "--dry-run", cwd=shut)
    assert (done["dry_run"], done["exit_code"], done["warmup"]) == (True, 0, None)
    assert [(each["name"], each["verdict"]) for each in done["locks"]] == [("main", "dead")]
    assert [(each["slug"], each["outcome"], each["error"]["reason"]) for each in done["counters"]] == [
        ("gated", "planned", "abandoned")
    ]
    assert logged(shut) == before
    assert document("locks", "list", cwd=shut)["locks"]


def test_a_live_run_is_left_and_can_be_ended(shut: Path) -> None:
    """Exit 3 with the owner and the command to insist; after that the run says it was cleared, and recover mends."""
    sql(shut, "ALTER TABLE user RENAME TO people")
    with running(shut, lease="3s") as process:
        eventually(lambda: states(shut)["users"] == "error")
        done = run("recover", cwd=shut)
        assert done.returncode == 3
        left, counters = done.stderr.splitlines()
        for part in ("lock main: left, held by ", str(process.pid), "`countercache locks clear main --force`"):
            assert part in left
        assert counters.startswith("countercache: error: users: the lock main is held")
        assert states(shut)["gated"] == "calculating"
        assert run("locks", "clear", "main", "--force", cwd=shut).returncode == 0
        assert process.wait(timeout=30) == 3
    sql(shut, "ALTER TABLE people RENAME TO user; DELETE FROM gate")
    assert run("recover", cwd=shut).returncode == 0
    assert set(states(shut).values()) == {"ready"}


def test_a_live_run_that_is_in_nobodys_way_is_well(directory: Path) -> None:
    """All values are there while a run computes them anew: exit 0, and nobody is told to end it."""
    assert run("warmup", cwd=directory).returncode == 0
    sql(directory, "INSERT INTO gate VALUES (1)")
    with background("warmup", cwd=directory):
        eventually(lambda: states(directory)["gated"] == "calculating" and states(directory)["users"] == "ready")
        before = logged(directory)
        done = run("recover", cwd=directory)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert document("recover", cwd=directory)["locks"] == []
        assert logged(directory) == before
        with Terminal("recover", cwd=directory) as terminal:
            assert terminal.finish() == 0
        assert terminal.lines == ["No counter to recover: none has failed, and all have a value."]


def test_what_fails_again_is_said_and_keeps_its_exit_code(shut: Path) -> None:
    """The timeout is `recover`'s own as it is warmup's; the log says that it failed."""
    sql(shut, "ALTER TABLE user RENAME TO people")
    assert run("warmup", NAME, cwd=shut).returncode == 0
    done = run("recover", "--timeout", "2s", cwd=shut)
    assert done.returncode == 124
    assert "main: timeout: " in done.stderr
    became = {row.split("\t")[1]: row.split("\t")[2] for row in done.stdout.splitlines()}
    assert became == {"users": "failed", "gated": "failed"}
    assert logged(shut, "--category", "recovery")[-1] == ("error", "recovery", "failed")
    assert logged(shut, "--category", "timeout") == [("error", "timeout", "fired")]


def test_recover_in_a_terminal(shut: Path) -> None:
    """At 60 columns: what was found and what became of it; the terminal is left as it was."""
    assert run("warmup", "--timeout", "2s", cwd=shut).returncode == 124
    with Terminal("recover", "--dry-run", width=60, cwd=shut) as terminal:
        assert terminal.finish() == 0
    assert "gated" in terminal.text
    assert "to be computed" in terminal.text
    assert "countercache recover" in terminal.text
    sql(shut, "DELETE FROM gate")
    with Terminal("recover", width=60, cwd=shut) as terminal:
        assert terminal.finish() == 0
    assert "✓  gated" in terminal.text
    assert not terminal.cursor_is_hidden


def test_recover_without_redis(directory: Path) -> None:
    """Exit 5 and one line."""
    done = run("recover", cwd=directory, env={"COUNTERCACHE_REDIS__URL": "redis://127.0.0.1:1/0"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (5, "", 1)


# --- what is to be typed next


def offered(screen: str) -> list[list[str]]:
    """The commands that a screen or a line offers, as a shell takes them apart: without the program's name."""
    found = re.findall(r"countercache (?:--config '[^']*' )?(?:locks \w+|recover|events|status)[^`:\n]*", screen)
    return [shlex.split(each.partition("  ")[0])[1:] for each in found]


def test_what_is_offered_works_as_it_is_typed(shut: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A configuration that was named on the command line is named again: on a terminal, in a pipe and in an error."""
    named = shut / "my site.toml"
    (shut / "countercache.toml").rename(named)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    given = ["--config", str(named)]
    with background("warmup", *given, cwd=elsewhere) as process:
        eventually(lambda: '"calculating": 1' in run("status", "--json", *given, cwd=elsewhere).stdout)
        held = run("warmup", *given, cwd=elsewhere)
        insisted = run("locks", "clear", *given, cwd=elsewhere)
        process.kill()
    piped = run("status", *given, cwd=elsewhere)
    screens = [held.stderr, insisted.stderr, piped.stdout]
    for arguments in (["status"], ["locks", "list"], ["doctor"]):
        with Terminal(*arguments, *given, cwd=elsewhere, width=400) as terminal:
            terminal.finish()
            screens.append(terminal.text)
    for screen in screens:
        commands = offered(screen)
        assert commands
        for command in commands:
            assert command[:2] == given
            assert run(*command, "--help", cwd=elsewhere).returncode == 0
    sql(shut, "DELETE FROM gate")
    (recover,) = (command for command in offered(piped.stdout) if "recover" in command)
    assert run(*recover, cwd=elsewhere).returncode == 0


def test_what_is_found_by_itself_is_not_named_again(shut: Path) -> None:
    """Neither the file in the directory nor the one that the environment names."""
    config = shut / "countercache.toml"
    env = {"COUNTERCACHE_CONFIG": str(config)}
    for done in (
        run("status", "--config", "countercache.toml", cwd=shut),
        run("status", "--config", str(config), cwd=shut),
        run("status", env=env, cwd=shut.parent),
        run("status", "--config", str(config), env=env, cwd=shut.parent),
    ):
        assert "# countercache warmup --due: " in done.stdout


# --- the circuit breaker


@contextmanager
def refusing() -> Iterator[tuple[int, list[object]]]:
    """A port on which somebody answers and hangs up at once, as no database does; and who has called there."""
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, who = server.accept()
                except OSError:
                    return
                calls.append(who)
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield server.getsockname()[1], calls
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_database_that_is_away_is_left_alone(directory: Path, valkey: Valkey) -> None:
    """After the failures it is not even called: exit 1, why and until when; `--force` calls it, others go on."""
    config = (directory / "countercache.toml").read_text(encoding="utf-8")
    breaker = '[breaker]\nfailures = 2\nwait = "1h"\n'
    with refusing() as (port, calls):
        away = config.replace("sqlite:///site.db", f"postgresql://me:s3cret@127.0.0.1:{port}/site") + breaker
        (directory / "countercache.toml").write_text(away, encoding="utf-8")
        for _ in range(2):
            assert run("warmup", cwd=directory).returncode == 5
        called = len(calls)
        assert called
        done = run("warmup", cwd=directory)
        assert done.returncode == 1
        assert len(calls) == called
        assert "s3cret" not in done.stderr
        for part in ("not tried", "2 failures in a row", "unreachable", "--force"):
            assert part in done.stderr
        assert not [row for row in done.stdout.splitlines() if row.split("\t")[3] != "error"]
        assert run("warmup", "--force", cwd=directory).returncode == 5
        assert len(calls) > called
    warmed = document("warmup", cwd=directory)
    assert (warmed["exit_code"], warmed["jobs"][0]["run"]) == (1, "")
    for each in warmed["jobs"][0]["counters"]:
        assert each["outcome"] == "skipped"
        assert each["skipped"]["failures"] == 3
        assert 0 < each["skipped"]["wait_seconds"] <= 3600
        assert each["skipped"]["until"] == warmed["counter_states"][0]["next_attempt"]
    assert "not tried again for" in run("status", cwd=directory).stdout
    assert logged(directory, "--category", "breaker") == [("warning", "breaker", "opened")] * 2

    more = breaker + '[databases.other]\nurl = "sqlite:///site.db"\n'
    both = away.replace(breaker, more) + '[counters.others]\ndatabase = "other"\nsql = "SELECT 1"\n'
    (directory / "countercache.toml").write_text(both, encoding="utf-8")
    done = run("warmup", cwd=directory)
    assert done.returncode == 3
    assert "others\tall\tall\tready" in done.stdout

    (directory / "countercache.toml").write_text(config + breaker, encoding="utf-8")
    assert run("warmup", cwd=directory).returncode == 1  # it cannot know that it is mended: an operator does
    assert run("recover", cwd=directory).returncode == 0
    assert run("warmup", cwd=directory).returncode == 0
    assert logged(directory, "--category", "breaker")[-1] == ("info", "breaker", "closed")


def test_after_the_wait_there_is_one_trial(directory: Path, valkey: Valkey) -> None:
    """It fails: the next wait is longer. It succeeds: nothing is left of the breaker."""
    with (directory / "countercache.toml").open("a", encoding="utf-8") as file:
        file.write('[breaker]\nfailures = 1\nwait = "1h"\nfactor = 3\nmax = "1d"\n')
    sql(directory, "ALTER TABLE user RENAME TO people")

    def tried() -> bool:
        (counter,) = document("warmup", "users", cwd=directory)["jobs"][0]["counters"]
        return bool(counter["outcome"] != "skipped")

    def wait_is_over() -> None:
        valkey.client().hset("countercache:{site}:cell:users:all:all", "next_attempt", 1)

    for hours in (1, 3, 9):
        assert tried()
        opened = document("events", "--category", "breaker", cwd=directory)["events"][-1]
        waits = float(opened["message"].split(" for ")[1].split()[0])
        assert 0.8 * hours * 3600 <= waits <= hours * 3600
        assert not tried()
        wait_is_over()
    sql(directory, "ALTER TABLE people RENAME TO user")
    assert tried()
    assert tried()
    (cell,) = document("status", "users", cwd=directory)["counter_states"]
    assert (cell["state"], cell["failures"], cell["next_attempt"]) == ("ready", 0, None)


def test_due_skips_what_is_put_off(directory: Path) -> None:
    """All that is due is put off: that is a failure. Nothing is due: that is none."""
    with (directory / "countercache.toml").open("a", encoding="utf-8") as file:
        file.write('[breaker]\nfailures = 1\nwait = "1h"\n')
    sql(directory, "ALTER TABLE user RENAME TO people")
    assert run("warmup", cwd=directory).returncode == 3
    done = run("warmup", "--due", cwd=directory)
    assert done.returncode == 1
    assert NAME not in done.stdout
    sql(directory, "ALTER TABLE people RENAME TO user")
    assert run("warmup", "--due", "--force", cwd=directory).returncode == 0
    assert run("warmup", "--due", cwd=directory).returncode == 0


# --- events


def test_the_log_of_a_day(shut: Path) -> None:
    """What happened in order, by level, counter and run; in a pipe a line each, in a terminal a table."""
    assert run("warmup", NAME, cwd=shut).returncode == 0
    assert run("warmup", "gated", "--timeout", "1s", cwd=shut).returncode == 124
    assert logged(shut, "--level", "info") == [
        ("info", "run", "started"),
        ("info", "run", "finished"),
        ("info", "run", "started"),
        ("error", "timeout", "fired"),
        ("error", "run", "failed"),
    ]
    assert logged(shut, "--counter", "gated", "--level", "error", "--category", "timeout") == [
        ("error", "timeout", "fired")
    ]
    failed = document("events", "-n", "1", "--level", "error", "--since", "1h", cwd=shut)["events"][0]
    assert len(logged(shut, "--run", failed["run"][:8], "--level", "info")) == 3
    (row,) = run("events", "--category", "timeout", cwd=shut).stdout.splitlines()
    assert row.split("\t")[1:6] == ["error", "timeout", "fired", "gated", "main"]
    for width in (60, 80, 140):
        with Terminal("events", width=width, cwd=shut) as terminal:
            assert terminal.finish() == 0
        assert "timeout fired" in terminal.text
        assert "gated" in terminal.text


def test_who_was_refused_and_who_cleared(shut: Path) -> None:
    """The run that met a held lock, the operator who ended the other, and how that one ended."""
    with running(shut, lease="3s") as process:
        assert run("warmup", "users", cwd=shut).returncode == 4
        assert run("locks", "clear", "--force", cwd=shut).returncode == 0
        assert process.wait(timeout=30) == 3
    told = document("events", "--level", "warning", cwd=shut)["events"]
    assert [(each["category"], each["action"]) for each in told] == [
        ("lock", "refused"),
        ("lock", "cleared"),
        ("run", "failed"),
    ]
    assert "is held by" in told[0]["message"]
    assert f"(pid {process.pid})" in told[1]["message"]
    assert told[1]["run"] == told[2]["run"] != told[0]["run"]
    assert told[2]["message"].startswith("cleared: ")


def test_following_in_a_pipe(directory: Path) -> None:
    """One document a line, as it happens; SIGINT ends it with 130 and without a word."""
    with background("events", "--follow", "--json", "--category", "run", cwd=directory) as process:
        assert process.stdout
        assert process.stderr
        eventually(lambda: run("warmup", "users", cwd=directory).returncode == 0)
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [(line["schema"], line["action"]) for line in lines] == [
            ("countercache.event/1", "started"),
            ("countercache.event/1", "finished"),
        ]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert process.stdout.read() == process.stderr.read() == ""


def test_following_in_a_terminal(directory: Path) -> None:
    """A line each; Ctrl-C leaves the terminal as it was."""
    with Terminal("events", "--follow", cwd=directory) as terminal:
        run("warmup", "users", cwd=directory)
        terminal.wait_for("run finished main")
        terminal.type("\x03")
        assert terminal.finish() == 130
    assert "Traceback" not in terminal.text
    assert not terminal.cursor_is_hidden


def test_following_for_a_reader_that_goes_away(directory: Path) -> None:
    """`events --follow | head -1` ends with the next event, as SIGPIPE would end it."""
    with background("events", "--follow", cwd=directory) as process:
        assert process.stdout
        assert process.stderr
        run("warmup", "users", cwd=directory)
        assert process.stdout.readline()
        process.stdout.close()
        run("warmup", "users", cwd=directory)
        assert process.wait(timeout=20) == 141
        assert process.stderr.read() == ""


def test_hostile_events_are_escaped(directory: Path, valkey: Valkey) -> None:
    """Whoever can write to Redis can put anything there: terminals, pipes and parsers get it as text."""
    hostile = "\x1b[2J\n[red]x[/red] \u202e" + "y" * 100_000
    fields = dict.fromkeys(("level", "category", "action", "counter", "lock", "run", "by", "message"), hostile)
    valkey.client().xadd("countercache:{site}:events", fields)  # type: ignore[arg-type]
    done = run("events", cwd=directory)
    assert "\x1b" not in done.stdout
    assert done.stdout.count("\n") == 1
    assert len(done.stdout) < 10_000
    with Terminal("events", cwd=directory) as terminal:
        assert terminal.finish() == 0
    assert "[red]x[/red]" in terminal.text.replace("\n", "") or "[red]" in terminal.text
    assert document("events", cwd=directory)["events"][0]["action"].startswith("\x1b[2J\n[red]")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--level", "grave"], '--level: got "grave"; give one of debug, info, warning, error'),
        (
            ["--category", "locks"],
            '--category: got "locks"; give one of lock, timeout, run, counter, breaker, recovery',
        ),
        (["--since", "yesterday"], '--since: got "yesterday"'),
        (["--limit", "0"], '--limit: got "0"; give a whole number above 0'),
    ],
)
def test_filters_that_make_no_sense(arguments: list[str], message: str, directory: Path) -> None:
    """Exit 2, one line with the right words."""
    done = run("events", *arguments, cwd=directory)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_the_log_without_redis(follow: list[str], directory: Path) -> None:
    """Exit 5 and one line."""
    done = run("events", *follow, cwd=directory, env={"COUNTERCACHE_REDIS__URL": "redis://127.0.0.1:1/0"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (5, "", 1)


# --- log lines of a run


def test_a_run_as_a_log(directory: Path) -> None:
    """`--log-format json`: each line of stderr parses, what failed is among them, and stdout is the result alone."""
    sql(directory, "ALTER TABLE user RENAME TO people")
    done = run("warmup", "--json", "--log-format", "json", cwd=directory)
    assert done.returncode == 3
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["category"], line["action"], line["level"]) for line in lines] == [
        ("lock", "acquired", "debug"),
        ("run", "started", "info"),
        ("counter", "failed", "error"),
        ("run", "finished", "warning"),
        ("lock", "released", "debug"),
    ]
    assert lines[2]["counters"] == ["users"]
    stored = document("events", cwd=directory)["events"]
    assert [line | {"schema": None} for line in lines] == [each | {"schema": None} for each in stored]
    assert json.loads(done.stdout)["schema"] == "countercache.warmup/1"


def test_a_log_is_quiet_when_told_so(directory: Path) -> None:
    """With `--quiet` nothing of a success, and of a failure the errors alone."""
    done = run("warmup", "--quiet", "--log-format", "text", cwd=directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    sql(directory, "ALTER TABLE user RENAME TO people")
    done = run("warmup", "--quiet", "--log-format", "text", cwd=directory)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert " error counter failed users: " in done.stderr


def test_a_run_that_loses_redis_says_so_in_its_log(shut: Path, make_valkey: MakeValkey) -> None:
    """What Redis could not take any more is on stderr all the same, as a line that parses."""
    own = make_valkey()
    config = (shut / "countercache.toml").read_text(encoding="utf-8")
    url = tomllib.loads(config)["redis"]["url"]
    (shut / "countercache.toml").write_text(config.replace(url, own.url), encoding="utf-8")
    with running(shut, "--log-format", "json", lease="3s") as process:
        own.kill()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    lines = [json.loads(line) for line in err.splitlines()]
    failed = [line for line in lines if line["category"] == "run"][-1]
    assert (failed["action"], failed["level"], failed["id"]) == ("failed", "error", "")
    assert failed["message"].startswith("lock lost: ")
    assert failed["counters"] == ["gated"]


def test_a_wait_is_in_the_log(shut: Path) -> None:
    """Once, however long it takes, and then that it was in vain."""
    with running(shut):
        done = run("warmup", "users", "--wait", "1s", "--log-format", "text", cwd=shut)
    assert done.returncode == 4
    waiting, refused = done.stderr.splitlines()
    assert " info lock waiting main: the lock main is held by " in waiting
    assert " warning lock refused main: the lock main is held by " in refused


def test_trouble_before_a_run_is_a_line_of_the_log_too(directory: Path) -> None:
    """Redis is away, or the configuration is wrong: still each line parses, and the exit code is what it is."""
    away = {"COUNTERCACHE_REDIS__URL": "redis://:s3cret@127.0.0.1:1/0"}
    done = run("warmup", "--log-format", "json", cwd=directory, env=away)
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, line["level"], line["category"]) == (5, "error", "command")
    assert "127.0.0.1:1" in line["message"]
    assert "s3cret" not in done.stderr
    assert run("warmup", "--log-format", "xml", cwd=directory).returncode == 2


# --- prune


def test_what_a_configuration_lost_is_pruned(directory: Path, valkey: Valkey) -> None:
    """First said by a dry run, then done, its plain keys with it; what is configured stays, and no more is left."""
    client: redis.Redis = valkey.client()
    assert run("warmup", cwd=directory).returncode == 0
    config = (directory / "countercache.toml").read_text(encoding="utf-8")
    without = config.replace(site.counter("gated", GATED), "").replace('["latest", "all"]', '["latest"]')
    (directory / "countercache.toml").write_text(without, encoding="utf-8")
    before = sorted(client.scan_iter())
    dry = document("prune", "--dry-run", cwd=directory)
    assert sorted(client.scan_iter()) == before
    assert [(each["slug"], each["period"], each["removed"]) for each in dry["cells"]] == [
        ("gated", "all", False),
        (NAME, "all", False),
        (NAME, "all", False),
    ]
    done = document("prune", cwd=directory)
    assert [each["published_keys"] for each in done["cells"]] == [each["published_keys"] for each in dry["cells"]]
    gone = {key for each in done["cells"] for key in each["published_keys"]}
    gone |= {f"countercache:{{site}}:cell:{each['slug']}:{each['group']}:{each['period']}" for each in done["cells"]}
    assert len(gone) == 6
    assert sorted(client.scan_iter()) == sorted(set(before) - gone)
    assert set(states(directory).values()) == {"ready"}
    assert logged(directory, "--counter", "gated")[-1] == ("info", "counter", "pruned")
    again = run("prune", cwd=directory)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    with Terminal("prune", cwd=directory) as terminal:
        assert terminal.finish() == 0
    assert "Nothing to prune" in terminal.text
