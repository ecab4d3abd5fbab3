"""Whether runs come often enough, judged by what they stored: the crontab or timer may be on any host."""

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
"""Seconds without a run after which there is a warning, where no counter has a longer `fresh_for`."""

_CRON_VARIABLES = {"HOME", "LOGNAME", "USER", "SHELL", "PATH", "PWD"}
"""The variables that cron sets itself."""


def examine(snapshot: Snapshot, settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether runs come often enough; where they do not, the line for a crontab."""
    why = f"cron looks for commands in {PATH}, and for a configuration in the user's and the system's directory"
    ended = [at for cell in snapshot.cells.values() for at in (cell.computed_at, cell.failed_at) if at is not None]
    if not ended:
        yield Finding(CRON, "schedule", Health.WARNING, "no run has ended yet", why, _line(settings, environ))
        yield from _needed(settings, environ)
        return
    age = max(0.0, snapshot.now - max(ended))
    last = f"the last run ended {whole_seconds_text(age)} ago"
    views = (snapshot.view(id_, "") for id_ in snapshot.ids)
    if any(view.state is State.STALE and not view.redefined for view in views):
        last += ", and since then values have passed their fresh_for"
    elif age <= _longest(settings):
        yield Finding(CRON, "schedule", Health.OK, last, why)
        return
    yield Finding(CRON, "schedule", Health.WARNING, last, why, _line(settings, environ))
    yield from _needed(settings, environ)


def _longest(settings: Settings) -> float:
    """How old the last run may be: a day, or the longest `fresh_for`."""
    return max(LONG, *(counter.fresh_for or 0.0 for counter in settings.counters.values()), 0.0)


def _line(settings: Settings, environ: Mapping[str, str]) -> str:
    """The line for a crontab, with what cron would not find by itself."""
    options = "--quiet --ok-if-locked"
    if settings.path and settings.path not in list(document.usual_places(Path.cwd()))[1:]:
        options += f" --config {shlex.quote(str(settings.path))}"
    return f"in the crontab: */15 * * * * {program(PATH, environ.get('PATH', PATH))} warmup {options}"


def _needed(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    if needed := sorted(_variables(settings, environ)):
        problem = f"the configuration takes {', '.join(needed)} from the environment"
        why = "cron does not set the variables of a login shell"
        cure = f"in the crontab: {needed[0]}=…; for systemd: EnvironmentFile=/etc/countercache.env"
        yield Finding(CRON, "variables", Health.WARNING, problem, why, cure)


def _variables(settings: Settings, environ: Mapping[str, str]) -> set[str]:
    """The variables that the configuration takes from the environment, except those that cron sets."""
    data = document.read(settings.path).data if settings.path else {}
    names = set(re.findall(r"(?<!\$)\$\{(\w+)\}", str(data)))
    names |= {name for name in environ if name.startswith("COUNTERCACHE_") and "__" in name}
    databases = data.get("databases") or {"": {}}
    if any("url" not in table for table in databases.values()):
        names.add("DATABASE_URL")
    if "url" not in data.get("redis", {}):
        names.add("REDIS_URL")
    return {name for name in names if environ.get(name)} - _CRON_VARIABLES
