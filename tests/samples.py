"""Results as the commands return them, made by hand, and what a terminal would be sent of them."""

from __future__ import annotations

import io
import unicodedata
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console

from countercache.model.results import (
    Accepted,
    AcceptResult,
    Broken,
    CellView,
    Check,
    CheckResult,
    ClearedForeign,
    ClearedLock,
    ClearResult,
    ConfigResult,
    CounterOutcome,
    DemoResult,
    DemoRun,
    DoctorResult,
    EmbeddedStatus,
    EmbeddedStopped,
    EventsResult,
    Finding,
    ForeignLock,
    Health,
    JobOutcome,
    LocksResult,
    LockView,
    PlanResult,
    PlanStep,
    Pruned,
    PruneResult,
    RecoverResult,
    RunView,
    Skip,
    StatusResult,
    WarmupResult,
)
from countercache.model.states import (
    Cell,
    CellId,
    Coverage,
    Event,
    Failure,
    Lock,
    Owner,
    Progress,
    Reason,
    State,
    Verdict,
)
from countercache.render import terminal

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07[red]no[/red] \u202egnp.exe\u2066 a\nb\r\tc\x9b31m \x7f\u200b\ufeff\udcff :smile: http://x"
)
NOW = 1_772_366_400.0  # 2026-03-01T12:00:00Z
TIMEOUT = Failure(Reason.TIMEOUT, "not done within 900 s (last: reading figures)")


def view(
    counter: str = "total-debt",
    group: str = "all",
    period: str = "latest",
    *,
    state: State = State.READY,
    value: str | None = "126848813000.00",
    display: str = "£126.8B",
    change: str | None = "10.29986",
    points: bool = False,
    coverage: Coverage | None = Coverage(510, 560),  # noqa: B008 - it is frozen
    failure: Failure | None = None,
    rejected: int = 0,
    name: str = "",
    label: str = "2019/20",
) -> CellView:
    """A cell that is stored, with or without a value."""
    cell = Cell(
        id=CellId(counter, group, period),
        label=label if period == "latest" else period,
        fence=7,
        value=None if value is None else Decimal(value),
        display=display if value is not None else "",
        previous=None if change is None else Decimal("115003603000.00"),
        change=None if change is None else Decimal(change),
        points=points,
        coverage=coverage,
        rejected=rejected,
        computed_at=None if value is None else NOW - 200,
        fresh_until=None if value is None else NOW + 700,
        duration=0.42,
        run="3f2a",
        failure=failure,
        failed_at=NOW - 20 if failure else None,
        failures=2 if failure else 0,
        next_attempt=NOW + 120 if failure else None,
    )
    age = None if value is None else 200.25
    shown = name or counter.replace("-", " ").capitalize()
    return CellView(cell.id, shown, state, failure, cell, age, by_period=period == "all")


def never(counter: str, group: str = "all", period: str = "latest", state: State = State.PENDING) -> CellView:
    """A cell of which nothing is stored."""
    return CellView(CellId(counter, group, period), counter, state, None, None, None)


CELLS = (
    view(),
    view(group="england", display="£98.1B", value="98123000000", change="-2.04"),
    view(group="northern-ireland", display="£1.2B", value="1200000000", change="0", coverage=Coverage(11, 11)),
    view(period="all", display="£790.2B", value="790200000000", change=None, coverage=Coverage(3581, 3920)),
    view(
        "long-term-borrowing-share",
        display="88.2%",
        value="0.882",
        change="1.5",
        points=True,
        state=State.STALE,
        rejected=3,
    ),
    view("borrowing-from-the-public-works-loan-board", state=State.CALCULATING, display="£85.0B", change=None),
    view("net-debt", state=State.ERROR, failure=TIMEOUT, name="Net debt, after investments"),
    view("net-debt", group="england", state=State.ERROR, failure=TIMEOUT, value=None, change=None, coverage=None),
    never("signups", period="all"),
    never("debt-per-head", state=State.CALCULATING),
)
RUNS = (
    RunView("main", Progress("reading figures", 120, 400), 3.1, 896.9),
    RunView("reporting", Progress("connecting"), 0.4, 899.6),
)
STATUS = StatusResult("site", CELLS, RUNS)
EMPTY_STATUS = StatusResult("site", (), ())

SKIP = Skip(5, NOW + 48, 48.2, TIMEOUT)
OK_JOB = JobOutcome(
    "main", "3f2a", (CounterOutcome("total-debt", CELLS[:4], values=4), CounterOutcome("x", CELLS[4:5], values=1)), 2.5
)
BAD_JOB = JobOutcome(
    "reporting",
    "77b0",
    (
        CounterOutcome("net-debt", (view("net-debt"), *CELLS[7:8]), values=1, failures=(TIMEOUT,)),
        CounterOutcome("signups", CELLS[8:9], failures=(Failure(Reason.SQL, 'relation "users" does not exist'),)),
    ),
    900.1,
    failure=TIMEOUT,
    exit_code=124,
)
WARMUP = WarmupResult((OK_JOB,), 0)
FAILED_WARMUP = WarmupResult((OK_JOB, BAD_JOB), 124, notes=("the lock reporting was waited for, 12s",))


