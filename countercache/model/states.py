"""What a cell, a lock and a run are, and how a state is derived. Values only: no I/O, no clock of its own.

Times are seconds since the epoch as `float`, by the Redis server's clock; durations are seconds. Numbers that are shown
as totals are `Decimal`, never `float`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from countercache.settings import CounterSettings, Settings

MOST_DIGITS = 10_000
"""The most digits of a number that is stored or read; no total has more."""

LATEST = "latest"
ALL = "all"
EACH = "each"


class State(StrEnum):
    """The state of a cell at one moment. It is derived, never stored."""

    READY = "ready"
    STALE = "stale"
    CALCULATING = "calculating"
    ERROR = "error"
    PENDING = "pending"


class Reason(StrEnum):
    """Why an attempt has no value, in one word that scripts can match."""

    TIMEOUT = "timeout"
    ABANDONED = "abandoned"
    LOCK_LOST = "lock lost"
    LOCKED = "locked"
    REDIS = "redis"
    CLEARED = "cleared"
    CANCELLED = "cancelled"
    DATABASE = "database"
    UNREACHABLE = "unreachable"
    CONFIG = "config"
    NO_FIGURES = "no figures"
    MISSING = "missing figures"
    REJECTED = "rejected values"
    DIVISION_BY_ZERO = "division by zero"
    SQL = "sql"
    HELD = "held"
    WORKER = "worker died"
    TOO_LONG = "too long"

    @property
    def cure(self) -> str:
        """The command that may help: `recover` where the very same attempt may succeed the next time, `config check`
        where the configuration is wrong, `accept` with the counter's name where a value is held back; empty where only
        the figures or the counter can be put right.
        """
        return _CURES.get(self, "")


_CURES = {
    Reason.TIMEOUT: "recover",
    Reason.ABANDONED: "recover",
    Reason.LOCK_LOST: "recover",
    Reason.LOCKED: "recover",
    Reason.REDIS: "recover",
    Reason.CLEARED: "recover",
    Reason.CANCELLED: "recover",
    Reason.DATABASE: "recover",
    Reason.UNREACHABLE: "recover",
    Reason.WORKER: "recover",
    Reason.CONFIG: "config check",
    Reason.SQL: "config check",
    Reason.HELD: "accept",
}


class Failure(msgspec.Struct, frozen=True):
    """Why there is no (new) value: a reason for scripts and one line for people, with what to do about it as `hint`.

    One that was stored has no hint: it is in the message.
    """

    reason: Reason
    message: str
    hint: str = ""

    @property
    def text(self) -> str:
        """Message and hint as one line, as it is stored and shown."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class CellId(msgspec.Struct, frozen=True, order=True):
    """A counter in a group and a period. `period` is as configured: a label, `latest`, `all`; or `each` for a
    counter over each period of which no cell is known yet.
    """

    counter: str
    group: str
    period: str


class Coverage(msgspec.Struct, frozen=True):
    """How many entities (for the period `all`: entity-periods) stand behind a value / how many the group has."""

    reported: int
    entities: int


class Progress(msgspec.Struct, frozen=True):
    """The progress of a job: its phase in words, and how many entities of the total (`None`: unknown) are done."""

    phase: str
    done: int = 0
    total: int | None = None


class Computed(msgspec.Struct, frozen=True):
    """What the worker found for one cell: a value, or a failure. `label` is the period's own name where `latest` was
    asked. `change` is the change from `previous` in percent, or in percentage points if `points`. `rejected` counts the
    values that were no numbers. `note` says what a newer period lacks.
    """

    cell: CellId
    label: str
    value: Decimal | None = None
    previous: Decimal | None = None
    change: Decimal | None = None
    points: bool = False
    coverage: Coverage | None = None
    duration: float = 0.0
    rejected: int = 0
    failure: Failure | None = None
    note: str = ""


def digits(number: Decimal) -> int:
    """How many digits a finite number has when it is written without an exponent."""
    exponent = int(number.as_tuple().exponent)
    return max(1, number.adjusted() + 1) + max(0, -exponent)


