"""What the web stack reads: the plain keys of `[publish]`, written in the same script as the cell itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from countercache.model.states import LATEST, CellId, Computed, Failure, Reason
from countercache.settings import PublishSettings


class Published(msgspec.Struct, frozen=True):
    """A plain key that a web stack GETs, written together with its cell. `ttl` is in seconds; none: it stays."""

    key: str
    value: str
    ttl: float | None = None


def published(settings: PublishSettings | None, computed: Computed, display: str, now: float) -> tuple[Published, ...]:
    """The keys and their values for one cell that has a value.

    A cell that was asked for as `latest` stands under that word too, so that a web stack has one key that always holds
    the newest period, beside the one with the period's own label.
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
    return tuple(settings.key.format(counter=cell.counter, group=cell.group, period=each) for each in sorted(labels))


class Claims:
    """Which counters and groups the plain keys belong to: names that come from the database may give two cells one
    key.
    """

    def __init__(self, settings: PublishSettings | None, stored: Iterable[CellId]) -> None:
        """Starts from the cells that are stored."""
        self._settings = settings
        self._keys: dict[str, set[str]] = {}
        self._owners: dict[str, set[tuple[str, str]]] = {}
        for cell in stored:
            self._add(cell, cell.period)

    def take(self, counter: str, cells: Sequence[Computed]) -> tuple[Computed, ...]:
        """A counter has these cells now, and no others. Returns them; those have failed one of whose keys another group
        or counter has too. Of one group, `latest` and the period that it is share a key rightly.
        """
        for key in self._keys.pop(counter, ()):
            self._owners[key] = {owner for owner in self._owners[key] if owner[0] != counter}
        for one in cells:
            self._add(one.cell, one.label)
        return tuple(one if one.value is None else self._checked(one) for one in cells)

    def _add(self, cell: CellId, label: str) -> None:
        for key in keys_of(self._settings, cell, label) if self._settings else ():
            self._keys.setdefault(cell.counter, set()).add(key)
            self._owners.setdefault(key, set()).add((cell.counter, cell.group))

    def _checked(self, one: Computed) -> Computed:
        cell = one.cell
        for key in keys_of(self._settings, cell, one.label) if self._settings else ():
            if others := self._owners[key] - {(cell.counter, cell.group)}:
                counter, group = min(others)
                message = f'its key "{key}" is also that of {counter} ({group}); change "key" in [publish]'
                return Computed(cell, one.label, duration=one.duration, failure=Failure(Reason.CONFIG, message))
        return one


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
