"""The guard: forks workers, hears them, and ends them in time. Knows nothing of counters, Redis or databases.

A worker is a child process that does what may hang. It is forked before the guard opens anything, so that both start
up side by side and the child holds nothing of the guard's. Two pipes join them: the worker reports one line at a time;
the guard says one line to start and closes its end to stop. So whatever becomes of the guard, the worker sees the end
of the pipe (and on Linux is killed with it, `prctl(2)` PR_SET_PDEATHSIG), and whatever becomes of the worker, the guard
sees the end of the reports.

The guard is one thread with one `select`: reports, signals, what jobs have due (renewals of a lease) and deadlines all
pass there, so none of them can wait for another. Where a program has started the guard, the pipe from it is there too:
its end ends the run.
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
"""Seconds that a worker has to cancel its query and go, before it is killed."""

CANCEL = 0.6
"""Seconds of the grace that the cancelling may take; then the worker goes without."""

REFRESH = 0.2
"""Seconds between two refreshes of what is shown, and the longest that the guard ever waits for anything."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending(StrEnum):
    """Why the watch over a job is over."""

    DONE = "done"
    TIMEOUT = "timeout"
    SIGNAL = "signal"
    LOST = "lost"


class SupervisedJob(Protocol):
    """What the guard watches over: a worker's counterpart, one a job. Moments are those of `time.monotonic()`."""

    @property
    def deadline(self) -> float:
        """When the job must have ended."""
        ...

    def done(self) -> bool:
        """Whether all that the worker had to say has come and has been dealt with."""
        ...

    def receive(self, line: bytes) -> None:
        """Take one line of the worker's."""
        ...

    def closed(self, status: int) -> None:
        """Take note that the worker is gone: its exit status, negative where a signal killed it."""
        ...

    def tick(self) -> float | None:
        """Do what is due: at the moment that was last returned, and after reports.

        Returns when it is next due, or `None` when what the job must hold is lost.
        """
        ...

    def end(self, ending: Ending) -> None:
        """Take note that the watch is over; called exactly once. The worker may still be on its way out."""
        ...


