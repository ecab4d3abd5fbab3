"""A result as JSON and as lines, where it goes, and that no text from outside is ever obeyed."""

from __future__ import annotations

import json
import re
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countercache import render
from countercache.errors import ConfigError, RedisUnreachable
from countercache.model import results
from countercache.model.results import CounterOutcome, JobOutcome, StatusResult, WarmupResult
from countercache.model.states import Event, Failure, Progress, Reason, State, Verdict
from countercache.model.suggested_commands import NO_OPTIONS
from countercache.render import documents, plain, terminal, toml
from tests import samples
from tests.samples import HOSTILE, screen, unescaped

CELL_KEYS = {
    "slug", "name", "group", "period", "latest", "state", "value", "display_value", "previous", "change_percent",
    "change_points", "coverage", "rejected", "note", "computed_at", "age_seconds", "fresh_until", "duration_seconds",
    "run", "error", "failures", "failed_at", "next_attempt",
}  # fmt: skip
STATE_KEYS = {"ready", "stale", "calculating", "error", "pending"}
LOCK_KEYS = {
    "name", "key", "id", "fence", "owner", "user", "host", "pid", "command", "version", "counters", "acquired",
    "ttl_seconds", "deadline_in_seconds", "progress", "kind", "verdict", "why", "age_seconds", "idle_seconds", "type",
    "size", "preview",
}  # fmt: skip
EVENT_KEYS = {"id", "time", "level", "category", "action", "message", "counters", "lock", "run", "by"}
CONTRACT = {
    "status": (
        samples.STATUS,
        {
            "": {"schema", "namespace", "counter_states", "runs", *STATE_KEYS},
            "counter_states": CELL_KEYS,
            "runs": {"lock", "phase", "done", "total", "elapsed_seconds", "deadline_in_seconds", "verdict"},
        },
    ),
    "warmup": (
        samples.FAILED_WARMUP,
        {
            "": {"schema", "exit_code", "jobs", "counter_states", "notes", *STATE_KEYS},
            "jobs": {"database", "run", "exit_code", "duration_seconds", "error", "counters"},
            "jobs.counters": {"slug", "cells", "outcome", "values", "errors", "skipped"},
            "counter_states": CELL_KEYS,
        },
    ),
    "locks": (samples.LOCKS, {"": {"schema", "locks", "notes"}, "locks": LOCK_KEYS}),
    "clear": (
        samples.CLEAR,
        {
            "": {"schema", "exit_code", "dry_run", "locks", "unknown"},
            "locks": {"name", "key", "kind", "id", "fence", "owner", "pid", "verdict", "cleared", "why"},
        },
    ),
    "check": (
        samples.CHECK,
        {
            "": {"schema", "exit_code", "checks"},
            "checks": {"subject", "ok", "warning", "message", "fields"},
        },
    ),
    "doctor": (
        samples.DOCTOR,
        {
            "": {"schema", "exit_code", "findings", "ok", "warning", "wrong", "unknown"},
            "findings": {"area", "subject", "health", "seen", "why", "cure"},
        },
    ),
    "plan": (
        samples.PLAN,
        {
            "": {"schema", "exit_code", "cells", "steps", "errors"},
            "cells": {"slug", "group", "period"},
            "steps": {"database", "purpose", "sql"},
            "errors": {"slug", "error"},
        },
    ),
    "config": (samples.CONFIG, {"": {"schema", "path", "settings"}}),
    "embedded": (
        samples.EMBEDDED,
        {"": {"schema", "running", "socket", "directory", "pid", "version", "memory_bytes", "keys"}},
    ),
    "embedded-stop": (samples.STOPPED, {"": {"schema", "stopped", "pid", "directory"}}),
    "events": (samples.EVENTS, {"": {"schema", "events"}, "events": EVENT_KEYS}),
    "recover": (
        samples.RECOVERED,
        {
            "": {"schema", "exit_code", "dry_run", "locks", "counters", "warmup", "notes"},
            "locks": {"name", "key", "id", "fence", "owner", "pid", "verdict", "cleared", "why"},
            "counters": {"slug", "database", "cells", "error", "outcome", "why"},
        },
    ),
    "accept": (
        samples.ACCEPTED,
        {"": {"schema", "exit_code", "cells"}, "cells": {"slug", "group", "period", "accepted", "why"}},
    ),
    "prune": (
        samples.PRUNED,
        {
            "": {"schema", "exit_code", "dry_run", "cells", "attempts"},
            "cells": {"slug", "group", "period", "removed", "published_keys", "why"},
        },
    ),
    "demo": (
        samples.DEMO,
        {
            "": {
                "schema", "exit_code", "directory", "config", "config_kept", "database", "entities", "fields",
                "periods", "figures", "redis", "warmup", "status",
            }
        },
    ),
}  # fmt: skip


