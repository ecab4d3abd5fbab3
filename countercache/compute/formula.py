"""Formulas: text to a tree of frozen values, and its exact evaluation with decimals.

    formula    = product (("+" | "-") product)*
    product    = factor (("*" | "/") factor)*
    factor     = "-"* (number | name | quoted name | "(" formula ")")

A name is made of letters, digits, `_`, `.` and inner hyphens, so subtraction needs spaces around its sign (`a - b`);
any other name goes between double quotes (`""` inside them is one). Sums, differences and products are exact. A
quotient is rounded to 30 decimal places, half away from zero: here and in SQL (`databases.expressions`) alike.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from functools import lru_cache

import msgspec

from countercache.errors import FormulaError
from countercache.model import suggestions

PLACES = 30
"""Decimal places of a quotient."""

MAX_DEPTH = 64
"""How deep parentheses may be nested."""

EXACT = decimal.Context(
    prec=1_000_000,
    rounding=decimal.ROUND_HALF_UP,
    Emin=-decimal.MAX_EMAX,
    Emax=decimal.MAX_EMAX,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
"""For sums and products: it never rounds."""

_ROUND = decimal.Context(prec=1_000_000, rounding=decimal.ROUND_HALF_UP, Emin=-decimal.MAX_EMAX, Emax=decimal.MAX_EMAX)


class Number(msgspec.Struct, frozen=True, tag=True):
    """A constant."""

    value: Decimal


class Name(msgspec.Struct, frozen=True, tag=True):
    """A field or counter, where in the text it stands, and whether it counts as zero where it is missing."""

    name: str
    at: int = 0
    zero: bool = False


class Negate(msgspec.Struct, frozen=True, tag=True):
    """Unary minus."""

    operand: Node


class Chain(msgspec.Struct, frozen=True, tag=True):
    """Operands joined by operators of one rank (`+ -` or `* /`), to be applied from left to right."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


Node = Number | Name | Negate | Chain
Lookup = Callable[[Name], Decimal | None]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+(?:\.\d+)?|\.\d+)(?![\w.]|-[\w.])
      | (?P<name>[\w.]+(?:-+[\w.]+)*)
      | "(?P<quoted>(?:[^"]|"")+)"
      | (?P<sign>[-+*/()])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """The tree of a formula. Raises `FormulaError` that shows where it does not parse."""
    return _Parser(text).formula()


def names(node: Node) -> Iterator[Name]:
    """The names in a tree, from left to right, each as often as it occurs."""
    match node:
        case Name():
            yield node
        case Negate(operand):
            yield from names(operand)
        case Chain(first, rest):
            yield from names(first)
            for _, operand in rest:
                yield from names(operand)


def substitute(node: Node, replace: Callable[[Name], Node]) -> Node:
    """The tree with each name replaced by what `replace` gives for it."""
    match node:
        case Name():
            return replace(node)
        case Negate(operand):
            return Negate(substitute(operand, replace))
        case Chain(first, rest):
            return Chain(
                substitute(first, replace), tuple((sign, substitute(operand, replace)) for sign, operand in rest)
            )
    return node


def size(node: Node) -> tuple[int, int]:
    """How many nodes a tree has, and how deep it is."""
    match node:
        case Negate(operand):
            count, depth = size(operand)
            return count + 1, depth + 1
        case Chain(first, rest):
            sizes = [size(first), *(size(operand) for _, operand in rest)]
            return 1 + sum(count for count, _ in sizes), 1 + max(depth for _, depth in sizes)
    return 1, 1


def evaluate(node: Node, lookup: Lookup) -> Decimal | None:
    """The value of a formula; `None` where `lookup` has none for one of its names.

    Raises `ZeroDivisionError` where a divisor is zero (and all names that were needed so far have a value).
    """
    match node:
        case Number(value):
            return value
        case Name():
            return lookup(node)
        case Negate(operand):
            value_of = evaluate(operand, lookup)
            return None if value_of is None else EXACT.minus(value_of)
        case Chain(first, rest):
            result = evaluate(first, lookup)
            for sign, operand in rest:
                right = evaluate(operand, lookup)
                if result is None or right is None:
                    return None
                result = _APPLY[sign](result, right)
            return result


def quotient(numerator: Decimal, denominator: Decimal, places: int = PLACES) -> Decimal:
    """The quotient, rounded once to so many places, half away from zero. Raises `ZeroDivisionError`."""
    if not denominator:
        raise ZeroDivisionError
    # Digits before the point, after it, and some more; rounding to them by ROUND_05UP never makes or hides a tie.
    digits = max(numerator.adjusted() - denominator.adjusted() + 1, 0) + places + 3
    return _ROUND.quantize(_sticky(digits).divide(numerator, denominator), _quantum(places))


