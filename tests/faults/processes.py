"""The processes of the fault tests: a command that runs, how it ended, and what can be seen of a process."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.zygote import Ended


class Result(NamedTuple):
    """How a command ended. `at` is when, by `time.monotonic()`; `seconds` is since its start."""

    code: int
    at: float
    seconds: float
    out: str
    err: str


class Run:
    """A command that runs, as a process of its own in a session of its own."""

    def __init__(self, pid: int, ended: Future[Ended], started: float, out: Path, err: Path) -> None:
        self.pid = pid
        self.started = started
        self._ended = ended
        self._out = out
        self._err = err

    def wait(self, seconds: float = 20.0) -> Result:
        """How it ended. Fails when it has not within so many seconds."""
        try:
            ended = self._ended.result(seconds)
        except TimeoutError:
            raise AssertionError(f"the command {self.pid} has not ended within {seconds:g} s") from None
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in (self._out, self._err))
        return Result(ended.code, ended.at, ended.at - self.started, out, err)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.done()

    def said(self, text: str) -> bool:
        """Whether the text is in its output by now."""
        return self._out.exists() and text in self._out.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Send the guard a signal; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def processes(self) -> list[int]:
        """The pids of the guard and its workers that are there now, dead ones that wait to be reaped left out."""
        return sorted(_session(self.pid))

    def workers(self) -> list[int]:
        """The pids of its workers."""
        return [pid for pid in self.processes() if pid != self.pid]


def until(what: Callable[[], Any], *, seconds: float = 10.0, every: float = 0.02, why: str = "") -> Any:
    """Wait for something to be true, and return it. Fails after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {why or what.__name__}")
        time.sleep(every)


def stopped(pid: int) -> bool:
    """Whether a process is stopped by SIGSTOP."""
    return _stat(pid)[0] == "T"


def _session(leader: int) -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            state, session = _stat(int(entry.name))
            if session == leader and state not in "ZX":
                yield int(entry.name)


def _stat(pid: int) -> tuple[str, int]:
    """The state and the session of a process; ("X", 0) of one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[3])
