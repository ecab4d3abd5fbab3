"""The section "Which spellings are numbers" of docs/semantics.md."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

BLANKS = " \t\r\n"
GAP = " \t"
LONGEST = 1000


class NoFigure(Enum):
    """What a value is that is no figure."""

    MISSING = "missing"
    REJECTED = "rejected"


def read(value: Any, text: str | None, spelling: Mapping[str, Any]) -> Fraction | NoFigure:
    """The figure that a stored value is; `text` is what the database prints for it."""
    if value is None:
        return NoFigure.MISSING
    if isinstance(value, str):
        return read_text(value, spelling)
    if isinstance(value, float):
        # A float counts as the decimal that it prints as, so 0.1 is a tenth.
        return Fraction(Decimal(text or "")) if math.isfinite(value) else NoFigure.REJECTED
    if isinstance(value, Decimal):
        return Fraction(value) if value.is_finite() else NoFigure.REJECTED
    return Fraction(value) if isinstance(value, int) else NoFigure.REJECTED


def read_text(text: str, spelling: Mapping[str, Any]) -> Fraction | NoFigure:
    """A text as the `numbers` of its source or field spell it."""
    bare = text.strip(BLANKS)
    if bare in spelling.get("null", ()):
        return NoFigure.MISSING
    if len(text) > LONGEST:
        return NoFigure.REJECTED
    bracketed = spelling.get("negative") == "parentheses" and bare.startswith("(") and bare.endswith(")")
    sign, bare = _sign_and_prefix(bare[1:-1] if bracketed else bare, spelling.get("prefix", ""))
    suffix = spelling.get("suffix", "")
    if suffix and bare.endswith(suffix):
        bare = bare.removesuffix(suffix).rstrip(GAP)
    number = _unsigned(bare, spelling.get("thousands"), spelling.get("decimal", "."))
    if number is None or (bracketed and sign):
        return NoFigure.REJECTED
    return -number if bracketed or sign == "-" else number


def _sign_and_prefix(text: str, prefix: str) -> tuple[str, str]:
    """The sign, and what follows: "spaces or tabs between or not, the sign right before it, or behind it"."""
    sign, rest = _sign(text)
    if prefix and rest.startswith(prefix):
        rest = rest.removeprefix(prefix).lstrip(GAP)
        if not sign:
            sign, rest = _sign(rest)
    return sign, rest


def _sign(text: str) -> tuple[str, str]:
    return (text[0], text[1:]) if text.startswith(("+", "-")) else ("", text)


def _unsigned(text: str, thousands: str | None, point: str) -> Fraction | None:
    """Digits, grouped or not, a point before the decimals, an exponent of up to three digits."""
    whole = "[0-9]+"
    if thousands:
        # "A group has two or three digits, the last one three; the first one may have one, and does not begin with 0."
        mark = re.escape(thousands)
        whole = f"(?:[0-9]+|[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{2,3}})*{mark}[0-9]{{3}})"
    dot = re.escape(point)
    found = re.fullmatch(f"(?:({whole})(?:{dot}([0-9]*))?|{dot}([0-9]+))(?:[eE]([+-]?[0-9]{{1,3}}))?", text)
    if not found:
        return None
    digits, decimals, bare_decimals, exponent = found.groups()
    digits, decimals = (digits or "").replace(thousands or "\0", ""), decimals or bare_decimals or ""
    return Fraction(int(digits + decimals or "0"), 10 ** len(decimals)) * Fraction(10) ** int(exponent or 0)
