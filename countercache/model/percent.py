"""Percentages as people write them, "50%", and as exact shares of one. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

from countercache.errors import UsageError
from countercache.model.redaction import shown

_PERCENT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*%")


def percent(value: object) -> Decimal:
    """The share that a text such as "50%" names: 0.5. Raises `UsageError` for anything else."""
    match = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise UsageError(f"got {shown(value)}", hint='give a percentage such as "50%"')
    return Decimal(match[1]).scaleb(-2)


def percent_text(share: Decimal) -> str:
    """A share as it would be written in the file: 0.5 is "50%"."""
    return f"{(share.scaleb(2)).normalize():f}%"
