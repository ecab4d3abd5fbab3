"""Formulas: how they are written (docs/configuration.md, `formula`) and how they are reckoned (docs/semantics.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

PLACES = 30
_TOKEN = re.compile(r'\s*(?:"([^"]*)"|(\d+(?:\.\d*)?|\.\d+)|([^\W\d][\w-]*)|([-+*/()]))')


@dataclass(frozen=True)
class Number:
    """A number in a formula."""

    value: Fraction


@dataclass(frozen=True)
class Name:
    """A field, or another counter."""

    name: str


@dataclass(frozen=True)
class Operation:
    """`+`, `-`, `*` or `/` of two parts."""

    sign: str
    left: Formula
    right: Formula


Formula = Number | Name | Operation


class NoValue(Exception):  # noqa: N818 - it is an answer, not an error
    """Why there is no value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(text: str) -> Formula:
    """A formula as a tree."""
    parser = _Parser(text)
    tree = parser.total()
    assert not parser.tokens, f"more than a formula: {text!r}"
    return tree


class _Parser:
    """The tokens of a formula that are still to be read, the next one last."""

    def __init__(self, text: str) -> None:
        self.tokens: list[Number | Name | str] = []
        place, text = 0, text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            assert found, f"cannot read {text[place:]!r} in a formula"
            quoted, number, name, sign = found.groups()
            self.tokens.append(sign or (Number(Fraction(number)) if number else Name(name or quoted)))
            place = found.end()
        self.tokens.reverse()

    def total(self) -> Formula:
        return self._chain("+-", self._product)

    def _product(self) -> Formula:
        return self._chain("*/", self._atom)

    def _chain(self, signs: str, part: Callable[[], Formula]) -> Formula:
        left = part()
        while self.tokens and isinstance(sign := self.tokens[-1], str) and sign in signs:
            self.tokens.pop()
            left = Operation(sign, left, part())
        return left

    def _atom(self) -> Formula:
        token = self.tokens.pop()
        if not isinstance(token, str):
            return token
        if token == "-":
            return Operation("-", Number(Fraction(0)), self._atom())
        inner = self.total()
        self.tokens.pop()
        return inner


def names(formula: Formula) -> Iterator[str]:
    """The names in a formula, from left to right."""
    match formula:
        case Name(name):
            yield name
        case Operation(_, left, right):
            yield from names(left)
            yield from names(right)


def reckon(formula: Formula, value_of: Callable[[str], Fraction]) -> Fraction:
    """Its value. "Sums, differences and products are exact; a quotient is rounded to 30 decimal places"."""
    match formula:
        case Number(value):
            return value
        case Name(name):
            return value_of(name)
        case Operation(sign, left, right):
            a, b = reckon(left, value_of), reckon(right, value_of)
            if sign == "/":
                return quotient(a, b)
            return a + b if sign == "+" else a - b if sign == "-" else a * b
    raise AssertionError(formula)


def quotient(a: Fraction, b: Fraction) -> Fraction:
    """The quotient of a and b, half away from zero."""
    if b == 0:
        raise NoValue("division by zero")
    exact = abs(a / b) * 10**PLACES
    rounded = Fraction(int(exact + Fraction(1, 2)), 10**PLACES)
    return -rounded if (a < 0) != (b < 0) else rounded