def at(document: Any, path: str) -> Iterator[dict[str, Any]]:
    """The objects of a document at a path such as `jobs.counters`."""
    if not path:
        yield document
        return
    first, _, rest = path.partition(".")
    for each in document[first]:
        yield from at(each, rest)


@pytest.mark.parametrize("name", CONTRACT)
def test_documents_have_exactly_the_keys_of_their_schema(name: str) -> None:
    """The key sets of every schema are pinned: a key that is added, removed or renamed is seen here."""
    result, keys = CONTRACT[name]
    document = json.loads(documents.encode(documents.document(result), indent=False))
    assert document["schema"] == f"countercache.{name}/1"
    for path, expected in keys.items():
        found = list(at(document, path))
        assert found
        assert all(set(each) == expected for each in found)


def test_every_result_is_shown_in_every_way() -> None:
    """No result that a command returns lacks a document, lines or a screen."""
    for result in samples.EVERY:
        assert documents.document(result)["schema"].startswith("countercache.")
        assert all("\n" not in line for line in plain.lines(result))
        assert screen(result)


def test_the_change_of_a_share_is_in_points_in_json() -> None:
    """A share's change has a key of its own, so that nobody takes points for percent; neither key ever says -0."""
    cell = documents.cell(samples.view(change="-0.04", points=True))
    assert (cell["change_percent"], cell["change_points"]) == (None, "0.0")


def test_what_nobody_knows_how_to_show_is_refused() -> None:
    """A result without a view is a mistake of ours that tests must see."""
    for function in (documents.document, lambda it: list(plain.lines(it)), lambda it: list(terminal.view(it))):
        with pytest.raises(TypeError):
            function(object())


def test_a_cell_in_json_is_a_superset_of_what_the_first_web_stack_polled() -> None:
    """The value is the exact decimal as text, the change has one decimal, times are ISO 8601 in UTC."""
    cell = documents.cell(samples.view())
    assert cell["slug"] == "total-debt"
    assert cell["value"] == "126848813000.00"
    assert cell["display_value"] == "£126.8B"
    assert cell["previous"] == "115003603000.00"
    assert (cell["change_percent"], cell["change_points"]) == ("10.3", None)
    assert cell["coverage"] == {"reported": 510, "entities": 560}
    assert cell["computed_at"] == "2026-03-01T11:56:40.000Z"
    assert cell["age_seconds"] == 200.25
    assert cell["error"] is None
    assert (cell["period"], cell["latest"]) == ("2019/20", True)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.CALCULATING, "Calculating…"),
        (State.ERROR, "Calculation failed"),
        (State.PENDING, "Not calculated yet"),
    ],
)
def test_a_cell_without_a_value_says_so_in_words(state: State, words: str) -> None:
    """`display_value` is never empty and never 0 for a value that is not there."""
    assert documents.cell(samples.never("x", state=state))["display_value"] == words
    assert documents.cell(samples.view(state=state, value=None))["display_value"] == words
    assert documents.cell(samples.view(state=state))["display_value"] == "£126.8B"


def test_numbers_keep_every_digit_and_have_no_exponent() -> None:
    """A Decimal that Python would write as 1.2E+11 is written out, and without a display it is what is shown."""
    cell = documents.cell(samples.view(value="1.2E+11", display=""))
    assert cell["value"] == cell["display_value"] == "120000000000"
    assert documents.cell(samples.view(value="-0.00000001"))["value"] == "-0.00000001"


def test_hostile_text_in_json_is_kept_but_never_raw() -> None:
    """A parser gets back the very text; a terminal that shows the document gets nothing to obey."""
    lock = msgspec.structs.replace(samples.LOCKS.locks[0], why=HOSTILE)
    for indent in (True, False):
        written = documents.encode(documents.document(results.LocksResult((lock,))), indent=indent)
        assert unescaped(written) <= {"\n"}
        assert json.loads(written)["locks"][0]["why"] == HOSTILE


