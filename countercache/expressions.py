"""Parts of SQL as text: keys, columns, figures as exact numbers, formulas. Pure; knows nothing of tables.

Figures are added exactly. PostgreSQL has decimals. SQLite has none, so that what is a whole number of hundredths is
added there as integers, and the rest by `countercache_sum` (see `sqlite`), which is slow and seldom needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from countercache.formula import PLACES, Chain, Name, Negate, Node, Number
from countercache.tables import MAX_DIGITS, Key, Kind

DIVISION_SCALE = 100
"""Places to which PostgreSQL divides before the quotient is rounded to `PLACES`. Rounding twice gives the same as
rounding once, unless the divisor has more than 69 digits and the quotient lies that near to a tie."""

_NUMBER = r"^[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t\r\n]*$"


def reference(table: str | None, name: str) -> str:
    """A column as it is written; both databases quote alike."""
    quoted = '"' + name.replace('"', '""') + '"'
    return quoted if table is None else f"{table}.{quoted}"


def literal(key: Key, kind: str) -> str:
    """A key as it is written in a statement. On PostgreSQL it takes the type of what it is compared to."""
    if isinstance(key, str):
        if "\0" in key:
            return f"CAST(X'{key.encode().hex()}' AS TEXT)"
        return "'" + key.replace("'", "''") + "'"
    if isinstance(key, bytes):
        return f"X'{key.hex()}'"
    return repr(key) if kind == "sqlite" else f"'{key}'"


def formula(node: Node, column: Callable[[str], str]) -> str:
    """A formula in PostgreSQL's SQL over columns of type numeric, with the rules of `formula.evaluate`."""
    match node:
        case Number(value):
            return f"'{value}'::numeric"
        case Name(name):
            return column(name)
        case Negate(operand):
            return f"(- {formula(operand, column)})"
        case Chain(first, rest):
            text = formula(first, column)
            for sign, operand in rest:
                right = formula(operand, column)
                if sign == "/":
                    text = f"round(({text} + '0e-{DIVISION_SCALE}'::numeric) / nullif({right}, 0), {PLACES})"
                else:
                    text = f"({text} {sign} {right})"
            return text


def divisors(node: Node, column: Callable[[str], str]) -> Iterator[str]:
    """Everything that a formula divides by."""
    match node:
        case Negate(operand):
            yield from divisors(operand, column)
        case Chain(first, rest):
            yield from divisors(first, column)
            for sign, operand in rest:
                yield from divisors(operand, column)
                if sign == "/":
                    yield formula(operand, column)


def figure(value: str, kind: Kind, *, guarded: bool) -> str:
    """A column as exact numbers in PostgreSQL; NULL for what is no finite number (numeric: only if `guarded`)."""
    match kind:
        case Kind.INTEGER:
            return value
        case Kind.FLOAT:
            return f"CASE WHEN {value} - {value} = 0 THEN {value}::text::numeric END"
        case Kind.TEXT:
            fits = f"length({value}::text) <= {MAX_DIGITS} AND {value}::text ~ '{_NUMBER}'"
            return f"CASE WHEN {fits} THEN {value}::text::numeric END"
        case _:
            return f"CASE WHEN {value} - {value} = 0 THEN {value} END" if guarded else value


def hundredths(value: str, limit: int, *, otherwise: str = "NULL") -> str:
    """A value of SQLite as a whole number of hundredths; NULL stays NULL, what is none or too large is `otherwise`.

    A float that equals n / 100.0 with n below 1e15 prints as just that decimal. `+` takes away the affinity of the
    column, so that text, in whatever column, is larger than every limit.
    """
    scaled = f"round({value} * 100)"
    fits = f"+{value} BETWEEN -{limit} AND {limit} AND {scaled} / 100.0 = {value}"
    return f"CASE WHEN {fits} THEN CAST({scaled} AS INTEGER) WHEN {value} IS NOT NULL THEN {otherwise} END"


def decodable(value: str) -> str:
    """A value of SQLite as a function of Python's takes it, which fails for text that is not UTF-8.

    Text that has other characters than a number becomes an empty BLOB: neither is a number.
    """
    characters = "'+-.0123456789eE' || char(9, 10, 13, 32)"
    return f"CASE WHEN typeof({value}) = 'text' AND trim({value}, {characters}) <> '' THEN X'' ELSE {value} END"


def hundredths_limit(rows: int | None) -> int:
    """The largest value that SQLite adds itself: so small that the sum of so many rows stays within 64 bits."""
    return max(10, min(10**13, 9 * 10**16 // max(rows or 10**9, 1)) - 1)
