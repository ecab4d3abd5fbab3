"""Formats values for people: currency, percent, compact. The patterns and symbols are those of CLDR, from Babel.

Babel is imported only where a value is formatted, since its import takes long. Only its data are used: its `format_*`
functions do not group compact numbers, put no space after `KWD` and show `-0`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING

from countercache.settings import Format

if TYPE_CHECKING:
    from babel import Locale
    from babel.numbers import NumberPattern

_LONGEST = 400
_NBSP = "\N{NO-BREAK SPACE}"


def display(value: Decimal, style: Format) -> str:
    """Format a value as `display_value` shows it, rounded half away from zero, such as `£126.8B`.

    With `percent` the value is a ratio: 0.25 is 25%. A number of hundreds of digits is shown as `1.234560E+412`.
    """
    # The default precision of 28 digits cannot round longer numbers.
    with localcontext(prec=1000, rounding=ROUND_HALF_UP):
        return f"{value:.6E}" if value.adjusted() >= _LONGEST else _display(value, style)


def _display(value: Decimal, style: Format) -> str:
    from babel import Locale, numbers  # noqa: PLC0415 - see the module

    locale = Locale.parse(style.locale)
    symbols = dict(locale.number_symbols["latn"])
    currency, unit = "", None
    least, most = 0, 6  # decimals
    if style.percent:
        pattern, value = locale.percent_formats[None], value.scaleb(2)
    elif style.currency:
        pattern, currency = locale.currency_formats["standard"], numbers.get_currency_symbol(style.currency, locale)
        least = most = numbers.get_currency_precision(style.currency)
        symbols["decimal"] = symbols.get("currencyDecimal", symbols["decimal"])
        symbols["group"] = symbols.get("currencyGroup", symbols["group"])
    else:
        pattern = locale.decimal_formats[None]
    compact = style.notation == "compact" and not style.percent
    if compact:
        least, most = 0, 1
    if style.precision is not None:
        least = most = style.precision
    if compact:
        value, unit = _in_units(value, most, locale)
    value = _rounded(value, most)
    before, after = _around(pattern, unit, currency, negative=value < 0)
    number = _number(abs(value), least, pattern.grouping, symbols, compact=compact)
    return _affix(before, symbols, currency) + number + _affix(after, symbols, currency)


def _rounded(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits))


def _in_units(value: Decimal, digits: int, locale: Locale) -> tuple[Decimal, NumberPattern | None]:
    """The value in the locale's unit for its size (thousands, millions, 万, lakhs…), and the unit's pattern."""
    patterns = locale.compact_decimal_formats["short"]
    for _ in range(2):  # rounding may reach the next unit: 999,999 is 1M
        least = max((power for power in patterns["other"] if int(power) <= abs(value)), key=int, default="")
        pattern = patterns["other"].get(least)
        unit = 10 ** (len(least) - pattern.int_prec[0]) if pattern and pattern.pattern != "0" else 1
        value = _rounded(value / unit, digits) * unit
    if unit == 1:
        return value, None
    value /= unit
    return value, patterns.get(locale.plural_form(abs(value)), {}).get(least, pattern)


def _around(pattern: NumberPattern, unit: NumberPattern | None, currency: str, *, negative: bool) -> tuple[str, str]:
    """The text before and after the digits: sign, currency and unit, as in the patterns."""
    before, after = pattern.prefix[negative], pattern.suffix[negative]
    if unit:  # CLDR's own patterns for compact currencies have faults, such as "£ elfu1.2" in Swahili
        before = "-" * negative + pattern.prefix[False] + unit.prefix[False]
        after = unit.suffix[False] + pattern.suffix[False]
    # CLDR's currencySpacing: "KWD 1", but "£1".
    if before.endswith("¤") and _needs_space(currency[-1]):
        before += _NBSP
    if after.startswith("¤") and _needs_space(currency[0]):
        after = _NBSP + after
    return before, after


def _needs_space(character: str) -> bool:
    return unicodedata.category(character)[0] not in "SZ"


def _number(value: Decimal, least: int, grouping: tuple[int, int], symbols: Mapping[str, str], *, compact: bool) -> str:
    """The digits of a rounded value, with at least `least` decimals. Compact ones are grouped from five digits on."""
    whole, _, fraction = f"{value:f}".partition(".")
    fraction = fraction[:least] + fraction[least:].rstrip("0")
    size, others = grouping
    groups: list[str] = []
    while len(whole) > size + (compact and not groups):
        groups.insert(0, whole[-size:])
        whole, size = whole[:-size], others
    return symbols["group"].join([whole, *groups]) + (symbols["decimal"] + fraction if fraction else "")


def _affix(text: str, symbols: Mapping[str, str], currency: str) -> str:
    """A part of a pattern with the locale's symbols, and without its quotes."""
    signs = {"-": symbols["minusSign"], "%": symbols["percentSign"], "¤": currency, "''": "'"}
    return re.sub(r"'[^']*'|[-%¤]", lambda match: signs.get(match[0], match[0].strip("'")), text)
