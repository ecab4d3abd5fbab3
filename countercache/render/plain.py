"""Results as lines for pipes and files: a line per row, TAB between columns, no header, nothing truncated.

An unknown value is `-`, so that all rows of a kind have the same number of columns, and `awk` may split all but the
last ones at any space. A line that begins with `#` is a comment.
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
    """The rows of a result; after those of `status`, the commands to type next."""
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
        time = "its process is gone" if run.dead else text.times(run)
        yield f"# run {text.escape(run.lock)}: {text.progress(run.progress)}, {time}"


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
    for cleared in result.locks:
        outcome = "cleared" if cleared.cleared else "left"
        lock, why = cleared.lock, text.escape(cleared.why, 1000)
        yield row([text.escape(lock.name), outcome, cleared.verdict, text.owner(lock), why])
    yield from (row(foreign.cleared_columns(lock)) for lock in result.foreign)


@_lines.register
def _(result: results.EventsResult) -> Iterator[str]:
    for event in result.events:
        yield row(
            [
                text.moment(event.at) or "",
                *(text.escape(part, 40) for part in (event.level, event.category, event.action)),
                text.listed(event.counters, len(event.counters)),
                *(text.escape(part, text.LIMIT) for part in (event.lock, event.run, event.by)),
                text.escape(redact(event.message), 2000),
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
    for check in result.checks:
        state = "warning" if check.warning else "ok" if check.ok else "FAILED"
        yield row([state, text.escape(check.subject), text.escape(check.text, 1000)])


@_lines.register
def _(result: results.DoctorResult) -> Iterator[str]:
    for finding in result.findings:
        parts = (finding.area, finding.subject, redact(finding.seen), redact(finding.cure), finding.why)
        yield row([finding.health, *(text.escape(part, 2000) for part in parts)])


@_lines.register
def _(result: results.PlanResult) -> Iterator[str]:
    """SQL that can be run as it is, with comments that say what it is for."""
    yield f"-- {count(len(result.cells), 'cell')}, {count(len(result.steps), 'query', 'queries')}"
    for cell in result.cells:
        yield "-- cell: " + "  ".join(map(text.escape, (cell.counter, cell.group, cell.period)))
    for step in result.steps:
        yield f"-- {text.escape(step.database)}: {text.escape(step.purpose)}"
        yield from _statement(step.sql)


def _statement(sql: str) -> Iterator[str]:
    """The lines of a statement and its semicolon, which must not become part of a comment."""
    lines = re.split(r"\r\n?|\n", sql.strip().rstrip(";"))
    if "--" in lines[-1]:
        lines.append("")
    lines[-1] += ";"
    return ("\t".join(map(text.escape, line.split("\t"))) for line in lines)


@_lines.register
def _(result: results.ConfigResult) -> Iterator[str]:
    """TOML that can be used as it is, except for the secrets."""
    yield f"# {text.escape(result.path or 'no file: all from the environment')}"
    yield from toml.lines({name: _escaped(value) for name, value in result.settings.items()})


def _escaped(value: object) -> object:
    """A setting as it is written in a configuration, where `$${` stands for `${`."""
    if isinstance(value, dict):
        return {name: _escaped(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
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
        yield f"# {text.escape(text.stop(result))}: stops the bundled Valkey, which has the totals and is still running"
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
    """Notes for stderr, one line each."""
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
    """Errors for stderr, one line each."""
    yield from _problems(result)
    if isinstance(result, results.ClearResult):
        hint = f"{text.escape(commands.to_type('locks list'))} shows all locks"
        for name in result.unknown:
            yield f"there is no lock {text.escape(name, text.LIMIT)}; {hint}"


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
                yield f"{text.listed(_affected(failure, outcome) for outcome in outcomes)}: {text.failure(failure)}"


@_problems.register
def _(result: results.DemoRun) -> Iterator[str]:
    yield from _problems(result.warmup)


@_problems.register
def _(result: results.ClearResult) -> Iterator[str]:
    for own in result.locks:
        if not own.cleared:
            yield f"lock {text.escape(own.lock.name)}: {text.escape(own.why, 1000)}"
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
    failed = sum(not check.ok for check in result.checks)
    if failed:
        total = sum(not check.warning for check in result.checks)
        yield f"{failed} of {count(total, 'check')} failed"


@_problems.register
def _(result: results.DoctorResult) -> Iterator[str]:
    wrong = sum(finding.health is results.Health.WRONG for finding in result.findings)
    if wrong:
        yield f"{wrong} of {count(len(result.findings), 'check')} failed"


@_problems.register
def _(result: results.PlanResult) -> Iterator[str]:
    for counter, failure in result.failures:
        yield f"{text.escape(counter)}: {text.failure(failure)}"


def failures(outcomes: Iterable[results.CounterOutcome]) -> dict[Failure, list[results.CounterOutcome]]:
    """Each failure once, with the outcomes of all counters that have it."""
    by_failure: dict[Failure, list[results.CounterOutcome]] = {}
    for outcome in outcomes:
        for failure in dict.fromkeys(outcome.failures):
            by_failure.setdefault(failure, []).append(outcome)
    return by_failure


def _affected(failure: Failure, outcome: results.CounterOutcome) -> str:
    """The counter, with its cells that have the failure where that is not all of them, or their values are held."""
    affected = [view for view in outcome.cells if view.failure and _as_stored(view.failure) == _as_stored(failure)]
    all_cells = len(affected) in (0, len(outcome.cells))
    if all_cells and failure.reason is not Reason.HELD:
        return outcome.counter
    return f"{outcome.counter} ({text.listed((f'{view.id.group} {text.period(view)}' for view in affected), 3)})"


def _as_stored(failure: Failure) -> tuple[str, str]:
    return failure.reason, failure.text