class Channel:
    """The worker's ends of the pipes."""

    def __init__(self, reports: int, control: int) -> None:
        self._reports = reports
        self._control = control
        self._orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._cancel: Callable[[], None] | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def receive(self) -> bytes:
        """Wait for the guard's word to start."""
        return self._orders.get()

    def send(self, line: bytes) -> None:
        """Report one line (without its end). Raises `BrokenPipeError` when the guard is gone."""
        data = memoryview(line + b"\n")
        while data:
            data = data[os.write(self._reports, data) :]

    def on_stop(self, cancel: Callable[[], None]) -> None:
        """What to call, in another thread, when the guard wants the work to stop; the process exits after it."""
        self._cancel = cancel

    def _watch(self) -> None:
        buffer = b""
        while chunk := os.read(self._control, 65536):
            buffer += chunk
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                self._orders.put(line)
        # The exit does not depend on the cancelling: a server that does not answer must not keep the process.
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

    def start(self, order: bytes) -> None:
        """Tell the worker to start. If it is dead, the end of its reports tells so."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._control, order + b"\n")

    def read(self) -> list[bytes] | None:
        """The whole lines that have come; `None` at the end of the reports."""
        try:
            chunk = os.read(self.reports, 1 << 20)
        except BlockingIOError:
            return []
        if not chunk:
            return None
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return lines

    def stop(self) -> None:
        """Ask the worker to cancel its query and go; `reap` kills it when the grace is over."""
        if self.kill_at is None:
            os.close(self._control)
            self.kill_at = time.monotonic() + GRACE

    def reap(self) -> int | None:
        """The exit status once the worker is gone. Kills one whose grace is over, be it stopped or stuck in C."""
        if self.status is None:
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                os.kill(self.pid, signal.SIGKILL)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status


class Guard:
    """The workers of a run, from their fork to their end. A context manager: when it is left, no worker is alive."""

    def __init__(self, targets: Mapping[str, Callable[[Channel], None]], program: int | None = None) -> None:
        """Fork one worker a target; each waits for its `start`. Only in the main thread: signals arrive there.

        `program` is a pipe from the program that wants the run; its end counts as SIGTERM.
        """
        self.signal = 0
        self._wake, self._wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_write, False)
        self._old_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # A signal that is ignored (by nohup, or by a shell for a job in the background) stays ignored.
        self._old_handlers = {
            number: signal.signal(number, self._note)
            for number in (*_SIGNALS, signal.SIGCHLD)
            if number == signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN
        }
        self.workers = {name: Worker(name, target) for name, target in targets.items()}
        self._heard_out: list[Worker] = []
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
        """Wait. `False`, and early, when a signal came that ends the run."""
        until = time.monotonic() + seconds
        while not self.signal and time.monotonic() < until:
            self._pause(until)
        return not self.signal

    def watch(self, jobs: Mapping[str, SupervisedJob], refresh: Callable[[], None]) -> None:
        """Watch over the jobs, each named as its worker, until each has ended.

        `refresh` is called about five times a second, for whoever shows the progress.
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
        """Wait, hand on what was reported, and then which workers are gone: nothing that one has said is lost.

        Returns the names of those that reported: each is due a tick at once, to deal with all that came at once.
        """
        heard = [(worker.name, lines) for worker, lines in self._pause(until) if worker.name in active]
        for name, lines in heard:
            for line in lines:
                active[name].receive(line)
        for worker in list(self._heard_out):
            status = worker.reap()
            if status is not None:
                self._heard_out.remove(worker)
                if worker.name in active:
                    active[worker.name].closed(status)
        return [name for name, _ in heard]

    def _ending(self, name: str, job: SupervisedJob, ticks: dict[str, float]) -> Ending | None:
        """Whether, and how, the watch over the job is over now; gives it its tick when that is due."""
        if job.done():
            return Ending.DONE
        if self.signal:
            return Ending.SIGNAL
        if time.monotonic() >= job.deadline:
            return Ending.TIMEOUT
        if time.monotonic() >= ticks[name]:
            moment = job.tick()
            if moment is None:
                return Ending.LOST
            ticks[name] = moment
        return Ending.DONE if job.done() else None

    def _pause(self, until: float) -> list[tuple[Worker, list[bytes]]]:
        """Wait for reports or a signal, at most `REFRESH` or until that moment; return what the workers reported."""
        heard = []
        for key, _ in self._selector.select(min(max(0.0, until - time.monotonic()), REFRESH)):
            if key.data is None:
                if not os.read(key.fd, 4096):  # the program has gone, or does not want the run any more
                    self._selector.unregister(key.fd)
                    self.signal = signal.SIGTERM
                continue
            lines = key.data.read()
            if lines is None:
                self._selector.unregister(key.data.reports)
                self._heard_out.append(key.data)
                key.data.stop()
            else:
                heard.append((key.data, lines))
        return heard

    def _alive(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.reap() is None]

    def _next_kill(self) -> float:
        return min((w.kill_at for w in self._alive() if w.kill_at is not None), default=float("inf"))

    def _note(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.signal = number


def _child(guard: int, reports: int, control: int, target: Callable[[Channel], None]) -> NoReturn:
    """The forked process: let go of all that is the guard's, do the work, and never return."""
    try:
        _die_with(guard)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # Ctrl-C and a lost terminal reach the whole process group; what they mean is for the guard to say.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        # Another worker's control pipe held open here would hide from it that the guard is gone.
        low, high = sorted((reports, control))
        os.closerange(3, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
        target(Channel(reports, control))
        os._exit(0)
    finally:
        os._exit(1)


def _die_with(guard: int) -> None:
    """Ask Linux to kill this process when the guard dies: even code that never lets the interpreter run ends then."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only a worker needs it

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != guard:
            os._exit(1)
