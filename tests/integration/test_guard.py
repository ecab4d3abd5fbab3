"""The guard and real worker processes: heard, stopped, killed, outlived by none."""

import ctypes
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from countercache.run.supervisor import GRACE, Channel, Ending, Guard


class Scripted:
    """Takes note of all that the guard tells it."""

    def __init__(self, seconds: float = 30.0, ticks: list[float | None] | None = None) -> None:
        self.deadline = time.monotonic() + seconds
        self.lines: list[bytes] = []
        self.status: int | None = None
        self.endings: list[Ending] = []
        self.ticks = ticks or []
        self.finished = False

    def done(self) -> bool:
        return self.finished

    def receive(self, line: bytes) -> None:
        self.lines.append(line)
        self.finished |= line == b"end"

    def closed(self, status: int) -> None:
        self.status = status
        self.finished = True

    def tick(self) -> float | None:
        return self.ticks.pop(0) if self.ticks else math.inf

    def end(self, ending: Ending) -> None:
        self.endings.append(ending)


def watch(
    job: Scripted, target: Callable[[Channel], None], refresh: Callable[[], None] = lambda: None
) -> tuple[float, int | None]:
    """Run one worker under the guard; how long it took, and the worker's exit status."""
    before = time.monotonic()
    with Guard({"job": target}) as guard:
        guard.workers["job"].start(b"start")
        guard.watch({"job": job}, refresh)
    assert not psutil.pid_exists(guard.workers["job"].pid)
    return time.monotonic() - before, guard.workers["job"].status


def say_and_hang(channel: Channel) -> None:
    """Hang where the interpreter runs."""
    channel.send(b"got " + channel.receive())
    time.sleep(60)


def test_everything_said_is_heard_before_the_end() -> None:
    """Megabytes of reports just before the exit all arrive, in order, although the process is long gone."""

    def target(channel: Channel) -> None:
        channel.receive()
        for number in range(5000):
            channel.send(b"%06d" % number * 100)
        channel.send(b"end")

    job = Scripted()
    watch(job, target)
    assert [line[:6] for line in job.lines] == [*(b"%06d" % number for number in range(5000)), b"end"]
    assert job.endings == [Ending.DONE]


def test_a_worker_that_dies_is_noticed_with_its_status() -> None:
    """What it said before counts, and how it died is told."""

    def target(channel: Channel) -> None:
        channel.send(channel.receive())
        os.kill(os.getpid(), signal.SIGKILL)

    job = Scripted()
    watch(job, target)
    assert (job.lines, job.status, job.endings) == ([b"start"], -signal.SIGKILL, [Ending.DONE])


def hold_the_interpreter(channel: Channel) -> None:
    """Hang in C with the interpreter's lock held: no other thread of the worker runs."""
    channel.send(channel.receive())
    ctypes.PyDLL(None).sleep(60)  # PyDLL keeps the lock, CDLL gives it away


def sleep_in_c(channel: Channel) -> None:
    """Hang in C with the lock given away."""
    channel.send(channel.receive())
    ctypes.CDLL(None).sleep(60)


def stop_itself(channel: Channel) -> None:
    """Be stopped, as by SIGSTOP from outside."""
    channel.send(channel.receive())
    os.kill(os.getpid(), signal.SIGSTOP)


@pytest.mark.parametrize("target", [say_and_hang, hold_the_interpreter, sleep_in_c, stop_itself])
def test_no_worker_outlives_deadline_and_grace(target: Callable[[Channel], None]) -> None:
    """Hanging in Python or in C, with or without the interpreter's lock, or stopped: it is gone in time."""
    job = Scripted(seconds=0.4)
    took, _ = watch(job, target)
    assert job.endings == [Ending.TIMEOUT]
    assert 0.4 <= took < 0.4 + GRACE + 0.5


def test_a_worker_that_is_asked_to_stop_cancels_first(tmp_path: Path) -> None:
    """The callback runs in the worker, in another thread than the one that hangs, and the exit does not wait for it."""
    mark = tmp_path / "cancelled"

    def target(channel: Channel) -> None:
        def cancel() -> None:
            mark.write_text(str(threading.current_thread() is not threading.main_thread()))
            time.sleep(60)

        channel.on_stop(cancel)
        say_and_hang(channel)

    took, status = watch(Scripted(seconds=0.3), target)
    assert mark.read_text() == "True"
    assert status == 0
    assert took < 0.3 + GRACE + 0.5


def test_a_ward_that_loses_what_it_holds_ends_at_once() -> None:
    """`None` from a tick ends the watch as lost; before it, ticks came when they were asked for."""
    start = time.monotonic()
    job = Scripted(ticks=[start + 0.1, start + 0.2, None])
    took, _ = watch(job, say_and_hang)
    assert job.endings == [Ending.LOST]
    assert took < 0.2 + GRACE + 0.5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_watch_and_the_old_handlers_come_back(number: signal.Signals) -> None:
    """The run ends by the signal; afterwards the process has its own handlers again."""
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)]
    job = Scripted()
    sent: list[bool] = []

    def refresh() -> None:
        if job.lines and not sent:
            sent.append(True)
            os.kill(os.getpid(), number)

    took, _ = watch(job, say_and_hang, refresh)
    assert job.endings == [Ending.SIGNAL]
    assert took < 5
    assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)]


def test_one_job_does_not_wait_for_another() -> None:
    """Three side by side, of which one hangs: the others end, and only the hanging one times out."""

    def quick(channel: Channel) -> None:
        channel.send(channel.receive())
        channel.send(b"end")

    jobs = {"a": Scripted(), "b": Scripted(seconds=0.5), "c": Scripted()}
    with Guard({"a": quick, "b": say_and_hang, "c": quick}) as guard:
        for worker in guard.workers.values():
            worker.start(b"start")
        guard.watch(jobs, lambda: None)
    assert [job.endings for job in jobs.values()] == [[Ending.DONE], [Ending.TIMEOUT], [Ending.DONE]]


_GUARD_OF_TWO = """
import sys, time
from countercache.run.supervisor import Guard
from tests.integration.test_guard import Scripted, hold_the_interpreter, say_and_hang
with Guard({"one": say_and_hang, "two": hold_the_interpreter}) as guard:
    for worker in guard.workers.values():
        worker.start(b"start")
    jobs = {"one": Scripted(), "two": Scripted()}
    def refresh():
        if all(job.lines for job in jobs.values()):
            print(*(worker.pid for worker in guard.workers.values()), flush=True)
    guard.watch(jobs, refresh)
"""


def test_when_the_guard_is_killed_its_workers_die_within_a_second() -> None:
    """SIGKILL of the guard: both workers are gone at once, also one that never lets the interpreter run."""
    with subprocess.Popen([sys.executable, "-c", _GUARD_OF_TWO], stdout=subprocess.PIPE) as guard:
        assert guard.stdout
        pids = [int(pid) for pid in guard.stdout.readline().split()]
        assert len(pids) == 2
        guard.kill()
        deadline = time.monotonic() + 1.0
        while any(_runs(pid) for pid in pids):
            assert time.monotonic() < deadline, pids
            time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
