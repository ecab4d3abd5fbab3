"""The guard: forks workers, reads their reports and ends them in time. It knows no counters, Redis or databases.

A worker is a child process for everything that may hang. It is forked before the guard opens any file, so that both
start in parallel and the child inherits nothing of the guard's. Two pipes connect them: on one the worker sends
reports, a line each; on the other the guard sends one line to start the worker, and closes it to stop the worker. So
whatever happens to the guard, the worker sees the end of that pipe (and on Linux is killed too, `prctl(2)`
PR_SET_PDEATHSIG), and whatever happens to the worker, the guard sees the end of its reports.

The guard is one thread with one `select` for reports, signals, deadlines and the ticks of jobs (such as renewals of a
lease), so that none of them blocks another. Where a program has started the guard, the pipe from it is selected too,
and its end ends the run.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import FrameType
from typing import NoReturn, Protocol, Self

GRACE = 0.75
"""Seconds that a worker has to cancel its query and exit before it is killed."""

CANCEL = 0.6
"""Seconds of the grace in which the worker may cancel its query; then it exits anyhow."""

REFRESH = 0.2
"""Seconds between two refreshes of the display, and the longest wait of the guard."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending(StrEnum):
    """Why the guard stopped watching a job."""

    DONE = "done"
    TIMEOUT = "timeout"
    SIGNAL = "signal"
    LOST = "lost"


class SupervisedJob(Protocol):
    """A job that the guard watches, the counterpart of one worker. Times are those of `time.monotonic()`."""

    @property
    def deadline(self) -> float:
        """When the job must have ended."""
        ...

    def done(self) -> bool:
        """Whether all reports of the worker have come and were handled."""
        ...

    def receive(self, line: bytes) -> None:
        """Handle one line of the worker."""
        ...

    def closed(self, status: int) -> None:
        """Handle the exit of the worker; the status is negative where a signal killed it."""
        ...

    def tick(self) -> float | None:
        """Do what is due; called at the time that the last call returned, and after reports.

        Returns when it is next due, or `None` where the job has lost what it must hold.
        """
        ...

    def end(self, ending: Ending) -> None:
        """Handle the end of the job; called exactly once. The worker may not have exited yet."""
        ...


class Channel:
    """The worker's ends of the pipes."""

    def __init__(self, reports: int, control: int) -> None:
        self._reports = reports
        self._control = control
        self._commands: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._cancel: Callable[[], None] | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def receive(self) -> bytes:
        """Wait for the line with which the guard starts the work."""
        return self._commands.get()

    def send(self, line: bytes) -> None:
        """Send one line, without its newline. Raises `BrokenPipeError` where the guard is gone."""
        data = memoryview(line + b"\n")
        while data:
            data = data[os.write(self._reports, data) :]

    def on_stop(self, cancel: Callable[[], None]) -> None:
        """Set the function to call, in another thread, when the guard stops the work; after it the process exits."""
        self._cancel = cancel

    def _watch(self) -> None:
        buffer = b""
        while chunk := os.read(self._control, 65536):
            buffer += chunk
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                self._commands.put(line)
        # The process exits even where cancelling hangs, because the server does not answer.
        exit_anyhow = threading.Timer(CANCEL, os._exit, (0,))
        exit_anyhow.daemon = True
        exit_anyhow.start()
        try:
            if self._cancel:
                self._cancel()
        finally:
            os._exit(0)


