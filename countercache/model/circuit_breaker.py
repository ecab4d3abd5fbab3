"""The circuit breaker: a counter that keeps failing is skipped for a while, longer each time. Pure.

After a number of failed attempts in a row, each further failure delays the next attempt. The cell in Redis keeps the
number of failures and the time of the next attempt, since cron starts a new process each time. After the wait there is
one attempt: if it fails, the next wait is longer; if it succeeds, the breaker is reset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from countercache.model.durations import duration_text
from countercache.model.results import Skip
from countercache.model.states import Category, Cell, CellId, Event, Failure, Level, Reason
from countercache.settings import BreakerSettings

JITTER = 0.2
"""The largest part of a wait that is randomly taken off."""


class Backoff(msgspec.Struct, frozen=True):
    """The waits in seconds after `failures` in a row, after the next failure, and so on; the last one repeats."""

    failures: int
    waits: tuple[float, ...]


def backoff(settings: BreakerSettings, chance: float) -> Backoff:
    """The waits for one attempt; `chance`, from 0 to 1, is how much of the jitter is taken off."""
    waits = [settings.wait]
    while settings.factor > 1 and waits[-1] < settings.max:
        waits.append(min(settings.max, waits[-1] * settings.factor))
    return Backoff(settings.failures, tuple(wait * (1 - JITTER * chance) for wait in waits))


def put_off(ids: Iterable[CellId], cells: Mapping[CellId, Cell], now: float) -> dict[str, Skip]:
    """The counters to skip now: those whose cells `ids` all have their next attempt in the future."""
    by_counter: dict[str, list[Cell | None]] = {}
    for id_ in ids:
        by_counter.setdefault(id_.counter, []).append(cells.get(id_))
    waiting = {counter: [cell for cell in group if cell and _waits(cell, now)] for counter, group in by_counter.items()}
    return {counter: _skip(group, now) for counter, group in waiting.items() if len(group) == len(by_counter[counter])}


def words(skip: Skip) -> str:
    """Why a counter is not tried, and when it is."""
    failures = "1 failure" if skip.failures == 1 else f"{skip.failures} failures in a row"
    why = f"{skip.failure.reason}: {skip.failure.text}"
    return f"not tried after {failures} (the last: {why}); next attempt in {duration_text(max(1, round(skip.wait)))}"


def skipped_events(skips: Mapping[str, Skip]) -> Iterator[Event]:
    """The events of counters that are skipped: each reason once, with all of its counters."""
    by_message: dict[str, list[str]] = {}
    for counter, skip in skips.items():
        by_message.setdefault(words(skip), []).append(counter)
    for message, counters in by_message.items():
        yield Event(Level.WARNING, Category.BREAKER, "skipped", message, tuple(counters))


def _waits(cell: Cell, now: float) -> bool:
    return cell.next_attempt is not None and cell.next_attempt > now


def _skip(cells: list[Cell], now: float) -> Skip:
    until = min(cell.next_attempt or now for cell in cells)
    last = max(cells, key=lambda cell: cell.failures)
    return Skip(last.failures, until, until - now, last.failure or Failure(Reason.REDIS, "the reason is lost"))
