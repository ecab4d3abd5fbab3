"""What each counter over entities needs of its entities, where PostgreSQL computes the formulas. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from countercache.compute.formula import PLACES, Chain, Name, Negate, Node, Number
from countercache.compute.plan import Spec
from countercache.databases.entity_columns import EntityColumns, count_where, divisors
from countercache.databases.field_values import finite

DIVISION_SCALE = 100
"""Places to which PostgreSQL divides before the quotient is rounded to `PLACES`. Rounding twice gives the same as
rounding once, unless the divisor has more than 69 digits and the quotient lies that near to a tie."""


class PostgresEntityColumns(EntityColumns):
    """The columns, whose results are of type numeric."""

    def number(self, value: Any, counter: str) -> Decimal:  # noqa: ANN401, ARG002
        """As `EntityColumns.number` says."""
        return finite(value)

    def results(self, function: str, spec: Spec, complete: str) -> str:
        """As `EntityColumns.results` says; without a field that may be missing the formula is NULL of itself."""
        only = f" FILTER (WHERE {complete})" if spec.optional else ""
        return f"{function}({_formula(spec.node, self.operand)}){only}"

    def count(self, spec: Spec, complete: str) -> str:
        """As `EntityColumns.count` says."""
        return count_where(complete, *(f"{_formula(node, self.operand)} <> 0" for node in divisors(spec.node)))

    def rejected(self, places: Sequence[int]) -> str:
        """As `EntityColumns.rejected` says."""
        return f"sum({' + '.join(f'p.x{i}' for i in places)})::bigint"

    def any_true(self, condition: str) -> str:
        """Whether any row meets a condition."""
        return f"bool_or({condition})"

    def entity(self) -> str:
        """The key of the entity as text, as which keys are read."""
        return "p.entity::text"


def _formula(node: Node, column: Callable[[Name], str]) -> str:
    """A formula over columns of type numeric, with the rules of `compute.formula.evaluate`."""
    match node:
        case Number(value):
            return f"'{value}'::numeric"
        case Name():
            return column(node)
        case Negate(operand):
            return f"(- {_formula(operand, column)})"
        case Chain(first, rest):
            text = _formula(first, column)
            for sign, operand in rest:
                right = _formula(operand, column)
                if sign == "/":
                    text = f"round(({text} + '0e-{DIVISION_SCALE}'::numeric) / nullif({right}, 0), {PLACES})"
                else:
                    text = f"({text} {sign} {right})"
            return text
