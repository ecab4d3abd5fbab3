"""What must hold between settings: every name that one gives of another exists, and no two cells share a key. Pure.

Each check raises `ConfigError` at the first thing that is wrong, naming the key and the nearest right name.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path

from countercache.config.document import Document, Key
from countercache.config.publish_validation import check_publish
from countercache.errors import FormulaError
from countercache.model.durations import duration_text
from countercache.model.percent import percent_text
from countercache.model.redaction import shown
from countercache.model.states import ALL, EACH
from countercache.model.suggestions import nearest_or_all
from countercache.settings import (
    EMBEDDED,
    CounterSettings,
    Format,
    Layout,
    Lookup,
    Missing,
    Numbers,
    Over,
    Settings,
    SourceSettings,
)

_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LOCALE = re.compile(r"[a-z]{2,3}(_[A-Za-z0-9]+)*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MIN_LEASE = 1.0
_MAX_PRECISION = 20
_MAX_FACTOR = 10
_MAX_EVENTS = 1_000_000
# What a counter by SQL has no use for: its query says all of it.
_FORMULA_ONLY = (
    *("source", "formula", "over", "aggregate", "missing", "periods", "groups", "compare"),
    *("rejected", "min_coverage", "complete"),
)


def pointless(counter: CounterSettings) -> tuple[str, ...]:
    """The keys that have no meaning for such a counter, and so must not be given."""
    if counter.sql is not None:
        return _FORMULA_ONLY
    return ("aggregate",) if counter.over is Over.TOTALS else ("complete",)


def check(settings: Settings, document: Document) -> None:
    """Raise `ConfigError` for the first thing in the settings that cannot be."""
    _names(settings, document)
    _connections(settings, document)
    _agent(settings, document)
    _breaker_and_events(settings, document)
    for name, source in settings.sources.items():
        _source(source, ("sources", name), settings, document)
    for name in settings.groups:
        _group(name, settings, document)
    for name, counter in settings.counters.items():
        key = ("counters", name)
        if counter.sql is not None:
            _sql_counter(counter, key, settings, document)
        else:
            _formula_counter(counter, key, settings, document)
        if counter.max_change is not None and not counter.max_change:
            raise document.error((*key, "max_change"), "got 0%", hint="give more, or remove it")
        _format(counter.format, (*key, "format"), document)
    if settings.publish is not None:
        check_publish(settings, settings.publish, document)


def _names(settings: Settings, document: Document) -> None:
    named: list[tuple[Key, str]] = [(("namespace",), settings.namespace)]
    for kind in ("databases", "sources", "groups", "counters"):
        named += [((kind, name), name) for name in getattr(settings, kind)]
    for key, name in named:
        if not name.strip():
            raise document.error(key, "the name is empty", hint="give it one")
        if found := _CONTROL.search(name):
            raise document.error(key, f"the name holds the control character U+{ord(found[0]):04X}", hint="remove it")
    if found := re.search(r"[{}]", settings.namespace):
        problem = f'the namespace {shown(settings.namespace)} holds "{found[0]}", which Redis reads as a hash tag'
        raise document.error(("namespace",), problem, hint="use letters, digits and hyphens")
    if ALL in settings.groups:
        hint = "it always means every entity: choose another name"
        raise document.error(("groups", ALL), f'the group name "{ALL}" is taken', hint=hint)


def _connections(settings: Settings, document: Document) -> None:
    url = settings.redis.url
    if url != EMBEDDED and not url.startswith(_REDIS_SCHEMES):
        hint = f'write redis://HOST:PORT/0, rediss://…, unix:///PATH or "{EMBEDDED}"'
        raise document.error(("redis", "url"), f"not a Redis URL: {_scheme(url)}", hint=hint)
    for name, database in settings.databases.items():
        if not _URL.match(database.url):
            hint = "write postgresql://USER:PASSWORD@HOST/NAME, sqlite:///PATH or another SQLAlchemy URL"
            raise document.error(("databases", name, "url"), f"not a database URL: {_scheme(database.url)}", hint=hint)


def _scheme(url: str) -> str:
    """What is wrong with a URL, without showing what may be a password."""
    scheme, separator, _ = url.partition("://")
    if not url:
        return "it is empty"
    return f"it begins with {shown(scheme + separator)}" if separator else 'it has no "://"'


def _agent(settings: Settings, document: Document) -> None:
    agent = settings.agent
    if agent.lease < _MIN_LEASE:
        hint = "give at least 1s, so that it can be renewed in time"
        raise document.error(("agent", "lease"), f"a lease of {agent.lease:g} seconds is too short", hint=hint)
    if isinstance(agent.batch_size, int) and agent.batch_size < 1:
        hint = 'give the entities of a batch, at least 1, or "auto"'
        raise document.error(("agent", "batch_size"), f"got {shown(agent.batch_size)}", hint=hint)


def _breaker_and_events(settings: Settings, document: Document) -> None:
    breaker, keep = settings.breaker, settings.events.keep
    if breaker.failures < 1:
        hint = "give the failed attempts in a row after which a counter is left alone, at least 1"
        raise document.error(("breaker", "failures"), f"got {shown(breaker.failures)}", hint=hint)
    if not 1 <= breaker.factor <= _MAX_FACTOR:
        hint = f"give a whole number from 1 to {_MAX_FACTOR}"
        raise document.error(("breaker", "factor"), f"got {shown(breaker.factor)}", hint=hint)
    if breaker.max < breaker.wait:
        hint = f"give at least {duration_text(breaker.wait)}, which is [breaker] wait"
        raise document.error(("breaker", "max"), f"{duration_text(breaker.max)} is less than the first wait", hint=hint)
    if not 1 <= keep <= _MAX_EVENTS:
        hint = f"give the number of events to keep, from 1 to {_MAX_EVENTS}"
        raise document.error(("events", "keep"), f"got {shown(keep)}", hint=hint)


def _known(name: str, key: Key, kind: str, names: Iterable[str], document: Document, extra: str = "") -> None:
    """Raise when the name that `key` gives is none of `names`."""
    names = list(names)
    if name not in names:
        hint = "; ".join(part for part in (nearest_or_all(name, names), extra) if part)
        raise document.error(key, f"there is no {kind} {shown(name)}", hint=hint)


def _database(name: str, key: Key, settings: Settings, document: Document) -> None:
    extra = "" if settings.databases else f"add [databases.{name}] with its url, or set DATABASE_URL"
    _known(name, key, "database", settings.databases, document, extra)


def _source(source: SourceSettings, key: Key, settings: Settings, document: Document) -> None:
    _database(source.database, (*key, "database"), settings, document)
    _columns(source, key, document)
    for option in ("entities", "fields"):
        lookup = getattr(source, option)
        if isinstance(lookup, Lookup) and lookup.order is not None:
            raise document.error((*key, option, "order"), "only periods have an order", hint="remove it")
    if isinstance(source.fields, (tuple, dict)) and not source.fields:
        hint = "name the columns that are fields, or remove it to use every numeric column"
        raise document.error((*key, "fields"), "is empty", hint=hint)
    if isinstance(source.fields, tuple):
        _no_repeats(source.fields, (*key, "fields"), document)
    _at_most_all(source.min_coverage, (*key, "min_coverage"), document)
    _spellings(source, key, document)


def _columns(source: SourceSettings, key: Key, document: Document) -> None:
    """The columns that the layout needs are named, and no others."""
    for option in ("field", "value"):
        given = getattr(source, option) is not None
        if source.layout is Layout.LONG and not given:
            hint = f'name the column that holds the {option}, or set layout = "wide"'
            raise document.error(key, f'"{option}" is missing, which the long layout needs', hint=hint)
        if source.layout is Layout.WIDE and given:
            hint = 'remove it, or set layout = "long"'
            raise document.error((*key, option), "makes no sense in the wide layout", hint=hint)
    if source.period is None and source.periods is not None:
        raise document.error((*key, "periods"), 'makes no sense without "period"', hint="name the column, or remove it")
    for option in ("table", "entity", "period", "field", "value"):
        if getattr(source, option) == "":
            raise document.error((*key, option), "is empty", hint="name it")


def _spellings(source: SourceSettings, key: Key, document: Document) -> None:
    """How numbers are spelled, of all fields and of single ones."""
    if source.numbers is not None:
        _numbers(source.numbers, (*key, "numbers"), document)
    for field, numbers in source.field_numbers.items():
        if isinstance(source.fields, (tuple, dict)):
            _known(field, (*key, "field_numbers"), "field", source.fields, document)
        _numbers(numbers, (*key, "field_numbers", field), document)


def _at_most_all(share: Decimal | None, key: Key, document: Document) -> None:
    if share is not None and share > 1:
        raise document.error(key, f'got "{percent_text(share)}"', hint="give a percentage of up to 100%")


def _numbers(numbers: Numbers, key: Key, document: Document) -> None:
    """The spelling of numbers is without doubt: no part of it can be taken for another or for a digit."""
    for option in ("thousands", "decimal"):
        text = getattr(numbers, option)
        if text is not None and (len(text) != 1 or text.isalnum() or text in "+-()\t\r\n"):
            hint = 'give one character such as "," or "."'
            raise document.error((*key, option), f"got {shown(text)}", hint=hint)
    if numbers.thousands == numbers.decimal:
        hint = 'give "decimal" too, such as decimal = ","'
        raise document.error((*key, "thousands"), f"{shown(numbers.decimal)} is also the decimal sign", hint=hint)
    for option in ("prefix", "suffix"):
        text = getattr(numbers, option)
        if text != text.strip() or re.search(r"[0-9+()-]", text):
            hint = "give a text without digits, signs, parentheses and outer spaces"
            raise document.error((*key, option), f"got {shown(text)}", hint=hint)


def _group(name: str, settings: Settings, document: Document) -> None:
    group, key = settings.groups[name], ("groups", name)
    _known(group.source, (*key, "source"), "source", settings.sources, document)
    given = [f'"{option}"' for option in ("where", "entities", "group_by") if getattr(group, option) is not None]
    if len(given) != 1:
        neither = 'has neither "where" nor "entities" nor "group_by"'
        problem = f"has both {given[0]} and {given[1]}" if given else neither
        hint = 'give one: where = "country = \'England\'", entities = ["leeds", "york"] or group_by = "country"'
        raise document.error(key, problem, hint=hint)
    if group.where is not None and not group.where.strip():
        raise document.error((*key, "where"), "is empty", hint="give a condition in SQL over the entities table")
    if group.group_by is not None and not group.group_by.strip():
        raise document.error((*key, "group_by"), "is empty", hint="name a column of the entities table")
    if group.entities is not None:
        if not group.entities:
            raise document.error((*key, "entities"), "is empty", hint="name at least one entity")
        _no_repeats(group.entities, (*key, "entities"), document)


def _sql_counter(counter: CounterSettings, key: Key, settings: Settings, document: Document) -> None:
    for option in _FORMULA_ONLY:
        if option in _given(document, key):
            raise document.error((*key, option), "makes no sense for a counter by SQL", hint=f"remove it or {_SQL}")
    if not (counter.sql or "").strip():
        raise document.error((*key, "sql"), "is empty", hint="give a query that returns one number")
    if counter.database is None:
        hint = "add [databases.main] or set DATABASE_URL"
        if settings.databases:
            hint = nearest_or_all("", settings.databases)
        raise document.error(key, '"database" is missing', hint=hint)
    _database(counter.database, (*key, "database"), settings, document)


_SQL = '"sql"'


def _formula_counter(counter: CounterSettings, key: Key, settings: Settings, document: Document) -> None:
    if counter.formula is None or counter.source is None:
        missing = "source" if counter.formula is not None else "formula"
        problem = f'"{missing}" is missing'
        if counter.formula is None and counter.source is None:
            problem = 'has neither "formula" nor "sql"'
        raise document.error(key, problem, hint='give "source" and "formula", or "database" and "sql"')
    for option in ("database", "timeout"):
        if option in _given(document, key):
            raise document.error((*key, option), "is only for a counter by SQL", hint="remove it")
    _known(counter.source, (*key, "source"), "source", settings.sources, document)
    if counter.over is Over.TOTALS and "aggregate" in _given(document, key):
        hint = 'set over = "entities" or remove it'
        raise document.error((*key, "aggregate"), 'has no meaning over = "totals"', hint=hint)
    if counter.complete and (counter.over is not Over.TOTALS or counter.missing is not Missing.SKIP):
        hint = 'remove it, or keep over = "totals" and missing = "skip"'
        raise document.error((*key, "complete"), 'is for counters over totals with missing = "skip"', hint=hint)
    _at_most_all(counter.min_coverage, (*key, "min_coverage"), document)
    _timeless(counter, key, settings, document)
    _cells(counter, key, settings, document)
    _formula(counter.formula, (*key, "formula"), settings.sources[counter.source], settings, document)


def _timeless(counter: CounterSettings, key: Key, settings: Settings, document: Document) -> None:
    """Of a source without periods there is only `all` of them, and none before."""
    if settings.sources[counter.source or ""].period is not None:
        return
    if counter.periods != (ALL,):
        hint = f'remove it, or name the "period" column of the source {shown(counter.source)}'
        raise document.error((*key, "periods"), 'has no meaning: its source has one period, "all"', hint=hint)
    if counter.compare:
        raise document.error((*key, "compare"), "has no meaning: its source has one period", hint="remove it")


def _cells(counter: CounterSettings, key: Key, settings: Settings, document: Document) -> None:
    """The groups and periods of a counter: they exist, are named once, and there is at least one."""
    for option in ("groups", "periods"):
        values = getattr(counter, option)
        if not values:
            raise document.error(
                (*key, option), "is empty", hint=f"name at least one, or remove it for {_DEFAULTS[option]}"
            )
        if isinstance(values, tuple):
            _no_repeats(values, (*key, option), document)
    if EACH in counter.periods and counter.periods != EACH:
        hint = f'write periods = "{EACH}" for every period'
        raise document.error((*key, "periods"), f'"{EACH}" is no period of a list', hint=hint)
    for group in counter.groups:
        if group == ALL:
            continue
        _known(group, (*key, "groups"), "group", [*settings.groups, ALL], document)
        if (source := settings.groups[group].source) != counter.source:
            hint = f"that group is of the source {shown(source)}, this counter of {shown(counter.source)}"
            raise document.error((*key, "groups"), f"the group {shown(group)} is of another source", hint=hint)


_DEFAULTS = {"groups": '["all"]', "periods": '["latest"]'}


def _formula(text: str, key: Key, source: SourceSettings, settings: Settings, document: Document) -> None:
    """It parses, and where the fields are known without the database, its names exist."""
    from countercache.compute import formula  # noqa: PLC0415 - only a configuration with formulas needs it

    try:
        node = formula.parse(text)
    except FormulaError as error:
        raise document.error(key, error.message, hint=error.hint) from error
    if source.layout is Layout.LONG or not isinstance(source.fields, (tuple, dict)):
        return
    counters = [name for name, each in settings.counters.items() if each.source == settings.counters[key[1]].source]
    known = [*source.fields, *counters]
    for name in formula.names(node):
        if name.name not in known:
            hint = formula.subtraction(name.name, known) or nearest_or_all(name.name, known)
            raise document.error(key, f"there is no field or counter {shown(name.name)}", hint=hint)


def _format(format_: Format, key: Key, document: Document) -> None:
    if format_.currency is not None:
        if not _CURRENCY.fullmatch(format_.currency):
            hint = 'give the three capitals of its ISO 4217 code, such as "GBP"'
            raise document.error((*key, "currency"), f"got {shown(format_.currency)}", hint=hint)
        if format_.percent:
            raise document.error(key, "a value cannot be a currency and a percentage", hint="remove one")
    if format_.precision is not None and not 0 <= format_.precision <= _MAX_PRECISION:
        hint = f"give a number of decimals from 0 to {_MAX_PRECISION}"
        raise document.error((*key, "precision"), f"got {shown(format_.precision)}", hint=hint)
    if not _is_locale(format_.locale):
        problem = f"there is no locale {shown(format_.locale)}"
        raise document.error((*key, "locale"), problem, hint='give a language and a country, such as "en_GB"')


@cache
def _is_locale(locale: str) -> bool:
    """Whether Babel knows it. Its files are looked at, since importing it takes longer than most commands do."""
    spec = importlib.util.find_spec("babel")
    if not _LOCALE.fullmatch(locale) or spec is None or not spec.submodule_search_locations:
        return False
    language, *rest = locale.split("_")
    # Babel itself adds the usual script: zh_CN is zh_Hans_CN.
    names = [f"{locale}.dat", f"{language}_*_{'_'.join(rest)}.dat"]
    data = Path(spec.submodule_search_locations[0]) / "locale-data"
    return any(any(data.glob(name)) for name in names)


def _no_repeats(values: Iterable[str], key: Key, document: Document) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise document.error(key, f"{shown(value)} is named twice", hint="name it once")
        if not value.strip():
            raise document.error(key, "holds an empty name", hint="remove it")
        seen.add(value)


def _given(document: Document, key: Key) -> Mapping[str, object]:
    """The keys that the document itself gives of a table."""
    table: Mapping[str, object] = document.data
    for part in key:
        inner = table.get(part, {})
        table = inner if isinstance(inner, Mapping) else {}
    return table
