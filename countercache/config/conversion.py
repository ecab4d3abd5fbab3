"""From a document to settings: every key on its own, so that an error names exactly the one it is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from enum import StrEnum
from typing import Literal, TypeVar, get_args, get_origin

import msgspec

from countercache.config import schema
from countercache.config.document import Document, Key, dotted
from countercache.errors import UsageError
from countercache.model.durations import duration
from countercache.model.percent import percent
from countercache.model.redaction import shown
from countercache.model.states import ALL
from countercache.model.suggestions import nearest_or_all
from countercache.settings import CounterSettings, Duration, Percent, Settings

NEVER = "never"
_KINDS: dict[object, str] = {str: "a text", int: "a whole number", bool: "true or false"}
Struct = TypeVar("Struct", bound=msgspec.Struct)


def settings_of(document: Document) -> Settings:
    """The document as typed settings, not yet checked against each other.

    What can be told from the rest is filled in: a counter's name, the periods of a counter by SQL, and its database if
    there is only one. Raises `ConfigError` for an unknown key, a missing one and a value of the wrong kind.
    """
    settings = _table(document, (), Settings, document.data)
    counters = {name: _filled(name, counter, settings) for name, counter in settings.counters.items()}
    return msgspec.structs.replace(settings, counters=counters, path=document.file)


def _filled(name: str, counter: CounterSettings, settings: Settings) -> CounterSettings:
    counter = msgspec.structs.replace(counter, name=counter.name or name)
    if counter.sql is None:
        return msgspec.structs.replace(counter, periods=(ALL,)) if _is_timeless(counter, settings) else counter
    sole = next(iter(settings.databases)) if len(settings.databases) == 1 else None
    return msgspec.structs.replace(counter, database=counter.database or sole, periods=(ALL,))


def _is_timeless(counter: CounterSettings, settings: Settings) -> bool:
    """Whether the counter's source has no periods, and the counter names none either."""
    source = settings.sources.get(counter.source or "")
    return source is not None and source.period is None and counter.periods == CounterSettings().periods


def _table(document: Document, key: Key, cls: type[Struct], data: object) -> Struct:
    """A table of the file as a value of its class."""
    data = _mapping(document, key, data, dotted(key))
    fields = schema.fields(cls)
    for name in data:
        if name not in fields:
            raise document.error((*key, name), "unknown key", hint=nearest_or_all(name, fields))
    values = {
        name: _value(document, (*key, name), schema.key_type(cls, name, data), value) for name, value in data.items()
    }
    for name, field in fields.items():
        if field.required and name not in data:
            hint = "add it, or set DATABASE_URL" if name == "url" else "add it"
            raise document.error(key, f"{shown(name)} is missing", hint=hint)
    return cls(**values)


def _value(document: Document, key: Key, type_: object, value: object) -> object:
    """One value of the file as its type."""
    members = schema.members(type_)
    if Duration in members:
        return _duration(document, key, value, optional=type_ is not Duration)
    if Percent in members:
        return _percent(document, key, value)
    for member in members:
        whole = len(members) == 1 or isinstance(value, Mapping)
        if whole and (cls := schema.settings_class(member)):
            return _table(document, key, cls, value)
        if whole and (inner := schema.item_type(member)):
            items = _mapping(document, key, value, dotted((*key, "NAME")))
            return {name: _value(document, (*key, name), inner, item) for name, item in items.items()}
    for member in members:
        with suppress(msgspec.ValidationError):
            return msgspec.convert(value, type=member, strict=False)
    expected = " or ".join(map(_kind, members))
    raise document.error(key, f"expected {expected}, got {shown(value)}")


def _mapping(document: Document, key: Key, value: object, header: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise document.error(key, f"expected a table, got {shown(value)}", hint=f"write [{header}]")
    return value


def _duration(document: Document, key: Key, value: object, *, optional: bool) -> float | None:
    if optional and value == NEVER:
        return None
    try:
        return duration(value)
    except UsageError as error:
        hint = f'{error.hint}, or "{NEVER}"' if optional else error.hint
        raise document.error(key, error.message, hint=hint) from error


def _percent(document: Document, key: Key, value: object) -> Decimal:
    try:
        return percent(value)
    except UsageError as error:
        raise document.error(key, error.message, hint=error.hint) from error


def _kind(member: object) -> str:
    """What a value may be, for people."""
    if get_origin(member) is Literal:
        return _choice(get_args(member))
    if isinstance(member, type) and issubclass(member, StrEnum):
        return _choice([item.value for item in member])
    if get_origin(member) is tuple:
        return 'a list of texts such as ["a", "b"]'
    return _KINDS.get(member, "a table")


def _choice(values: Iterable[object]) -> str:
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"one of {', '.join(quoted)}"
