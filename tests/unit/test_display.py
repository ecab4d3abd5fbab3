"""A value as people read it."""

from decimal import Decimal
from typing import Any

import pytest

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
        ("0.6543", {"percent": True, "precision": 1}, "65.4%"),
        ("0.25", {"percent": True}, "25%"),
        ("1234567.5", {}, "1,234,567.5"),
        ("9" * 40 + ".129999", {"precision": 2}, ",".join(["9", *["999"] * 13]) + ".13"),
    ],
)
def test_display(value: str, style: dict[str, Any], text: str) -> None:
    """Every style rounds half to even and never shows a float's noise, whatever the size."""
    assert display(Decimal(value), Format(**style)) == text


@pytest.mark.parametrize("style", [Format(), Format(percent=True), Format(currency="GBP", notation="compact")])
@pytest.mark.parametrize("value", ["9" * 1500, "-1E+2000", "9E+399", "0." + "9" * 1500, "1E-2000"])
def test_no_number_is_too_long_to_be_shown(value: str, style: Format) -> None:
    """A database gives numbers of any length; one that cannot be formatted would end its whole run."""
    assert 0 < len(display(Decimal(value), style)) < 600