class Worker:
    """A forked child, and the guard's ends of its pipes."""

    def __init__(self, name: str, target: Callable[[Channel], None]) -> None:
        self.name = name
        self.status: int | None = None
        self.kill_at: float | None = None
        self._buffer = b""
        self.reports, child_reports = os.pipe()
        child_control, self._control = os.pipe()
        os.set_blocking(self.reports, False)
        guard = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            _child(guard, child_reports, child_control, target)
        os.close(child_reports)
        os.close(child_control)

    def start(self, command: bytes) -> None:
        """Send the worker the line that starts it. If it is dead, the end of its reports will tell."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._control, command + b"\n")

    def read(self) -> list[bytes] | None:
        """The complete lines that have come; `None` at the end of the reports."""
        try:
            chunk = os.read(self.reports, 1 << 20)
        except BlockingIOError:
            return []
        if not chunk:
            return None
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return lines

    def stop(self) -> None:
        """Ask the worker to cancel its query and exit; `reap` kills it when the grace is over."""
        if self.kill_at is None:
            os.close(self._control)
            self.kill_at = time.monotonic() + GRACE

    def reap(self) -> int | None:
        """The exit status, once the worker is gone. A worker whose grace is over is killed."""
        if self.status is None:
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                os.kill(self.pid, signal.SIGKILL)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status


class Guard:
    """The workers of a run. As a context manager it returns only when no worker is alive."""

    def __init__(self, targets: Mapping[str, Callable[[Channel], None]], program: int | None = None) -> None:
        """Fork a worker for each target, which waits for its `start`. Only in the main thread, where signals arrive.

        `program` is a pipe from the program that has started the run; its end counts as SIGTERM.
        """
        self.signal = 0
        self._wake, self._wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_write, False)
        self._old_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # A signal that is ignored (by nohup, or by a shell for a job in the background) stays ignored.
        self._old_handlers = {
            number: signal.signal(number, self._handle_signal)
            for number in (*_SIGNALS, signal.SIGCHLD)
            if number == signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN
        }
        self.workers = {name: Worker(name, target) for name, target in targets.items()}
        self._exiting: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        if program is not None:
            self._selector.register(program, selectors.EVENT_READ)
        for worker in self.workers.values():
            self._selector.register(worker.reports, selectors.EVENT_READ, worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.stop()
        while self._alive():
            self._pause(self._next_kill())
        self._selector.close()
        for worker in self.workers.values():
            os.close(worker.reports)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._wake)
        os.close(self._wake_write)

    def sleep(self, seconds: float) -> bool:
        """Wait; returns `False`, and early, where a signal ends the run."""
        until = time.monotonic() + seconds
        while not self.signal and time.monotonic() < until:
            self._pause(until)
        return not self.signal

    def watch(self, jobs: Mapping[str, SupervisedJob], refresh: Callable[[], None]) -> None:
        """Watch the jobs, each named as its worker, until all have ended.

        `refresh` is called about five times a second, to show the progress.
        """
        active = dict(jobs)
        ticks = dict.fromkeys(active, 0.0)
        next_refresh = 0.0
        while True:
            for name in list(active):
                if ending := self._ending(name, active[name], ticks):
                    self.workers[name].stop()
                    active.pop(name).end(ending)
            if time.monotonic() >= next_refresh:
                refresh()
                next_refresh = time.monotonic() + REFRESH
            if not active:
                return
            until = min(next_refresh, self._next_kill(), *(min(ticks[name], active[name].deadline) for name in active))
            ticks.update(dict.fromkeys(self._serve(active, until), 0.0))

    def _serve(self, active: Mapping[str, SupervisedJob], until: float) -> list[str]:
        """Wait, and pass on reports and then exits, so that no report is lost.

        Returns the names of the jobs with reports: their next tick is due at once.
        """
        reported = [(worker.name, lines) for worker, lines in self._pause(until) if worker.name in active]
        for name, lines in reported:
            for line in lines:
                active[name].receive(line)
        for worker in list(self._exiting):
            status = worker.reap()
            if status is not None:
                self._exiting.remove(worker)
                if worker.name in active:
                    active[worker.name].closed(status)
        return [name for name, _ in reported]

    def _ending(self, name: str, job: SupervisedJob, ticks: dict[str, float]) -> Ending | None:
        """How the job has ended, or `None`; calls its tick where that is due."""
        if job.done():
            return Ending.DONE
        if self.signal:
            return Ending.SIGNAL
        if time.monotonic() >= job.deadline:
            return Ending.TIMEOUT
        if time.monotonic() >= ticks[name]:
            next_tick = job.tick()
            if next_tick is None:
                return Ending.LOST
            ticks[name] = next_tick
        return Ending.DONE if job.done() else None

    def _pause(self, until: float) -> list[tuple[Worker, list[bytes]]]:
        """Wait for reports or a signal, at most `REFRESH` and no longer than `until`; returns the reports."""
        reports = []
        for key, _ in self._selector.select(min(max(0.0, until - time.monotonic()), REFRESH)):
            if key.data is None:
                if not os.read(key.fd, 4096):  # the program has exited or cancelled the run
                    self._selector.unregister(key.fd)
                    self.signal = signal.SIGTERM
                continue
            lines = key.data.read()
            if lines is None:
                self._selector.unregister(key.data.reports)
                self._exiting.append(key.data)
                key.data.stop()
            else:
                reports.append((key.data, lines))
        return reports

    def _alive(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.reap() is None]

    def _next_kill(self) -> float:
        return min((w.kill_at for w in self._alive() if w.kill_at is not None), default=float("inf"))

    def _handle_signal(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.signal = number


def _child(guard: int, reports: int, control: int, target: Callable[[Channel], None]) -> NoReturn:
    """Run in the forked process: close everything of the guard's, do the work, and exit."""
    try:
        _die_with(guard)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # Ctrl-C and a hangup reach the whole process group; it is the guard that stops the workers.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        # An inherited control pipe of another worker would keep that one from noticing that the guard is gone.
        low, high = sorted((reports, control))
        os.closerange(3, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
        target(Channel(reports, control))
        os._exit(0)
    finally:
        os._exit(1)


def _die_with(guard: int) -> None:
    """Have Linux kill this process when the guard dies, even while C code blocks the interpreter."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only a worker needs it

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != guard:
            os._exit(1)
