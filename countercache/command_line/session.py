"""The shared options of a command and what is derived from them; the values of options. Independent of Typer."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from countercache.errors import ConfigError, UsageError
from countercache.model.program import PROGRAM
from countercache.model.suggested_commands import NO_OPTIONS, Commands

if TYPE_CHECKING:
    from countercache.settings import Settings
    from countercache.store.redis_client import Store


class Session:
    """The options that all commands share, and what is derived from them."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = arguments
        self.config: Path | None = None
        # Read before the options are parsed, so that an error in the options is shown as these two say.
        self.json = "--json" in arguments
        self.debug = "--debug" in arguments
        # The format of stderr, where the command writes it as a log.
        self.log = ""

    @property
    def typed(self) -> str:
        """The command line as it was typed."""
        return shlex.join([PROGRAM, *self.arguments])

    def settings(self, counters: Sequence[str] = ()) -> Settings:
        """The configuration, found, loaded and checked. Raises `UsageError` for a counter that it does not have."""
        from countercache.config import loader  # noqa: PLC0415
        from countercache.model.suggestions import check_counters  # noqa: PLC0415

        settings = loader.load(self.config)
        check_counters(settings, counters)
        return settings

    @property
    def commands(self) -> Commands:
        """Writes the commands that messages suggest: with `--config`, unless they find the same file without it."""
        if self.config is None:
            return NO_OPTIONS
        from countercache.config import document  # noqa: PLC0415

        with suppress(ConfigError, OSError):  # the environment names a missing file, or this directory was removed
            default = document.find(None, os.environ, Path.cwd())
            if default and default.resolve() == self.config.resolve():
                return NO_OPTIONS
        return Commands(("--config", str(self.config)))

    def store(self, settings: Settings) -> Store:
        """What Redis keeps for the configured namespace."""
        from countercache.store.redis_client import open_store  # noqa: PLC0415

        return open_store(settings)


def seconds(option: str, value: str | None) -> float | None:
    """A duration option in seconds. Raises `UsageError` that names the option."""
    from countercache.config import loader  # noqa: PLC0415

    try:
        return None if value is None else loader.duration(value)
    except UsageError as error:
        raise UsageError(f"{option}: {error.message}", hint=error.hint) from error


def one_of(option: str, value: str | None, choices: Sequence[str]) -> str:
    """A word out of several; empty where none was given. Raises `UsageError` that names the option and the words."""
    if value is not None and value not in choices:
        raise _invalid_value(option, value, f"give one of {', '.join(choices)}")
    return value or ""


def number(option: str, value: str | None) -> int | None:
    """A whole number above 0. Raises `UsageError` that names the option."""
    if value is not None and not (value.isdecimal() and int(value)):
        raise _invalid_value(option, value, "give a whole number above 0")
    return None if value is None else int(value)


def _invalid_value(option: str, value: str, hint: str) -> UsageError:
    from countercache.model.redaction import shown  # noqa: PLC0415 - not needed to show a version or help

    return UsageError(f"{option}: got {shown(value)}", hint=hint)


def entities(option: str, value: str | None) -> int | Literal["auto"] | None:
    """A number of entities, or `auto`. Raises `UsageError` that names the option."""
    if value is None:
        return None
    if value == "auto":
        return "auto"
    if not value.isdecimal() or not int(value):
        raise UsageError(f'{option}: got "{value}"', hint='give a number of entities above 0, or "auto"')
    return int(value)
