"""`countercache prune`: removes what Redis still has of counters, groups and periods that are no longer configured.

Only keys of the namespace are touched, and the plain keys that such a cell published, as `[publish]` names them now, if
they still hold its value and no other cell publishes there. What a run that is alive covers is left: it may be that of
another host, whose configuration has the counter.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from countercache import locks
from countercache.model.results import Pruned, PruneResult
from countercache.model.states import Category, Cell, CellId, Event, Level, Verdict, configured_cells
from countercache.settings import Settings
from countercache.store import cell_store, event_log
from countercache.store.keys import Keys, cell_of
from countercache.store.publishing import keys_of
from countercache.store.redis_client import Store

if TYPE_CHECKING:
    pass

_CELLS_A_SCRIPT = 500

LEFT = "a run that is alive covers it: does another host have it in its configuration?"
CHANGED = "it was written meanwhile"


class _Stored(msgspec.Struct, frozen=True):
    """A cell to remove: its name in the index, as it is, and the plain keys that it alone publishes."""

    id: CellId
    member: str
    cell: Cell | None
    keys: tuple[str, ...]


def orphans(settings: Settings, known: Collection[CellId]) -> tuple[CellId, ...]:
    """The stored cells that no counter of the configuration has."""
    return tuple(sorted(set(known) - set(configured_cells(settings, known))))


def prune(store: Store, settings: Settings, *, by: str, dry_run: bool = False) -> PruneResult:
    """Removes the orphans, or in a `dry_run` tells what would be removed. Raises `RedisError`."""
    with store.wrapped():
        pipe = store.client.pipeline(transaction=True)
        pipe.smembers(store.keys.index)
        pipe.hgetall(store.keys.began)
        index, began = pipe.execute()
    members = {id_: member for member in index if (id_ := cell_of(member))}
    gone = orphans(settings, members.keys())
    attempts = {counter: text for counter, text in sorted(began.items()) if counter not in settings.counters}
    covered = _covered(store, {id_.counter for id_ in gone} | attempts.keys(), began)
    stored = _stored(store, settings, members, [id_ for id_ in gone if id_.counter not in covered])
    attempts = {counter: text for counter, text in attempts.items() if counter not in covered}
    left = [Pruned(id_, removed=False, why=LEFT) for id_ in gone if id_.counter in covered]
    json = settings.publish is not None and settings.publish.encoding == "json"
    done, forgotten = _remove(store, stored, attempts, {"json": json, "dry": dry_run})
    if not dry_run:
        _record(store, done, forgotten, by)
    return PruneResult((*done, *left), tuple(forgotten), dry_run)


def _covered(store: Store, counters: Collection[str], began: dict[str, str]) -> set[str]:
    """Which of the counters a run covers that is not provably dead. Without an attempt that is open there is none."""
    if not any(counter in began and " " not in began[counter] for counter in counters):
        return set()
    views = locks.list_locks(store).locks
    return {counter for view in views if view.verdict is not Verdict.DEAD for counter in view.lock.counters}


def _stored(store: Store, settings: Settings, members: dict[CellId, str], ids: Sequence[CellId]) -> list[_Stored]:
    """The cells to remove, as they are stored, with the plain keys that no cell of the configuration publishes."""
    if not ids:
        return []
    kept = tuple(configured_cells(settings, members.keys()))
    cells = cell_store.cells(store, (*ids, *kept) if settings.publish else ids)

    def published(id_: CellId) -> tuple[str, ...]:
        cell = cells.get(id_)
        return keys_of(settings.publish, id_, cell.label if cell else id_.period) if settings.publish else ()

    taken = {key for id_ in kept for key in published(id_)}
    return [
        _Stored(id_, members[id_], cells.get(id_), tuple(key for key in published(id_) if key not in taken))
        for id_ in ids
    ]


def _remove(
    store: Store, stored: Sequence[_Stored], attempts: dict[str, str], how: dict[str, bool]
) -> tuple[list[Pruned], list[str]]:
    """What became of each cell, and the counters whose attempts are forgotten."""
    done: list[Pruned] = []
    forgotten: list[str] = []
    for position in range(0, max(1, len(stored)), _CELLS_A_SCRIPT):
        chunk = stored[position : position + _CELLS_A_SCRIPT]
        document: dict[str, Any] = {
            "cells": [_document(store.keys, each) for each in chunk],
            "attempts": [] if position else list(attempts.items()),
        }
        answer = store.run("prune", (store.keys.index, store.keys.began), msgspec.json.encode(document | how).decode())
        removed = {place - 1: tuple(plain) for place, plain in answer[0]}
        done += [
            Pruned(each.id, removed=True, keys=removed[place])
            if place in removed
            else Pruned(each.id, removed=False, why=CHANGED)
            for place, each in enumerate(chunk)
        ]
        forgotten += answer[1]
    return done, forgotten


def _document(keys: Keys, each: _Stored) -> dict[str, Any]:
    cell = each.cell
    return {
        "key": keys.cell(each.id),
        "member": each.member,
        "fence": str(cell.fence) if cell and cell.fence else "",
        "value": format(cell.value, "f") if cell and cell.value is not None else "",
        "publish": each.keys,
    }


def _record(store: Store, done: Sequence[Pruned], forgotten: Sequence[str], by: str) -> None:
    """One event for all that was removed; none where nothing was."""
    removed = [each for each in done if each.removed]
    counters = sorted({each.cell.counter for each in removed} | set(forgotten))
    if counters:
        plain = sum(len(each.keys) for each in removed)
        message = f"{len(removed)} cells and {plain} published keys that are no longer configured"
        event_log.record(store, Event(Level.INFO, Category.COUNTER, "pruned", message, tuple(counters), by=by))
