"""What an operator types at 3 a.m. to see what happened: the log of events, also as lines of a run."""

from __future__ import annotations

import json
import signal
import tomllib
from pathlib import Path

import pytest

from tests.acceptance.operating import NAME, background, document, eventually, logged, running, sql
from tests.terminal import Terminal, run
from tests.valkey import MakeValkey, Valkey

# --- events


@pytest.mark.terminal
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


@pytest.mark.terminal
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


@pytest.mark.terminal
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
    assert "gated" in failed["counters"]  # and that of the users, where it was not stored yet


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
