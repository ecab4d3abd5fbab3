"""What `config check` warns of: a configuration that is right and may do something that nobody expects of it.

All of it is looked for in a sample, so that a check does not take as long as a run. Messages with amounts say so where
the table has more rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from countercache.compute.rejections import Rejection, rejected_values
from countercache.databases.base import Database
from countercache.databases.field_values import read_example
from countercache.databases.lookup_queries import doubles_sql, mixed_sql, more_sql, several_sql, unlisted_sql
from countercache.model.results import Check
from countercache.model.states import ALL, Failure
from countercache.settings import Aggregate, Lookup, Over, Settings
from countercache.worker.source_reader import Source

SAMPLE = 10_000
"""Rows that are looked at."""


def surprises(database: Database, settings: Settings, source: Source, counters: Sequence[str]) -> Iterator[Check]:
    """The warnings about a source, whose tables are there, and about counters over it."""
    name = source.plan.source
    if rejected := _rejected(database, source):
        message = f"in a sample, {rejected.message}"
        yield Check(f"source {name}", ok=True, message=message, warning=True, hint=rejected.hint)
    notes = (*_several_snapshots(database, source), *database.catalog.notes(source.names.facts.table))
    for message in (*notes, *_unlisted(database, source), *_doubles(database, source)):
        yield Check(f"source {name}", ok=True, message=message, warning=True)
    for group, message in (*_mixed(database, settings, source), *_several(database, settings, source)):
        yield Check(f"group {group}", ok=True, message=message, warning=True)
    for counter in counters:
        of = settings.counters[counter]
        if of.over is Over.ENTITIES and of.aggregate is not Aggregate.SUM and ALL in of.periods:
            if source.plan.settings.period is None:
                continue
            message = f'its {of.aggregate} for the period "all" is one of each entity in each period'
            yield Check(f"counter {counter}", ok=True, message=message, warning=True)


def _several_snapshots(database: Database, source: Source) -> Iterator[str]:
    """That what is shown side by side may not have been so at any moment, where statements share no snapshot."""
    if not database.features.one_snapshot and source.plan.totals and source.plan.entity_specs:
        yield (
            "it is not read in one snapshot: its counters over entities are read after those over totals, with what is"
            " written in between"
        )


def _rejected(database: Database, source: Source) -> Failure | None:
    """What is no number among the first values of the fields that counters use."""
    fields = source.plan.fields
    if not fields:
        return None
    ((*columns,),) = database.rows(source.statements().sample(fields, SAMPLE))
    rejections: dict[str, Rejection] = {}
    for i, field in enumerate(fields):
        values, rejected, example = columns[3 * i : 3 * i + 3]
        if rejected:
            rejections[field] = Rejection(values, rejected, *read_example(example))
    if not rejections:
        return None
    names = source.names.names_of(database, {rejection.entity for rejection in rejections.values()})
    spellings = source.names.facts.spellings()
    return rejected_values(rejections, "", spellings, {str(key): name for key, name in names.items()})


def _unlisted(database: Database, source: Source) -> Iterator[str]:
    """Figures of entities and periods that the lookup tables do not list."""
    facts = source.names.facts
    source_settings = facts.settings
    lookups: list[tuple[str, str | None, Lookup | None]] = [
        ("an entity", source_settings.entity, source_settings.entities),
        ("a period", source_settings.period, source_settings.periods),
    ]
    for what, column, lookup in lookups:
        if column is None or lookup is None:
            continue
        ((count,),) = database.rows(unlisted_sql(database.dialect, source_settings.table, column, lookup, SAMPLE))
        if count:
            amount = f"{_sample(database, source)}{'1 row' if count == 1 else f'{count:,} rows'}"
            where = f"{amount} of {source_settings.table} of {what}"
            yield f"{where} that {lookup.table} does not list: not counted anywhere"


def _doubles(database: Database, source: Source) -> Iterator[str]:
    """Several values of one entity, field and period, of which each counts in the coverage."""
    facts = source.names.facts
    if facts.unique:
        return
    source_settings = facts.settings
    columns = [
        name for name in (source_settings.entity, source_settings.period, source_settings.field) if name is not None
    ]
    if database.rows(doubles_sql(database.dialect, source_settings.table, columns, SAMPLE)):
        what = f"{source_settings.table} has several values of one entity in one period"
        yield f"{what}: they are added up, and each counts in the coverage"


def _mixed(database: Database, settings: Settings, source: Source) -> Iterator[tuple[str, str]]:
    """Groups, without an entities table, whose condition holds for some rows of an entity and not for others."""
    source_settings = source.names.facts.settings
    if source_settings.entities is not None:
        return
    for group in source.plan.groups:
        configured = settings.groups.get(group.name)  # none has the name of a value
        if configured is None or configured.where is None:
            continue
        ((count,),) = database.rows(
            mixed_sql(database.dialect, source_settings.table, source_settings.entity, configured.where, SAMPLE)
        )
        if count:
            entities = "1 entity" if count == 1 else f"{count:,} entities"
            rows = f"{_sample(database, source)}its condition holds for some rows of {entities} and not for others"
            yield group.name, f"{rows}: all their figures are in the group"


def _several(database: Database, settings: Settings, source: Source) -> Iterator[tuple[str, str]]:
    """Groups by a column, without an entities table, that have entities in common."""
    source_settings = source.names.facts.settings
    if source_settings.entities is not None:
        return
    columns = {
        name: group.group_by
        for name, group in settings.groups.items()
        if group.source == source.plan.source and group.group_by and name not in source.group_failures
    }
    counts: dict[str, int] = {}
    for column in dict.fromkeys(columns.values()):
        ((counts[column],),) = database.rows(
            several_sql(database.dialect, source_settings.table, source_settings.entity, column, SAMPLE)
        )
    for group, column in columns.items():
        if counts[column]:
            entities = "1 entity has" if counts[column] == 1 else f"{counts[column]:,} entities have"
            rows = f'{_sample(database, source)}{entities} several values of "{column}"'
            yield group, f"{rows}: all their figures are in the group of each, so that groups need not add up to all"


def _sample(database: Database, source: Source) -> str:
    """What a message begins with where not all rows were looked at."""
    table = source.names.facts.settings.table
    return f"in a sample of {SAMPLE:,} rows, " if database.rows(more_sql(database.dialect, table, SAMPLE)) else ""
