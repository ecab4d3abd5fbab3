"""What a source's tables and rows are called: reads the catalogue and the lookup tables, and makes the plan of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from countercache.compute.formula import nearest, some
from countercache.compute.plan import KnownFields, Period, Plan, ambiguous, make_plan, mentioned
from countercache.databases.base import Database, Refused
from countercache.databases.field_values import Facts
from countercache.databases.lookup_queries import (
    distinct_sql,
    equals_sql,
    lookup_sql,
    named_sql,
    repeated_sql,
    sample_sql,
    spellings_sql,
)
from countercache.errors import ConfigError
from countercache.model.states import ALL, Failure, Reason
from countercache.model.table import Column, Key, Kind, Table, split_name
from countercache.settings import Layout, Lookup, Settings, SourceSettings

_TWICE = "has {} in two forms that look alike, such as a number and a text"

MANY = 10_000
"""How many different names are read to find the one that may have been meant."""

_SAMPLE = 100_000
"""How many rows of a long table are searched for the names of its fields, where no other table has them."""


class Names(msgspec.Struct, frozen=True):
    """A source as it was found. `complete`: its fields are all known. `periods` is `None` where only reading the whole
    table would tell. `wrong` says of fields why they cannot be read.
    """

    facts: Facts
    plan: Plan
    complete: bool
    periods: tuple[Period, ...] | None
    wrong: Mapping[str, Failure] = {}

    def may_reject(self) -> bool:
        """Whether the type of a column says already that it may hold what is no finite number."""
        facts = self.facts
        columns = (
            [str(facts.fields[field]) for field in self.plan.fields] if facts.wide else [facts.settings.value or ""]
        )
        return any(facts.table.columns[name].kind in {Kind.FLOAT, Kind.TEXT} for name in columns)

    def periods_of(self, database: Database, keys: Iterable[Key]) -> tuple[Period, ...]:
        """Periods without a periods table: named and ordered by what the column holds.

        Raises `ConfigError` where two have one name.
        """
        table = self.facts.settings.table
        column = self.facts.table.columns[self.facts.settings.period or ""]
        ordered = spelled = list(keys)
        if len(ordered) > 1:
            ordered = spelled = [key for (key,) in database.rows(database.dialect.sorted_keys(table, column, ordered))]
        if not column.exact and ordered:
            # In which spelling a key was read depends on the query, and must not show.
            spelled = [key for (key,) in database.rows(spellings_sql(database.dialect, table, column.name, ordered))]
        labels = [text_of(key) for key in spelled]
        for label in _repeated(labels):
            raise ConfigError(f'column "{column.name}" of table "{table}" {_TWICE.format(label)}')
        return tuple(Period(key, label) for key, label in zip(ordered, labels, strict=True))

    def names_of(self, database: Database, keys: Collection[Key]) -> dict[Key, str]:
        """The names of some entities; of those that no table names there is none."""
        lookup = self.facts.settings.entities
        if lookup is None or not keys:
            return {}
        if self.facts.entities and self.facts.entities.columns[lookup.key].kind is Kind.INTEGER:
            # An example has it as a text, which strict databases do not compare with a number.
            keys = {int(key) if isinstance(key, str) else key for key in keys}
        rows = database.rows(named_sql(database.dialect, lookup, sorted(keys, key=repr)))
        return {key: text_of(name) for key, name in rows}

    def field_names(self, database: Database) -> tuple[list[str], bool]:
        """The names of the fields, in order, and whether these are all."""
        if self.complete:
            return sorted(self.facts.fields), True
        settings = self.facts.settings
        rows = database.rows(sample_sql(database.dialect, settings.table, settings.field or "", _SAMPLE))
        return [text_of(key) for key, _ in rows if key is not None], sum(count for _, count in rows) < _SAMPLE

    def without_fields(self) -> Failure:
        """Why there is no field at all, and what to do."""
        settings = self.facts.settings
        if self.complete and self.wrong:
            return next(iter(self.wrong.values()))
        if isinstance(settings.fields, Lookup):
            if settings.fields.where is not None:
                table = f'table "{settings.fields.table}"'
                return _wrong(f'{table} has no rows for which its "where" holds, so there is no field', "look at it")
            return _wrong(f'table "{settings.fields.table}" has no rows, so there is no field', "fill it")
        if settings.layout is not Layout.WIDE:
            return _wrong(f'table "{settings.table}" has no rows with a field', "fill it, or name another table")
        if texts := _texts(settings, self.facts.table):
            cure = "name those that hold figures in `fields`, and in `numbers` how they spell numbers"
            hint = f"text is in {some(texts)}: {cure}"
            return _wrong(f'table "{settings.table}" has no numeric column for a field', hint)
        return _wrong(f'table "{settings.table}" has no column for a field', "name another table")

    def entity_names(self, database: Database) -> list[str]:
        """The names of entities (many, if not all), for hints."""
        settings = self.facts.settings
        lookup = settings.entities
        table, column = (lookup.table, lookup.name) if lookup else (settings.table, settings.entity)
        query = distinct_sql(database.dialect, table, column, where=lookup.where if lookup else None, limit=MANY)
        return [text_of(key) for (key,) in database.rows(query)]


def read_names(database: Database, settings: Settings, source: str, counters: Sequence[str]) -> Names:
    """Look at a source's tables. Raises `ConfigError` for a table or column that is not there, or cannot be used."""
    source_settings = settings.sources[source]
    if source_settings.final and not database.features.reads_final:
        raise ConfigError(f'source {source} has "final", which is nothing that {database.engine.name} has')
    database.read_final(final=source_settings.final)
    table = find_table(database, source_settings.table)
    for column in (source_settings.entity, source_settings.period, source_settings.field, source_settings.value):
        if column is not None:
            find_column(table, column, source_settings.table)
    entities = _find_lookup(database, source_settings.entities)
    _find_lookup(database, source_settings.periods)
    periods: tuple[Period, ...] | None = None
    if source_settings.period is None:
        periods = (Period(ALL, ALL),)
    elif source_settings.periods:
        periods = tuple(Period(key, name) for key, name in _read_lookup(database, source_settings.periods, unique=True))
    fields, wrong, complete = _read_fields(database, settings, source, counters, table)
    strangers = source_settings.entities is not None and not _always_listed(
        source_settings.entities, source_settings.entity, table, entities
    )
    known = KnownFields(fields, complete, _cures(source_settings, table))
    plan = make_plan(settings, source, counters, known, strangers=strangers)
    if not complete:
        fields = {name: fields.get(name, name) for name in {*plan.fields, *fields}}
        wrong |= _unknown_fields(database, settings, source, plan)
    right = {name: key for name, key in fields.items() if name not in wrong}
    facts = Facts(source_settings, table, right, entities)
    return Names(facts, _without(plan, wrong), complete, periods, wrong)


