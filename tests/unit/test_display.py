"""A value as people read it."""

from decimal import Decimal
from typing import Any

import pytest

from countercache.run.value_formatting import display
from countercache.settings import Format


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        ("126848813000.00", {"currency": "GBP", "notation": "compact", "precision": 1}, "£126.8B"),
        ("126848813000.00", {"currency": "GBP"}, "£126,848,813,000.00"),
        ("-1234.5", {"currency": "GBP"}, "-£1,234.50"),
        ("-1234.5", {"currency": "GBP", "precision": 0}, "-£1,235"),
        ("1234.5", {"currency": "JPY"}, "¥1,235"),
        ("1234.5", {"currency": "EUR", "locale": "de_DE"}, "1.234,50\N{NO-BREAK SPACE}€"),
        ("999999", {"notation": "compact"}, "1M"),
        ("-999999", {"currency": "USD", "notation": "compact"}, "-$1M"),
        ("0", {"notation": "compact"}, "0"),
        ("10.25", {"notation": "compact", "precision": 1}, "10.3"),
        ("9" * 40, {"notation": "compact"}, "10" + ",000" * 9 + "T"),
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
        ("999999", {"notation": "compact", "locale": "de_DE"}, "999.999"),
        ("999999.96", {"notation": "compact", "locale": "de_DE"}, "1\N{NO-BREAK SPACE}Mio."),
        ("1234.56", {"notation": "compact", "locale": "de_DE"}, "1234,6"),
        ("123456.78", {"currency": "EUR", "notation": "compact", "locale": "de_DE"}, "123.456,8\N{NO-BREAK SPACE}€"),
        ("105000000000", {"currency": "GBP", "notation": "compact"}, "£105B"),
        ("105000000000", {"currency": "GBP", "notation": "compact", "precision": 1}, "£105.0B"),
        ("15200000000", {"currency": "GBP", "notation": "compact", "precision": 1}, "£15.2B"),
        (
            "-4500",
            {"currency": "KES", "notation": "compact", "locale": "sw_KE"},
            "-Ksh\N{NO-BREAK SPACE}elfu\N{NO-BREAK SPACE}4.5",
        ),
        ("1234567", {"locale": "hi_IN"}, "12,34,567"),
        ("0.125", {"percent": True, "precision": 1, "locale": "fr_FR"}, "12,5\N{NO-BREAK SPACE}%"),
        ("-0.25", {"percent": True, "locale": "sv_SE"}, "\N{MINUS SIGN}25\N{NO-BREAK SPACE}%"),
        ("0.25", {"percent": True, "locale": "tr_TR"}, "%25"),
        ("0.125", {"percent": True, "precision": 0}, "13%"),
        ("2.5", {"precision": 0}, "3"),
        ("-2.5", {"precision": 0}, "-3"),
        ("-0.4", {"precision": 0}, "0"),
        ("-0", {}, "0"),
        ("-0.004", {"currency": "GBP"}, "£0.00"),
        ("-0.04", {"notation": "compact"}, "0"),
        ("-0.0004", {"percent": True, "precision": 1}, "0.0%"),
        ("-1E-2000", {}, "0"),
        ("0", {"currency": "KWD"}, "KWD\N{NO-BREAK SPACE}0.000"),
        ("-1500", {"currency": "KWD", "notation": "compact"}, "-KWD\N{NO-BREAK SPACE}1.5K"),
        ("0.6543", {"percent": True, "precision": 1}, "65.4%"),
        ("0.25", {"percent": True}, "25%"),
        ("1234567.5", {}, "1,234,567.5"),
        ("9" * 40 + ".129999", {"precision": 2}, ",".join(["9", *["999"] * 13]) + ".13"),
    ],
)
def test_display(value: str, style: dict[str, Any], text: str) -> None:
    """Every style rounds half away from zero, follows its locale and never shows "-0", whatever the size."""
    assert display(Decimal(value), Format(**style)) == text


@pytest.mark.parametrize("style", [Format(), Format(percent=True), Format(currency="GBP", notation="compact")])
@pytest.mark.parametrize("value", ["9" * 1500, "-1E+2000", "9E+399", "0." + "9" * 1500, "1E-2000"])
def test_no_number_is_too_long_to_be_shown(value: str, style: Format) -> None:
    """A database gives numbers of any length; one that cannot be formatted would end its whole run."""
    assert 0 < len(display(Decimal(value), style)) < 600