def test_the_document_of_an_error_says_what_and_what_to_do() -> None:
    """With --json a failing command has a document too."""
    problem = RedisUnreachable("Redis at db:6379/0 does not answer", hint="check [redis] url")
    document = documents.error(problem, 5)
    assert document["schema"] == "countercache.error/1"
    assert document["exit_code"] == 5
    assert set(document["error"]) == {"type", "message", "hint"}


def test_rows_have_as_many_columns_as_are_documented() -> None:
    """One row a cell, TAB between columns, `-` for what is not known, nothing cut."""
    rows = [line.split("\t") for line in plain.lines(samples.STATUS) if not line.startswith("#")]
    assert len(rows) == len(samples.CELLS)
    assert {len(row) for row in rows} == {9}
    assert rows[0] == ["total-debt", "all", "2019/20", "ready", "£126.8B", "▲ 10.3%", "510/560", "3m ago", "-"]
    assert rows[7][3:] == ["error", "-", "-", "-", "-", f"timeout: {samples.TIMEOUT.message}"]
    assert rows[8][3:] == ["pending", "-", "-", "-", "-", "-"]
    assert all(cell for row in rows for cell in row)


def test_a_long_name_is_whole_in_a_pipe() -> None:
    """No width of a terminal that is not there cuts a line."""
    name = "a-very-long-counter-name" * 20
    assert next(plain.lines(StatusResult("s", (samples.view(name),), ()))).startswith(f"{name}\t")


def test_hostile_text_is_escaped_in_every_line_and_on_every_screen() -> None:
    """Each text of a result that comes from outside is replaced by a hostile one: none is obeyed anywhere."""
    lock = msgspec.structs.replace(
        samples.lock(HOSTILE),
        owner=msgspec.structs.replace(samples.lock().owner, host=HOSTILE, user=HOSTILE, command=HOSTILE * 1000),
        progress=Progress(HOSTILE * 1000, 1, 2),
        id=HOSTILE,
    )
    raw = b"\xff" + HOSTILE.encode(errors="replace")
    foreign = samples.foreign_lock(raw * 100, preview=raw, why=HOSTILE)
    failure = Failure(Reason.DATABASE, HOSTILE * 10_000)
    cell = samples.view(
        HOSTILE, HOSTILE, HOSTILE, state=State.ERROR, failure=failure, display=HOSTILE * 1000, name=HOSTILE
    )
    run = results.RunView(HOSTILE, Progress(HOSTILE), 1.0, 2.0)
    event = Event(
        HOSTILE, HOSTILE, HOSTILE, HOSTILE * 1000, (HOSTILE * 100, HOSTILE), HOSTILE, HOSTILE, HOSTILE, 1.0, HOSTILE
    )
    job = JobOutcome(HOSTILE, HOSTILE, (CounterOutcome(HOSTILE, (cell,), 0, (failure,)),), 1.0, failure, 1)
    hostile = (
        StatusResult(HOSTILE, (cell, samples.never(HOSTILE)), (run,)),
        WarmupResult((job,), 1, (HOSTILE,)),
        results.LocksResult(
            tuple(results.LockView(lock, HOSTILE, verdict, HOSTILE * 1000, 1.0) for verdict in Verdict),
            (foreign, msgspec.structs.replace(foreign, ttl=None, type=HOSTILE)),
            (HOSTILE,),
        ),
        results.ClearResult(
            tuple(results.ClearedLock(lock, Verdict.DEAD, done, HOSTILE * 1000) for done in (True, False)),
            (HOSTILE,),
            tuple(results.ClearedForeign(foreign, done, HOSTILE * 1000) for done in (True, False)),
        ),
        results.CheckResult((results.Check(HOSTILE, ok=False, message=HOSTILE * 1000),), 2),
        results.DoctorResult(
            (results.Finding(HOSTILE, HOSTILE, results.Health.WRONG, HOSTILE * 1000, HOSTILE, HOSTILE * 1000),)
        ),
        results.PlanResult((cell.id,), (results.PlanStep(HOSTILE, HOSTILE, HOSTILE),), ((HOSTILE, failure),)),
        results.ConfigResult(HOSTILE, {HOSTILE: {HOSTILE: HOSTILE, "x": [HOSTILE]}}),
        results.EmbeddedStatus(running=True, socket=HOSTILE, directory=HOSTILE, pid=1, version=HOSTILE),
        results.EmbeddedStopped(HOSTILE, 1),
        results.EventsResult((event,)),
        results.RecoverResult(
            (
                results.ClearedLock(lock, Verdict.DEAD, True, HOSTILE),
                results.ClearedLock(lock, Verdict.LIVE, False, HOSTILE),
            ),
            (results.Broken(HOSTILE, HOSTILE, 1, failure), results.Broken(HOSTILE, HOSTILE, 1, None, HOSTILE)),
            WarmupResult((job,), 1),
            notes=(HOSTILE,),
        ),
        results.PruneResult(
            (results.Pruned(cell.id, True, keys=(HOSTILE,)), results.Pruned(cell.id, False, HOSTILE)), (HOSTILE,)
        ),
        results.DemoRun(
            msgspec.structs.replace(samples.DEMO.made, directory=HOSTILE, config=HOSTILE, database=HOSTILE),
            WarmupResult((job,), 1),
            StatusResult(HOSTILE, (cell,), (run,)),
        ),
    )
    for result in hostile:
        for line in (*plain.lines(result), *plain.problems(result)):
            assert unescaped(line) <= {"\t"}
            assert len(line) < 20_000
        shown = screen(result)
        assert unescaped(shown) <= {"\n"}
        assert "[red]" in shown
        assert unescaped(documents.encode(documents.document(result), indent=True)) <= {"\n"}


