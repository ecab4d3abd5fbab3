"""Events as lines of a log: text for people and grep, or a JSON document per line for log collectors."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from countercache.model.states import Event, Level
from countercache.render import documents, text

if TYPE_CHECKING:
    from countercache.errors import LockHeld
    from countercache.model.states import Progress

TEXT, JSON = "text", "json"


class Log:
    """An observer of a run that writes its events to stderr as they happen; with `quiet` only the errors."""

    def __init__(self, form: str, *, quiet: bool) -> None:
        self._form = form
        self._quiet = quiet

    def progress(self, database: str, progress: Progress, elapsed: float, remaining: float) -> None:
        """Show nothing: a log has events, not progress."""

    def waiting(self, database: str, held: LockHeld) -> None:
        """Show nothing: waiting for a lock is an event too."""

    def event(self, event: Event) -> None:
        """Write the event."""
        if not self._quiet or event.level == Level.ERROR:
            write(event, self._form)


def write(event: Event, form: str) -> None:
    """Write an event to stderr."""
    sys.stderr.write(f"{line(event, form)}\n")
    sys.stderr.flush()


def trouble(message: str, form: str, *, failed: bool) -> None:
    """Write a message of the command itself to stderr, in the format of the log."""
    level, action = (Level.ERROR, "failed") if failed else (Level.WARNING, "noted")
    write(Event(level, "command", action, message, at=time.time()), form)


def line(event: Event, form: str) -> str:
    """An event as one line, safe to show."""
    if form == JSON:
        return documents.encode(documents.event_line(event), indent=False)
    return f"{text.second(event.at)} {text.escape(event.level, 20)} {body(event)}"


def body(event: Event) -> str:
    """What happened, to what, and who did it: `breaker opened total-debt: 5 failures… (main, run 3f2a1b0c…)`."""
    subject = " ".join(part for part in (text.happened(event), text.subject(event)) if part)
    message, origin = text.message(event), text.origin(event)
    return subject + (f": {message}" if message else "") + (f" ({origin})" if origin else "")
