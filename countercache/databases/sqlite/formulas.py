"""Formulas that SQLite cannot compute, as aggregates in Python: those that divide, or multiply fields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache

import msgspec

from countercache.compute.formula import Node
from countercache.compute.whole_numbers import Compiled, compiled

FIGURE_PLACES = 2
"""Decimal places of a figure that is a whole number of hundredths."""


class Formula(msgspec.Struct, frozen=True):
    """A formula as an aggregate is given it: its tree, and the fields whose values follow, in this order."""

    node: Node
    fields: tuple[str, ...]


def encoded(node: Node, fields: Sequence[str]) -> str:
    """The first argument of an aggregate."""
    return msgspec.json.encode(Formula(node, tuple(fields))).decode()


@cache
def compiled_formula(text: str) -> Compiled:
    """What `encoded` gave, ready to be computed."""
    formula = msgspec.json.decode(text, type=Formula)
    return compiled(formula.node, formula.fields, FIGURE_PLACES)


class _Aggregate(ABC):
    """An aggregate of a formula's results, given the formula and the values of its fields, none of which is missing.

    The result is a whole number as text: it may be larger than SQLite's own. Of entities for which the formula
    divides by zero there is no result; without any the aggregate is NULL.
    """

    def __init__(self) -> None:
        self._formula: Compiled | None = None
        self._result: int | None = None

    def step(self, formula: str, *values: int) -> None:
        """Take the values of an entity.

        They are floats where figures are no hundredths. What is made of those is not used, but must not fail.
        """
        if self._formula is None:
            self._formula = compiled_formula(formula)
        try:
            value = self._formula.compute(values)
        except (ZeroDivisionError, OverflowError):
            return
        self._result = self.first(value) if self._result is None else self.join(self._result, value)

    def finalize(self) -> str | None:
        """The result."""
        return None if self._result is None else str(self._result)

    def first(self, result: int) -> int:
        """What is made of the first result."""
        return result

    @abstractmethod
    def join(self, one: int, other: int) -> int:
        """What is made of two results."""


class _Sum(_Aggregate):
    def join(self, one: int, other: int) -> int:
        return one + other


class _Min(_Aggregate):
    def join(self, one: int, other: int) -> int:
        return min(one, other)


class _Max(_Aggregate):
    def join(self, one: int, other: int) -> int:
        return max(one, other)


class _Count(_Aggregate):
    def first(self, result: int) -> int:  # noqa: ARG002 - each result counts alike
        return 1

    def join(self, one: int, other: int) -> int:  # noqa: ARG002
        return one + 1


FORMULA_AGGREGATES = {
    "countercache_formula_count": _Count,
    "countercache_formula_sum": _Sum,
    "countercache_formula_min": _Min,
    "countercache_formula_max": _Max,
}
"""The aggregates by their names in SQL."""