def test_what_doctor_found_is_shown_without_secrets() -> None:
    """A stored error may hold a driver's whole URL: neither lines nor screens nor documents show its password."""
    secret = "postgresql://bob:hunter2@h/db password=hunter3"
    result = results.DoctorResult((results.Finding("cells", "x", results.Health.WRONG, secret, "", secret),))
    shown = (screen(result), *plain.lines(result), documents.encode(documents.document(result), indent=False))
    for each in shown:
        assert "postgresql://bob:***@h/db password=***" in each
        assert "hunter" not in each


def test_what_went_wrong_is_one_line_each() -> None:
    """A failure that hit several counters is said once, with them; a job's own failure once for all."""
    lines = list(plain.problems(samples.FAILED_WARMUP))
    assert lines == [
        f"reporting: timeout: {samples.TIMEOUT.message}",
        'signups: sql: relation "users" does not exist',
    ]
    two = tuple(CounterOutcome(name, (samples.CELLS[7],), 0, (samples.TIMEOUT,)) for name in ("a", "b"))
    part = CounterOutcome("c", (samples.view(), samples.CELLS[7]), 1, (samples.TIMEOUT,))
    lines = list(plain.problems(WarmupResult((JobOutcome("main", "r", (*two, part), 1.0, exit_code=3),), 3)))
    assert lines == [f"a, b, c (england 2019/20): timeout: {samples.TIMEOUT.message}"]
    held = [Failure(Reason.HELD, f"changed by {share} %") for share in (70, 80)]
    cells = tuple(samples.view(group=name, failure=why) for name, why in zip(("all", "wales"), held, strict=True))
    outcome = CounterOutcome("c", cells, 0, tuple(held))
    lines = list(plain.problems(WarmupResult((JobOutcome("main", "r", (outcome,), 1.0, exit_code=1),), 1)))
    assert lines == ["c (all 2019/20): held: changed by 70 %", "c (wales 2019/20): held: changed by 80 %"]


def test_a_plan_in_a_pipe_is_sql() -> None:
    """What is not SQL is a comment, and each statement ends: the output can be given to psql or sqlite3."""
    lines = list(plain.lines(samples.PLAN))
    assert "\n".join(line for line in lines if not line.startswith("--")) == (
        "SELECT year_id,\n  sum(value)\nFROM financial_figure\nGROUP BY year_id;"
    )


@pytest.mark.parametrize("end", ["-- all of them", ";  -- all of them;", "", ";\n", "\r\n;"])
def test_sql_as_people_write_it_still_runs(end: str) -> None:
    """TABs stay, and the end of the statement is in no comment: SQLite itself takes each line as it is."""
    sql = f"SELECT\tcount(*) -- how many\nFROM\t(SELECT 'a\tb' AS x)\nWHERE length(x) = 3 {end}"
    lines = list(plain.lines(results.PlanResult((), (results.PlanStep("main", "x", sql),))))
    with closing(sqlite3.connect(":memory:")) as connection:
        assert sqlite3.complete_statement("\n".join(lines))
        (statement,) = [part for part in re.split(r"(?m);$", "\n".join(lines)) if part.strip()]
        assert connection.execute(statement).fetchall() == [(1,)]


