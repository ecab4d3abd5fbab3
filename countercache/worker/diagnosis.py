"""What can be wrong with a database and its tables; runs in the worker, within the read-only transaction of any run.

An index is only asked for where the plan says that ranges of entities, or the few periods that are wanted, cost nearly
as much as the whole table. A pass over all of it needs none.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence

import msgspec

from countercache.compute.latest_period import likely
from countercache.compute.plan import Plan, labels
from countercache.databases.base import Database, Refused
from countercache.databases.query_parts import Range
from countercache.databases.statements import Reading, Statements
from countercache.model.results import Check, Finding, Health
from countercache.model.states import Reason
from countercache.model.table import Table
from countercache.settings import Settings
from countercache.worker import checks
from countercache.worker.names import Names, read_names
from countercache.worker.protocol import Checked, Diagnosed, Report, Reporter, StartCommand

LIMIT = 0.05
"""The limit, in seconds, of a query that takes much longer without one: it shows whether limits hold."""

MANY_ROWS = 100_000
"""A table that is smaller is read as fast as its index."""

_HUGE = 8_000_000
"""Rows that take many seconds to be brought together by entity."""

_FEW = 0.2
"""At most this share of the periods counts as few."""

_WORTH_IT = 0.5
"""An index is worth it where a part costs more than this share of the whole."""


def examine(reporter: Reporter, settings: Settings, database: Database, start: StartCommand) -> None:
    """Report what is seen of the database, each as it is seen."""
    for finding in _findings(settings, database, start):
        reporter.send(Diagnosed((finding,)))


def area(name: str) -> str:
    """What its findings stand under."""
    return f"database {name}"


def _findings(settings: Settings, database: Database, start: StartCommand) -> Iterator[Finding]:
    name = area(database.target.name)
    yield from database.catalog.examine(name)
    if database.catalog.slow_query:
        yield _limits(name, database)
    for source, counters in (yield from _checks(name, database, settings, start)).items():
        yield from _indexes(name, database, settings, source, counters)


def _limits(name: str, database: Database) -> Finding:
    """Whether a query that would take long is ended: the server's word for it is not enough behind a pooler."""
    why = "they end a query that hangs; a pooler that forgets SET LOCAL would let it run"
    began = time.monotonic()
    try:
        with database.savepoint():
            database.number(database.catalog.slow_query, LIMIT)
    except Refused as error:
        took = (time.monotonic() - began) * 1000
        if error.reason is Reason.TIMEOUT:
            outcome = f"a query with a limit of {LIMIT * 1000:.0f} ms was ended after {took:.0f} ms"
            return Finding(name, "limits", Health.OK, outcome, why)
        return Finding(name, "limits", Health.WRONG, error.message, why, error.hint)
    outcome = f"a query with a limit of {LIMIT * 1000:.0f} ms ran to its end"
    cure = "let its url name the server itself, or a pooler that keeps a transaction on one connection"
    return Finding(name, "limits", Health.WRONG, outcome, why, cure)


