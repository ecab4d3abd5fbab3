"""Formulas: what parses to what, what errors say, and that arithmetic is exact."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countercache.compute.formula import (
    Chain,
    Name,
    Negate,
    Number,
    evaluate,
    names,
    nearest,
    parse,
    plain,
    quotient,
    size,
    substitute,
)
from countercache.errors import FormulaError

FIGURES = {"a": Decimal(7), "b": Decimal(2), "a-b": Decimal(100), "x.y_z": Decimal("0.5"), "net debt": Decimal(-3)}


def value(text: str) -> Decimal | None:
    """The value of a formula over the figures above."""
    return evaluate(parse(text), lambda name: FIGURES.get(name.name))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * 3", "13"),
        ("(a + b) * 3", "27"),
        ("a - b - 1", "4"),
        ("a - (b - 1)", "6"),
        ("a / b / 2", "1.75"),
        ("a-b", "100"),
        ("a -b", "5"),
        ("a- b", "5"),
        ("-a + b", "-5"),
        ("- - a", "7"),
        ("-(a)*-b", "14"),
        ("2*-b", "-4"),
        (".5 + 1.25", "1.75"),
        ("x.y_z*2", "1.0"),
        ('"net debt" * 2', "-6"),
        ("\n a\t+\n b ", "9"),
    ],
)
def test_value(text: str, expected: str) -> None:
    """Precedence, association, signs, hyphens in names, quoted names and white space."""
    assert value(text) == Decimal(expected)


def test_tree() -> None:
    """Names keep their position; operators of one rank make one chain, however many they are."""
    assert parse("a + 2 - -c") == Chain(Name("a", 0), (("+", Number(Decimal(2))), ("-", Negate(Name("c", 9)))))
    assert [name.name for name in names(parse('"say ""hi""" / (b + b)'))] == ['say "hi"', "b", "b"]
    assert size(parse(" + ".join("a" * 5000))) == (5001, 2)


def test_substitute() -> None:
    """A name can be replaced by a whole tree."""
    inner = parse("p / q")
    assert substitute(parse("-(x + 1)"), lambda _: inner) == Negate(Chain(inner, (("+", Number(Decimal(1))),)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the formula is empty"),
        ("  ", "the formula is empty"),
        ("a +", 'the formula ends where a name, a number or "(" was expected'),
        ("(a", 'the formula ends where ")" was expected'),
        ("a b", "expected an operator (+ - * /) or the end at position 3, found 'b'"),
        ("a + )", "expected a name, a number or \"(\" at position 5, found ')'"),
        ("a % b", "this character has no meaning here, at position 3: '% b'"),
        ('a + "net', "this double quote is never closed, at position 5: '\"net'"),
        ("(" * 10_000 + "a" + ")" * 10_000, "parentheses are nested more than 64 deep at position 65"),
    ],
)
def test_errors(text: str, message: str) -> None:
    """What does not parse says where and what was expected, whatever its size."""
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert caught.value.message == message


def test_minus_signs_without_end() -> None:
    """Ten thousand minus signs do not exhaust the stack."""
    assert value("-" * 10_001 + "a") == -7


def test_nearest() -> None:
    """An unknown name gets the hint on spaces where its halves are known, else the nearest name, else nothing."""
    known = ["long-term", "population", "net"]
    assert nearest("long-term-population", known) == (
        'to subtract, put spaces around the minus: "long-term - population"'
    )
    assert nearest("population-1", known) == 'to subtract, put spaces around the minus: "population - 1"'
    assert nearest("popluation", known) == 'did you mean "population"?'
    assert nearest("zzz", known) == ""


def test_lacking_and_zero() -> None:
    """A name without a value makes the formula have none; a divisor of zero is an error of its own."""
    assert value("a + unknown") is None
    with pytest.raises(ZeroDivisionError):
        value("a / (b - 2)")


decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40)


@given(decimals, decimals.filter(bool))
def test_quotient_is_rounded_once(numerator: Decimal, denominator: Decimal) -> None:
    """A quotient is the exact one rounded to 30 places, half away from zero, as fractions tell."""
    exact = Fraction(numerator) / Fraction(denominator) * 10**30
    whole, rest = divmod(abs(exact), 1)
    expected = (whole + (rest >= Fraction(1, 2))) * (1 if exact >= 0 else -1)
    assert Fraction(quotient(numerator, denominator)) * 10**30 == expected


@given(st.lists(decimals, min_size=1, max_size=20))
def test_sums_and_products_are_exact(values: list[Decimal]) -> None:
    """A sum and a product of any decimals are those of the fractions."""
    text = " + ".join(f"n{i}" for i in range(len(values))) + " * n0"
    result = evaluate(parse(text), lambda name: values[int(name.name[1:])])
    fractions = [Fraction(each) for each in values]
    assert result is not None
    assert Fraction(result) == sum(fractions[:-1]) + fractions[-1] * fractions[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [("126848813000.00", "126848813000"), ("1E+5", "100000"), ("0.50", "0.5"), ("-0.00", "0"), ("1.23E-4", "0.000123")],
)
def test_plain(value: str, text: str) -> None:
    """Values lose the zeros that say nothing, and whole ones never show an exponent."""
    assert str(plain(Decimal(value))) == text
