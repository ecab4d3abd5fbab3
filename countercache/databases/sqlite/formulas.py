"""Formulas over entities in SQLite, whose figures are whole numbers of hundredths here.

What is linear SQLite computes itself, in integers: where they do not fit into 64 bits it goes on with a float, by which
one can tell. The rest is computed by aggregates of ours (`FORMULA_AGGREGATES`), called with the formula as JSON.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import ClassVar

import msgspec

from countercache.compute.formula import Chain, Name, Negate, Node, Number, names
from countercache.compute.whole_numbers import Compiled, compiled, whole

PLACES = 2
"""Decimal places of a figure that is a whole number of hundredths."""

_MOST_PLACES = 15
"""Of what SQLite computes itself: more would leave no room in 64 bits."""


def linear(node: Node, column: Callable[[Name], str]) -> tuple[str, int] | None:
    """A formula as SQL, and the decimal places of the whole number that it gives.

    `None` where it divides, multiplies two fields or has so many places that it would hardly fit.
    """
    match node:
        case Number(value):
            digits, places = whole(value)
            written = str(digits), places
        case Name():
            written = column(node), PLACES
        case Negate(operand):
            positive = linear(operand, column)
            if positive is None:
                return None
            written = f"(- {positive[0]})", positive[1]
        case Chain():
            chain = _chain(node, column)
            if chain is None:
                return None
            written = chain
    return written if written[1] <= _MOST_PLACES else None


def _chain(node: Chain, column: Callable[[Name], str]) -> tuple[str, int] | None:
    result = linear(node.first, column)
    constant = not any(names(node.first))
    for sign, operand in node.rest:
        right = linear(operand, column)
        fixed = not any(names(operand))
        if result is None or right is None or sign == "/" or (sign == "*" and not (constant or fixed)):
            return None
        constant &= fixed
        if sign == "*":
            result = f"({result[0]} * {right[0]})", result[1] + right[1]
        else:
            places = max(result[1], right[1])
            result = f"({_scaled(*result, places)} {sign} {_scaled(*right, places)})", places
    return result


def _scaled(written: str, places: int, wanted: int) -> str:
    return written if wanted == places else f"{written} * {10 ** (wanted - places)}"


class Formula(msgspec.Struct, frozen=True):
    """A formula as an aggregate is given it: its tree, and the fields whose values follow, in this order."""

    node: Node
    fields: tuple[str, ...]


def encoded(node: Node, fields: Sequence[str]) -> str:
    """The first argument of an aggregate."""
    return msgspec.json.encode(Formula(node, tuple(fields))).decode()


@cache
def _decoded(text: str) -> Compiled:
    formula = msgspec.json.decode(text, type=Formula)
    return compiled(formula.node, formula.fields, PLACES)


class _Aggregate:
    """An aggregate of a formula's results, given the formula and the values of its fields, none of which is missing.

    The result is a whole number as text: it may be larger than SQLite's own. Of entities for which the formula
    divides by zero there is no result; without any it is NULL.
    """

    def __init__(self) -> None:
        self._compute: Callable[[Sequence[int]], int] | None = None
        self._result: int | None = None

    def step(self, formula: str, *values: int) -> None:
        """Take the values of an entity.

        They are floats where figures are no hundredths. What is made of those is not used, but must not fail.
        """
        if self._compute is None:
            self._compute = _decoded(formula).compute
        try:
            value = self._compute(values)
        except (ZeroDivisionError, OverflowError):
            return
        self._result = value if self._result is None else self.join(self._result, value)

    def finalize(self) -> str | None:
        """The result."""
        return None if self._result is None else str(self._result)

    join: ClassVar[Callable[[int, int], int]]


class _FormulaSum(_Aggregate):
    join = staticmethod(operator.add)


class _FormulaMin(_Aggregate):
    join = staticmethod(min)


class _FormulaMax(_Aggregate):
    join = staticmethod(max)


FORMULA_AGGREGATES = {
    "countercache_formula_sum": _FormulaSum,
    "countercache_formula_min": _FormulaMin,
    "countercache_formula_max": _FormulaMax,
}
"""The aggregates by their names in SQL."""
