"""What a run removes: cells of groups and periods that the database lost, and keys of an older `latest`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from countercache.model.states import CellId, Computed, configured_cells
from countercache.settings import PublishSettings, Settings
from countercache.store.cell_store import Vanished
from countercache.store.publishing import keys_of


def vanished(
    settings: Settings, labels: Mapping[CellId, str], computed: Iterable[Sequence[Computed]]
) -> tuple[Vanished, ...]:
    """Of the cells that are stored of each computed counter those that it does not have now, with their plain keys.

    `labels` are the stored cells with their periods' own names.
    """
    found: list[Vanished] = []
    for cells in computed:
        if not cells:
            continue
        now = {one.cell for one in cells}
        before = configured_cells(settings, labels.keys(), (cells[0].cell.counter,))
        gone = [id_ for id_ in before if id_ in labels and id_ not in now]
        kept = _keys(settings.publish, cells)
        found += (Vanished(id_, _keys_apart(settings.publish, id_, labels[id_], kept)) for id_ in gone)
    return tuple(found)


def outdated_keys(
    settings: PublishSettings | None, labels: Mapping[CellId, str], cells: Sequence[Computed]
) -> dict[CellId, tuple[str, ...]]:
    """The plain keys that cells of a counter no longer publish, since they are of another period by now."""
    kept = _keys(settings, cells)
    moved = (one.cell for one in cells if labels.get(one.cell, one.label) != one.label)
    return {cell: keys for cell in moved if (keys := _keys_apart(settings, cell, labels[cell], kept))}


def _keys(settings: PublishSettings | None, cells: Iterable[Computed]) -> set[str]:
    return {key for one in cells for key in keys_of(settings, one.cell, one.label)} if settings else set()


def _keys_apart(settings: PublishSettings | None, cell: CellId, label: str, kept: set[str]) -> tuple[str, ...]:
    return tuple(key for key in keys_of(settings, cell, label) if key not in kept) if settings else ()
