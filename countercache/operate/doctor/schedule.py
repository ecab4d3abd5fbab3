"""Whether anything starts runs: told by what they left in Redis, for a crontab or a timer may be on any host."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from countercache.config import document
from countercache.model.durations import whole_seconds_text
from countercache.model.results import Finding, Health
from countercache.model.states import State
from countercache.model.suggested_commands import program
from countercache.operate.doctor.host import CRON
from countercache.settings import Settings

if TYPE_CHECKING:
    from countercache.store.cell_store import Snapshot

PATH = "/usr/bin:/bin"
"""Where cron looks for commands unless its crontab says otherwise."""

LONG = 86400.0
"""Seconds without a run after which it is worth a word, where nothing has a `fresh_for`."""

_GIVEN = {"HOME", "LOGNAME", "USER", "SHELL", "PATH", "PWD"}
"""The variables that cron sets itself."""


def examine(seen: Snapshot, settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether runs come often enough; where they do not, what has to stand in a crontab."""
    why = f"cron looks for commands in {PATH}, and for a configuration in the user's and the system's directory"
    ended = [at for cell in seen.cells.values() for at in (cell.computed_at, cell.failed_at) if at is not None]
    if not ended:
        yield Finding(CRON, "schedule", Health.WARNING, "no run has ended yet", why, _line(settings, environ))
        yield from _needed(settings, environ)
        return
    age = max(0.0, seen.now - max(ended))
    last = f"the last run ended {whole_seconds_text(age)} ago"
    views = (seen.view(id_, "") for id_ in seen.ids)
    if any(view.state is State.STALE and not view.redefined for view in views):
        last += ", and since then values have passed their fresh_for"
    elif age <= _longest(settings):
        yield Finding(CRON, "schedule", Health.OK, last, why)
        return
    yield Finding(CRON, "schedule", Health.WARNING, last, why, _line(settings, environ))
    yield from _needed(settings, environ)


def _longest(settings: Settings) -> float:
    """How old the last run may be: a day, or longer where values are fresh for longer."""
    return max(LONG, *(counter.fresh_for or 0.0 for counter in settings.counters.values()), 0.0)


def _line(settings: Settings, environ: Mapping[str, str]) -> str:
    """What has to stand in a crontab, since cron would not find it by itself."""
    options = "--quiet --ok-if-locked"
    if settings.path and settings.path not in list(document.usual_places(Path.cwd()))[1:]:
        options += f" --config {shlex.quote(str(settings.path))}"
    return f"in the crontab: */15 * * * * {program(PATH, environ.get('PATH', PATH))} warmup {options}"


def _needed(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    if needed := sorted(_variables(settings, environ)):
        seen = f"the configuration takes {', '.join(needed)} from the environment"
        why = "cron sets none of what a login shell does"
        cure = f"in the crontab: {needed[0]}=…; for systemd: EnvironmentFile=/etc/countercache.env"
        yield Finding(CRON, "variables", Health.WARNING, seen, why, cure)


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
