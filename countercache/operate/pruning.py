"""`countercache prune`: removes orphans, the cells of counters, groups and periods that are no longer configured.

With a cell go the plain keys that it published, as `[publish]` names them now, if they still hold its value and no
other cell publishes there. Nothing else outside the namespace is touched. The counters of a live run are left: it may
run on another host, whose configuration has them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from countercache import locks
from countercache.model.results import Pruned, PruneResult
from countercache.model.states import Category, Cell, CellId, Event, Level, Verdict, configured_cells
from countercache.settings import Settings
from countercache.store import cell_store, event_log
from countercache.store.keys import Keys, cell_of
from countercache.store.publishing import keys_of
from countercache.store.redis_client import Store

_CELLS_A_SCRIPT = 500

LEFT = "a run that is alive covers it: does another host have it in its configuration?"
CHANGED = "it was written meanwhile"


class _Orphan(msgspec.Struct, frozen=True):
    """A cell to remove, with its member of the index and the plain keys that it alone publishes."""

    id: CellId
    member: str
    cell: Cell | None
    keys: tuple[str, ...]


def orphans(settings: Settings, known: Collection[CellId]) -> tuple[CellId, ...]:
    """The stored cells that are no longer configured."""
    return tuple(sorted(set(known) - set(configured_cells(settings, known))))


def prune(store: Store, settings: Settings, *, by: str, dry_run: bool = False) -> PruneResult:
    """Remove the orphans, or in a `dry_run` say what would be removed. Raises `RedisError`."""
    with store.translated_errors():
        pipe = store.client.pipeline(transaction=True)
        pipe.smembers(store.keys.index)
        pipe.hgetall(store.keys.began)
        index, began = pipe.execute()
    members = {id_: member for member in index if (id_ := cell_of(member))}
    orphaned = orphans(settings, members.keys())
    attempts = {counter: text for counter, text in sorted(began.items()) if counter not in settings.counters}
    covered = _covered(store, {id_.counter for id_ in orphaned} | attempts.keys(), began)
    to_remove = _to_remove(store, settings, members, [id_ for id_ in orphaned if id_.counter not in covered])
    attempts = {counter: text for counter, text in attempts.items() if counter not in covered}
    left = [Pruned(id_, removed=False, why=LEFT) for id_ in orphaned if id_.counter in covered]
    json = settings.publish is not None and settings.publish.encoding == "json"
    pruned, forgotten = _remove(store, to_remove, attempts, {"json": json, "dry": dry_run})
    if not dry_run:
        _record(store, pruned, forgotten, by)
    return PruneResult((*pruned, *left), tuple(forgotten), dry_run)


def _covered(store: Store, counters: Collection[str], began: dict[str, str]) -> set[str]:
    """All counters of runs that are not provably dead; empty where none of `counters` has an open attempt."""
    if not any(counter in began and " " not in began[counter] for counter in counters):
        return set()
    views = locks.list_locks(store).locks
    return {counter for view in views if view.verdict is not Verdict.DEAD for counter in view.lock.counters}


def _to_remove(store: Store, settings: Settings, members: dict[CellId, str], ids: Sequence[CellId]) -> list[_Orphan]:
    """The cells to remove, with the plain keys that no configured cell publishes."""
    if not ids:
        return []
    kept = tuple(configured_cells(settings, members.keys()))
    cells = cell_store.cells(store, (*ids, *kept) if settings.publish else ids)

    def published(id_: CellId) -> tuple[str, ...]:
        cell = cells.get(id_)
        return keys_of(settings.publish, id_, cell.label if cell else id_.period) if settings.publish else ()

    kept_keys = {key for id_ in kept for key in published(id_)}
    return [
        _Orphan(id_, members[id_], cells.get(id_), tuple(key for key in published(id_) if key not in kept_keys))
        for id_ in ids
    ]


def _remove(
    store: Store, to_remove: Sequence[_Orphan], attempts: dict[str, str], options: dict[str, bool]
) -> tuple[list[Pruned], list[str]]:
    """Remove cells and attempts; returns what became of each cell, and the counters whose attempts were removed."""
    pruned: list[Pruned] = []
    forgotten: list[str] = []
    for position in range(0, max(1, len(to_remove)), _CELLS_A_SCRIPT):
        chunk = to_remove[position : position + _CELLS_A_SCRIPT]
        document: dict[str, Any] = {
            "cells": [_document(store.keys, orphan) for orphan in chunk],
            "attempts": [] if position else list(attempts.items()),
        }
        answer = store.run(
            "prune", (store.keys.index, store.keys.began), msgspec.json.encode(document | options).decode()
        )
        removed = {index - 1: tuple(keys) for index, keys in answer[0]}  # Lua counts from 1
        pruned += [
            Pruned(orphan.id, removed=True, keys=removed[index])
            if index in removed
            else Pruned(orphan.id, removed=False, why=CHANGED)
            for index, orphan in enumerate(chunk)
        ]
        forgotten += answer[1]
    return pruned, forgotten


def _document(keys: Keys, orphan: _Orphan) -> dict[str, Any]:
    cell = orphan.cell
    return {
        "key": keys.cell(orphan.id),
        "member": orphan.member,
        "fence": str(cell.fence) if cell and cell.fence else "",
        "value": format(cell.value, "f") if cell and cell.value is not None else "",
        "publish": orphan.keys,
    }


def _record(store: Store, pruned: Sequence[Pruned], forgotten: Sequence[str], by: str) -> None:
    """Log one event for all that was removed, or none where nothing was."""
    removed = [cell for cell in pruned if cell.removed]
    counters = sorted({cell.cell.counter for cell in removed} | set(forgotten))
    if counters:
        plain = sum(len(cell.keys) for cell in removed)
        message = f"{len(removed)} cells and {plain} published keys that are no longer configured"
        event_log.record(store, Event(Level.INFO, Category.COUNTER, "pruned", message, tuple(counters), by=by))
