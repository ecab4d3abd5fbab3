"""How ClickHouse reads figures. Pure.

Its sums of whole numbers wrap around, and those of decimals too, so what is added is first made so wide that no sum of
it can. A float is taken as it prints, never cast. What does not fit into the widest decimal, or is spelled in a way of
its own, is only counted value by value, and added up in Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from countercache.compute import text_numbers
from countercache.compute.formula import EXACT
from countercache.compute.partial_sums import Totals
from countercache.databases.clickhouse.dialect import DIALECT, inner_type
from countercache.databases.counted_values import add_counted
from countercache.databases.field_values import SHOWN, FieldValues, finite
from countercache.model.table import MAX_DIGITS, Kind
from countercache.settings import Numbers

_PLACES: Final = 20
_SHORT: Final = rf"^[+-]?([0-9]{{1,38}}(\.[0-9]{{0,{_PLACES}}})?|\.[0-9]{{1,{_PLACES}}})$"
"""The texts that are surely a number of so many places of which any number of rows can be added in 76 digits."""

_WIDE: Final = {
    **dict.fromkeys(("Int8", "Int16", "UInt8", "UInt16"), ""),  # their sum has 64 bits
    **dict.fromkeys(("Int32", "UInt32", "Int64", "UInt64"), "toInt128"),
    **dict.fromkeys(("Int128", "UInt128"), "toInt256"),
}
"""What makes whole numbers so wide that no sum of them wraps around."""

_LIMIT: Final = 10**55
"""Numbers of 256 bits, as the integers that they are kept as, are added by ClickHouse if they are no larger."""

_SPACES: Final = "'^[ \\\\t\\\\r\\\\n]+|[ \\\\t\\\\r\\\\n]+$'"
_FILLED: Final = "'\\\\0+$'"


class ClickHouseFieldValues(FieldValues):
    """The values of one source."""

    def totals(self, field: str | None) -> list[str]:
        """The sum of what ClickHouse adds, how many values, and how often each other value occurs."""
        total, rest = self._parts(field, "sum")
        return [total, f"count({self.value(field)})", rest]

    def of_entity(self, field: str, *, flat: bool) -> list[str]:  # noqa: ARG002 - nothing is gained by it
        """The first and the last of these."""
        return self._parts(field, "sumOrNull", self.only(field))

    def rejected(self, field: str | None) -> str:
        """The condition that the value of a row is rejected."""
        match self.kind(field):
            case Kind.FLOAT:
                return f"NOT isFinite({self.raw(field)})"
            case Kind.TEXT:
                text, value = _trimmed(self.raw(field)), self.value(field)
                is_number = self.spelled(field, lambda numbers: _is_number(text, numbers))
                return f"({value} IS NOT NULL AND NOT {is_number})"
            case _:
                return "1 = 0"

    def example(self, field: str | None) -> str:
        """As `FieldValues.example` says."""
        entity = self._dialect.reference("f", self._facts.settings.entity)
        whose, value = (f"substringUTF8(toString({text}), 1, {SHOWN})" for text in (entity, self.raw(field)))
        rank = f"leftPad(toString({SHOWN} - least(lengthUTF8({value}), {SHOWN})), 3, '0')"
        return f"concat({rank}, ' ', hex({whose}), ' ', hex({value}))"

    def raw(self, field: str | None) -> str:
        """The column of a field's values, without what fills a text of fixed length."""
        value = super().raw(field)
        filled = self._type(field).startswith("FixedString")
        return f"replaceRegexpOne(toString({value}), {_FILLED}, '')" if filled else value

    def present(self, value: str, kind: Kind, numbers: Numbers) -> str:
        """A column without the texts that are no value; they become NULL."""
        if kind is not Kind.TEXT or not numbers.null:
            return value
        texts = ", ".join(map(self._dialect.quoted, numbers.null))
        return f"CASE WHEN {_trimmed(value)} NOT IN ({texts}) THEN {value} END"

    @staticmethod
    def read_totals(columns: Sequence[Any]) -> Totals:
        """What `totals` gave. Raises `InexactError`."""
        total, values, rest = columns
        counted = add_counted(_counted(rest))
        return Totals(EXACT.add(finite(total or 0), counted.total), values - counted.rejected, counted.rejected)

    @staticmethod
    def read_entity(columns: Sequence[Any]) -> Totals:
        """What `of_entity` gave: one figure stands for all that ClickHouse added. Raises `InexactError`."""
        total, rest = columns
        return Totals(finite(total or 0), int(total is not None)) + add_counted(_counted(rest))

    def _type(self, field: str | None) -> str:
        return inner_type(self._facts.table.columns[self.column(field)].type)

    def _parts(self, field: str | None, function: str, only: str = "") -> list[str]:
        """The sum of what ClickHouse adds, and of the rest how often each value occurs."""
        quick, rest = self._quick(field)
        total = self._dialect.aggregate(function, quick, only)
        if rest is None:
            return [total, "NULL"]
        others = " AND ".join(filter(None, (f"{quick} IS NULL", f"{self.value(field)} IS NOT NULL", only)))
        counted = self._dialect.aggregate("sumMap", f"map(ifNull({rest}, ''), toUInt64(1))", others)
        pairs = f"CAST({counted}, 'Array(Tuple(String, UInt64))')"
        return [total, f"arrayStringConcat(arrayMap(x -> concat(hex(x.1), ' ', toString(x.2)), {pairs}), ' ')"]

    def _quick(self, field: str | None) -> tuple[str, str | None]:
        """A value as ClickHouse adds it, NULL where it cannot; and as `add_counted` takes it, if that may be needed."""
        value, type_ = self.raw(field), self._type(field)
        match self.kind(field):
            case Kind.TEXT:
                return self._quick_text(field)
            case Kind.FLOAT:
                text = f"toString({value})"
                return _decimal(text), text
            case Kind.INTEGER if type_ in _WIDE:
                return f"{_WIDE[type_]}({value})", None
            case Kind.INTEGER:
                return _limited(value, type_, 0), f"toString({value})"
        digits, scale = map(int, re.findall(r"\d+", type_))
        if digits <= 38:
            # The sum of up to 18 digits has 38 by itself.
            return (value if digits <= 18 else f"toDecimal256({value}, {scale})"), None
        return _limited(value, type_, scale), f"toString({value})"

    def _quick_text(self, field: str | None) -> tuple[str, str]:
        text, present = _trimmed(self.raw(field)), self.value(field)

        def written(numbers: Numbers) -> str:
            return _decimal(text if text_numbers.is_plain(numbers) else _respelled(text, numbers))

        quick = f"CASE WHEN {present} IS NOT NULL THEN {self.spelled(field, written)} END"
        spelling = self.spelled(field, lambda numbers: self._dialect.quoted(text_numbers.encode(numbers)))
        return quick, f"concat({spelling}, '\\n', substringUTF8(toString({present}), 1, {MAX_DIGITS + 1}))"


