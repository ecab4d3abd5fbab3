"""What can be wrong on this host: the configuration, and what cron has that a login has not."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from countercache import document
from countercache.commands import program
from countercache.errors import ConfigError
from countercache.results import Finding, Health
from countercache.settings import EMBEDDED, Settings

CONFIGURATION, CRON = "configuration", "cron"
PATH = "/usr/bin:/bin"
"""Where cron looks for commands unless its crontab says otherwise."""

_GIVEN = {"HOME", "LOGNAME", "USER", "SHELL", "PATH", "PWD"}
"""The variables that cron sets itself."""


def invalid(error: ConfigError) -> Finding:
    """The configuration cannot be used."""
    why = "without it nothing can be computed, and nothing else can be looked at"
    return Finding(CONFIGURATION, "file", Health.WRONG, error.message, why, error.hint)


def configuration(settings: Settings) -> Iterator[Finding]:
    """The configuration was found, and is valid."""
    where = str(settings.path or "the environment alone")
    parts = (
        (len(settings.counters), "counter"),
        (len(settings.sources), "source"),
        (len(settings.databases), "database"),
    )
    what = ", ".join(f"{amount} {noun}{'' if amount == 1 else 's'}" for amount, noun in parts)
    yield Finding(CONFIGURATION, "file", Health.OK, f"{where}: {what}", "it says what is computed")
    if not settings.counters:
        why = "there is nothing to compute"
        yield Finding(CONFIGURATION, "counters", Health.WRONG, "there is none", why, "add a [counters.NAME] table")


def cron(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What cron has not that a login has; what a crontab says cannot be seen from here."""
    terminal = bool(environ.get("TERM"))
    yield _home(environ)
    yield _encoding()
    if terminal:
        yield from _crontab(settings, environ)
    elif settings.redis.url == EMBEDDED:
        seen = "the bundled Valkey is used without a terminal, as in production"
        why = "it is this user's alone, on this host alone: no site of another user can read it"
        cure = 'name a server of your own: [redis] url = "redis://HOST:6379/0"'
        yield Finding(CRON, "bundled Valkey", Health.WARNING, seen, why, cure)


def _home(environ: Mapping[str, str]) -> Finding:
    why = "the user's configuration and the bundled Valkey's data are looked for below it"
    home = environ.get("HOME", "")
    if home and Path(home).is_dir():
        return Finding(CRON, "HOME", Health.OK, home, why)
    seen = f"HOME is {home}, which is no directory" if home else "HOME is not set"
    return Finding(CRON, "HOME", Health.WARNING, seen, why, "in the crontab: HOME=/var/lib/countercache")


def _encoding() -> Finding:
    why = "where it is not UTF-8, signs and names are shown as escapes"
    encoding = sys.stdout.encoding or "unknown"
    if encoding.lower().replace("-", "") == "utf8":
        return Finding(CRON, "locale", Health.OK, f"text is written as {encoding}", why)
    return Finding(CRON, "locale", Health.WARNING, f"text is written as {encoding}", why, "set LC_ALL=C.UTF-8")


def _crontab(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What has to stand in a crontab, since cron would not find it by itself."""
    options = "--quiet --ok-if-locked"
    if settings.path and settings.path not in list(document.usual_places(Path.cwd()))[1:]:
        options += f" --config {shlex.quote(str(settings.path))}"
    why = f"cron looks for commands in {PATH}, and for a configuration in the user's and the system's directory"
    line = f"*/15 * * * * {program(PATH, environ.get('PATH', PATH))} warmup {options}"
    seen = "what a crontab says cannot be seen from here"
    yield Finding(CRON, "crontab", Health.UNKNOWN, seen, why, f"in the crontab: {line}")
    if needed := sorted(_variables(settings, environ)):
        seen = f"the configuration takes {', '.join(needed)} from the environment"
        why = "cron sets none of what a login shell does"
        cure = f"in the crontab: {needed[0]}=…; for systemd: EnvironmentFile=/etc/countercache.env"
        yield Finding(CRON, "variables", Health.UNKNOWN, seen, why, cure)


def _variables(settings: Settings, environ: Mapping[str, str]) -> set[str]:
    """The variables that the configuration takes from the environment, beside those that cron sets."""
    data = document.read(settings.path).data if settings.path else {}
    found = set(re.findall(r"(?<!\$)\$\{(\w+)\}", str(data)))
    found |= {name for name in environ if name.startswith("COUNTERCACHE_") and "__" in name}
    databases = data.get("databases") or {"": {}}
    if any("url" not in table for table in databases.values()):
        found.add("DATABASE_URL")
    if "url" not in data.get("redis", {}):
        found.add("REDIS_URL")
    return {name for name in found if environ.get(name)} - _GIVEN
