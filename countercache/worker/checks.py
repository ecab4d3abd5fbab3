"""What a worker finds out without computing: the plan of a dry run, and whether what is configured is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from countercache.compute.formula import some
from countercache.compute.plan import no_period
from countercache.databases.base import Database, Refused
from countercache.databases.query_parts import Range
from countercache.errors import ConfigError, CountercacheError
from countercache.model.results import Check, PlanStep
from countercache.model.states import ALL, EACH, LATEST, CellId, Failure, Progress, cells_of
from countercache.settings import Settings
from countercache.worker.config_warnings import surprises
from countercache.worker.failures import failure
from countercache.worker.names import Names
from countercache.worker.protocol import Checked, Planned, Progressed, Reporter, StartCommand
from countercache.worker.source_reader import Source, by_source

_FIELDS = 1000
"""The most fields of a source that are listed."""


def plan(reporter: Reporter, settings: Settings, database: Database, start: StartCommand) -> None:
    """Report the cells that would be computed, and the queries of one pass over everything."""
    cells: list[CellId] = []
    steps: list[PlanStep] = []
    failures: list[tuple[str, Failure]] = []
    for source, counters in by_source(settings, start.counters).items():
        try:
            with database.savepoint():
                opened = _open(reporter, settings, database, source, counters)
                opened.prepare()
                steps += [*_masks(opened, database, source), *_steps(opened, database, source)]
        except (ConfigError, Refused) as error:
            failures += [(counter, failure(error)) for counter in counters]
            continue
        failures += opened.plan.failures.items()
        failures += ((f"group {group}", why) for group, why in opened.group_failures.items())
        for counter in opened.plan.specs:
            if counter in counters:
                cells += cells_of(counter, opened.plan.wanted[counter], None)
    for counter in start.counters:
        query = settings.counters[counter].sql
        if query is not None:
            cells.append(CellId(counter, ALL, ALL))
            steps.append(PlanStep(database.target.name, f"counter {counter}", query.strip()))
    reporter.send(Planned(tuple(cells), tuple(steps), tuple(failures)))


def check(reporter: Reporter, settings: Settings, database: Database, start: StartCommand) -> None:
    """Report what was looked at in this database, source by source and counter by counter."""
    name = database.target.name
    caveats = (Check(f"database {name}", ok=True, message=caveat, warning=True) for caveat in database.caveats)
    reporter.send(Checked((Check(f"database {name}", ok=True, message="can be read"), *caveats)))
    used = by_source(settings, start.counters)
    for source, of in settings.sources.items():
        if of.database == name:
            checks = _source(reporter, settings, database, source, used.get(source, []))
            reporter.send(Checked(tuple(checks)))
    for counter in start.counters:
        if settings.counters[counter].sql is not None:
            reporter.send(Checked((_query(settings, database, counter),)))


def _open(
    reporter: Reporter,
    settings: Settings,
    database: Database,
    source: str,
    counters: Sequence[str],
    *,
    every_group: bool = False,
) -> Source:
    def report(progress: Progress) -> None:
        reporter.send(Progressed(progress))

    return Source(database, settings, source, counters, report, every_group=every_group)


def _masks(source: Source, database: Database, name: str) -> Iterator[PlanStep]:
    """What has to run before the queries."""
    if preparation := source.statements().masks.preparation():
        yield PlanStep(database.target.name, f"groups of {name}", ";\n".join(preparation))


def _steps(source: Source, database: Database, name: str) -> Iterator[PlanStep]:
    """The queries over the source's table, as they would run."""
    statements = source.statements()
    if source.plan.totals:
        yield PlanStep(database.target.name, f"totals of {name}", statements.totals(Range()))
    if specs := source.plan.entity_specs:
        yield PlanStep(database.target.name, f"entities of {name}", statements.entity_pass(specs, Range()))


def _source(
    reporter: Reporter, settings: Settings, database: Database, source: str, counters: Sequence[str]
) -> Iterator[Check]:
    """A source with its groups, and the counters over it."""
    subject = f"source {source}"
    try:
        with database.savepoint():
            opened = _open(reporter, settings, database, source, counters, every_group=True)
            if opened.plan.specs or opened.plan.groups:
                opened.prepare()
            for step in _steps(opened, database, source):
                database.parse(step.sql)
            overview = _overview(subject, opened.names, *opened.names.field_names(database))
            warnings = list(surprises(database, settings, opened, counters))
            checked = [_counter(settings, opened, counter) for counter in counters]
    except CountercacheError as error:
        if not isinstance(error, (ConfigError, Refused)):
            raise
        yield _failed(subject, failure(error))
        return
    yield overview
    yield from warnings
    for group, wrong in opened.group_failures.items():
        yield _failed(f"group {group}", wrong)
    yield from checked


def _overview(subject: str, names: Names, fields: Sequence[str], every: bool) -> Check:
    """What was found of a source, in a few words. `every`: there are no other fields than these."""
    if not fields:
        return _failed(subject, names.without_fields())
    periods = "" if names.periods is None else f", and {_count(len(names.periods), 'period')}"
    amount = f"{_count(len(fields), 'field')}:" if every else "fields such as"
    message = f"table {names.facts.settings.table} with {amount} {some(fields)}{periods}"
    return Check(subject, ok=True, message=message, fields=tuple(fields[:_FIELDS]))


def _failed(subject: str, why: Failure) -> Check:
    return Check(subject, ok=False, message=why.message, hint=why.hint)


def _count(amount: int, one: str) -> str:
    return f"{amount} {one}{'' if amount == 1 else 's'}"


def _counter(settings: Settings, source: Source, counter: str) -> Check:
    """Whether a counter's fields and periods are there."""
    subject = f"counter {counter}"
    if wrong := source.plan.failures.get(counter):
        return _failed(subject, wrong)
    asked = settings.counters[counter].periods
    named = () if asked == EACH else [period for period in asked if period not in (LATEST, ALL)]
    listed = source.names.periods
    periods = source.periods() if named else listed
    if asked == EACH or periods is None or (listed is None and not periods):
        # A table without any figure has no period, and a counter over it no figures: that is no error of a period.
        return Check(subject, ok=True, message="its fields are there")
    labels = {period.label for period in periods}
    for period in named:
        if period not in labels:
            return _failed(subject, no_period(period, periods))
    return Check(subject, ok=True, message="its fields and periods are there")


def _query(settings: Settings, database: Database, counter: str) -> Check:
    """Whether the database understands a counter's SQL."""
    subject = f"counter {counter}"
    try:
        with database.savepoint():
            database.parse(settings.counters[counter].sql or "")
    except Refused as error:
        return _failed(subject, failure(error))
    return Check(subject, ok=True, message="its SQL is understood")
