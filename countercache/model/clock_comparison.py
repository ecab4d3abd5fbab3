"""Two clocks compared: of Redis or a database, and of this host. Pure."""

from __future__ import annotations

from countercache.model.results import Finding, Health

SKEW = 2.0
"""Seconds that two clocks may differ before it is worth a word."""


def clock(area: str, skew: float, uncertain: float) -> Finding:
    """What it means that a clock is `skew` seconds before this host's; half of `uncertain` may be the way there."""
    why = "ages, freshness and deadlines go by it: what it says cannot be compared with this host's logs"
    least = abs(skew) - uncertain / 2
    if least > SKEW:
        seen = f"it is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this host's"
        return Finding(area, "clock", Health.WARNING, seen, why, "on both hosts: timedatectl")
    seen = f"it agrees with this host's to within {max(abs(skew) + uncertain / 2, 0.1):.1f} s"
    return Finding(area, "clock", Health.OK, seen, why)
