"""A value as people read it: currency, percent, compact. Babel knows how; it is imported where it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

from countercache.settings import Format

_LONGEST = 400


def display(value: Decimal, style: Format) -> str:
    """The value as `display_value` shows it, rounded half to even by Babel (CLDR), e.g. `£126.8B`.

    `percent` reads a ratio, as everywhere: 0.25 is 25%. A number of hundreds of digits is shown as `1.234560E+412`.
    """
    if value.adjusted() >= _LONGEST:
        return f"{value:.6E}"
    with localcontext(prec=1000):  # the default of 28 digits refuses to round longer numbers
        return _display(value, style)


def _display(value: Decimal, style: Format) -> str:
    # Only what is formatted is imported: on a run of milliseconds Babel's own start is a large part.
    from babel import Locale, numbers  # noqa: PLC0415

    digits = style.precision
    if style.percent:
        return numbers.format_percent(value, format=_pattern("%", digits), locale=style.locale)
    if style.notation == "compact":
        digits = 1 if digits is None else digits
        locale = Locale.parse(style.locale)
        formats = locale.compact_currency_formats if style.currency else locale.compact_decimal_formats
        unit = _unit(value, {int(least): numbers.parse_pattern(p) for least, p in formats["short"]["other"].items()})
        # Babel picks the unit before it rounds: 999,999 would read 1000K.
        value = round(value / unit, digits) * unit
        if style.currency:
            return numbers.format_compact_currency(value, style.currency, locale=style.locale, fraction_digits=digits)
        return numbers.format_compact_decimal(value, locale=style.locale, fraction_digits=digits)
    if style.currency:
        if digits is None:
            digits = numbers.get_currency_precision(style.currency)
        pattern = Locale.parse(style.locale).currency_formats["standard"].pattern
        pattern = re.sub(r"0\.0+", "0", pattern) if not digits else re.sub(r"0\.0+", "0." + "0" * digits, pattern)
        return numbers.format_currency(
            value, style.currency, format=pattern, locale=style.locale, currency_digits=False
        )
    return numbers.format_decimal(value, format=_pattern("", digits), locale=style.locale)


def _unit(value: Decimal, patterns: Mapping[int, Any]) -> int:
    """What a locale counts such a value in: thousands, millions, 万, lakhs… `patterns` are by the least value."""
    least = max((each for each in patterns if each <= abs(value)), default=1)
    pattern = patterns[least].pattern if least in patterns else "0"
    return 1 if pattern == "0" else least // 10 ** (pattern.count("0") - 1)


def _pattern(suffix: str, digits: int | None) -> str:
    """A CLDR number pattern: so many decimals, or without a precision as many as are needed, at most six."""
    fraction = "######" if digits is None else "0" * digits
    return f"#,##0{'.' + fraction if fraction else ''}{suffix}"
