"""`status --watch`: a live screen in the terminal, and a terminal that is as it was when it ends, however it ends.

One thread, one `select`: keys, signals (a resized window among them) and the next reading all pass there.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live

from countercache.errors import EXIT_OK, RedisError, UsageError
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.render import console
from countercache.render.watch_screen import Seen, WatchScreen

Read = Callable[[], Seen]

_NOTED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGWINCH)
_QUIT = {"q", "Q"}
_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Z]|.", re.DOTALL)
_ROWS = {
    "\x1b[A": -1, "\x1bOA": -1, "k": -1, "\x1b[B": 1, "\x1bOB": 1, "j": 1,
    "\x1b[5~": -10, "b": -10, "\x1b[6~": 10, " ": 10,
    "\x1b[H": -(10**9), "g": -(10**9), "\x1b[F": 10**9, "G": 10**9,
}  # fmt: skip
"""How many rows a key scrolls, as terminals send keys."""


def terminal() -> Console:
    """The screen to watch on. Raises `UsageError` where there is none."""
    screen = console(sys.stdout)
    if not sys.stdout.isatty() or screen.is_dumb_terminal:
        hint = "`countercache status` shows the states once, with --json as a document"
        raise UsageError("--watch needs a terminal", hint=hint)
    return screen


def watch(screen: Console, read: Read, interval: float, commands: Commands = NO_OPTIONS) -> int:
    """Show what `read` gives, again every `interval` seconds, until q or Ctrl-C; returns the exit code.

    A `RedisError` of `read` is shown, and it is tried again. q and Ctrl-C are how a watch ends, so that is 0; another
    signal gives 128 and its number.
    """
    with _taken(screen) as terminal:
        watched = WatchScreen(interval, commands)
        due = 0.0
        while True:
            if time.monotonic() >= due:
                _look(read, watched)
                due = time.monotonic() + interval
            terminal.draw(watched)
            keys = terminal.wait(due)
            if terminal.ended:
                return EXIT_OK if terminal.ended == signal.SIGINT else 128 + terminal.ended
            if _QUIT & set(keys):
                return EXIT_OK
            for key in keys:
                watched.scroll(_ROWS.get(key, 0))


def _look(read: Read, watched: WatchScreen) -> None:
    try:
        watched.seen = read()
        watched.problem = ""
    except RedisError as error:
        watched.problem = error.message


@contextlib.contextmanager
def _taken(screen: Console) -> Iterator[_Terminal]:
    """The terminal, given back at the end as it was."""
    terminal = _Terminal(screen)
    with terminal.signals():
        try:
            terminal.take()
            yield terminal
        finally:
            terminal.give_back()


class _Terminal:
    """Its other screen, its cursor, its keys, and the signals."""

    def __init__(self, screen: Console) -> None:
        self.ended = 0
        """The signal that is to end it."""
        self._live = Live(console=screen, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._modes: list[Any] | None = None
        self._suspend = False
        self._wake, self._wake_write = os.pipe()

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Note signals, and wake the `select` for them. What is ignored (by nohup) stays ignored."""
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_write, False)
        old_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        old = {number: signal.signal(number, self._note) for number in _NOTED if _heeded(number)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_wakeup)
            os.close(self._wake)
            os.close(self._wake_write)

    def take(self) -> None:
        """Take it over: keys come one by one and are not echoed, the cursor is hidden, the screen is another."""
        if self._keys is not None:
            self._modes = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        self._live.start()

    def give_back(self) -> None:
        """Put everything back. A terminal that is gone does not mind."""
        with contextlib.suppress(OSError):
            self._live.stop()
        if self._keys is not None and self._modes is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._modes)

    def draw(self, watched: WatchScreen) -> None:
        """Draw; where Ctrl-Z was pressed, only after it goes on in the foreground."""
        if self._suspend:
            self._suspend = False
            self.give_back()
            handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, handler)
            self.take()
        self._live.update(watched, refresh=True)

    def wait(self, until: float) -> list[str]:
        """Wait for keys (which are returned), a signal or that moment."""
        fds = [self._wake] if self._keys is None else [self._wake, self._keys]
        ready = select.select(fds, [], [], max(0.0, until - time.monotonic()))[0]
        if self._wake in ready:
            os.read(self._wake, 4096)
        if self._keys is None or self._keys not in ready:
            return []
        try:
            pressed = os.read(self._keys, 1024)
        except OSError:
            pressed = b""
        if not pressed:  # the terminal is gone
            self.ended = self.ended or signal.SIGHUP
        return _KEY.findall(pressed.decode(errors="replace"))

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGTSTP:
            self._suspend = True
        elif number != signal.SIGWINCH:
            self.ended = number


def _heeded(number: signal.Signals) -> bool:
    return signal.getsignal(number) is not signal.SIG_IGN