def lock(name: str = "main", ttl: float | None = 21.4, user: str = "deploy") -> Lock:
    """A lock of ours."""
    return Lock(
        name=name,
        key=f"countercache:{{site}}:lock:{name}",
        id="5a1d9f2e8f5c4c5e",
        fence=1772366301000001,
        owner=Owner("web1.example.org", "boot", 4242, "8812", user, "countercache warmup --timeout 15m", "0.1.0"),
        counters=("total-debt", "net-debt"),
        acquired=NOW - 99,
        deadline=NOW + 801,
        ttl=ttl,
        progress=Progress("reading figures", 120, 400),
    )


def foreign_lock(key: bytes, framework: str = "bullmq", **changes: Any) -> ForeignLock:
    """A lock of the web stack."""
    lock = ForeignLock(
        key=key,
        framework=framework,
        type="string",
        ttl=29.5,
        age=12.0,
        idle=3.0,
        size=38,
        preview=b"0c5f6d1e-9b8e-4f8f-8a51-3f8e4b1f3a11:7",
        why=f"a lock of {framework}; nothing in it tells whether its holder is alive",
        digest="string 38 5b0c",
    )
    return msgspec.structs.replace(lock, **changes)


LOCKS = LocksResult(
    (
        LockView(lock(), "own", Verdict.LIVE, "its process 4242 runs", 99.0),
        LockView(lock("reporting"), "own", Verdict.DEAD, "its process 4242 is gone", 99.0),
        LockView(lock("billing", None), "own", Verdict.NO_TTL, "it has no time to live, which …", 99.0),
        LockView(lock("crm"), "own", Verdict.UNKNOWN, "its process is on web2 and cannot be seen from here", 99.0),
    ),
    (
        foreign_lock(b"bull:mail:42:lock"),
        foreign_lock(b":1:report-lock", "django-cache", ttl=None, age=None, preview=b"1"),
        foreign_lock(
            b"billing:lock", "redisson", type="hash", size=1, preview=b"b983c153-7421-469a-addb-44fb92259a1b:1: 1"
        ),
    ),
    ("5 keys that may be locks could not be read: NOPERM",),
)
CLEAR = ClearResult(
    (
        ClearedLock(lock("reporting"), Verdict.DEAD, cleared=True, why="cleared: its process 4242 is gone"),
        ClearedLock(lock(), Verdict.LIVE, cleared=False, why="left, held by deploy@web1 (pid 4242) for 1m39s"),
    ),
    unknown=("mian",),
    foreign=(
        ClearedForeign(foreign_lock(b"bull:mail:42:lock"), cleared=True, why="cleared: a lock of bullmq"),
        ClearedForeign(foreign_lock(b"qo_tasks.send"), cleared=False, why="left: a lock of celery-once"),
    ),
)
CHECK = CheckResult(
    (
        Check("redis", True, "unix:/run/redis.sock answers, version 9.1"),
        Check("sources.figures.table", False, 'there is no table "figure"; did you mean "financial_figure"?'),
    ),
    2,
)
DOCTOR = DoctorResult(
    (
        Finding(
            "configuration", "file", Health.OK, "/etc/countercache.toml: 12 counters, 1 source, 1 database", "it …"
        ),
        Finding(
            "cron",
            "schedule",
            Health.WARNING,
            "the last run ended 2d ago, and since then values have passed their fresh_for",
            "cron looks for commands in /usr/bin:/bin, and for a configuration in …",
            "in the crontab: */15 * * * * /opt/site/venv/bin/countercache warmup --quiet --ok-if-locked",
        ),
        Finding(
            "redis",
            "state",
            Health.UNKNOWN,
            "Redis at db:6379/0 refused a command: User site has no permissions to run the 'info' command",
            "version, role, memory and persistence could not be examined",
            "allow its user INFO",
        ),
        Finding(
            "redis",
            "eviction",
            Health.WRONG,
            "maxmemory-policy is allkeys-lru, with maxmemory 100 MB",
            "when it is full it evicts keys: locks, so that two runs compute at once, and values of the site",
            "redis-cli -h redis.example.org -p 6379 CONFIG SET maxmemory-policy noeviction",
        ),
        Finding("redis", "clock", Health.WARNING, "it is 3.1 s behind this host's", "", "on both hosts: timedatectl"),
        Finding(
            "cells",
            "failing",
            Health.WRONG,
            "2 cells of net-debt: timeout: not done within 900 s",
            "the site shows their last value, or none, until they are computed again",
            "countercache recover",
        ),
    )
)
PLAN = PlanResult(
    (CellId("total-debt", "all", "2019/20"), CellId("total-debt", "england", "2019/20")),
    (PlanStep("main", "totals of figures", "SELECT year_id,\n  sum(value)\nFROM financial_figure\nGROUP BY year_id"),),
    (("signups", Failure(Reason.SQL, "no such table: users")),),
)
CONFIG = ConfigResult(
    "/etc/countercache.toml",
    {
        "namespace": "site",
        "redis": {"url": "redis://:***@db/0"},
        "agent": {"timeout": "15m", "batch_size": 10},
        "publish": {},
        "counters": {"total.debt": {"periods": ["latest", "2018/19"], "compare": True, "name": 'Say "hi"\n'}},
    },
)
EVENTS = EventsResult(
    (
        Event(
            "debug", "lock", "acquired", lock="main", run="5a1d9f2e8f5c4c5e", by="deploy@web1", at=NOW - 99, id="1-0"
        ),
        Event("info", "run", "started", "20 counters", (), "main", "5a1d9f2e8f5c4c5e", "deploy@web1", NOW - 99, "1-1"),
        Event(
            "error",
            "timeout",
            "fired",
            "timeout: not done within 900 s (last: entities of figures)",
            ("net-debt", "borrowing-from-the-public-works-loan-board"),
            "main",
            "5a1d9f2e8f5c4c5e",
            "deploy@web1",
            NOW - 9,
            "2-0",
        ),
        Event("warning", "breaker", "opened", "5 failures in a row; not tried again for 48 s", ("net-debt",), at=NOW),
        Event("grave", "from a later version", "?", at=NOW, id="3-0"),
    )
)
SKIPPED = WarmupResult(
    (
        JobOutcome(
            "main",
            "",
            tuple(
                CounterOutcome(name, (view(name, state=State.ERROR, failure=TIMEOUT),), skipped=SKIP)
                for name in ("net-debt", "signups")
            ),
            0.0,
            exit_code=1,
        ),
    ),
    1,
)
RECOVERED = RecoverResult(
    CLEAR.locks,
    (
        Broken("net-debt", "reporting", 4, TIMEOUT),
        Broken("signups", "reporting", 1, Failure(Reason.SQL, 'relation "users" does not exist')),
        Broken("total-debt", "main", 2, None, "the lock main is held; run this again when it is free"),
    ),
    msgspec.structs.replace(FAILED_WARMUP, jobs=FAILED_WARMUP.jobs[1:]),
    notes=("this recovery is not in the log of events: Redis cannot be reached",),
)
TO_RECOVER = RecoverResult(CLEAR.locks, RECOVERED.broken, None, dry_run=True)
NOTHING_TO_RECOVER = RecoverResult((), (), None)
ACCEPTED = AcceptResult(
    "debt",
    (
        Accepted(CellId("debt", "all", "latest"), accepted=True, why="changed by -90.0 %, from £10 to £1"),
        Accepted(CellId("debt", HOSTILE, "2019/20"), accepted=False, why=HOSTILE, left=HOSTILE),
    ),
)
NOTHING_TO_ACCEPT = AcceptResult("debt", ())
PRUNED = PruneResult(
    (
        Pruned(CellId("old-debt", "all", "latest"), removed=True, keys=("counter_total:old-debt:all:latest",)),
        Pruned(CellId("old-debt", "northern-ireland", "2018/19"), removed=True),
        Pruned(CellId("new-debt", "all", "latest"), removed=False, why="a run that is alive covers it"),
    ),
    ("old-debt",),
)
TO_PRUNE = PruneResult(PRUNED.cells[:2], PRUNED.attempts, dry_run=True)
NOTHING_TO_PRUNE = PruneResult(())
EMBEDDED = EmbeddedStatus(True, "/run/user/1/valkey.sock", "/home/me/.local/state", 4242, "9.1.2", 1_400_000, 12)
NOT_EMBEDDED = EmbeddedStatus(False, "/run/user/1/valkey.sock", "/home/me/.local/state")
STOPPED = EmbeddedStopped("/home/me/.local/state", 4242)
DEMO = DemoRun(
    DemoResult("/tmp/demo", "/tmp/demo/countercache.toml", "/tmp/demo/councils.db", 560, 34, 7, 120_000),
    WARMUP,
    StatusResult("demo", CELLS[:4], ()),
)
EVERY = (
    STATUS,
    EMPTY_STATUS,
    WARMUP,
    FAILED_WARMUP,
    LOCKS,
    LocksResult(()),
    CLEAR,
    CHECK,
    DOCTOR,
    PLAN,
    CONFIG,
    EMBEDDED,
    NOT_EMBEDDED,
    STOPPED,
    DEMO,
    EVENTS,
    EventsResult(()),
    SKIPPED,
    RECOVERED,
    TO_RECOVER,
    NOTHING_TO_RECOVER,
    ACCEPTED,
    NOTHING_TO_ACCEPT,
    PRUNED,
    TO_PRUNE,
    NOTHING_TO_PRUNE,
)


def screen(result: object, width: int = 100, *, colour: bool = False) -> str:
    """What a terminal of that width is sent."""
    console = Console(
        file=io.StringIO(),
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )
    terminal.show(console, result)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def unescaped(line: str) -> set[str]:
    """The characters of a line that a terminal might obey."""
    return {each for each in line if unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}
