"""The published keys: plain keys for the web stack, written in the same script as the cell itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from countercache.model.states import LATEST, CellId, Computed, Failure, Reason
from countercache.settings import PublishSettings


class Published(msgspec.Struct, frozen=True):
    """A plain key that a web stack GETs, written together with its cell; `ttl` is in seconds, or `None`."""

    key: str
    value: str
    ttl: float | None = None


def published(settings: PublishSettings | None, computed: Computed, display: str, now: float) -> tuple[Published, ...]:
    """The keys of a cell that has a value, with what to store there.

    A cell of the period `latest` has two keys: one with that word, which always holds the newest period, and one with
    the period's own label.
    """
    if settings is None:
        return ()
    value = f"{computed.value:f}"
    if settings.encoding == "json":
        value = _document(computed, value, display, now)
    return tuple(Published(key, value, settings.ttl) for key in keys_of(settings, computed.cell, computed.label))


def keys_of(settings: PublishSettings, cell: CellId, label: str) -> tuple[str, ...]:
    """The keys of one cell; `label` is its period's own name."""
    labels = {cell.period, label} if cell.period == LATEST else {cell.period}
    return tuple(
        settings.key.format(counter=cell.counter, group=cell.group, period=period) for period in sorted(labels)
    )


class Claims:
    """Which counters and groups each plain key belongs to.

    Names that come from the database may give two cells the same key.
    """

    def __init__(self, settings: PublishSettings | None, stored: Iterable[CellId]) -> None:
        """Starts from the cells that are stored."""
        self._settings = settings
        self._keys: dict[str, set[str]] = {}
        self._owners: dict[str, set[tuple[str, str]]] = {}
        for cell in stored:
            self._add(cell, cell.period)

    def take(self, counter: str, cells: Sequence[Computed]) -> tuple[Computed, ...]:
        """Replace the cells of a counter, and return them: those whose key another group or counter has too as failed.

        Within a group, `latest` and the period that it stands for may share a key.
        """
        for key in self._keys.pop(counter, ()):
            self._owners[key] = {owner for owner in self._owners[key] if owner[0] != counter}
        for computed in cells:
            self._add(computed.cell, computed.label)
        return tuple(computed if computed.value is None else self._checked(computed) for computed in cells)

    def _add(self, cell: CellId, label: str) -> None:
        for key in keys_of(self._settings, cell, label) if self._settings else ():
            self._keys.setdefault(cell.counter, set()).add(key)
            self._owners.setdefault(key, set()).add((cell.counter, cell.group))

    def _checked(self, computed: Computed) -> Computed:
        cell = computed.cell
        for key in keys_of(self._settings, cell, computed.label) if self._settings else ():
            if others := self._owners[key] - {(cell.counter, cell.group)}:
                counter, group = min(others)
                message = f'its key "{key}" is also that of {counter} ({group}); change "key" in [publish]'
                return Computed(
                    cell, computed.label, duration=computed.duration, failure=Failure(Reason.CONFIG, message)
                )
        return computed


def _document(computed: Computed, value: str, display: str, now: float) -> str:
    change = computed.change
    document = {
        "value": value,
        "display_value": display,
        "period": computed.label,
        "previous": None if computed.previous is None else f"{computed.previous:f}",
        "change_percent": None if change is None or computed.points else f"{change:f}",
        "change_points": f"{change:f}" if change is not None and computed.points else None,
        "computed_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
    }
    return msgspec.json.encode(document).decode()