def storable(computed: Computed) -> Computed:
    """The same, or the failure of a cell one of whose numbers has too many digits to be stored."""
    numbers = {"value": computed.value, "previous value": computed.previous, "change": computed.change}
    for name, number in numbers.items():
        if number is not None and digits(number) > MOST_DIGITS:
            message = f"the {name} has {digits(number):,} digits; {MOST_DIGITS:,} at most are stored"
            return Computed(
                computed.cell, computed.label, duration=computed.duration, failure=Failure(Reason.TOO_LONG, message)
            )
    return computed


class Cell(msgspec.Struct, frozen=True):
    """A cell as it is stored: the last good value, and the `failure` of the last attempt if it failed.

    `fence` is that of the last accepted write. `fresh_until` is `None` for a counter without `fresh_for`.
    `definition` is what the configuration said of the value (empty: a version stored it that did not record it).
    """

    id: CellId
    label: str
    fence: int
    value: Decimal | None = None
    display: str = ""
    previous: Decimal | None = None
    change: Decimal | None = None
    points: bool = False
    coverage: Coverage | None = None
    rejected: int = 0
    note: str = ""
    computed_at: float | None = None
    fresh_until: float | None = None
    duration: float = 0.0
    run: str = ""
    failure: Failure | None = None
    failed_at: float | None = None
    failures: int = 0
    next_attempt: float | None = None
    definition: str = ""


class Owner(msgspec.Struct, frozen=True):
    """The owner of a lock: enough to find its process, and to tell it from a later one with the same pid."""

    host: str
    boot_id: str
    pid: int
    pid_start: str
    user: str
    command: str
    version: str

    @property
    def name(self) -> str:
        """The owner in one word, as events name it: `deploy@web1`."""
        return f"{self.user}@{self.host}"


class Lock(msgspec.Struct, frozen=True):
    """A lock of ours as listed. `ttl` is `None` when the key has none (which `Promise C` forbids: so it is shown).

    `lease` is the most that `ttl` can be (`None`: a version wrote the lock that did not record it).
    """

    name: str
    key: str
    id: str
    fence: int
    owner: Owner
    counters: tuple[str, ...]
    acquired: float
    deadline: float
    ttl: float | None
    progress: Progress
    lease: float | None = None

    def set_back(self, now: float) -> bool:
        """Whether the server's clock was set back since the lock was renewed: it has ended, though its key is there."""
        longer = self.ttl is not None and self.lease is not None and self.ttl > self.lease
        return longer or self.acquired > now

    def lives(self, now: float) -> bool:
        """Whether its lease has not ended at that time of the server's clock."""
        return self.ttl is not None and not self.set_back(now)


class Verdict(StrEnum):
    """Whether the holder of a lock is alive, as far as can be told from here."""

    LIVE = "live"
    DEAD = "dead"
    NO_TTL = "no-ttl"
    UNKNOWN = "unknown"


