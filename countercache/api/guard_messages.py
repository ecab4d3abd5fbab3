"""What a program and the guard that it starts tell each other: one JSON document in a line each way, over pipes.

The settings hold passwords: so they are on no command line and in no environment, which others can see.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from countercache import errors
from countercache.agent import Request
from countercache.config import schema
from countercache.model.results import WarmupResult
from countercache.settings import Settings, SourceSettings


class Order(msgspec.Struct, frozen=True):
    """The program's word to start: what to compute."""

    settings: Settings
    request: Request


class Returned(msgspec.Struct, frozen=True, tag="returned"):
    """The guard's answer: how the run ended."""

    result: WarmupResult


class Raised(msgspec.Struct, frozen=True, tag="raised"):
    """The guard's answer where nothing could begin: the error's class, by name, and what it says."""

    error: str
    message: str
    hint: str


Answer = Returned | Raised

# What a run may raise. Any other of our errors is raised as their common base.
_ERRORS = {
    cls.__name__: cls
    for cls in (
        errors.UsageError,
        errors.ConfigError,
        errors.FormulaError,
        errors.RedisError,
        errors.RedisUnreachable,
    )
}


def encode(message: Order | Answer) -> bytes:
    """A message as a line. Python's own JSON has a form also for bytes of the environment that are not UTF-8."""
    return json.dumps(msgspec.to_builtins(message, enc_hook=str)).encode("ascii") + b"\n"


def decode_order(line: bytes) -> Order:
    """The order in a line."""
    order = msgspec.convert(json.loads(line), Order, dec_hook=_path)
    sources = {name: _source(source) for name, source in order.settings.sources.items()}
    return msgspec.structs.replace(order, settings=msgspec.structs.replace(order.settings, sources=sources))


def decode_answer(line: bytes) -> Answer:
    """The answer in a line. Raises `ValueError` when it is none."""
    answer: Answer = msgspec.convert(json.loads(line), Answer)
    return answer


def raised(error: errors.CountercacheError) -> Raised:
    """An error as it is told."""
    return Raised(type(error).__name__, error.message, error.hint)


def error_of(told: Raised) -> errors.CountercacheError:
    """The error that was told, of the same class."""
    return _ERRORS.get(told.error, errors.CountercacheError)(told.message, hint=told.hint)


def _path(_: type, text: Any) -> Path:  # noqa: ANN401 - the only type that msgspec does not know
    return Path(text)


def _source(source: SourceSettings) -> SourceSettings:
    """The source with its `fields` as what they are: msgspec has no type for them (see `settings.Fields`)."""
    if source.fields is None:
        return source
    fields: Any = msgspec.convert(
        source.fields,
        schema.key_type(SourceSettings, "fields", {"layout": source.layout}),
    )
    return msgspec.structs.replace(source, fields=fields)