def test_settings_are_printed_as_toml_that_reads_back() -> None:
    """`config show` can be used as a configuration: quotes, dots in names, line breaks and lists survive."""
    written = "\n".join(plain.lines(samples.CONFIG))
    expected = {name: value for name, value in samples.CONFIG.settings.items() if value}
    assert tomllib.loads(written) == expected


@given(st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, min_size=1, max_size=4),
).filter(lambda it: isinstance(it, dict)))  # fmt: skip
def test_any_plain_table_reads_back_from_its_toml(table: Any) -> None:
    """Whatever names and texts settings hold, what is printed is the same table and one line a key."""
    assert tomllib.loads("\n".join(toml.lines(table))) == table


def test_success_goes_to_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The result is on stdout, stderr stays empty, and the exit code is the result's."""
    assert render.show(samples.WARMUP, NO_OPTIONS) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 5
    assert not err


def test_trouble_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """What failed and what is good to know are lines on stderr, each with the program's name."""
    assert render.show(samples.FAILED_WARMUP, NO_OPTIONS) == 124
    out, err = capsys.readouterr()
    assert "total-debt\tall" in out
    assert err.splitlines() == [
        "countercache: the lock reporting was waited for, 12s",
        f"countercache: error: reporting: timeout: {samples.TIMEOUT.message}",
        'countercache: error: signups: sql: relation "users" does not exist',
    ]


def test_a_hint_is_shown_after_the_message() -> None:
    """A failure shows as one line, and as one message in a document; what was stored of it is the same failure."""
    failure = Failure(Reason.SQL, "no such column", "look at it")
    stored = samples.view("debt", state=State.ERROR, failure=Failure(Reason.SQL, "no such column; look at it"))
    outcome = CounterOutcome("debt", (stored, samples.view("debt")), 1, (failure,))
    warmed = WarmupResult((JobOutcome("main", "r", (outcome,), 1.0, exit_code=3),), 3)
    assert list(plain.problems(warmed)) == ["debt (all 2019/20): sql: no such column; look at it"]
    (job,) = documents.document(warmed)["jobs"]
    assert job["counters"][0]["errors"] == [{"reason": "sql", "message": "no such column; look at it"}]


def test_quiet_is_silent_on_success_and_only_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Cron mails nothing of a run that went well, and the trouble of one that did not."""
    assert render.show(samples.WARMUP, NO_OPTIONS, quiet=True) == 0
    assert render.show(samples.WARMUP, NO_OPTIONS, quiet=True, as_json=True) == 0
    assert capsys.readouterr() == ("", "")
    assert render.show(samples.FAILED_WARMUP, NO_OPTIONS, quiet=True) == 124
    out, err = capsys.readouterr()
    assert not out
    assert "signups: sql" in err


def test_json_is_one_document_on_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """A log or `jq` reads one document a line; the trouble is on stderr besides."""
    assert render.show(samples.FAILED_WARMUP, NO_OPTIONS, as_json=True) == 124
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert json.loads(out)["exit_code"] == 124
    assert "signups: sql" in err


def test_an_error_is_one_line_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """An error with a URL in it and a line break becomes one line, the password masked; --json adds a document."""
    problem = ConfigError("bad\nurl postgres://me:s3cret@db/x", hint="mend it")
    render.show_error(problem, 2)
    render.show_error(problem, 2, as_json=True)
    out, err = capsys.readouterr()
    line = r"countercache: error: bad\nurl postgres://me:***@db/x; mend it"
    assert err.splitlines() == [line, line]
    assert "s3cret" not in out
    assert json.loads(out)["exit_code"] == 2


def test_a_traceback_has_no_secrets_and_nothing_to_obey(capsys: pytest.CaptureFixture[str]) -> None:
    """--debug shows where it came from, with the same care for what it shows."""

    def fail() -> None:
        raise ValueError("\x1b[2J redis://:s3cret@db")

    try:
        fail()
    except ValueError as error:
        render.show_traceback(error)
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert __file__ in err
    assert "\x1b" not in err
    assert "s3cret" not in err
