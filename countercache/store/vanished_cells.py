"""What a run removes: cells of groups and periods that have vanished, and plain keys of an older `latest`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from countercache.model.states import CellId, Computed
from countercache.settings import PublishSettings
from countercache.store.cell_store import Vanished
from countercache.store.publishing import keys_of


def vanished(
    settings: PublishSettings | None, labels: Mapping[CellId, str], cells: Sequence[Computed]
) -> tuple[Vanished, ...]:
    """The stored cells of a counter that are not among `cells`, those that it has now, with their plain keys.

    `labels` are the stored cells with their periods' own names.
    """
    current = {computed.cell for computed in cells}
    kept = _keys(settings, cells)
    gone = ((cell, label) for cell, label in labels.items() if cell not in current)
    return tuple(Vanished(cell, _keys_not_in(settings, cell, label, kept)) for cell, label in gone)


def outdated_keys(
    settings: PublishSettings | None, labels: Mapping[CellId, str], cells: Sequence[Computed]
) -> dict[CellId, tuple[str, ...]]:
    """The plain keys that cells of a counter no longer publish, because their period has changed."""
    kept = _keys(settings, cells)
    moved = (computed.cell for computed in cells if labels.get(computed.cell, computed.label) != computed.label)
    return {cell: keys for cell in moved if (keys := _keys_not_in(settings, cell, labels[cell], kept))}


def _keys(settings: PublishSettings | None, cells: Iterable[Computed]) -> set[str]:
    return (
        {key for computed in cells for key in keys_of(settings, computed.cell, computed.label)} if settings else set()
    )


def _keys_not_in(settings: PublishSettings | None, cell: CellId, label: str, kept: set[str]) -> tuple[str, ...]:
    return tuple(key for key in keys_of(settings, cell, label) if key not in kept) if settings else ()