def plain(value: Decimal) -> Decimal:
    """The same number without needless zeros at its end, and without an exponent where it is whole."""
    short = EXACT.plus(value.normalize(EXACT))  # plus turns -0 into 0
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1), context=EXACT) if isinstance(exponent, int) and exponent > 0 else short


def nearest(name: str, known: Collection[str]) -> str:
    """A hint that names what `name` may have been meant to be; empty where nothing is near."""
    return subtraction(name, known) or suggestions.nearest(name, known)


def subtraction(name: str, known: Collection[str]) -> str:
    """A hint on spaces, where `name` is two that are known with a minus between them."""
    for cut in (match.start() for match in re.finditer("-", name)):
        left, right = name[:cut], name[cut + 1 :]
        if _operand(left, known) and _operand(right, known):
            return f'to subtract, put spaces around the minus: "{left} - {right}"'
    return ""


def some(names: Collection[str], limit: int = 20) -> str:
    """Names in a message: all of a few, else the first and how many more; `none` of none."""
    shown = list(names)[:limit]
    more = len(names) - len(shown)
    return (", ".join(shown) or "none") + (f" and {more} more" if more else "")


def _operand(text: str, known: Collection[str]) -> bool:
    return text in known or text.replace(".", "", 1).isdigit()


@lru_cache
def _quantum(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


@lru_cache(maxsize=256)
def _sticky(digits: int) -> decimal.Context:
    return decimal.Context(prec=digits, rounding=decimal.ROUND_05UP, Emin=-decimal.MAX_EMAX, Emax=decimal.MAX_EMAX)


_APPLY: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": EXACT.add,
    "-": EXACT.subtract,
    "*": EXACT.multiply,
    "/": quotient,
}


class _Parser:
    """Recursive descent over the tokens; the depth is bounded, so that no text can exhaust the stack."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._at = 0
        self._token = self._next()

    def formula(self) -> Node:
        if self._token.kind == "end":
            raise FormulaError("the formula is empty", hint="name a field, such as: long-term-liabilities")
        node = self._sum()
        if self._token.kind != "end":
            raise self._unexpected("an operator (+ - * /) or the end")
        return node

    def _sum(self) -> Node:
        return self._chain(("+", "-"), lambda: self._chain(("*", "/"), self._factor))

    def _chain(self, signs: tuple[str, ...], operand: Callable[[], Node]) -> Node:
        first = operand()
        rest: list[tuple[str, Node]] = []
        while self._token.kind == "sign" and self._token.text in signs:
            sign = self._take().text
            rest.append((sign, operand()))
        return Chain(first, tuple(rest)) if rest else first

    def _factor(self) -> Node:
        negative = False
        while self._token.kind == "sign" and self._token.text == "-":
            self._take()
            negative = not negative
        node = self._primary()
        return Negate(node) if negative else node

    def _primary(self) -> Node:
        token = self._token
        match token.kind:
            case "number":
                self._take()
                return Number(Decimal(token.text))
            case "name" | "quoted":
                self._take()
                return Name(token.text, token.at)
        if token.text != "(":
            raise self._unexpected('a name, a number or "("')
        if self._depth == MAX_DEPTH:
            raise FormulaError(f"parentheses are nested more than {MAX_DEPTH} deep at position {token.at + 1}")
        self._take()
        self._depth += 1
        node = self._sum()
        if self._token.text != ")" or self._token.kind != "sign":
            raise self._unexpected('")"')
        self._take()
        self._depth -= 1
        return node

    def _take(self) -> _Token:
        taken, self._token = self._token, self._next()
        return taken

    def _next(self) -> _Token:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            at = self._at + len(self._text[self._at :]) - len(self._text[self._at :].lstrip())
            what = (
                "this double quote is never closed" if self._text[at] == '"' else "this character has no meaning here"
            )
            raise FormulaError(f"{what}, at position {at + 1}: {_shown(self._text[at:])}")
        self._at = match.end()
        kind = match.lastgroup
        text = match[kind].replace('""', '"') if kind == "quoted" else match[kind]
        return _Token(kind, text, match.start(kind) - (kind == "quoted"))

    def _unexpected(self, expected: str) -> FormulaError:
        if self._token.kind == "end":
            return FormulaError(f"the formula ends where {expected} was expected")
        rest = _shown(self._text[self._token.at :])
        return FormulaError(f"expected {expected} at position {self._token.at + 1}, found {rest}")


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 24 else line[:23] + "…")
