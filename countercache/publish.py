"""What the web stack reads: the plain keys of `[publish]`, written in the same script as the cell itself. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from countercache.settings import PublishSettings
from countercache.states import LATEST, CellId, Computed


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
