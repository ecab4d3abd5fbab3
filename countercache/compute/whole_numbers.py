"""Formulas on whole numbers: a value is an integer times a power of ten that is the same for all. Pure.

Integers are exact and quick where decimals are exact and slow. The rules are those of `formula.evaluate`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from countercache.compute.formula import PLACES, Chain, Name, Negate, Node, Number

Values = Sequence[int]
_Compute = Callable[[Values], int]


class Compiled(msgspec.Struct, frozen=True):
    """A formula that is ready to be computed: its result has so many decimal `places`.

    `compute` takes the values of the fields in the order in which they were given to `compiled`; it raises
    `ZeroDivisionError`.
    """

    compute: _Compute
    places: int


def compiled(node: Node, fields: Sequence[str], places: int) -> Compiled:
    """A formula over fields whose values all have so many decimal places."""
    match node:
        case Number(value):
            digits, scale = whole(value)
            return Compiled(lambda _: digits, scale)
        case Name(name):
            return Compiled(operator.itemgetter(fields.index(name)), places)
        case Negate(operand):
            positive = compiled(operand, fields, places)
            return Compiled(_negated(positive.compute), positive.places)
        case Chain(first, rest):
            result = compiled(first, fields, places)
            for sign, operand in rest:
                result = _JOIN[sign](result, compiled(operand, fields, places))
            return result


def whole(value: Decimal) -> tuple[int, int]:
    """A number as an integer, and how many of its digits are decimal places."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - a constant of a formula is finite
    number = int("".join(map(str, digits)) or "0") * 10 ** max(exponent, 0)
    return (-number if sign else number), max(-exponent, 0)


def _negated(compute: _Compute) -> _Compute:
    return lambda values: -compute(values)


def _sum(left: Compiled, right: Compiled) -> Compiled:
    places = max(left.places, right.places)
    one, other = _scaled(left, places), _scaled(right, places)
    return Compiled(lambda values: one(values) + other(values), places)


def _difference(left: Compiled, right: Compiled) -> Compiled:
    return _sum(left, Compiled(_negated(right.compute), right.places))


def _product(left: Compiled, right: Compiled) -> Compiled:
    one, other = left.compute, right.compute
    return Compiled(lambda values: one(values) * other(values), left.places + right.places)


def _quotient(left: Compiled, right: Compiled) -> Compiled:
    # left / 10^l over right / 10^r, times 10^PLACES, is left * 10^(PLACES + r - l) over right.
    shift = PLACES + right.places - left.places
    above: int = 10 ** max(shift, 0)
    below: int = 10 ** max(-shift, 0)
    one, other = left.compute, right.compute

    def compute(values: Values) -> int:
        numerator, denominator = one(values) * above, other(values) * below
        # Half away from zero: twice the quotient and one more, halved.
        size = (2 * abs(numerator) + abs(denominator)) // (2 * abs(denominator))
        return -size if (numerator < 0) != (denominator < 0) else size

    return Compiled(compute, PLACES)


def _scaled(number: Compiled, places: int) -> _Compute:
    factor: int = 10 ** (places - number.places)
    compute = number.compute
    return compute if factor == 1 else lambda values: compute(values) * factor


_JOIN = {"+": _sum, "-": _difference, "*": _product, "/": _quotient}
