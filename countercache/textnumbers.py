"""Numbers that are written as text: which spellings count, and what number each is. Pure.

The patterns are regular expressions that Python and PostgreSQL read alike. Their five groups are the sign (before or
after a prefix), the whole part with its separators, the decimals, and the exponent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

import msgspec

from countercache.settings import Numbers
from countercache.tables import MAX_DIGITS

SPACES = " \t\r\n"
"""What is ignored around a number."""

_AFFIX = r"[^0-9.,'()+-]*"
_LONGEST_AFFIX = 4

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
    body = f"(?=(?:{decimal})?[0-9])({whole})?(?:{decimal}([0-9]*))?([eE][+-]?[0-9]{{1,3}})?"
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


def suggestion(text: str, numbers: Numbers = PLAIN) -> Numbers | None:
    """A spelling by which a text would be a number, or without any digit no value; `None` where none is likely."""
    text = text.strip(SPACES)
    if len(text) > MAX_DIGITS or read(text, numbers) is not None:
        return None
    if not re.search(r"[0-9]", text):
        null = (*numbers.null, text)
        return msgspec.structs.replace(numbers, null=null) if len(text) <= 20 and null.count(text) == 1 else None
    return next((each for each in _likely(text, numbers) if read(text, each) is not None), None)


def _likely(text: str, numbers: Numbers) -> Iterator[Numbers]:
    """Spellings to try, those that change least first."""
    inner = text.strip("()+-" + SPACES)
    prefix, suffix = re.match(_AFFIX, inner), re.search(f"{_AFFIX}$", inner)
    affixes = {
        "prefix": (prefix and prefix[0].strip()) or numbers.prefix,
        "suffix": (suffix and suffix[0].strip()) or numbers.suffix,
    }
    if any(len(affix) > _LONGEST_AFFIX for affix in affixes.values()):
        return
    signs = ("sign", "parentheses") if text.startswith("(") else (numbers.negative,)
    separators = [(numbers.thousands, numbers.decimal), (",", "."), (".", ","), (" ", "."), (" ", ","), ("'", ".")]
    separators += [(space, mark) for space in "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}" for mark in ",."]
    separators.insert(2, (None, ","))
    for thousands, decimal in separators:
        for negative in signs:
            yield msgspec.structs.replace(numbers, thousands=thousands, decimal=decimal, negative=negative, **affixes)


def written(numbers: Numbers) -> str:
    """A spelling as it would be written in the file: `numbers = { thousands = "," }`."""
    values = {name: getattr(numbers, name) for name in Numbers.__struct_fields__}
    given = {name: value for name, value in values.items() if value != getattr(PLAIN, name)}
    # JSON's texts and lists of texts are TOML's too.
    keys = (f"{name} = {msgspec.json.encode(value).decode()}" for name, value in given.items())
    return f"numbers = {{ {', '.join(keys)} }}"


@lru_cache
def _compiled(numbers: Numbers) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    of = patterns(numbers)
    return re.compile(of.signed), re.compile(of.bracketed) if of.bracketed else None


def _number(match: re.Match[str], numbers: Numbers) -> Decimal:
    before, after, whole, decimals, exponent = (group or "" for group in match.groups())
    whole = whole.replace(numbers.thousands, "") if numbers.thousands else whole
    return Decimal(f"{before or after}{whole or '0'}.{decimals or '0'}{exponent}")
