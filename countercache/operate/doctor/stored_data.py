"""Examines what is stored: stuck locks, cells without a fresh value, plain keys that another program changed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from countercache import locks
from countercache.errors import RedisError
from countercache.model.durations import whole_seconds_text
from countercache.model.results import CellView, Finding, Health, LockView
from countercache.model.states import Cell, CellId, Failure, Reason, State, Verdict
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.model.wording import count
from countercache.settings import PublishSettings, Settings
from countercache.store import cell_store, event_log
from countercache.store.publishing import keys_of
from countercache.store.redis_client import Store

LOG, LOCKS, CELLS, PUBLISHED = "events", "locks", "cells", "published keys"

_STUCK = "as long as a lock exists, no other run computes its counters"
_SHOWN = 5
_KEYS_A_READ = 500


def examine(store: Store, settings: Settings, commands: Commands = NO_OPTIONS) -> Iterator[Finding]:
    """The findings about the log, locks, cells and plain keys. An error of Redis ends them, and is one itself."""
    try:
        yield from _log(store)
        yield from _locks(locks.list_locks(store).locks, commands)
        snapshot = cell_store.read(store, settings)
        views = [snapshot.view(id_, id_.counter) for id_ in snapshot.ids]
        yield from _cells(views, commands)
        yield _orphans(snapshot.known, snapshot.ids, commands)
        if settings.publish:
            yield from _published(store, settings.publish, views, snapshot.now, commands)
    except RedisError as error:
        yield Finding(CELLS, "store", Health.UNKNOWN, error.message, "they could not be examined", error.hint)


def _log(store: Store) -> Iterator[Finding]:
    with store.translated_errors():
        kind = str(store.client.type(store.keys.events))
    if kind not in {"none", "stream"}:
        why = "runs go on, but they cannot log what they do"
        yield Finding(LOG, "key", Health.WRONG, event_log.wrong_type(store), why, event_log.delete_hint(store))


def _locks(views: Sequence[LockView], commands: Commands) -> Iterator[Finding]:
    if not views:
        yield Finding(LOCKS, "locks", Health.OK, "none: nothing is being computed", _STUCK)
    for view in views:
        name = view.lock.name
        age = whole_seconds_text(view.age)
        match view.verdict:
            case Verdict.LIVE:
                health, cure = Health.OK, ""
            case Verdict.DEAD:
                health, cure = Health.WRONG, commands.to_type(f"locks clear {shlex.quote(name)}")
            case Verdict.NO_TTL:
                health, cure = Health.WRONG, commands.to_type(f"locks clear {shlex.quote(name)} --force")
            case Verdict.UNKNOWN:
                health, cure = Health.UNKNOWN, f"on {view.lock.owner.host or 'its host'}: countercache locks list"
        yield Finding(LOCKS, name, health, f"{view.verdict}, {age} old: {view.why}", _STUCK, cure)


def _cells(views: Sequence[CellView], commands: Commands) -> Iterator[Finding]:
    by_state: dict[State, list[CellView]] = {}
    for view in views:
        by_state.setdefault(view.state, []).append(view)
    if ready := len(by_state.get(State.READY, ())):
        why = "it is what the site shows"
        yield Finding(CELLS, "ready", Health.OK, f"{ready} of {count(len(views), 'cell')} have a fresh value", why)
    yield from _failing(by_state.get(State.ERROR, ()), commands)
    stale = by_state.get(State.STALE, ())
    if changed := [view for view in stale if view.redefined]:
        seen = f"{count(len(changed), 'cell')} of {_named(changed)}: the configuration has changed since"
        why = "the site shows values of the previous configuration"
        yield Finding(CELLS, "stale", Health.WARNING, seen, why, commands.to_type("warmup --due"))
    if stale := [view for view in stale if not view.redefined]:
        oldest = max(view.age or 0.0 for view in stale)
        seen = f"{count(len(stale), 'cell')} of {_named(stale)}, the oldest {whole_seconds_text(oldest)} old"
        why = "they are past their fresh_for and no run has computed them: check that cron still starts one"
        yield Finding(CELLS, "stale", Health.WARNING, seen, why, commands.to_type("warmup --due"))
    if pending := by_state.get(State.PENDING):
        seen = f"{count(len(pending), 'cell')} of {_named(pending)}"
        why = "they were never computed, so the site has nothing to show"
        yield Finding(CELLS, "not calculated yet", Health.WARNING, seen, why, commands.to_type("warmup --due"))


def _failing(failed: Sequence[CellView], commands: Commands) -> Iterator[Finding]:
    """Each failure once, with all counters that have it."""
    by_failure: dict[Failure, list[CellView]] = {}
    for view in failed:
        if view.failure:
            by_failure.setdefault(view.failure, []).append(view)
    why = "the site shows their last value, or none, until they are computed again"
    for failure, views in list(by_failure.items())[:_SHOWN]:
        seen = f"{count(len(views), 'cell')} of {_named(views)}: {failure.reason}: {failure.text}"
        yield Finding(CELLS, "failing", Health.WRONG, seen, why, _cure(failure, views, commands))
    if (more := len(by_failure) - _SHOWN) > 0:
        yield Finding(CELLS, "failing", Health.WRONG, f"{count(more, 'more failure')}", why, commands.to_type("status"))


def _cure(failure: Failure, views: Sequence[CellView], commands: Commands) -> str:
    """The command that a failure calls for."""
    if failure.reason is Reason.HELD:
        counters = dict.fromkeys(view.id.counter for view in views)
        return "; ".join(commands.to_type(f"accept {shlex.quote(counter)}") for counter in counters)
    again = f"once the figures or the counter are corrected: {commands.to_type('warmup --force')}"
    return commands.to_type(failure.reason.cure) if failure.reason.cure else again


def _orphans(known: Iterable[CellId], configured: Iterable[CellId], commands: Commands) -> Finding:
    orphans = sorted(set(known) - set(configured))
    why = "a cell that is no longer configured is never computed again; it keeps its last value"
    if not orphans:
        return Finding(CELLS, "orphans", Health.OK, "every stored cell is configured", why)
    names = _listed(dict.fromkeys(cell.counter for cell in orphans))
    return Finding(
        CELLS, "orphans", Health.WARNING, f"{count(len(orphans), 'cell')} of {names}", why, commands.to_type("prune")
    )


def _published(
    store: Store, settings: PublishSettings, views: Sequence[CellView], now: float, commands: Commands
) -> Iterator[Finding]:
    """Whether the plain keys hold what was computed."""
    expected: dict[str, list[Cell]] = {}
    for view in views:
        if view.cell and view.cell.value is not None:
            for key in keys_of(settings, view.id, view.cell.label):
                expected.setdefault(key, []).append(view.cell)
    wrong: dict[str, list[tuple[str, str]]] = {}
    try:
        for key, text, ttl in _values(store, list(expected)):
            if problem := _problem(settings, expected[key], text, ttl, now):
                wrong.setdefault(problem, []).append((key, expected[key][0].id.counter))
    except RedisError as error:
        yield Finding(PUBLISHED, "keys", Health.UNKNOWN, error.message, _WHY["changed"], error.hint)
        return
    if expected and not wrong:
        seen = f"{count(len(expected), 'key')} with the value that was computed"
        yield Finding(PUBLISHED, "keys", Health.OK, seen, "they are what the site reads")
    for problem, pairs in wrong.items():
        keys = _listed(dict.fromkeys(key for key, _ in pairs))
        counters = shlex.join(dict.fromkeys(counter for _, counter in pairs))
        yield Finding(
            PUBLISHED,
            problem,
            Health.WRONG,
            f"{count(len(pairs), 'key')}: {keys}",
            _WHY[problem],
            commands.to_type(f"warmup {counters}"),
        )


_WHY = {
    "changed": "another program wrote there after countercache: the site shows its value, not the computed one",
    "without expiry": "it has no time to live though [publish] ttl gives one: another program wrote it",
    "expired": "no run has written it for longer than [publish] ttl: the site has no value",
    "gone": "it was deleted or evicted before its time: the site has no value",
}


def _problem(settings: PublishSettings, cells: Sequence[Cell], text: str | None, ttl: int, now: float) -> str | None:
    if text is None:
        age = now - max(cell.computed_at or 0.0 for cell in cells)
        return "expired" if settings.ttl is not None and age >= settings.ttl else "gone"
    if not any(_same(settings, cell, text) for cell in cells):
        return "changed"
    return "without expiry" if settings.ttl is not None and ttl == -1 else None


def _same(settings: PublishSettings, cell: Cell, text: str) -> bool:
    if settings.encoding == "json":
        try:
            text = msgspec.json.decode(text, type=dict[str, Any])["value"]
        except (msgspec.MsgspecError, KeyError):
            return False
    try:
        return Decimal(text) == cell.value
    except (InvalidOperation, TypeError, ValueError):
        return False


def _values(store: Store, keys: Sequence[str]) -> Iterator[tuple[str, str | None, int]]:
    """Read keys: each with its text (`None` where it does not exist) and its PTTL."""
    for start in range(0, len(keys), _KEYS_A_READ):
        chunk = keys[start : start + _KEYS_A_READ]
        with store.translated_errors():
            pipe = store.client.pipeline(transaction=False)
            for key in chunk:
                pipe.get(key)
                pipe.pttl(key)
            answers: list[Any] = pipe.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, Exception) and "WRONGTYPE" not in str(answer):
                    raise answer
        for key, text, ttl in zip(chunk, answers[::2], answers[1::2], strict=True):
            yield key, "" if isinstance(text, Exception) else text, ttl


def _named(views: Iterable[CellView]) -> str:
    return _listed(dict.fromkeys(view.id.counter for view in views))


def _listed(names: Iterable[str]) -> str:
    all_names = list(names)
    more = len(all_names) - _SHOWN
    return f"{', '.join(all_names[:_SHOWN])} and {more} more" if more > 0 else ", ".join(all_names)
