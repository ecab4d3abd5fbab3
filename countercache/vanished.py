"""Stored cells of groups and periods that the database no longer has: a run that computed the others removes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import redis

from countercache import store
from countercache.connection import Keys
from countercache.publish import keys_of
from countercache.settings import Settings
from countercache.states import CellId, Computed, configured_cells


def vanished(
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    known: Collection[CellId],
    computed: Iterable[Sequence[Computed]],
) -> tuple[store.Vanished, ...]:
    """Of the `known` cells of each computed counter those that it does not have now, with the plain keys that only
    they publish. Takes a round trip where there are any. Raises `RedisError`.
    """
    gone: list[CellId] = []
    kept: set[str] = set()
    for cells in computed:
        if not cells:
            continue
        now = {one.cell for one in cells}
        before = configured_cells(settings, known, (cells[0].cell.counter,))
        gone += (id_ for id_ in before if id_ in known and id_ not in now)
        if settings.publish is not None:
            kept.update(key for one in cells for key in keys_of(settings.publish, one.cell, one.label))
    if not gone or settings.publish is None:
        return tuple(store.Vanished(id_) for id_ in gone)
    stored = store.cells(client, keys, gone)
    labels = {id_: stored[id_].label if id_ in stored else id_.period for id_ in gone}
    return tuple(
        store.Vanished(id_, tuple(key for key in keys_of(settings.publish, id_, label) if key not in kept))
        for id_, label in labels.items()
    )
