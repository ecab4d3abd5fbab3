"""Text that is safe to show, and figures as people read them. Pure.

Everything that came from outside (Redis, a database, a configuration, a driver's message) passes through `escape`
before it reaches a terminal or a line: nothing in it can move the cursor, change a colour, hide a character, reorder
the line or start a new one.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from countercache.model.redaction import redact
from countercache.model.states import Category, State
from countercache.model.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from countercache.model.results import CellView, DemoRun, EmbeddedStatus, RunView
    from countercache.model.states import Cell, Coverage, Event, Failure, Lock, Progress

LIMIT = 200
"""Characters of a text from outside that are shown before it is shortened with `…`."""

RUN = 9
"""Characters of a run's id that tell it from others (the last of them is the `…`)."""

NOTHING = "-"
"""What stands where there is no value."""

_NOT_PLAIN = re.compile(r"[^\x20-\x7e]")
_SHOWN_AS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Control, format (bidi, zero-width, tags), surrogate, private, unassigned, line and paragraph separators.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def is_unsafe(character: str) -> bool:
    """Whether a terminal might obey, hide or reorder because of the character instead of showing it."""
    return unicodedata.category(character) in _UNSAFE


def escape(text: str, limit: int | None = None) -> str:
    r"""The text on one line with every unsafe character as a visible escape (`\x1b`, `\n`, `\u202e`).

    With a `limit`, no more of the text than that many characters, then `…`.
    """
    truncated = text if limit is None or len(text) <= limit else text[: limit - 1]
    clean = _NOT_PLAIN.sub(lambda match: _visible(match[0]), truncated)
    return clean if truncated is text else clean + "…"


def _visible(character: str) -> str:
    if not is_unsafe(character):
        return character
    code = ord(character)
    if code <= 0xFF:
        return _SHOWN_AS.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def duration(seconds: float) -> str:
    """A length of time in at most two units: `0.04s`, `3.1s`, `42s`, `2m 5s`, `3h 12m`, `4d 2h`."""
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 1:
        return f"{seconds:.2f}s"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, unit, smaller_size, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size}{unit} {rest}{smaller}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"


def age(seconds: float | None) -> str:
    """How long ago, in one unit: `just now`, `42s ago`, `3m ago`, `5h ago`, `12d ago`."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return "just now"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit} ago"
    return f"{int(seconds)}s ago"


def number(value: Decimal) -> str:
    """The exact decimal without an exponent."""
    return format(value, "f")


def rounded_change(change: Decimal) -> Decimal:
    """A change to one decimal; never -0."""
    rounded = change.quantize(Decimal("0.1"), ROUND_HALF_UP) if abs(change) < Decimal("1e20") else change
    return rounded or abs(rounded)


def change(cell: Cell | None) -> str:
    """A cell's change with its direction: `▲ 10.3%`, `▼ 2.0%`, `= 0.0%`; in percentage points `▲ 0.3 pp`."""
    if cell is None or cell.change is None:
        return NOTHING
    rounded = rounded_change(cell.change)
    sign = "▲" if rounded > 0 else "▼" if rounded < 0 else "="
    return f"{sign} {number(abs(rounded))}{' pp' if cell.points else '%'}"


def coverage(value: Coverage | None) -> str:
    """Reported / all: `510/560`."""
    return f"{value.reported}/{value.entities}" if value else NOTHING


def covered(view: CellView) -> str:
    """The unit of the coverage where it is not entities: for all periods it is `entity-periods`."""
    return "entity-periods" if view.by_period and view.cell and view.cell.coverage else ""


def display_value(view: CellView) -> str:
    """What a site shows for the cell: its value, or in words why there is none."""
    if view.cell and view.cell.value is not None:
        return view.cell.display or number(view.cell.value)
    words = {State.CALCULATING: "Calculating…", State.ERROR: "Calculation failed"}
    return words.get(view.state, "Not calculated yet")


def value(view: CellView) -> str:
    """The value as it is published; `-` without one."""
    return escape(display_value(view), LIMIT) if view.cell and view.cell.value is not None else NOTHING


def period(view: CellView) -> str:
    """The period's own name, also where `latest` was asked for."""
    return (view.cell.label if view.cell else "") or view.id.period


def progress(value: Progress) -> str:
    """The progress: `reading figures, 120/400`."""
    count = f"{value.done}/{value.total}" if value.total is not None else str(value.done) if value.done else ""
    return ", ".join(part for part in (escape(value.phase, LIMIT), count) if part)


