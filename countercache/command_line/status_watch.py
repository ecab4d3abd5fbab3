"""The data of `status --watch`, which is read again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from countercache.command_line.session import Session
from countercache.errors import UsageError
from countercache.render import watch
from countercache.render.watch_screen import MOST_EVENTS, Seen
from countercache.store import cell_store, event_log

INTERVAL = 2.0
"""Seconds between two reads by default."""

SHORTEST = 0.1


def show(session: Session, counters: Sequence[str], interval: float | None) -> int:
    """Show the states of `counters`, or of all, until the user quits; returns the exit code."""
    if session.json:
        raise UsageError("--watch is for people", hint="`countercache status --json` is one document")
    if interval is not None and interval < SHORTEST:
        raise UsageError(f"--interval: got {interval:g} s", hint=f"give {SHORTEST:g} s or more")
    screen = watch.terminal()
    settings = session.settings(counters)
    store = session.store(settings)

    def read() -> Seen:
        status = cell_store.status(store, settings, counters)
        return Seen(status, event_log.read(store, MOST_EVENTS), time.time())

    return watch.watch(screen, read, interval or INTERVAL, session.commands)
