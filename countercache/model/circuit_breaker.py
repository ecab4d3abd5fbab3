"""The circuit breaker: a counter that keeps failing is left alone for a while, longer each time. Pure.

After so many failed attempts in a row each further failure puts the next attempt off. What counts the failures and
keeps the moment is the cell itself, in Redis, for cron starts a new process each time. The attempt after the wait is a
single trial: if it fails, the next wait is longer; if it succeeds, nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from countercache.model.durations import duration_text
from countercache.model.results import Skip
from countercache.model.states import Category, Cell, CellId, Event, Failure, Level, Reason
from countercache.settings import BreakerSettings

JITTER = 0.2
"""The part of a wait that chance may take off."""


class Backoff(msgspec.Struct, frozen=True):
    """From `failures` in a row on, the waits in seconds: after the first such failure, the second, …, and the last of
    them after all later ones.
    """

    failures: int
    waits: tuple[float, ...]


def backoff(settings: BreakerSettings, chance: float) -> Backoff:
    """The waits for one attempt; `chance`, from 0 to 1, is how much of the jitter is taken off."""
    waits = [settings.wait]
    while settings.factor > 1 and waits[-1] < settings.max:
        waits.append(min(settings.max, waits[-1] * settings.factor))
    return Backoff(settings.failures, tuple(wait * (1 - JITTER * chance) for wait in waits))


def put_off(ids: Iterable[CellId], cells: Mapping[CellId, Cell], now: float) -> dict[str, Skip]:
    """The counters that are not to be tried now: all of whose cells `ids` have their next attempt in the future."""
    found: dict[str, list[Cell | None]] = {}
    for id_ in ids:
        found.setdefault(id_.counter, []).append(cells.get(id_))
    waiting = {counter: [each for each in mine if each and _waits(each, now)] for counter, mine in found.items()}
    return {counter: _skip(mine, now) for counter, mine in waiting.items() if len(mine) == len(found[counter])}


def words(skip: Skip) -> str:
    """Why a counter is not tried, and when it is."""
    tries = "1 failure" if skip.failures == 1 else f"{skip.failures} failures in a row"
    why = f"{skip.failure.reason}: {skip.failure.text}"
    return f"not tried after {tries} (the last: {why}); next attempt in {duration_text(max(1, round(skip.wait)))}"


def skipped_events(skips: Mapping[str, Skip]) -> Iterator[Event]:
    """What a log says of counters that are not tried: each reason once, with all of them."""
    told: dict[str, list[str]] = {}
    for counter, skip in skips.items():
        told.setdefault(words(skip), []).append(counter)
    for message, counters in told.items():
        yield Event(Level.WARNING, Category.BREAKER, "skipped", message, tuple(counters))


def _waits(cell: Cell, now: float) -> bool:
    return cell.next_attempt is not None and cell.next_attempt > now


def _skip(cells: list[Cell], now: float) -> Skip:
    until = min(cell.next_attempt or now for cell in cells)
    last = max(cells, key=lambda cell: cell.failures)
    return Skip(last.failures, until, until - now, last.failure or Failure(Reason.REDIS, "the reason is lost"))
