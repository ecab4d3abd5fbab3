"""`status --watch` in a real terminal: what it shows, what it does with keys and signals, and what it leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance import site
from tests.terminal import COMMAND, Terminal, environment, run
from tests.valkey import MakeValkey, Valkey

NAME = "long-term-borrowing-of-councils"
WATCH = ("status", "--watch", "--interval", "0.2s")


@pytest.fixture
def directory(tmp_path: Path, valkey: Valkey) -> Path:
    """A site whose counters are computed, but for one that fails and one that never ends."""
    more = site.counter("broken", "SELECT count(*) FROM nowhere") + site.counter("for-ever", site.FOR_EVER)
    made = site.make(tmp_path, valkey.url, more)
    assert run("warmup", NAME, "users", cwd=made).returncode == 0
    return made


@pytest.fixture
def watching(directory: Path) -> Iterator[Terminal]:
    """A watch that has drawn its first screen."""
    with Terminal(*WATCH, height=30, cwd=directory) as terminal:
        terminal.wait_for("q quit")
        yield terminal


@pytest.mark.terminal
@pytest.mark.parametrize("width", [60, 80, 140])
def test_it_shows_cells_runs_and_events_of_others(directory: Path, width: int) -> None:
    """A run that another process starts appears with its bar, what it ends as appears by itself, and all of it fits."""
    with Terminal(*WATCH, width=width, height=30, cwd=directory) as terminal:
        terminal.wait_for("2 pending")
        terminal.wait_for("lock released")
        other = subprocess.Popen([COMMAND, "warmup", "for-ever", "broken"], cwd=directory, env=environment())
        try:
            terminal.wait_for("1 calculating")
            terminal.wait_for("query of for-ever")
            terminal.wait_for("━━━")
            assert all(len(line) <= width for line in terminal.lines)
            assert "countercache locks list" in terminal.text
            assert run("locks", "clear", "--force", cwd=directory).returncode == 0
            assert other.wait(20) != 0
        finally:
            other.kill()
        terminal.wait_for("lock cleared")
        terminal.wait_for("countercache recover")
        terminal.wait_until(lambda: "━━━" not in terminal.text, "a run that has ended is still")
        assert terminal.lines[-1].startswith("q quit")
        terminal.type("q")
        assert terminal.finish() == 0


@pytest.mark.parametrize(
    ("keys", "code"), [("q", 0), ("\x03", 0), (signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_it_leaves_the_terminal_as_it_was(watching: Terminal, keys: str | signal.Signals, code: int) -> None:
    """By key or by signal: the other screen is left, the cursor shown, keys are as before; the exit code tells how."""
    assert (watching.is_on_the_other_screen, watching.cursor_is_hidden) == (True, True)
    assert watching.modes_now != watching.modes
    if isinstance(keys, str):
        watching.type(keys)
    else:
        watching.signal(keys)
    watching.wait_until(lambda: not watching.is_on_the_other_screen, "the other screen is still")
    watching.wait_until(lambda: not watching.cursor_is_hidden, "no cursor")
    watching.wait_until(lambda: watching.modes_now == watching.modes, "keys are not taken as before")
    assert watching.finish() == code


@pytest.mark.terminal
def test_it_leaves_the_terminal_as_it_was_when_it_fails(tmp_path: Path) -> None:
    """An error that nobody foresaw is not caught, and the terminal is given back all the same."""
    code = (
        "from countercache.render import watch\ndef read():\n    raise ValueError('unforeseen')\n"
        "watch.watch(watch.terminal(), read, 1.0)"
    )
    with Terminal("-c", code, program=sys.executable, height=30, cwd=tmp_path) as terminal:
        assert terminal.finish() == 1
        assert "ValueError: unforeseen" in terminal.text
        assert "\x1b[?1049h" in terminal.raw
        assert not terminal.is_on_the_other_screen
        assert not terminal.cursor_is_hidden


@pytest.mark.terminal
def test_it_can_be_stopped_and_go_on(directory: Path) -> None:
    """Ctrl-Z gives the terminal back to the shell; in the foreground again it takes it over again."""
    with Terminal("--norc", "-i", program="/bin/bash", height=30, cwd=directory) as shell:
        shell.type("PS1='$ '\n")
        shell.type(f"{COMMAND} {' '.join(WATCH)}\n")
        shell.wait_for("q quit")
        shell.type("\x1a")
        shell.wait_for("Stopped")
        assert not shell.is_on_the_other_screen
        assert not shell.cursor_is_hidden
        shell.type("fg\n")
        shell.wait_until(lambda: shell.is_on_the_other_screen, "it has not come back")
        shell.wait_until(lambda: "q quit" in shell.lines[-1], "no picture")
        shell.type("q")
        shell.wait_until(lambda: not shell.is_on_the_other_screen, "it has not ended")
        shell.type("echo code=$?\n")
        shell.wait_for("code=0")
        shell.type("exit\n")
        assert shell.finish() == 0


def test_it_follows_the_size_of_the_window(watching: Terminal) -> None:
    """A window that shrinks and grows is drawn anew at once, the keys always on the last line of it."""
    for width, height in ((60, 20), (140, 40), (30, 8), (80, 24)):
        watching.resize(width, height)
        watching.wait_until(
            lambda height=height: len(watching.lines) == height and watching.lines[-1].startswith("q quit"),  # type: ignore[misc]
            f"no picture of {width}×{height}",
        )
        assert all(len(line) <= width for line in watching.lines)


def test_it_scrolls(watching: Terminal) -> None:
    """Where not all cells have room the arrows move them, and what calls for something stands first."""
    watching.resize(80, 12)
    watching.wait_for("scroll   1-4 of 7 cells")
    assert "broken" in watching.lines[4]
    watching.type("\x1b[B\x1b[B")
    watching.wait_for("3-6 of 7 cells")
    watching.type("\x1b[6~")
    watching.wait_for("4-7 of 7 cells")
    watching.type("g")
    watching.wait_for("1-4 of 7 cells")
    watching.type("\x1bxyz\x1b[")
    watching.type("q")
    assert watching.finish() == 0


@pytest.mark.terminal
def test_a_redis_that_goes_away_and_comes_back(tmp_path: Path, make_valkey: MakeValkey) -> None:
    """It is said, what was seen last stays, and it is tried again until there is an answer; q works meanwhile."""
    valkey = make_valkey()
    directory = site.make(tmp_path, valkey.url)
    assert run("warmup", cwd=directory).returncode == 0
    with Terminal(*WATCH, width=100, height=30, cwd=directory) as terminal:
        terminal.wait_for("5 ready")
        valkey.stop()
        terminal.wait_for("cannot be reached")
        assert "tried again every" in terminal.text
        assert "5 ready" in terminal.text
        valkey.start()
        terminal.wait_for("5 pending")
        assert "cannot be reached" not in terminal.text
        valkey.pause()
        terminal.wait_for("cannot be reached")
        terminal.type("q")
        assert terminal.finish(10) == 0
        valkey.resume()


@pytest.mark.terminal
def test_a_redis_that_is_not_there_yet(tmp_path: Path) -> None:
    """Not even that at the start is fatal."""
    directory = site.make(tmp_path, "redis://127.0.0.1:1/0")
    with Terminal(*WATCH, height=30, cwd=directory) as terminal:
        terminal.wait_for("cannot be reached")
        terminal.type("q")
        assert terminal.finish() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--watch",), "--watch needs a terminal; `countercache status` shows the states once"),
        (("--watch", "--json"), "`countercache status --json` is one document"),
        (("--watch", "--interval", "10ms"), "--interval: got 0.01 s"),
    ],
)
def test_a_wrong_usage_names_the_right_one(directory: Path, arguments: tuple[str, ...], said: str) -> None:
    """In a pipe there is nothing to watch with."""
    done = run("status", *arguments, cwd=directory)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.terminal
def test_a_terminal_that_can_do_nothing_is_none(directory: Path) -> None:
    """One without cursor movements is told so instead of being filled with them."""
    with Terminal(*WATCH, cwd=directory, env={"TERM": "dumb"}) as terminal:
        assert terminal.finish() == 2
        assert "--watch needs a terminal" in terminal.text.replace("\n", " ")
        assert "\x1b[?1049h" not in terminal.raw


def test_it_waits_without_turning(watching: Terminal) -> None:
    """Between two looks it does nothing: a second of it costs a fraction of a second of the processor."""
    import psutil

    process = psutil.Process(watching.pid)
    before = process.cpu_times()
    end = time.monotonic() + 1.0
    watching.wait_until(lambda: time.monotonic() > end, "")
    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.8
