"""How a thing is measured: contenders by turns, medians, and memory as the kernel counts it."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

EVERY = 0.005
"""Seconds between two looks at the memory."""


class Sample(msgspec.Struct, frozen=True):
    """One run of a contender: seconds on the clock; of these the server's (`None`: there is none), and a job's.

    The job's are as countercache tells them: from taking the lock to letting it go, without the start of the program.
    """

    wall: float
    database: float | None = None
    job: float | None = None


class Timing(msgspec.Struct, frozen=True):
    """All runs of a contender; `note` says what else is to be known of it."""

    name: str
    samples: tuple[Sample, ...]
    note: str = ""

    @property
    def wall(self) -> float:
        """The median on the clock."""
        return statistics.median(sample.wall for sample in self.samples)

    @property
    def database(self) -> float | None:
        """The median of the server's time."""
        return _median(sample.database for sample in self.samples)

    @property
    def job(self) -> float | None:
        """The median of the job's time."""
        return _median(sample.job for sample in self.samples)


def _median(found: Iterable[float | None]) -> float | None:
    values = [value for value in found if value is not None]
    return statistics.median(values) if values else None


class Contender(msgspec.Struct, frozen=True):
    """Something to be timed, so many times."""

    name: str
    run: Callable[[], Sample]
    rounds: int
    note: str = ""


def by_turns(contenders: Sequence[Contender], say: Callable[[str], None]) -> dict[str, Timing]:
    """Run them round by round, every other round in the opposite order, so that a drift of the machine hits all alike.

    In a round each runs once; those with fewer rounds than others sit the last ones out.
    """
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for turn in range(max(contender.rounds for contender in contenders)):
        playing = [contender for contender in contenders if turn < contender.rounds]
        for contender in playing if turn % 2 == 0 else reversed(playing):
            samples[contender.name].append(contender.run())
            say(f"  round {turn + 1}  {contender.name:<44} {samples[contender.name][-1].wall:9.3f} s")
    return {each.name: Timing(each.name, tuple(samples[each.name]), each.note) for each in contenders}


def on_clock(sample: Sample) -> float:
    """The seconds on the clock."""
    return sample.wall


def of_server(sample: Sample) -> float:
    """The server's seconds; on the clock where there is no server."""
    return sample.wall if sample.database is None else sample.database


def of_job(sample: Sample) -> float:
    """The job's seconds; on the clock for what is no job."""
    return sample.wall if sample.job is None else sample.job


def ratio(one: Timing, other: Timing, of: Callable[[Sample], float] = on_clock) -> float:
    """The median of the ratios, each of two runs of the same round."""
    return statistics.median(of(mine) / of(its) for mine, its in zip(one.samples, other.samples, strict=False))


class CommandFailedError(Exception):
    """A command that was to be measured did not end well."""


def run(command: Sequence[str | Path], environment: Mapping[str, str]) -> tuple[float, str]:
    """Run a command to its end: seconds, and what it printed. Raises `CommandFailedError` when it fails."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise CommandFailedError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
    return took, done.stdout


def peak_memory(command: Sequence[str | Path], environment: Mapping[str, str]) -> int:
    """Run a command; the most memory in bytes that it and its children had at one time, as `memory` counts it."""
    peak = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        family = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                peak = max(peak, sum(memory(each) for each in (family, *family.children(recursive=True))))
            time.sleep(EVERY)
        if process.returncode:
            said = process.stderr.read().decode() if process.stderr else ""
            raise CommandFailedError(f"{' '.join(map(str, command))}: exit {process.returncode}\n{said}")
    return peak


def memory(process: psutil.Process) -> int:
    """A process's memory in bytes; 0 when it is gone.

    On Linux its proportional share (PSS): a page that guard and worker share counts once for both together. Elsewhere
    what is resident (RSS), which counts it twice.
    """
    if sys.platform != "linux":
        with contextlib.suppress(psutil.Error):
            return int(process.memory_info().rss)
        return 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
