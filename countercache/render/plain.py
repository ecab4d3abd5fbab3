"""A result → lines for pipes and files: one line a row, TAB between columns, no header, nothing cut.

`-` stands for what is not known, so that every row of a kind has as many columns and `awk` may split on any space but
in the last ones. A line that begins with `#` is no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import singledispatch

from countercache.model import results
from countercache.model.circuit_breaker import words
from countercache.model.redaction import redact
from countercache.model.states import Failure, Reason
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.model.wording import count
from countercache.render import foreign, repairs, text, toml
from countercache.render.next_commands import next_commands
from countercache.settings import EMBEDDED


def lines(result: object, commands: Commands = NO_OPTIONS) -> Iterator[str]:
    """The rows of a result; of states, what to type next after them."""
    yield from _lines(result)
    if isinstance(result, results.StatusResult):
        for command, does in next_commands(result):
            yield f"# {commands.to_type(command)}: {does}"


@singledispatch
def _lines(result: object) -> Iterator[str]:
    """The lines of a result."""
    raise TypeError(f"no lines for {type(result).__name__}")


@_lines.register
def _(result: results.StatusResult) -> Iterator[str]:
    for view in result.cells:
        yield row([*_cell(view), text.age(view.age), text.remarks(view)])
    for run in result.runs:
        how = "its process is gone" if run.dead else text.times(run)
        yield f"# run {text.escape(run.lock)}: {text.progress(run.progress)}, {how}"


@_lines.register
def _(result: results.WarmupResult) -> Iterator[str]:
    for job in result.jobs:
        for outcome in job.counters:
            for view in outcome.cells:
                took = text.duration(view.cell.duration) if view.cell and not view.failure else ""
                yield row([*_cell(view), took, text.remarks(view)])


@_lines.register
def _(result: results.LocksResult) -> Iterator[str]:
    for view in result.locks:
        lock = view.lock
        yield row(
            [
                text.escape(lock.name),
                text.escape(view.kind, text.LIMIT),
                view.verdict,
                text.escape(lock.owner.name),
                str(lock.owner.pid),
                text.duration(view.age),
                "none" if lock.ttl is None else text.duration(lock.ttl),
                text.duration(lock.deadline - lock.acquired - view.age),
                str(lock.fence),
                text.escape(lock.id, text.LIMIT),
                text.progress(lock.progress),
                text.escape(lock.owner.command, text.LIMIT),
                text.escape(view.why, text.LIMIT),
            ]
        )
    yield from (row(foreign.columns(lock)) for lock in result.foreign)


@_lines.register
def _(result: results.ClearResult) -> Iterator[str]:
    for each in result.locks:
        done = "cleared" if each.cleared else "left"
        lock = each.lock
        yield row([text.escape(lock.name), done, each.verdict, text.owner(lock), text.escape(each.why, 1000)])
    yield from (row(foreign.cleared_columns(each)) for each in result.foreign)


@_lines.register
def _(result: results.EventsResult) -> Iterator[str]:
    for each in result.events:
        yield row(
            [
                text.moment(each.at) or "",
                *(text.escape(part, 40) for part in (each.level, each.category, each.action)),
                text.listed(each.counters, len(each.counters)),
                *(text.escape(part, text.LIMIT) for part in (each.lock, each.run, each.by)),
                text.escape(redact(each.message), 2000),
            ]
        )


@_lines.register
def _(result: results.RecoverResult) -> Iterator[str]:
    yield from map(row, repairs.recover_lines(result))


@_lines.register
def _(result: results.AcceptResult) -> Iterator[str]:
    yield from map(row, repairs.accept_lines(result))


@_lines.register
def _(result: results.PruneResult) -> Iterator[str]:
    yield from map(row, repairs.prune_lines(result))


@_lines.register
def _(result: results.CheckResult) -> Iterator[str]:
    for each in result.checks:
        state = "warning" if each.warning else "ok" if each.ok else "FAILED"
        yield row([state, text.escape(each.subject), text.escape(each.text, 1000)])


@_lines.register
def _(result: results.DoctorResult) -> Iterator[str]:
    for each in result.findings:
        parts = (each.area, each.subject, redact(each.seen), redact(each.cure), each.why)
        told = [text.escape(part, 2000) for part in parts]
        yield row([each.health, *told])


@_lines.register
def _(result: results.PlanResult) -> Iterator[str]:
    """SQL that can be run as it is: what it is for stands in comments."""
    yield f"-- {count(len(result.cells), 'cell')}, {count(len(result.steps), 'query', 'queries')}"
    for each in result.cells:
        yield "-- cell: " + "  ".join(map(text.escape, (each.counter, each.group, each.period)))
    for step in result.steps:
        yield f"-- {text.escape(step.database)}: {text.escape(step.purpose)}"
        yield from _statement(step.sql)


def _statement(sql: str) -> Iterator[str]:
    """The lines of a statement and its end, which must not become part of a comment."""
    written = re.split(r"\r\n?|\n", sql.strip().rstrip(";"))
    if "--" in written[-1]:
        written.append("")
    written[-1] += ";"
    return ("\t".join(map(text.escape, line.split("\t"))) for line in written)


@_lines.register
def _(result: results.ConfigResult) -> Iterator[str]:
    """TOML that could be used as it is, but for the secrets."""
    yield f"# {text.escape(result.path or 'no file: all from the environment')}"
    yield from toml.lines({name: _meant(value) for name, value in result.settings.items()})


def _meant(value: object) -> object:
    """A setting as a configuration writes it, where `${` begins the name of a variable."""
    if isinstance(value, dict):
        return {name: _meant(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_meant(each) for each in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


@_lines.register
def _(result: results.EmbeddedStatus) -> Iterator[str]:
    yield row(["running" if result.running else "stopped", text.escape(result.socket), text.embedded(result)])


@_lines.register
def _(result: results.EmbeddedStopped) -> Iterator[str]:
    yield row(["stopped" if result.pid else "not running", text.escape(result.directory)])


@_lines.register
def _(result: results.DemoRun) -> Iterator[str]:
    yield from lines(result.status)
    if result.redis == EMBEDDED:
        yield f"# {text.escape(text.stop(result))}: stops the bundled Valkey, which has the totals and runs on"
    else:
        yield f"# the totals are in {text.escape(redact(result.redis), text.LIMIT)}"


def row(columns: Iterable[str]) -> str:
    """One line; an empty column becomes `-`."""
    return "\t".join(column or text.NOTHING for column in columns)


def _cell(view: results.CellView) -> list[str]:
    cell = view.cell
    return [
        text.escape(view.id.counter),
        text.escape(view.id.group),
        text.escape(text.period(view), text.LIMIT),
        view.state,
        text.value(view),
        text.change(cell),
        text.coverage(cell.coverage) if cell else "",
    ]


@singledispatch
def notes(result: object) -> Iterator[str]:
    """What is good to know besides, for stderr: one line each."""
    del result
    yield from ()


@notes.register
def _(result: results.WarmupResult) -> Iterator[str]:
    yield from (text.escape(note, 1000) for note in result.notes)
    skipped: dict[str, list[str]] = {}
    for job in result.jobs:
        for outcome in job.counters:
            if outcome.skipped:
                skipped.setdefault(words(outcome.skipped), []).append(outcome.counter)
    for why, counters in skipped.items():
        yield f"{text.listed(counters)}: {text.escape(why, 1000)}, or now with --force"


@notes.register
def _(result: results.LocksResult) -> Iterator[str]:
    yield from (text.escape(note, 1000) for note in result.notes)


@notes.register
def _(result: results.ClearResult) -> Iterator[str]:
    if result.dry_run:
        yield "nothing was cleared: this was a dry run"


@notes.register
def _(result: results.RecoverResult) -> Iterator[str]:
    yield from (text.escape(note, 1000) for note in result.notes)
    if result.warmup:
        yield from notes(result.warmup)
    if result.dry_run and result.broken:
        yield "nothing was done: this was a dry run"


@notes.register
def _(result: results.DemoRun) -> Iterator[str]:
    yield from notes(result.warmup)


def problems(result: object, commands: Commands = NO_OPTIONS) -> Iterator[str]:
    """What went wrong, for stderr: one line each, none where all went well."""
    yield from _problems(result)
    if isinstance(result, results.ClearResult):
        there = f"{text.escape(commands.to_type('locks list'))} shows those there are"
        for name in result.unknown:
            yield f"there is no lock {text.escape(name, text.LIMIT)}; {there}"


@singledispatch
def _problems(result: object) -> Iterator[str]:
    del result
    yield from ()


@_problems.register
def _(result: results.WarmupResult) -> Iterator[str]:
    for job in result.jobs:
        if job.failure:
            yield f"{text.escape(job.database)}: {text.failure(job.failure)}"
        for failure, outcomes in failures(job.counters).items():
            if failure != job.failure:
                yield f"{text.listed(_hit(failure, each) for each in outcomes)}: {text.failure(failure)}"


@_problems.register
def _(result: results.DemoRun) -> Iterator[str]:
    yield from _problems(result.warmup)


@_problems.register
def _(result: results.ClearResult) -> Iterator[str]:
    for each in result.locks:
        if not each.cleared:
            yield f"lock {text.escape(each.lock.name)}: {text.escape(each.why, 1000)}"
    for other in result.foreign:
        if not other.cleared:
            yield f"lock {foreign.key(other.lock)}: {text.escape(other.why, 1000)}"


@_problems.register
def _(result: results.RecoverResult) -> Iterator[str]:
    yield from repairs.recover_problems(result)
    if result.warmup:
        yield from _problems(result.warmup)


@_problems.register
def _(result: results.AcceptResult) -> Iterator[str]:
    yield from repairs.accept_problems(result)


@_problems.register
def _(result: results.PruneResult) -> Iterator[str]:
    yield from repairs.prune_problems(result)


@_problems.register
def _(result: results.CheckResult) -> Iterator[str]:
    failed = sum(not each.ok for each in result.checks)
    if failed:
        made = sum(not each.warning for each in result.checks)
        yield f"{failed} of {count(made, 'check')} failed"


@_problems.register
def _(result: results.DoctorResult) -> Iterator[str]:
    wrong = sum(each.health is results.Health.WRONG for each in result.findings)
    if wrong:
        yield f"{wrong} of {count(len(result.findings), 'check')} failed"


@_problems.register
def _(result: results.PlanResult) -> Iterator[str]:
    for counter, failure in result.failures:
        yield f"{text.escape(counter)}: {text.failure(failure)}"


def failures(outcomes: Iterable[results.CounterOutcome]) -> dict[Failure, list[results.CounterOutcome]]:
    """The outcomes' failures, each once, with the counters that it hit."""
    found: dict[Failure, list[results.CounterOutcome]] = {}
    for outcome in outcomes:
        for failure in dict.fromkeys(outcome.failures):
            found.setdefault(failure, []).append(outcome)
    return found


def _hit(failure: Failure, outcome: results.CounterOutcome) -> str:
    """The counter, and which of its cells the failure hit, where that is not all of them. A value that was held back is
    always that of a cell.
    """
    hit = [view for view in outcome.cells if view.failure and _as_stored(view.failure) == _as_stored(failure)]
    every = not hit or len(hit) == len(outcome.cells)
    if every and failure.reason is not Reason.HELD:
        return outcome.counter
    return f"{outcome.counter} ({text.listed((f'{view.id.group} {text.period(view)}' for view in hit), 3)})"


def _as_stored(failure: Failure) -> tuple[str, str]:
    return failure.reason, failure.text