def find_table(database: Database, name: str) -> Table:
    """The table of this name. Raises `ConfigError` with the nearest name."""
    table = database.catalog.describe(split_name(name))
    if table is None:
        hint = nearest(name, database.catalog.table_names()) or "check the name, and the schema it is in"
        raise ConfigError(f'database {database.target.name} has no table "{name}"', hint=hint)
    return table


def find_column(table: Table, name: str, called: str) -> Column:
    """The column of this name. Raises `ConfigError` with the nearest name."""
    if name not in table.columns:
        hint = nearest(name, table.columns) or f"its columns are: {', '.join(table.columns)}"
        raise ConfigError(f'table "{called}" has no column "{name}"', hint=hint)
    return table.columns[name]


def _find_lookup(database: Database, lookup: Lookup | None) -> Table | None:
    if lookup is None:
        return None
    table = find_table(database, lookup.table)
    for column in (lookup.key, lookup.name, lookup.order):
        if column is not None:
            find_column(table, column, lookup.table)
    if lookup.where is not None or not table.is_unique({lookup.key}):
        _check_lookup(database, lookup)
    return table


def _always_listed(lookup: Lookup, column: str, table: Table, listing: Table | None) -> bool:
    """Whether the database itself sees to it that each key in the column is in the lookup table."""
    return lookup.where is None and listing is not None and (column, listing.identity, lookup.key) in table.references