class _Ear:
    """Who hears what `config check` has to say."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def send(self, report: Report) -> None:
        """Keep what was checked."""
        if isinstance(report, Checked):
            self.checks += report.checks


def _checks(
    name: str, database: Database, settings: Settings, start: StartCommand
) -> Generator[Finding, None, dict[str, list[str]]]:
    """What `config check` says; returns the counters that are well, by those sources that are."""
    why = "what the configuration names has to be there, and has to be readable"
    ear = _Ear()
    checks.check(ear, settings, database, start)
    for caveat in database.caveats:
        yield Finding(name, "promises", Health.WARNING, caveat, "other databases promise it")
    bad = {check.subject for check in ear.checks if not check.ok}
    for check in ear.checks:
        if check.message in database.caveats:
            continue
        if check.warning or not check.ok:
            health = Health.WARNING if check.warning else Health.WRONG
            yield Finding(name, check.subject, health, check.message, why, check.hint)
        elif check.subject.startswith("source "):
            yield Finding(name, check.subject, Health.OK, check.message, why)
    good: dict[str, list[str]] = {}
    for counter in start.counters:
        source = settings.counters[counter].source
        if not bad & {f"counter {counter}", f"source {source}"}:
            good.setdefault(source or "", []).append(counter)
    amount = f"{sum(map(len, good.values()))} of {len(start.counters)} can be computed"
    yield Finding(name, "counters", Health.OK, amount, why)
    good.pop("", None)
    return good


def _indexes(
    name: str, database: Database, settings: Settings, source: str, counters: Sequence[str]
) -> Iterator[Finding]:
    """Which index would help; that none would is said once."""
    names = read_names(database, settings, source, counters)
    # Groups are joined to what has been added up, whichever way that was read.
    names = msgspec.structs.replace(names, plan=msgspec.structs.replace(names.plan, groups=()))
    source_settings, table = names.facts.settings, names.facts.table
    why = "a run that reads all of a table needs none; one that reads it part by part does"
    whole = database.catalog.cost(_statement(database, names, names.plan, Range()))
    wanted: dict[str, str] = {}
    batched = settings.agent.batch_size != "auto" and _is_large(table) and source_settings.entity not in table.leading
    if batched and _part_cost(database, names) > _WORTH_IT * whole:
        problem = f"each batch of {settings.agent.batch_size} entities reads all of {source_settings.table}"
        wanted[source_settings.entity] = (
            f'{problem}; an index on {source_settings.entity}, or batch_size = "auto", ends that'
        )
    if settings.agent.batch_size == "auto" and _could_be_cut(database, names, table):
        problem = (
            f"counters over entities read {source_settings.table} in one query that takes long and shows no progress"
        )
        wanted[source_settings.entity] = f"{problem}; with an index on {source_settings.entity} it is cut into several"
    few_periods = _some_periods(names)
    selective = few_periods is not None and _is_large(table) and source_settings.period not in table.leading
    if (
        few_periods
        and source_settings.period
        and selective
        and database.catalog.cost(_statement(database, names, few_periods, Range())) > _WORTH_IT * whole
    ):
        few = f"{len(few_periods.periods or ())} of {len(names.periods or ())} periods"
        wanted[source_settings.period] = (
            f"for {few} all of {source_settings.table} is read; an index on {source_settings.period} ends that"
        )
    for column, problem in wanted.items():
        yield Finding(name, "index", Health.WARNING, problem, why, database.catalog.create_index(table, column))
    if not wanted:
        yield Finding(name, "index", Health.OK, f"{source_settings.table} needs none beside those that it has", why)


def _could_be_cut(database: Database, names: Names, table: Table) -> bool:
    """Whether an index on the entity would let `auto` read range by range: the rows lie in its order already."""
    listed = database.features.reads_ranges_cheaply and names.facts.settings.entities is not None
    many = bool(names.plan.entity_specs) and (table.rows or 0) > _HUGE
    return listed and many and names.facts.settings.entity in table.sorted - table.leading


def _is_large(table: Table) -> bool:
    return (table.rows or 0) >= MANY_ROWS


def _some_periods(names: Names) -> Plan | None:
    """The plan with the few periods that are wanted, where they are a few of many."""
    wanted = labels(names.plan.wanted[counter] for counter in names.plan.specs if counter in names.plan.wanted)
    if wanted is None or not names.periods:
        return None
    compare = any(counter.compare for counter in names.plan.wanted.values())
    keys = likely(names.periods, wanted, compare=compare)
    if not keys or len(keys) > _FEW * len(names.periods):
        return None
    return msgspec.structs.replace(names.plan, periods=tuple(sorted(keys, key=repr)))


def _statement(database: Database, names: Names, plan: Plan, within: Range) -> str:
    """The query that a run spends its time on."""
    statements = Statements(database.engine, names.facts, plan, Reading(rows=names.facts.table.rows))
    return statements.totals(within) if plan.totals else statements.entity_pass(plan.entity_specs, within)


def _part_cost(database: Database, names: Names) -> float:
    """What a range of entities costs that has hardly any."""
    if not database.features.reads_ranges_cheaply:
        return database.catalog.cost(_statement(database, names, names.plan, Range(0, 0)))
    statements = Statements(database.engine, names.facts, names.plan, Reading())
    first = statements.boundary(None, 1)
    if not names.facts.settings.entities:
        # To find where the next range begins costs as much.
        return database.catalog.cost(first)
    rows = database.rows(first)
    return (
        database.catalog.cost(_statement(database, names, names.plan, Range(rows[0][0], rows[0][0]))) if rows else 0.0
    )