def _decimal(text: str) -> str:
    """A text as a decimal; NULL if it is none that is surely narrow enough."""
    return f"CASE WHEN match({text}, {DIALECT.quoted(_SHORT)}) THEN toDecimal256OrNull({text}, {_PLACES}) END"


def _limited(value: str, type_: str, scale: int) -> str:
    """A number of 256 bits; NULL where adding so large ones could wrap around."""
    limit = Decimal(_LIMIT).scaleb(-scale)
    low, high = (f"CAST('{sign}{limit:f}' AS {type_})" for sign in ("" if type_ == "UInt256" else "-", ""))
    return f"CASE WHEN {value} {f'<= {high}' if type_ == 'UInt256' else f'BETWEEN {low} AND {high}'} THEN {value} END"


def _trimmed(text: str) -> str:
    return f"replaceRegexpAll({text}, {_SPACES}, '')"


def _is_number(text: str, numbers: Numbers) -> str:
    """The condition that a trimmed text is a number."""
    spelling = text_numbers.patterns(numbers)
    either = "|".join(filter(None, (spelling.signed, spelling.bracketed)))
    return f"(lengthUTF8({text}) <= {MAX_DIGITS} AND match({text}, {DIALECT.quoted(either)}))"


def _respelled(text: str, numbers: Numbers) -> str:
    """A trimmed text as plain decimals are spelled; one that is none, or is in parentheses, as something else."""
    # The `x` holds the place of the decimal point until the separators are gone, one of which may be a point.
    pattern = DIALECT.quoted(text_numbers.patterns(numbers).signed)
    parts = f"replaceRegexpOne({text}, {pattern}, '\\\\1\\\\2\\\\3x\\\\4\\\\5\\\\6')"
    if numbers.thousands:
        parts = f"replaceAll({parts}, {DIALECT.quoted(numbers.thousands)}, '')"
    return f"CASE WHEN match({text}, {pattern}) THEN replaceOne({parts}, 'x', '.') ELSE '' END"


def _counted(pairs: str | None) -> Iterator[tuple[str, int]]:
    """Values and how often each occurs, as the queries write them."""
    words = iter(pairs.split(" ") if pairs else ())
    for coded, times in zip(words, words, strict=True):
        yield bytes.fromhex(coded).decode(errors="replace"), int(times)