def _check_lookup(database: Database, lookup: Lookup) -> None:
    """Raises `ConfigError` where the lookup's condition is wrong, or the table has a key twice."""
    if lookup.where is not None and (problem := database.dialect.flaw(lookup.where)):
        raise ConfigError(f'the "where" of table "{lookup.table}" must be one expression by itself: {problem}')
    try:
        with database.savepoint():
            repeated = database.rows(repeated_sql(database.dialect, lookup))
    except Refused as error:
        if lookup.where is None:
            raise
        raise ConfigError(f'the "where" of table "{lookup.table}": {error.message}', hint=error.hint) from error
    for (key,) in repeated:
        hint = 'choose another column for its key, or narrow it with "where"'
        message = f'table "{lookup.table}" has more than one row with "{lookup.key}" {text_of(key)}'
        raise ConfigError(message, hint=hint)


def _read_lookup(database: Database, lookup: Lookup, *, unique: bool) -> list[tuple[Key, str]]:
    """Key and name of each row. With `unique`, raises `ConfigError` for two rows of one name."""
    by_key: dict[Key, object] = dict(database.rows(lookup_sql(database.dialect, lookup)))
    rows = [(key, text_of(name)) for key, name in by_key.items()]
    twice = _repeated(name for _, name in rows)
    if unique and twice:
        hint = f'choose another column than "{lookup.name}" for the names'
        raise ConfigError(f'table "{lookup.table}" has two rows named "{twice[0]}"', hint=hint)
    return rows


def _read_fields(
    database: Database, settings: Settings, source: str, counters: Sequence[str], table: Table
) -> tuple[dict[str, Key], dict[str, Failure], bool]:
    """The fields by name; what is wrong with some of them; whether these are all."""
    source_settings = settings.sources[source]
    if source_settings.layout is Layout.WIDE:
        return (*_wide_fields(source_settings, table), True)
    value = table.columns[source_settings.value or ""]
    if value.kind is Kind.OTHER:
        hint = "it must be of a numeric or text type"
        raise ConfigError(
            f'column "{value.name}" of table "{source_settings.table}" is of type {value.type}', hint=hint
        )
    if isinstance(source_settings.fields, Lookup):
        _find_lookup(database, source_settings.fields)
        rows = _read_lookup(database, source_settings.fields, unique=False)
        twice = _repeated(name for _, name in rows)
        wrong = {name: _wrong(f'table "{source_settings.fields.table}" has two rows named "{name}"') for name in twice}
        return {name: key for key, name in rows}, wrong, True
    # Without a lookup table the names are only in the figures: they are looked for where a counter has that name too.
    if not ambiguous(settings, source, counters):
        return {}, {}, False
    keys = [
        key
        for (key,) in database.rows(distinct_sql(database.dialect, source_settings.table, source_settings.field or ""))
    ]
    wrong = {
        name: _wrong(f'column "{source_settings.field}" {_TWICE.format(name)}')
        for name in _repeated(map(text_of, keys))
    }
    fields: dict[str, Key] = {text_of(key): key for key in keys}
    if not table.columns[source_settings.field or ""].exact:
        # A formula may spell a field otherwise than the rows do.
        others = sorted(mentioned(settings, source, counters) - fields.keys())
        fields |= {name: name for name in others if _is_in(database, source_settings, name)}
    return fields, wrong, False


