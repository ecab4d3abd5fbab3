"""Durations as people write them, "1h30m", and as seconds. Pure."""

from __future__ import annotations

import math
import re

from countercache.errors import UsageError
from countercache.model.redaction import shown

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_DURATION = re.compile("".join(rf"(?:{_NUMBER}\s*{unit}\s*)?" for unit in _UNITS))
_LONGEST = 3650 * 86400.0


def duration(value: object) -> float:
    """The seconds of a duration: "15m", "1h30m", "250ms", "2d"; a bare number is seconds.

    Raises `UsageError` for anything else, and for what is not more than zero or is above ten years.
    """
    seconds = _seconds(value.strip() if isinstance(value, str) else value)
    if seconds is None:
        raise UsageError(f"got {shown(value)}", hint='give a duration such as "30s", "15m", "1h30m", "250ms" or "2d"')
    if not 0 < seconds <= _LONGEST:
        limit = "more than zero" if seconds <= 0 else "at most 3650d"
        raise UsageError(f"got {shown(value)}", hint=f'give a duration of {limit}, such as "30s" or "15m"')
    return seconds


def duration_text(seconds: float) -> str:
    """A duration as it would be written in the file, exact to the millisecond: 5400 is "1h30m", 0.25 is "250ms"."""
    left = round(seconds * 1000)
    parts = []
    for unit, size in _UNITS.items():
        count, left = divmod(left, round(size * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or f"{seconds:g}s"


def whole_seconds_text(seconds: float) -> str:
    """A duration in whole seconds, none of it negative: "3m2s"."""
    return duration_text(max(0, round(seconds)))


def rough_text(seconds: float) -> str:
    """A duration for people: "0.4s", "7.3s", and from ten seconds on whole ones, "1m12s"."""
    return f"{seconds:.1f}s" if seconds < 10 else duration_text(round(seconds))


def _seconds(value: object) -> float | None:
    """The seconds of a number or text, of any sign; `None` for what is no duration."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        # An integer of TOML may be too large for a float; beyond the limits it matters no more how far.
        value = float(max(min(value, 2 * _LONGEST), -1))
        return None if math.isnan(value) else value
    if not isinstance(value, str) or len(value) > 40:
        return None
    if re.fullmatch(rf"[+-]?{_NUMBER}", value):
        return float(value)
    match = _DURATION.fullmatch(value.removeprefix("-"))
    if not value or not match or not any(match.groups()):
        return None
    total = sum(float(number) * size for number, size in zip(match.groups(), _UNITS.values(), strict=True) if number)
    return -total if value.startswith("-") else total
