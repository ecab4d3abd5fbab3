"""What is suggested for texts that are no numbers: followed, it must not make a wrong number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from countercache.compute.rejections import Spelling, cure
from countercache.compute.spelling_suggestions import suggestion, unmistakable
from countercache.compute.text_numbers import PLAIN, read
from countercache.settings import Numbers

COMMA = Numbers(thousands=",")
SKIP = 'rejected = "skip" leaves such values out'


@pytest.mark.parametrize(
    ("text", "numbers", "expected", "number"),
    [
        ("2,949,880,000", PLAIN, Numbers(thousands=","), "2949880000"),
        ("1,234.5", PLAIN, Numbers(thousands=","), "1234.5"),
        ("1.234.000,50", PLAIN, Numbers(thousands=".", decimal=","), "1234000.50"),
        ("1.234.567", PLAIN, Numbers(thousands=".", decimal=","), "1234567"),
        ("1 234,5", PLAIN, Numbers(thousands=" ", decimal=","), "1234.5"),
        ("1 234", Numbers(decimal=","), Numbers(thousands=" ", decimal=","), "1234"),
        ("1\u00a0234", PLAIN, Numbers(thousands="\u00a0"), "1234"),
        ("1'234", PLAIN, Numbers(thousands="'"), "1234"),
        ("0,5", PLAIN, Numbers(decimal=","), "0.5"),
        ("1234,56", PLAIN, Numbers(decimal=","), "1234.56"),
        ("£12.50", PLAIN, Numbers(prefix="£"), "12.50"),
        ("-£ 12", PLAIN, Numbers(prefix="£"), "-12"),
        ("12 EUR", PLAIN, Numbers(suffix="EUR"), "12"),
        ("12 %", PLAIN, Numbers(suffix="%"), "12"),
        ("(£1,234.50)", PLAIN, Numbers(thousands=",", prefix="£", negative="parentheses"), "-1234.50"),
        ("(£1,500)", COMMA, Numbers(thousands=",", prefix="£", negative="parentheses"), "-1500"),
        ("£1.234", COMMA, Numbers(thousands=",", prefix="£"), "1.234"),
        ("5 %", Numbers(prefix="£", null=("-",)), Numbers(prefix="£", suffix="%", null=("-",)), "5"),
    ],
)
def test_an_example_that_leaves_no_doubt(text: str, numbers: Numbers, expected: Numbers, number: str) -> None:
    """What is configured stays, and the text is the number that everybody reads."""
    assert suggestion(text, numbers) == expected
    assert read(text, expected) == Decimal(number)


@pytest.mark.parametrize("text", ["", "-", "\u2013", "—", "..", "n/a", "#N/A", "not reported", "c", "\u00a0"])
def test_a_text_that_is_no_value(text: str) -> None:
    """Added to those that are configured, once."""
    assert suggestion(text, Numbers(null=("x",))) == Numbers(null=("x", text))
    assert suggestion(text, Numbers(null=(text,))) is None


AMOUNTS = (
    "\u22125",
    "\u20135",
    "£2bn",
    "1.5M",
    "3k",
    "12 CR",
    "12 DR",
    "<5",
    ">5",
    "~12",
    "12p",
    "5 MIO",
    "3 TSD",
    "US$5",
    "5-",
)
DIGITS = ("\uff11\uff12", "٣", "½", "四", "Ⅳ", "\uff11,\uff12\uff13\uff14")
SIGNS = ("£", "\u2212", "+", "<", "%", "GBP", "€-", "()", "∞", "Infinity", "'", "\ufffd")
DOUBTS = ("1,234", "12,5", "1,23", "(1,500)", "€1.234", "1234,567", "1.2.3", "2020-01-05", "12.05.2020", "(5", "5)")


@pytest.mark.parametrize("text", [*AMOUNTS, *DIGITS, *SIGNS, *DOUBTS])
def test_a_text_of_which_nothing_is_certain(text: str) -> None:
    """A sign, a multiplier, digits of other scripts, and a mark that may be either: nothing to copy."""
    assert suggestion(text) is None


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,23", COMMA),
        ("1.234,5", COMMA),
        ("1\u00a0234", Numbers(thousands=" ")),
        ("1 234,5", Numbers(thousands=" ")),
        ("1,234,567", Numbers(decimal=",")),
        ("1.234", Numbers(decimal=",")),
        ("€5", Numbers(prefix="£")),
        ("5 EUR", Numbers(suffix="%")),
    ],
)
def test_a_text_that_contradicts_what_is_configured(text: str, numbers: Numbers) -> None:
    """No option is changed or dropped to read it."""
    assert suggestion(text, numbers) is None
    assert cure("debt", text, Spelling(numbers, own=False)) == SKIP


def test_the_hint_says_where_it_belongs() -> None:
    """At the source where that touches no other field, else at the field, with all that holds for it."""
    german = Numbers(thousands=".", decimal=",")
    assert cure("b", "n/a", Spelling(PLAIN, own=False)).startswith(
        'numbers = { null = ["n/a"] } at the source takes it'
    )
    hint = 'field_numbers.b = { thousands = ".", decimal = ",", null = ["-"] } at the source takes it for none, '
    assert cure("b", "-", Spelling(german, own=True)) == hint + SKIP
    assert cure("total debt", "5%", Spelling(PLAIN, own=True)).startswith(
        'field_numbers."total debt" = { suffix = "%" }'
    )
    assert cure("b", "1,234", Spelling(PLAIN, own=True)) == (
        f'say in field_numbers.b at the source whether "," is its thousands or its decimal, {SKIP}'
    )


def test_what_looks_like_another_character_is_shown_by_its_escape() -> None:
    """In the hint, from where it is copied, and in the example."""
    assert cure("a", "1\u00a0234", Spelling(PLAIN, own=False)).startswith('numbers = { thousands = "\\u00a0" }')
    assert unmistakable('"\u22125 \uff11\uff12 1\u20195 £ é"') == '"\\u22125 \\uff11\\uff12 1\\u20195 £ é"'
