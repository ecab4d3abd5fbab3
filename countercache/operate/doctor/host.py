"""Examines this host: the configuration, and the environment that cron gives a command."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from countercache.errors import ConfigError
from countercache.model.results import Finding, Health
from countercache.model.wording import count
from countercache.settings import EMBEDDED, Settings

CONFIGURATION, CRON = "configuration", "cron"


def invalid(error: ConfigError) -> Finding:
    """The finding where the configuration is invalid."""
    why = "without it nothing can be computed, and nothing else can be examined"
    return Finding(CONFIGURATION, "file", Health.WRONG, error.message, why, error.hint)


def configuration(settings: Settings) -> Iterator[Finding]:
    """The findings where the configuration is valid."""
    path = str(settings.path or "the environment alone")
    parts = (
        (len(settings.counters), "counter"),
        (len(settings.sources), "source"),
        (len(settings.databases), "database"),
    )
    contents = ", ".join(count(amount, noun) for amount, noun in parts)
    yield Finding(CONFIGURATION, "file", Health.OK, f"{path}: {contents}", "it says what is computed")
    if not settings.counters:
        why = "there is nothing to compute"
        yield Finding(CONFIGURATION, "counters", Health.WRONG, "none is configured", why, "add a [counters.NAME] table")


def cron(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What the environment of cron lacks and that of a login shell has."""
    yield _home(environ)
    yield _encoding()
    if not environ.get("TERM") and settings.redis.url == EMBEDDED:
        problem = "the bundled Valkey is used without a terminal, as in production"
        why = "only this user on this host can read it: a site that runs as another user cannot"
        cure = 'use a server of your own: [redis] url = "redis://HOST:6379/0"'
        yield Finding(CRON, "bundled Valkey", Health.WARNING, problem, why, cure)


def _home(environ: Mapping[str, str]) -> Finding:
    why = "the user's configuration and the bundled Valkey's data are looked for below it"
    home = environ.get("HOME", "")
    if home and Path(home).is_dir():
        return Finding(CRON, "HOME", Health.OK, home, why)
    problem = f"HOME is {home}, which is not a directory" if home else "HOME is not set"
    return Finding(CRON, "HOME", Health.WARNING, problem, why, "in the crontab: HOME=/var/lib/countercache")


def _encoding() -> Finding:
    why = "in another encoding than UTF-8, symbols and names are shown as escapes"
    encoding = sys.stdout.encoding or "unknown"
    if encoding.lower().replace("-", "") == "utf8":
        return Finding(CRON, "locale", Health.OK, f"text is written as {encoding}", why)
    return Finding(CRON, "locale", Health.WARNING, f"text is written as {encoding}", why, "set LC_ALL=C.UTF-8")
