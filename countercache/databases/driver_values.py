"""Values as drivers hand them over: the number that each is. Pure."""

from __future__ import annotations

from decimal import Decimal

from countercache.compute import text_numbers
from countercache.compute.text_numbers import PLAIN
from countercache.databases.field_values import SHOWN
from countercache.settings import Numbers


def number(value: object, numbers: Numbers) -> Decimal | None:
    """A value as the decimal that it prints as; `None` where it is no finite number.

    `numbers` say how texts are spelled.
    """
    if isinstance(value, (int, float, Decimal)):
        result = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        return result if result.is_finite() else None
    return text_numbers.read(value, numbers) if isinstance(value, str) else None


def result_of(value: object) -> Decimal | None:
    """The number that somebody's own query gives; `None` where it gives something else, or none that is finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    return number(value or 0, PLAIN)  # a float's zero may have a sign


def shown(value: object) -> str:
    """How a rejected value begins, for people; a blob as in SQL."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"x'{bytes(value)[:SHOWN].hex()}'"
    return str(value)[:SHOWN]
