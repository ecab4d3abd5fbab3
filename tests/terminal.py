"""The installed command as people meet it: in a real pseudo-terminal of a given size, and in a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pexpect
import pyte

COMMAND = Path(sys.executable).with_name("countercache")
ROWS = 400
"""Lines of the screen that a test looks at: what scrolled off would be lost."""

_OURS = (
    *("COUNTERCACHE_", "_COUNTERCACHE_", "REDIS_URL", "DATABASE_URL", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"),
    "PYTHONUNBUFFERED",
)


def environment(**variables: str) -> dict[str, str]:
    """This environment without what the command would heed of it, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | variables


def run(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the command with its output in pipes, and nothing to read."""
    return subprocess.run(
        [str(COMMAND), *arguments],
        env=environment(**env or {}),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


class Terminal:
    """The command in a terminal, `width` columns wide. A context manager: at its end the command is no more."""

    def __init__(
        self,
        *arguments: str,
        width: int = 80,
        height: int = ROWS,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        program: str = str(COMMAND),
    ) -> None:
        self.raw = ""
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self._screen)
        self._child = pexpect.spawn(
            program,
            list(arguments),
            env=environment(**env or {}),
            cwd=str(cwd) if cwd else None,
            dimensions=(height, width),
            encoding="utf-8",
            timeout=None,
        )
        self.modes = self.modes_now
        """How the terminal took keys before the command did anything about it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close(force=True)

    @property
    def lines(self) -> list[str]:
        """What the screen shows, without the empty lines at its end."""
        shown = [line.rstrip() for line in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    @property
    def text(self) -> str:
        """What the screen shows, as one text."""
        return "\n".join(self.lines)

    @property
    def cursor_is_hidden(self) -> bool:
        """Whether the command has hidden the cursor and not shown it again."""
        return bool(self._screen.cursor.hidden)

    @property
    def pid(self) -> int:
        """The command's process."""
        return int(self._child.pid or 0)

    @property
    def modes_now(self) -> list[Any]:
        """How the terminal takes keys (`termios`)."""
        return termios.tcgetattr(self._child.child_fd)

    @property
    def is_on_the_other_screen(self) -> bool:
        """Whether the command has gone to the alternate screen and not come back."""
        return self.raw.rfind("\x1b[?1049h") > self.raw.rfind("\x1b[?1049l")

    def resize(self, width: int, height: int) -> None:
        """Give the window another size, as a person does with the mouse."""
        self._screen.resize(height, width)
        self._child.setwinsize(height, width)

    def wait_for(self, text: str, timeout: float = 20) -> None:
        """Read until the screen shows the text. Fails with the screen when it does not in time."""
        self.wait_until(lambda: text in self.text, f"no {text!r}", timeout)

    def wait_until(self, condition: Callable[[], bool], wrong: str, timeout: float = 20) -> None:
        """Read until it is so. Fails with the screen, and what is `wrong`, when it is not in time."""
        end = time.monotonic() + timeout
        while not condition():
            alive = self._read(end)
            assert condition() or (alive and time.monotonic() < end), f"{wrong} on the screen:\n{self.text}"

    def finish(self, timeout: float = 60) -> int:
        """Read to the end of the output; the exit code, 128 + the signal where one ended the command."""
        end = time.monotonic() + timeout
        while self._read(end):
            assert time.monotonic() < end, f"the command does not end:\n{self.text}"
        self._child.wait()
        if self._child.signalstatus is not None:
            return 128 + int(self._child.signalstatus)
        assert self._child.exitstatus is not None
        return int(self._child.exitstatus)

    def type(self, text: str) -> None:
        r"""Send key presses; `\x03` is Ctrl-C."""
        self._child.send(text)

    def signal(self, number: int) -> None:
        """Send the command a signal."""
        self._child.kill(number)

    def _read(self, end: float) -> bool:
        """Take what the command has written within a moment; whether there may be more."""
        try:
            written = self._child.read_nonblocking(65536, timeout=max(0.0, min(0.2, end - time.monotonic())))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += written
        self._stream.feed(written)
        return True
