"""Parts of SQL as text: keys, columns, figures as exact numbers, formulas. Pure; knows nothing of tables.

Figures are added exactly. PostgreSQL has decimals. SQLite has none, so that what is a whole number of hundredths is
added there as integers, and the rest by `countercache_sum` (see `sqlite.connection`), which is slow and seldom needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from countercache.compute.formula import PLACES, Chain, Name, Negate, Node, Number
from countercache.compute.text_numbers import PLAIN, SPACES, characters, patterns
from countercache.model.table import MAX_DIGITS, Key, Kind
from countercache.settings import Numbers

DIVISION_SCALE = 100
"""Places to which PostgreSQL divides before the quotient is rounded to `PLACES`. Rounding twice gives the same as
rounding once, unless the divisor has more than 69 digits and the quotient lies that near to a tie."""

_SPACES = "E' \\t\\r\\n'"

_NUMBER = r"^[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t\r\n]*$"


def reference(table: str | None, name: str) -> str:
    """A column as it is written; both databases quote alike."""
    identifier = '"' + name.replace('"', '""') + '"'
    return identifier if table is None else f"{table}.{identifier}"


def quoted(text: str) -> str:
    """A text as it is written in a statement; both databases quote alike."""
    return "'" + text.replace("'", "''") + "'"


def literal(key: Key, kind: str) -> str:
    """A key as it is written in a statement. On PostgreSQL it takes the type of what it is compared to."""
    if isinstance(key, str):
        if "\0" in key:
            return f"CAST(X'{key.encode().hex()}' AS TEXT)"
        return quoted(key)
    if isinstance(key, bytes):
        return f"X'{key.hex()}'"
    # SQLite has no word for infinity.
    return repr(key).replace("inf", "9e999") if kind == "sqlite" else f"'{key}'"


def formula(node: Node, column: Callable[[Name], str]) -> str:
    """A formula in PostgreSQL's SQL over columns of type numeric, with the rules of `formula.evaluate`."""
    match node:
        case Number(value):
            return f"'{value}'::numeric"
        case Name():
            return column(node)
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


def divisors(node: Node, column: Callable[[Name], str]) -> Iterator[str]:
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


def figure(value: str, kind: Kind, numbers: Numbers, *, guarded: bool) -> str:
    """A column as exact numbers in PostgreSQL; NULL for what is no finite number (numeric: only if `guarded`)."""
    match kind:
        case Kind.INTEGER:
            return value
        case Kind.FLOAT:
            return f"CASE WHEN {value} - {value} = 0 THEN {value}::text::numeric END"
        case Kind.TEXT:
            return _text_figure(f"{value}::text", numbers)
        case _:
            return f"CASE WHEN {value} - {value} = 0 THEN {value} END" if guarded else value


def _text_figure(value: str, numbers: Numbers) -> str:
    short = f"length({value}) <= {MAX_DIGITS}"
    if msgspec.structs.replace(numbers, null=()) == PLAIN:
        return f"CASE WHEN {short} AND {value} ~ {quoted(_NUMBER)} THEN {value}::numeric END"
    trimmed, spelling = f"btrim({value}, {_SPACES})", patterns(numbers)

    def number(pattern: str) -> str:
        # The `x` holds the place of the decimal point until the separators are gone, one of which may be a point.
        parts = f"regexp_replace({trimmed}, {quoted(pattern)}, '\\1\\2\\3x\\4\\5')"
        if numbers.thousands:
            parts = f"replace({parts}, {quoted(numbers.thousands)}, '')"
        return f"replace({parts}, 'x', '.')::numeric"

    cases = f"WHEN {trimmed} ~ {quoted(spelling.signed)} THEN {number(spelling.signed)}"
    if spelling.bracketed:
        cases += f" WHEN {trimmed} ~ {quoted(spelling.bracketed)} THEN - {number(spelling.bracketed)}"
    return f"CASE WHEN {short} THEN CASE {cases} END END"


def present(value: str, kind: Kind, numbers: Numbers) -> str:
    """A column without the texts that are no value; they become NULL."""
    texts = ", ".join(map(quoted, numbers.null))
    match kind:
        case Kind.TEXT if texts:
            return f"CASE WHEN btrim({value}::text, {_SPACES}) NOT IN ({texts}) THEN {value} END"
        case Kind.ANY if texts:
            spaces = f"char({', '.join(str(ord(each)) for each in SPACES)})"
            return f"CASE WHEN typeof({value}) <> 'text' OR trim({value}, {spaces}) NOT IN ({texts}) THEN {value} END"
    return value


def hundredths(value: str, limit: int, *, otherwise: str = "NULL") -> str:
    """A value of SQLite as a whole number of hundredths; NULL stays NULL, what is none or too large is `otherwise`.

    A float that equals n / 100.0 with n below 1e15 prints as just that decimal. `+` takes away the affinity of the
    column, so that text, in whatever column, is larger than every limit.
    """
    scaled = f"round({value} * 100)"
    fits = f"+{value} BETWEEN -{limit} AND {limit} AND {scaled} / 100.0 = {value}"
    return f"CASE WHEN {fits} THEN CAST({scaled} AS INTEGER) WHEN {value} IS NOT NULL THEN {otherwise} END"


def decodable(value: str, numbers: Numbers) -> str:
    """A value of SQLite as a function of Python's takes it, which fails for text that is not UTF-8.

    Text that has other characters than a number becomes an empty BLOB: neither is a number.
    """
    letters = characters(numbers)
    ordinary = quoted("".join(each for each in letters if each not in SPACES))
    allowed = f"{ordinary} || char({', '.join(str(ord(each)) for each in SPACES)})"
    return f"CASE WHEN typeof({value}) = 'text' AND trim({value}, {allowed}) <> '' THEN X'' ELSE {value} END"


def hundredths_limit(rows: int | None) -> int:
    """The largest value that SQLite adds itself: so small that the sum of so many rows stays within 64 bits."""
    return max(10, min(10**13, 9 * 10**16 // max(rows or 10**9, 1)) - 1)
