"""Events as lines of a log: text for people and grep, or one JSON document a line for whatever collects logs."""

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
        """Nothing: a log tells what happened, not how far it is."""

    def waiting(self, database: str, held: LockHeld) -> None:
        """Nothing: that a lock is waited for is an event too."""

    def event(self, event: Event) -> None:
        """One line."""
        if not self._quiet or event.level == Level.ERROR:
            write(event, self._form)


def write(event: Event, form: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{line(event, form)}\n")
    sys.stderr.flush()


def trouble(message: str, form: str, *, failed: bool) -> None:
    """A line of the command's own on stderr, in the form of the log."""
    level, action = (Level.ERROR, "failed") if failed else (Level.WARNING, "noted")
    write(Event(level, "command", action, message, at=time.time()), form)


def line(event: Event, form: str) -> str:
    """An event as one line, safe to show."""
    if form == JSON:
        return documents.encode(documents.event_line(event), indent=False)
    return f"{text.second(event.at)} {text.escape(event.level, 20)} {body(event)}"


def body(event: Event) -> str:
    """What happened, to what, and who did it: `breaker opened total-debt: 5 failures… (main, run 3f2a1b0c…)`."""
    what = " ".join(part for part in (text.happened(event), text.subject(event)) if part)
    message, about = text.message(event), text.origin(event)
    return what + (f": {message}" if message else "") + (f" ({about})" if about else "")
