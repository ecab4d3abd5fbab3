"""What a run removes: cells of groups and periods that the database lost, and keys of an older `latest`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from countercache.model.states import CellId, Computed
from countercache.settings import PublishSettings
from countercache.store.cell_store import Vanished
from countercache.store.publishing import keys_of


def vanished(
    settings: PublishSettings | None, labels: Mapping[CellId, str], cells: Sequence[Computed]
) -> tuple[Vanished, ...]:
    """Of a counter's stored cells those that are not among the ones it has now, with their plain keys.

    `labels` are the stored cells with their periods' own names.
    """
    now = {one.cell for one in cells}
    kept = _keys(settings, cells)
    gone = ((cell, label) for cell, label in labels.items() if cell not in now)
    return tuple(Vanished(cell, _keys_apart(settings, cell, label, kept)) for cell, label in gone)


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
