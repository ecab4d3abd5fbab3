"""A value as people read it."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from babel.numbers import format_compact_currency, format_compact_decimal

from countercache.display import display
from countercache.settings import Format


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        ("126848813000.00", {"currency": "GBP", "notation": "compact", "precision": 1}, "£126.8B"),
        ("126848813000.00", {"currency": "GBP"}, "£126,848,813,000.00"),
        ("-1234.5", {"currency": "GBP"}, "-£1,234.50"),
        ("-1234.5", {"currency": "GBP", "precision": 0}, "-£1,234"),
        ("1234.5", {"currency": "JPY"}, "¥1,234"),
        ("1234.5", {"currency": "EUR", "locale": "de_DE"}, "1.234,50\N{NO-BREAK SPACE}€"),
        ("999999", {"notation": "compact"}, "1M"),
        ("-999999", {"currency": "USD", "notation": "compact"}, "-$1M"),
        ("0", {"notation": "compact"}, "0"),
        ("10.25", {"notation": "compact", "precision": 1}, "10.2"),
        ("9" * 40, {"notation": "compact"}, "1" + "0" * 28 + "T"),
        ("12345678", {"notation": "compact", "locale": "ja_JP"}, "1234.6万"),
        ("12345678", {"notation": "compact", "locale": "ja_JP", "precision": 0}, "1235万"),
        ("12345678", {"notation": "compact", "locale": "zh_CN", "precision": 2}, "1234.57万"),
        ("12345678", {"notation": "compact", "locale": "ko_KR", "currency": "KRW"}, "₩1234.6만"),
        ("99999999", {"notation": "compact", "locale": "ja_JP"}, "1億"),
        ("-99999999", {"notation": "compact", "locale": "ja_JP", "currency": "JPY"}, "-\N{FULLWIDTH YEN SIGN}1億"),
        ("9999.96", {"notation": "compact", "locale": "ja_JP"}, "1万"),
        ("145678", {"notation": "compact", "locale": "en_IN", "precision": 2}, "1.46L"),
        ("1449999", {"notation": "compact", "locale": "en_IN"}, "14.5L"),
        ("144999999", {"notation": "compact", "locale": "en_IN", "precision": 0}, "14Cr"),
        ("9999999", {"notation": "compact", "locale": "en_IN", "currency": "INR"}, "₹1Cr"),
        ("999999", {"notation": "compact", "locale": "de_DE"}, "999999"),
        ("999999.96", {"notation": "compact", "locale": "de_DE"}, "1\N{NO-BREAK SPACE}Mio."),
        ("1234.56", {"notation": "compact", "locale": "de_DE"}, "1234,6"),
        ("0.6543", {"percent": True, "precision": 1}, "65.4%"),
        ("0.25", {"percent": True}, "25%"),
        ("1234567.5", {}, "1,234,567.5"),
        ("9" * 40 + ".129999", {"precision": 2}, ",".join(["9", *["999"] * 13]) + ".13"),
    ],
)
def test_display(value: str, style: dict[str, Any], text: str) -> None:
    """Every style rounds half to even and never shows a float's noise, whatever the size."""
    assert display(Decimal(value), Format(**style)) == text


@pytest.mark.parametrize("locale", ["en", "de", "es", "fr", "hi", "en_IN", "bn", "ja", "zh", "zh_Hant", "ko", "my"])
@pytest.mark.parametrize("digits", [0, 1, 2])
@pytest.mark.parametrize("figures", ["123454999949995", "144999999999999", "936549999499995"])
def test_compact_values_are_rounded_once(locale: str, digits: int, figures: str) -> None:
    """In the locale's own unit, whatever it counts in: as Babel rounds the value as it is."""
    style = Format(notation="compact", precision=digits, locale=locale)
    for power in range(6, 15):
        value = Decimal(figures).scaleb(power - 14)
        assert display(value, style) == format_compact_decimal(value, locale=locale, fraction_digits=digits)
        euros = msgspec.structs.replace(style, currency="EUR")
        assert display(value, euros) == format_compact_currency(value, "EUR", locale=locale, fraction_digits=digits)


@pytest.mark.parametrize("style", [Format(), Format(percent=True), Format(currency="GBP", notation="compact")])
@pytest.mark.parametrize("value", ["9" * 1500, "-1E+2000", "9E+399", "0." + "9" * 1500, "1E-2000"])
def test_no_number_is_too_long_to_be_shown(value: str, style: Format) -> None:
    """A database gives numbers of any length; one that cannot be formatted would end its whole run."""
    assert 0 < len(display(Decimal(value), style)) < 600