def failure(value: Failure) -> str:
    """A reason and its message on one line."""
    return f"{escape(value.reason, LIMIT)}: {escape(redact(value.text), 1000)}"


def moment(seconds: float | None) -> str | None:
    """A time in seconds since the epoch as ISO 8601 in UTC: `2026-03-01T12:00:00.250Z`; `None` stays `None`."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # a time that no calendar has, from a damaged record
        return None


def second(seconds: float) -> str:
    """A time to the second, in UTC: `2026-03-01T12:00:00Z`; `-` for none."""
    shown = moment(seconds) if seconds else None
    return shown[:19] + "Z" if shown else NOTHING


def happened(event: Event) -> str:
    """What happened, in two words: `lock cleared`."""
    return f"{escape(event.category, 40)} {escape(event.action, 40)}"


def subject(event: Event, most: int = 8) -> str:
    """What an event is about: its counters, no more than `most` of them by name, else its lock.

    A run is about its lock: the counters of its end are those that failed, which `message` says.
    """
    return listed(event.counters, most) if _of_counters(event) else escape(event.lock, LIMIT)


def message(event: Event) -> str:
    """The message of an event; for the end of a run, with the counters that failed."""
    message = escape(redact(event.message), 1000)
    if event.counters and not _of_counters(event):
        return f"{message}; failed: {listed(event.counters)}"
    return message


def _of_counters(event: Event) -> bool:
    return bool(event.counters) and event.category != Category.RUN


def origin(event: Event) -> str:
    """Where an event comes from: `main, run 3f2a1b0c…, by deploy@web1`, without a lock that is its subject."""
    parts = [
        escape(event.lock, LIMIT) if _of_counters(event) else "",
        f"run {escape(event.run, RUN)}" if event.run else "",
        f"by {escape(event.by, LIMIT)}" if event.by else "",
    ]
    return ", ".join(part for part in parts if part)


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names on one line; of many, the first ones and how many more there are."""
    escaped = [escape(name, LIMIT) for name in names]
    more = len(escaped) - most
    return ", ".join(escaped) if more <= 1 else f"{', '.join(escaped[:most])} and {more} more"


def owner(lock: Lock) -> str:
    """Who holds a lock: `deploy@web1, pid 4242`."""
    return f"{escape(lock.owner.name, LIMIT)}, pid {lock.owner.pid}"


def remarks(view: CellView) -> str:
    """Remarks on a cell: why it failed, when it is tried again, its coverage, how many values were left out."""
    parts = []
    if view.failure:
        parts.append(failure(view.failure))
    if view.retry_in is not None:
        parts.append(put_off(view))
    if view.cell and covered(view):
        parts.append(f"{coverage(view.cell.coverage)} {covered(view)}")
    if view.cell and view.cell.rejected and not view.failure:
        parts.append(f"{count(view.cell.rejected, 'value')} left out: not a number")
    if cell_note := note(view):
        parts.append(escape(cell_note, 1000))
    return "; ".join(parts)


def note(view: CellView) -> str:
    """The note on a value: what a newer period lacks, or that the configuration has changed since."""
    changed = ["the configuration has changed since"] if view.redefined else []
    return "; ".join([*changed, view.cell.note] if view.cell and view.cell.note else changed)


def put_off(view: CellView) -> str:
    """For how long the circuit breaker puts a cell's counter off, and why."""
    failures = view.cell.failures if view.cell else 0
    return f"not tried again for {duration(view.retry_in or 0)} after {count(failures, 'failure')} in a row"


def times(run: RunView) -> str:
    """How long a run has taken and how much time it has left: `3.1s, 14m left`."""
    return f"{duration(run.elapsed)}, {duration(run.deadline_in)} left"


def stop(result: DemoRun) -> str:
    """How to stop the bundled server that the demo left running."""
    return f"{result.program} embedded stop"


def embedded(status: EmbeddedStatus) -> str:
    """The properties of a running embedded server: `pid 4242, Valkey 9.0.1, 12 keys, 1.4 MB`; empty if stopped."""
    if not status.running:
        return ""
    parts = [f"pid {status.pid}"]
    if status.version:
        parts.append(f"Valkey {escape(status.version, LIMIT)}")
    if status.keys is not None:
        parts.append(count(status.keys, "key"))
    if status.memory is not None:
        parts.append(f"{status.memory / 1e6:.1f} MB")
    return ", ".join(parts)
