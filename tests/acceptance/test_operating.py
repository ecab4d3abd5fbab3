"""What an operator types at 3 a.m. to put things right, and what cron leaves alone meanwhile."""

from __future__ import annotations

import re
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.acceptance import site
from tests.acceptance.operating import GATED, NAME, background, document, eventually, logged, running, sql, states
from tests.terminal import Terminal, run
from tests.valkey import Valkey

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
    assert rows[1][5].startswith("abandoned: the run that computed it ended without a word")
    assert rows[1][5].endswith("its dead lock was cleared")
    assert set(states(shut).values()) == {"ready"}
    assert logged(shut, "--category", "recovery") == [("info", "recovery", "started"), ("info", "recovery", "finished")]
    assert ("warning", "lock", "cleared") in logged(shut)
    assert "recover" not in run("status", cwd=shut).stdout


@pytest.mark.terminal
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


@pytest.mark.terminal
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


@pytest.mark.terminal
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


@pytest.mark.terminal
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
    """After the failures it is not even called: exit 5 still, why and until when; `--force` calls it, others go on."""
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
        assert done.returncode == 5
        assert len(calls) == called
        assert "s3cret" not in done.stderr
        for part in ("not tried", "2 failures in a row", "unreachable", "--force"):
            assert part in done.stderr
        assert not [row for row in done.stdout.splitlines() if row.split("\t")[3] != "error"]
        assert run("warmup", "--force", cwd=directory).returncode == 5
        assert len(calls) > called
    warmed = document("warmup", cwd=directory)
    assert (warmed["exit_code"], warmed["jobs"][0]["run"]) == (5, "")
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
    assert run("warmup", cwd=directory).returncode == 5  # it cannot know that it is mended: an operator does
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


# --- prune


@pytest.mark.terminal
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
