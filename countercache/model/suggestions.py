"""What to say of a name that is wrong: the nearest right one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from countercache.errors import UsageError
from countercache.model.redaction import shown
from countercache.settings import Settings

_LISTED = 12


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint that names the nearest right name; empty where none is near."""
    by_folded = {fold(right): right for right in sorted(names)}
    close = get_close_matches(fold(name), by_folded, n=1, cutoff=0.5)
    return f"did you mean {shown(by_folded[close[0]])}?" if close else ""


def nearest_or_all(name: str, names: Iterable[str]) -> str:
    """A hint that names the nearest right name, or lists the right ones where none is near."""
    known = sorted(names)
    if hint := nearest(name, known):
        return hint
    if not known:
        return "there is none"
    return f"there is {', '.join(map(shown, known[:_LISTED]))}{', …' if len(known) > _LISTED else ''}"


def check_counters(settings: Settings, names: Iterable[str]) -> None:
    """Raises `UsageError` for a counter that does not exist."""
    for name in names:
        if name not in settings.counters:
            raise UsageError(f"no counter is called {name!r}", hint=nearest_or_all(name, settings.counters))


def fold(name: str) -> str:
    """A name without what people mix up: capitals, and `-` with `_`, which an environment variable cannot have."""
    return name.lower().replace("-", "_")
