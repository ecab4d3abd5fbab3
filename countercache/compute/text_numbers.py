"""Numbers that are written as text: which spellings count, and what number each is. Pure.

The patterns are regular expressions that Python, PostgreSQL and RE2 read alike. Their six groups are the sign (before
or after a prefix), the whole part with its separators, the decimals (after a whole part or without one), the exponent.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache, lru_cache

import msgspec

from countercache.model.table import MAX_DIGITS
from countercache.settings import Numbers

SPACES = " \t\r\n"
"""What is ignored around a number."""

PLAIN = Numbers()
"""The spelling where nothing is configured."""


class Patterns(msgspec.Struct, frozen=True):
    """What all of a text (without the spaces around it) must match: `signed`, or `bracketed`, which is negative."""

    signed: str
    bracketed: str | None


@lru_cache
def patterns(numbers: Numbers) -> Patterns:
    """The patterns of a spelling."""
    decimal = re.escape(numbers.decimal)
    whole = "[0-9]+"
    if numbers.thousands:
        group = re.escape(numbers.thousands)
        # `0,123` is hardly 123: somebody's decimal comma, more likely.
        whole = f"[0-9]+|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{2,3}})*{group}[0-9]{{3}}"
    body = f"(?:({whole})(?:{decimal}([0-9]*))?|{decimal}([0-9]+))([eE][+-]?[0-9]{{1,3}})?"
    gap = r"[ \t]*"
    prefix = f"(?:{re.escape(numbers.prefix)}{gap})?" if numbers.prefix else ""
    suffix = f"(?:{gap}{re.escape(numbers.suffix)})?" if numbers.suffix else ""
    sign = f"(?:([+-])?{prefix}|{prefix}([+-]))" if prefix else "([+-])?()"
    bracketed = rf"^\(()(){prefix}{body}{suffix}\)$" if numbers.negative == "parentheses" else None
    return Patterns(f"^{sign}{body}{suffix}$", bracketed)


def characters(numbers: Numbers) -> str:
    """All characters that a number may be made of, and those around it."""
    brackets = "()" if numbers.negative == "parentheses" else ""
    parts = (SPACES, "+-0123456789eE", numbers.decimal, numbers.thousands or "", numbers.prefix, numbers.suffix)
    return "".join(dict.fromkeys("".join(parts) + brackets))


def read(text: str, numbers: Numbers = PLAIN) -> Decimal | None:
    """The number that a text spells; `None` where it spells none."""
    if len(text) > MAX_DIGITS:
        return None
    text = text.strip(SPACES)
    of = _compiled(numbers)
    if match := of[0].fullmatch(text):
        return Decimal(text) if numbers is PLAIN else _number(match, numbers)
    if of[1] and (match := of[1].fullmatch(text)):
        return _number(match, numbers).copy_negate()
    return None


@lru_cache
def _compiled(numbers: Numbers) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    of = patterns(numbers)
    return re.compile(of.signed), re.compile(of.bracketed) if of.bracketed else None


def _number(match: re.Match[str], numbers: Numbers) -> Decimal:
    before, after, whole, decimals, alone, exponent = (group or "" for group in match.groups())
    whole = whole.replace(numbers.thousands, "") if numbers.thousands else whole
    return Decimal(f"{before or after}{whole or '0'}.{decimals or alone or '0'}{exponent}")


def is_plain(numbers: Numbers) -> bool:
    """Whether texts spell numbers in the plain way; which ones stand for no value does not matter."""
    return msgspec.structs.replace(numbers, null=()) == PLAIN


def encode(numbers: Numbers) -> str:
    """A spelling as a text that a query can carry; empty for the plain one."""
    return "" if is_plain(numbers) else msgspec.json.encode(numbers).decode()


@cache
def decode(text: str) -> Numbers:
    """What `encode` gave."""
    return msgspec.json.decode(text, type=Numbers) if text else PLAIN
