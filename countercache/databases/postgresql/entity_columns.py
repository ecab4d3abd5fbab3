"""What each counter over entities needs of its entities, where PostgreSQL computes the formulas. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from countercache.compute.formula import PLACES, Chain, Name, Negate, Node, Number
from countercache.compute.plan import Spec
from countercache.databases.query_parts import EntityColumns
from countercache.settings import Aggregate

DIVISION_SCALE = 100
"""Places to which PostgreSQL divides before the quotient is rounded to `PLACES`. Rounding twice gives the same as
rounding once, unless the divisor has more than 69 digits and the quotient lies that near to a tie."""


def entity_columns(specs: Sequence[Spec], fields: Sequence[str], first: int, guarded: bool) -> EntityColumns:
    """The columns of all counters, the first at this place of a row."""
    columns = EntityColumns(first)
    columns.at = {spec.name: _of_spec(spec, fields, columns, guarded=guarded) for spec in specs}
    rejected = [f"p.x{i} > 0" for i in range(len(fields)) if guarded]
    columns.at[""] = {"present": columns.add(f"bool_or({' OR '.join([_any(range(len(fields))), *rejected])})")}
    return columns


def _of_spec(spec: Spec, fields: Sequence[str], columns: EntityColumns, *, guarded: bool) -> dict[str, int]:
    """The columns that one counter needs, and where they are."""

    def operand(name: Name) -> str:
        column_ = f"p.c{fields.index(name.name)}"
        return f"coalesce({column_}, 0)" if name.zero else column_

    def lacks(wanted: Iterable[str]) -> str:
        return " OR ".join(f"p.c{fields.index(field)} IS NULL" for field in wanted)

    places = [fields.index(field) for field in spec.fields]
    required = [field for field in spec.fields if field not in spec.optional]
    # Without any of its fields an entity is as one without rows, of which the counter's rule says what to do.
    complete = _every(map(fields.index, required)) if required else f"({_any(places)})"
    at = {"complete": _count(columns, complete)}
    if spec.complete:
        for i in places:
            at[f"total {fields[i]}"] = columns.add(f"sum(p.c{i}) FILTER (WHERE {complete})")
    else:
        at |= _aggregated(spec, complete, operand, columns)
        if spec.optional == frozenset(spec.fields) or spec.strict:
            at["rows"] = _count(columns, _any(places))
    if guarded:
        at["rejected"] = columns.add(f"sum({' + '.join(f'p.x{i}' for i in places)})::bigint")
    if spec.strict:
        lacking = f"({_any(places)}) AND ({lacks(sorted(spec.strict))})"
        at["lacking"] = _count(columns, lacking)
        at["example"] = columns.add(f"min(p.entity::text) FILTER (WHERE {lacking})")
    return at


def _aggregated(spec: Spec, complete: str, operand: Callable[[Name], str], columns: EntityColumns) -> dict[str, int]:
    """The columns for the results of a counter over entities."""
    value = _formula(spec.node, operand)
    only = f" FILTER (WHERE {complete})" if spec.optional else ""
    nonzero = [f"{divisor} <> 0" for divisor in _divisors(spec.node, operand)]
    at = {"count": _count(columns, " AND ".join([f"({complete})", *nonzero]) if nonzero else complete)}
    match spec.aggregate:
        case Aggregate.SUM | Aggregate.AVG:
            at["total"] = columns.add(f"sum({value}){only}")
        case Aggregate.MIN:
            at["low"] = columns.add(f"min({value}){only}")
        case Aggregate.MAX:
            at["high"] = columns.add(f"max({value}){only}")
        case Aggregate.COUNT:
            pass
    return at


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


def _divisors(node: Node, column: Callable[[Name], str]) -> Iterator[str]:
    """Everything that a formula divides by."""
    match node:
        case Negate(operand):
            yield from _divisors(operand, column)
        case Chain(first, rest):
            yield from _divisors(first, column)
            for sign, operand in rest:
                yield from _divisors(operand, column)
                if sign == "/":
                    yield _formula(operand, column)


def _count(columns: EntityColumns, condition: str) -> int:
    """The position of a column that counts the rows that meet a condition."""
    return columns.add(f"count(*) FILTER (WHERE {condition})")


def _any(places: Iterable[int]) -> str:
    return " OR ".join(f"p.c{i} IS NOT NULL" for i in places)


def _every(places: Iterable[int]) -> str:
    return " AND ".join(f"p.c{i} IS NOT NULL" for i in places)