def _unknown_fields(database: Database, settings: Settings, source: str, plan: Plan) -> dict[str, Failure]:
    """What is wrong with the fields of a plan, where no table names those that there are: that no row is of one.

    Of a table without any rows nothing can be said.
    """
    source_settings = settings.sources[source]
    missing = [field for field in plan.fields if not _is_in(database, source_settings, field)]
    if not missing:
        return {}
    keys = database.rows(distinct_sql(database.dialect, source_settings.table, source_settings.field or "", limit=MANY))
    known = {text_of(key) for (key,) in keys}
    formulas = {name for name, counter in settings.counters.items() if counter.source == source}
    wrong = {}
    for field in missing if known else ():
        others = (known | formulas) - {field}
        hint = (
            nearest(field, others)
            or f'see what column "{source_settings.field}" of table "{source_settings.table}" holds'
        )
        wrong[field] = _wrong("no field or counter is called that", hint)
    return wrong


def _is_in(database: Database, settings: SourceSettings, field: str) -> bool:
    """Whether some row is of the field; a name that the column cannot hold is in none."""
    try:
        with database.savepoint():
            return bool(database.rows(equals_sql(database.dialect, settings.table, settings.field or "", field)))
    except Refused:
        return False


def _wide_fields(settings: SourceSettings, table: Table) -> tuple[dict[str, Key], dict[str, Failure]]:
    if isinstance(settings.fields, dict):
        listed = dict(settings.fields)
    elif isinstance(settings.fields, tuple):
        listed = {name: name for name in settings.fields}
    else:
        # A column that is unique by itself is a key of the rows, not a figure.
        keys = {
            settings.entity,
            settings.period,
            *(name for columns in table.unique if len(columns) == 1 for name in columns),
        }
        listed = {name: name for name, column in table.columns.items() if name not in keys and _is_numeric(column)}
    wrong: dict[str, Failure] = {}
    for field, name in listed.items():
        column = table.columns.get(name)
        if column is None:
            wrong[field] = _wrong(f'table "{settings.table}" has no column "{name}"', nearest(name, table.columns))
        elif column.kind is Kind.OTHER:
            message = f'column "{name}" of table "{settings.table}" is of type {column.type}, which holds no figures'
            wrong[field] = _wrong(message)
    return dict(listed), wrong


def _texts(settings: SourceSettings, table: Table) -> list[str]:
    """The columns of a wide table that could be fields if the configuration named them."""
    if settings.layout is not Layout.WIDE or settings.fields is not None:
        return []
    keys = {settings.entity, settings.period}
    texts = {Kind.TEXT, Kind.ANY}
    return [
        name
        for name, column in table.columns.items()
        if name not in keys and column.kind in texts and not _is_numeric(column)
    ]


def _cures(settings: SourceSettings, table: Table) -> dict[str, str]:
    """What makes fields of columns that are none."""
    cure = "name it in `fields`, and in `numbers` how it spells numbers"
    return {
        name: f'column "{name}" of table "{settings.table}" is of type {table.columns[name].type}: {cure}'
        for name in _texts(settings, table)
    }


def _is_numeric(column: Column) -> bool:
    if column.kind is Kind.ANY:
        return column.meant_for_figures
    return column.kind in {Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT}


def _wrong(message: str, hint: str = "") -> Failure:
    return Failure(Reason.CONFIG, message, hint)


def _without(plan: Plan, wrong: Mapping[str, Failure]) -> Plan:
    """The plan without the counters that use a field which cannot be read."""
    failures = {}
    for counter in plan.wanted:
        if counter in plan.specs:
            used = {field for spec in plan.used(counter) for field in spec.fields}
            for field in sorted(used & wrong.keys()):
                message = f'counter {counter}, field "{field}": {wrong[field].message}'
                failures[counter] = _wrong(message, wrong[field].hint)
    left = plan.without(failures)
    return msgspec.structs.replace(left, totals=tuple(field for field in plan.totals if field not in wrong))


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def text_of(key: object) -> str:
    """A key as people read it."""
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)