class Level(StrEnum):
    """The level of an event, from details (`debug`) to what needs an operator (`error`)."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Category(StrEnum):
    """What an event is about."""

    LOCK = "lock"
    TIMEOUT = "timeout"
    RUN = "run"
    COUNTER = "counter"
    BREAKER = "breaker"
    RECOVERY = "recovery"


class Event(msgspec.Struct, frozen=True):
    """One thing that a run or an operator did. `at` is by the server's clock; what does not apply is empty.

    `level` and `category` are as stored: texts that a later version may have written are no `Level` or `Category` of
    this one. `action` is what happened ("cleared"), `counters` to which of them, `by` is user@host, `run` a run's id.
    `id` is the place in the log; empty for an event that Redis did not take.
    """

    level: str
    category: str
    action: str
    message: str = ""
    counters: tuple[str, ...] = ()
    lock: str = ""
    run: str = ""
    by: str = ""
    at: float = 0.0
    id: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """An attempt at a counter that began and has not ended: the run's fence, and why it will not end, where that was
    recorded, in one line if more than the reason is known. `abandoned`: nothing was, so it runs, or died.
    """

    fence: int
    reason: Reason = Reason.ABANDONED
    message: str = ""


def derive(
    cell: Cell | None,
    counter: str,
    locks: Iterable[Lock],
    attempts: Mapping[str, Attempt],
    now: float,
    *,
    redefined: bool = False,
) -> tuple[State, Failure | None]:
    """The state of a cell (`None`: nothing is stored of it) and, for `error`, why. `redefined`: its value was computed
    under another configuration.

    An attempt that has not ended counts for each cell of its counter that it has not written yet. It is `calculating`
    as long as the very lease under which it began lives, and an error after.
    """
    attempt = attempts.get(counter)
    if attempt and (cell is None or cell.fence < attempt.fence):
        if attempt.reason is Reason.ABANDONED and _covered(attempt, counter, locks, now):
            return State.CALCULATING, None
        ended = _ENDED.get(attempt.reason, f"the run that computed it ended before it could: {attempt.reason}")
        return State.ERROR, Failure(attempt.reason, attempt.message or ended)
    if cell is None:
        return State.PENDING, None
    if cell.failure:
        return State.ERROR, cell.failure
    if redefined or (cell.fresh_until is not None and now >= cell.fresh_until):
        return State.STALE, None
    return State.READY, None


def _covered(attempt: Attempt, counter: str, locks: Iterable[Lock], now: float) -> bool:
    return any(lock.fence == attempt.fence and counter in lock.counters and lock.lives(now) for lock in locks)


_ENDED = {
    Reason.ABANDONED: "the run that computed it ended without a word (killed, or its host went down)",
    Reason.LOCK_LOST: "the run that computed it lost its lock",
    Reason.CLEARED: "an operator cleared the lock of the run that computed it",
}


def configured_cells(settings: Settings, known: Collection[CellId], counters: Iterable[str] = ()) -> Iterator[CellId]:
    """The cells that `counters` (none given: all) are configured to have, in the order of the file.

    A counter over each period has those that are `known` by now, or while there are none the placeholder `each`; a
    group with `group_by` stands for the known groups that are not configured, or for itself while there are none.
    """
    by_value = {name for name, group in settings.groups.items() if group.group_by is not None}
    groups: dict[str, dict[str, None]] = {}
    labels: dict[tuple[str, str], list[str]] = {}
    for cell in sorted(known):
        if cell.group != ALL and cell.group not in settings.groups:
            groups.setdefault(cell.counter, {})[cell.group] = None
        if cell.period not in (EACH, LATEST, ALL):  # the latter two are from before it was over each period
            labels.setdefault((cell.counter, cell.group), []).append(cell.period)
    for counter in counters or settings.counters:
        configured = settings.counters[counter]
        names: dict[str, None] = {}
        for group in configured.groups:
            names |= groups.get(counter, {group: None}) if group in by_value else {group: None}
        for group in names:
            yield from cells_of(counter, configured, labels.get((counter, group)), (group,))


def cells_of(
    name: str, counter: CounterSettings, labels: Sequence[str] | None, groups: Iterable[str] | None = None
) -> Iterator[CellId]:
    """The cells of a counter, or those of some of its groups. One over each period has a cell for each of the labels,
    or the placeholder `each` while they are not known (`None`).
    """
    if counter.sql is not None:
        yield CellId(name, ALL, ALL)
        return
    periods: Sequence[str] = counter.periods
    if counter.periods == EACH:
        periods = (EACH,) if labels is None else labels
    for group in counter.groups if groups is None else groups:
        for period in periods:
            yield CellId(name, group, period)


def by_period(settings: Settings, cell: CellId) -> bool:
    """Whether a cell is of all periods, of a source that has any."""
    source = settings.counters[cell.counter].source
    return cell.period == ALL and source is not None and settings.sources[source].period is not None
