"""The results of commands: frozen values that `render` shows."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

import msgspec

from countercache.errors import EXIT_FAILED, EXIT_OK, EXIT_PARTIAL
from countercache.model.program import PROGRAM
from countercache.model.states import Cell, CellId, Event, Failure, Lock, Progress, State, Verdict
from countercache.settings import EMBEDDED


class CellView(msgspec.Struct, frozen=True):
    """A cell with its name and its state at one moment; `cell` is `None` while nothing is stored.

    `retry_in` is how many seconds the circuit breaker still skips its counter. `by_period`: its coverage counts an
    entity once in each period. `redefined`: the configuration has changed since its value was computed.
    """

    id: CellId
    name: str
    state: State
    failure: Failure | None
    cell: Cell | None
    age: float | None
    retry_in: float | None = None
    by_period: bool = False
    redefined: bool = False


class RunView(msgspec.Struct, frozen=True):
    """A run in progress, of this process or another, as its lock tells; `verdict` is that on its process."""

    lock: str
    progress: Progress
    elapsed: float
    deadline_in: float
    verdict: Verdict = Verdict.LIVE

    @property
    def dead(self) -> bool:
        """Whether its process is gone, so that only its lock is left of it."""
        return self.verdict is Verdict.DEAD


class StatusResult(msgspec.Struct, frozen=True):
    """What `status` found: every configured cell and every run in progress."""

    exit_code: ClassVar[int] = EXIT_OK
    namespace: str
    cells: tuple[CellView, ...]
    runs: tuple[RunView, ...]


class LockView(msgspec.Struct, frozen=True):
    """A lock with the verdict on its holder. `kind` is `own`, or the name of the framework that made it."""

    lock: Lock
    kind: str
    verdict: Verdict
    why: str
    age: float


class ForeignLock(msgspec.Struct, frozen=True):
    """A lock of the web stack: a key of somebody else's, and the `framework` whose lock it is.

    `age` is in seconds since it was taken, where that can be told, `idle` since anybody used it, so that it is that old
    at least (`None`: hidden). `size` is the bytes of a text, or else the number of items; `preview` the first bytes of
    what is in it. `digest` is of the whole, where it was to be compared.
    """

    key: bytes
    framework: str
    type: str
    ttl: float | None
    age: float | None
    idle: float | None
    size: int
    preview: bytes
    why: str
    digest: str = ""

    @property
    def verdict(self) -> Verdict:
        """Nothing tells whether its holder lives; but one that ends by itself is less of a worry."""
        return Verdict.NO_TTL if self.ttl is None else Verdict.UNKNOWN


class LocksResult(msgspec.Struct, frozen=True):
    """What `locks list` found: our own locks, those of the web stack, and what could not be read."""

    exit_code: ClassVar[int] = EXIT_OK
    locks: tuple[LockView, ...]
    foreign: tuple[ForeignLock, ...] = ()
    notes: tuple[str, ...] = ()


class ClearedLock(msgspec.Struct, frozen=True):
    """What became of one lock that was to be cleared: `cleared`, or left and why."""

    lock: Lock
    verdict: Verdict
    cleared: bool
    why: str


class ClearedForeign(msgspec.Struct, frozen=True):
    """What became of a key of the web stack that was to be cleared: `cleared`, or left and why."""

    lock: ForeignLock
    cleared: bool
    why: str


class ClearResult(msgspec.Struct, frozen=True):
    """What `locks clear` did, or in a `dry_run` would do. A lock that was left alone makes it partial."""

    locks: tuple[ClearedLock, ...]
    unknown: tuple[str, ...] = ()
    foreign: tuple[ClearedForeign, ...] = ()
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """0, or 3 where a lock was left alone or a name was not found."""
        cleared = [*(lock.cleared for lock in self.locks), *(lock.cleared for lock in self.foreign)]
        return EXIT_PARTIAL if self.unknown or not all(cleared) else EXIT_OK


class Skip(msgspec.Struct, frozen=True):
    """Why a counter was not tried: so many failed attempts in a row, the last of them with `failure`. `until` is its
    next attempt, by the server's clock, `wait` the seconds until then.
    """

    failures: int
    until: float
    wait: float
    failure: Failure


class CounterOutcome(msgspec.Struct, frozen=True):
    """How one counter ended in a run: its cells as they are stored now (a failed one with its last good value), which
    of them got a value in this run, and why the others did not. `skipped`: it was not tried.
    """

    counter: str
    cells: tuple[CellView, ...]
    values: int = 0
    failures: tuple[Failure, ...] = ()
    skipped: Skip | None = None

    @property
    def outcome(self) -> str:
        """In one word: `computed`, `partial`, `failed` or `skipped`."""
        if self.skipped:
            return "skipped"
        if not self.failures:
            return "computed"
        return "partial" if self.values else "failed"


class JobOutcome(msgspec.Struct, frozen=True):
    """How the job of one database ended. `failure` is what stopped the whole job; `exit_code` its own."""

    database: str
    run: str
    counters: tuple[CounterOutcome, ...]
    duration: float
    failure: Failure | None = None
    exit_code: int = EXIT_OK


class WarmupResult(msgspec.Struct, frozen=True):
    """What `warmup` did: the outcome of the job of each database."""

    jobs: tuple[JobOutcome, ...]
    exit_code: int
    notes: tuple[str, ...] = ()


class Broken(msgspec.Struct, frozen=True):
    """A counter that `recover` found with so many cells that failed (`failure`: the first of them) or were never
    computed (`None`). `left`: why it is not computed again; empty where it is.
    """

    counter: str
    database: str
    cells: int
    failure: Failure | None
    left: str = ""


class RecoverResult(msgspec.Struct, frozen=True):
    """What `recover` found and did, or in a `dry_run` would do: the locks, cleared or left (not those of live runs that
    are in nobody's way), the counters, and their run (`None`: there was nothing to compute).
    """

    locks: tuple[ClearedLock, ...]
    broken: tuple[Broken, ...]
    warmup: WarmupResult | None
    dry_run: bool = False
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """That of the run, if it is not 0; else 3 where something was left alone. 0 of a dry run."""
        if self.dry_run:
            return EXIT_OK
        code = self.warmup.exit_code if self.warmup else EXIT_OK
        left = any(not lock.cleared for lock in self.locks) or any(counter.left for counter in self.broken)
        return EXIT_PARTIAL if left and code == EXIT_OK else code


class Pruned(msgspec.Struct, frozen=True):
    """A stored cell that is no longer configured: removed, with the plain `keys` that it published, or left and why."""

    cell: CellId
    removed: bool
    why: str = ""
    keys: tuple[str, ...] = ()


class PruneResult(msgspec.Struct, frozen=True):
    """What `prune` removed, or in a `dry_run` would: cells, and records of attempts at counters that are gone."""

    cells: tuple[Pruned, ...]
    attempts: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """0, or 3 where a cell was left alone."""
        return EXIT_OK if all(cell.removed for cell in self.cells) else EXIT_PARTIAL


class Accepted(msgspec.Struct, frozen=True):
    """A cell whose value was held back, and `why`; it is stored now (`accepted`), or `left` says why not."""

    cell: CellId
    accepted: bool
    why: str
    left: str = ""


class AcceptResult(msgspec.Struct, frozen=True):
    """What `accept` did with the values of a counter that were held back."""

    counter: str
    cells: tuple[Accepted, ...]

    @property
    def exit_code(self) -> int:
        """0, or 3 where a cell was left."""
        return EXIT_OK if all(cell.accepted for cell in self.cells) else EXIT_PARTIAL


class EventsResult(msgspec.Struct, frozen=True):
    """What `events` found, oldest first."""

    exit_code: ClassVar[int] = EXIT_OK
    events: tuple[Event, ...]


class Check(msgspec.Struct, frozen=True):
    """A check of `config check`. A `warning` is about something that works, but may surprise. `fields`: of a source."""

    subject: str
    ok: bool
    message: str
    warning: bool = False
    fields: tuple[str, ...] = ()
    hint: str = ""

    @property
    def text(self) -> str:
        """Message and hint as one line, as it is shown."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class CheckResult(msgspec.Struct, frozen=True):
    """What `config check` found."""

    checks: tuple[Check, ...]
    exit_code: int


class Health(StrEnum):
    """How `doctor` rates a finding. Only `wrong` makes it fail; `unknown` could not be examined."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class Finding(msgspec.Struct, frozen=True):
    """A finding of `doctor`: its area and subject, what was `seen`, and why that matters.

    `cure` is the command, or the words, that say what to do; empty where there is nothing to do.
    """

    area: str
    subject: str
    health: Health
    seen: str
    why: str = ""
    cure: str = ""


class DoctorResult(msgspec.Struct, frozen=True):
    """What `doctor` found."""

    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0, or 1 where anything is wrong."""
        return EXIT_FAILED if any(finding.health is Health.WRONG for finding in self.findings) else EXIT_OK


class PlanStep(msgspec.Struct, frozen=True):
    """One query of a dry run: which database, what for, and its SQL."""

    database: str
    purpose: str
    sql: str


class PlanResult(msgspec.Struct, frozen=True):
    """What `warmup --dry-run` shows: the cells that would be computed, and the queries."""

    cells: tuple[CellId, ...]
    steps: tuple[PlanStep, ...]
    failures: tuple[tuple[str, Failure], ...] = ()
    exit_code: int = EXIT_OK


class EmbeddedStatus(msgspec.Struct, frozen=True):
    """The bundled Valkey as it is now. `memory` is in bytes; what only a running one can tell is `None` otherwise."""

    exit_code: ClassVar[int] = EXIT_OK
    running: bool
    socket: str
    directory: str
    pid: int | None = None
    version: str | None = None
    memory: int | None = None
    keys: int | None = None


class EmbeddedStopped(msgspec.Struct, frozen=True):
    """What `embedded stop` did: stopped the process `pid`, or found none running (`None`)."""

    exit_code: ClassVar[int] = EXIT_OK
    directory: str
    pid: int | None


class DemoResult(msgspec.Struct, frozen=True):
    """What `demo` put where. `config_kept`: there was a configuration that somebody had edited, and it was left."""

    directory: str
    config: str
    database: str
    entities: int
    fields: int
    periods: int
    figures: int
    config_kept: bool = False


class DemoRun(msgspec.Struct, frozen=True):
    """What the command `demo` did: what it put where, its warmup, the states after it. `program`: how to call it.
    `redis`: the server's URL, or `embedded`.
    """

    made: DemoResult
    warmup: WarmupResult
    status: StatusResult
    program: str = PROGRAM
    redis: str = EMBEDDED

    @property
    def exit_code(self) -> int:
        """That of the warmup."""
        return self.warmup.exit_code


class ConfigResult(msgspec.Struct, frozen=True):
    """What `config show` prints: the settings as plain data without secrets, and the file they came from."""

    exit_code: ClassVar[int] = EXIT_OK
    path: str | None
    settings: dict[str, object]
