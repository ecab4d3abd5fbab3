"""What a worker and its guard say to each other: one JSON document a line, over pipes.

The worker sends `Progressed`, `Finished` and at the end `Ended`; the guard sends one `StartCommand` and
closes its end to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from countercache.model.results import Check, Finding, PlanStep
from countercache.model.states import CellId, Computed, Failure, Progress


class Progressed(msgspec.Struct, frozen=True, tag="progress"):
    """After each batch and at each new phase."""

    progress: Progress


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """One counter has ended: all its cells (each with a value or a failure), or the failure of the whole counter."""

    counter: str
    cells: tuple[Computed, ...] = ()
    failure: Failure | None = None


class Planned(msgspec.Struct, frozen=True, tag="planned"):
    """A dry run's answer: the cells and queries of this database."""

    cells: tuple[CellId, ...]
    steps: tuple[PlanStep, ...]
    failures: tuple[tuple[str, Failure], ...] = ()


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """The answer to `config check`: what was looked at in this database."""

    checks: tuple[Check, ...]


class Diagnosed(msgspec.Struct, frozen=True, tag="diagnosed"):
    """The answer to `doctor`: what was found in this database."""

    findings: tuple[Finding, ...]


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The worker has done all it can. `failure`: what stopped the whole job (the database cannot be reached, …)."""

    failure: Failure | None = None


Report = Progressed | Finished | Planned | Checked | Diagnosed | Ended


class Reporter(Protocol):
    """Who hears what a worker finds out."""

    def send(self, report: Report) -> None:
        """Tell."""
        ...


class Channel(Reporter, Protocol):
    """The worker's end of the line to its guard."""

    def receive(self) -> StartCommand:
        """Wait for the guard's word to start."""
        ...

    def on_stop(self, cancel: Callable[[], None]) -> None:
        """What to call, in another thread, when the guard wants the work to stop; the process exits after it."""
        ...


class StartCommand(msgspec.Struct, frozen=True):
    """The guard's word to start: what to do, for which counters, until when (`time.monotonic()` of this machine)."""

    task: str
    counters: tuple[str, ...]
    deadline: float
    batch_size: int | str = "auto"


COMPUTE, PLAN, CHECK, DOCTOR = "compute", "plan", "check", "doctor"
encode = msgspec.json.Encoder().encode
decode_report = msgspec.json.Decoder(Report).decode
decode_start = msgspec.json.Decoder(StartCommand).decode
