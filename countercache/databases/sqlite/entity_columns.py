"""What each counter over entities needs of its entities in SQLite, whose figures are whole hundredths here. Pure.

What is linear SQLite computes itself, in integers: where they do not fit into 64 bits it goes on with a float, by which
one can tell. The rest is computed by aggregates of ours (`formulas`), called with the formula as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from countercache.compute.formula import EXACT, Chain, Name, Negate, Node, Number, names
from countercache.compute.plan import Spec
from countercache.compute.whole_numbers import whole
from countercache.databases.entity_columns import EntityColumns, count_where, divisors
from countercache.databases.field_values import InexactError
from countercache.databases.sqlite.dialect import DIALECT
from countercache.databases.sqlite.formulas import FIGURE_PLACES, compiled_formula, encoded

_MOST_PLACES = 15
"""Decimal places of what SQLite computes itself: more would leave no room in 64 bits."""


class SQLiteEntityColumns(EntityColumns):
    """The columns, whose results are whole numbers: of hundredths, or of a smaller part that the formula needs."""

    reads_guarded: ClassVar[bool] = False

    def __init__(self, specs: Sequence[Spec], fields: Sequence[str], first: int, *, guarded: bool) -> None:
        self._places = {spec.name: FIGURE_PLACES if spec.complete else self._places_of(spec) for spec in specs}
        super().__init__(specs, fields, first, guarded=guarded)

    def check_sums(self, fields: Iterable[str]) -> None:  # noqa: ARG002
        """Have all sums looked at: how large a figure may be that SQLite adds depends on the query."""
        super().check_sums(self._fields)

    def number(self, value: Any, counter: str) -> Decimal:  # noqa: ANN401
        """As `EntityColumns.number` says: a float tells of what is no whole number of hundredths, or too large."""
        if isinstance(value, float):
            raise InexactError
        return Decimal(value).scaleb(-self._places.get(counter, FIGURE_PLACES), EXACT)

    def results(self, function: str, spec: Spec, complete: str) -> str:
        """As `EntityColumns.results` says."""
        if written := _linear(spec.node, self.operand):
            only = f" FILTER (WHERE {complete})" if spec.optional else ""
            return f"{function}({written[0]}){only}"
        return self._computed(function, spec, complete)

    def count(self, spec: Spec, complete: str) -> str:
        """As `EntityColumns.count` says."""
        nonzero = []
        for divisor in divisors(spec.node):
            written = _linear(divisor, self.operand)
            if written is None:
                return f"coalesce({self._computed('count', spec, complete)}, 0)"
            nonzero.append(f"{written[0]} <> 0")
        return count_where(complete, *nonzero)

    def rejected(self, places: Sequence[int]) -> str:
        """It is not done for values any of which may be rejected."""
        raise NotImplementedError

    def _computed(self, function: str, spec: Spec, complete: str) -> str:
        values = ", ".join(self.operand(Name(field, zero=field in spec.optional)) for field in spec.fields)
        formula = DIALECT.quoted(encoded(spec.node, spec.fields))
        return f"countercache_formula_{function}({formula}, {values}) FILTER (WHERE {complete})"

    @staticmethod
    def _places_of(spec: Spec) -> int:
        if written := _linear(spec.node, lambda name: name.name):
            return written[1]
        return compiled_formula(encoded(spec.node, spec.fields)).places


def _linear(node: Node, column: Callable[[Name], str]) -> tuple[str, int] | None:
    """A formula as SQL, and the decimal places of the whole number that it gives.

    `None` where it divides, multiplies two fields or has so many places that it would hardly fit.
    """
    match node:
        case Number(value):
            digits, places = whole(value)
            written = str(digits), places
        case Name():
            written = column(node), FIGURE_PLACES
        case Negate(operand):
            positive = _linear(operand, column)
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
    result = _linear(node.first, column)
    constant = not any(names(node.first))
    for sign, operand in node.rest:
        right = _linear(operand, column)
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
