"""Words that messages are made of. Pure."""

from __future__ import annotations


def count(amount: int, one: str, many: str = "") -> str:
    """An amount with its noun: `1 cell`, `3 cells`."""
    return f"{amount} {one if amount == 1 else many or one + 's'}"
