"""Loads the settings (finds, reads, converts and validates them), and shows them without secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from countercache.config import conversion, document, environment, schema, validation
from countercache.errors import ConfigError
from countercache.model.durations import duration, duration_text
from countercache.model.percent import percent_text
from countercache.model.redaction import redact_url
from countercache.settings import EMBEDDED, CounterSettings, Duration, Percent, Settings

__all__ = ["EMBEDDED", "duration", "duration_text", "load", "redact_url", "show"]


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ, *, cwd: Path | None = None) -> Settings:
    """The settings of `path`, else of `$COUNTERCACHE_CONFIG`, else of the first file found in the usual places.

    `environ` fills `${NAME}`, overrides what `COUNTERCACHE_…` names, and gives `DATABASE_URL` and `REDIS_URL` where
    the file names no URL. `cwd` is where relative paths begin. Without a file, settings in the environment are enough.
    Raises `ConfigError`, which names file and key, for anything invalid.
    """
    cwd = cwd or _working_directory()
    file = document.find(path, environ, cwd)
    if file is None and not environment.names_settings(environ):
        places = ", ".join(str(place) for place in document.usual_places(cwd))
        hint = "run `countercache demo` for one to copy from, or name yours with --config"
        raise ConfigError(f"there is no configuration: looked for {places}", hint=hint)
    raw = document.read(cwd / file, _label(file, cwd)) if file else document.Document({})
    raw = document.expand(environment.override(raw, environ), environ)
    raw = document.anchor(environment.fill_urls(raw, environ))
    settings = conversion.settings_of(raw)
    validation.check(settings, raw)
    return settings


def _working_directory() -> Path:
    """The working directory; where it has been removed, an absolute path can still be read."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


def _label(path: Path, cwd: Path) -> Path:
    """The path as errors show it: as short as a person would write it."""
    return path.relative_to(cwd) if path.is_relative_to(cwd) else path


def show(settings: Settings) -> dict[str, object]:
    """The settings as plain data for people: durations as text, secrets as `***`.

    Settings that are not set, or must not be, are left out, so that the result can be loaded again.
    """
    return _table(settings)


def _table(table: msgspec.Struct) -> dict[str, object]:
    left_out = validation.pointless(table) if isinstance(table, CounterSettings) else ()
    fields = (field for field in msgspec.structs.fields(table) if field.name not in left_out)
    shown = {field.name: _key(field, getattr(table, field.name)) for field in fields}
    return {name: value for name, value in shown.items() if value is not None}


def _key(field: msgspec.structs.FieldInfo, value: object) -> object:
    if value is None and field.default is not None:
        return conversion.NEVER
    if isinstance(value, float) and Duration in schema.members(field.type):
        return duration_text(value)
    if isinstance(value, Decimal) and Percent in schema.members(field.type):
        return percent_text(value)
    return redact_url(value) if isinstance(value, str) and field.name == "url" else _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return _table(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, (str, Path)) else value
