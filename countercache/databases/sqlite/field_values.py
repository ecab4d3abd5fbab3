"""How SQLite reads figures. A column may hold anything in any row, and there are no decimals.

So what is a whole number of hundredths is added by SQLite, as integers, and the rest by the aggregate
`countercache_sum` (see `sqlite.connection`), which is slow and seldom needed. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from countercache.compute.formula import EXACT
from countercache.compute.partial_sums import Totals
from countercache.compute.text_numbers import PLAIN, SPACES, characters
from countercache.databases.dialect import Dialect
from countercache.databases.field_values import SHOWN, Facts, FieldValues, InexactError
from countercache.databases.sqlite.dialect import DIALECT
from countercache.model.table import Kind
from countercache.settings import Numbers


class SQLiteFieldValues(FieldValues):
    """The values of one source."""

    def __init__(self, facts: Facts, dialect: Dialect, *, guarded: bool, rows: int | None) -> None:
        super().__init__(facts, dialect, guarded=guarded, rows=rows)
        self._limit = _hundredths_limit(rows)

    def totals(self, field: str | None) -> list[str]:
        """The sum of what are hundredths, how many values, and what `countercache_sum` made of the others.

        If not guarded, such others make the sum a float.
        """
        return self._numbers(field, "")

    def of_entity(self, field: str, *, flat: bool) -> list[str]:
        """The first and the last of these; or of one row, which is never guarded, what would be added."""
        only = self.only(field)
        if flat:
            hundredths = _hundredths(self.value(field), self._limit, otherwise="0.0")
            return [f"CASE WHEN {only} THEN {hundredths} END" if only else hundredths, "NULL"]
        hundredths, _, rest = self._numbers(field, only)
        return [hundredths, rest]

    def rejected(self, field: str | None) -> str:
        """The condition that the value of a row is rejected."""
        number = f"countercache_is_number({self._decodable(field)}, {self._spelling(field)})"
        return f"({self.value(field)} IS NOT NULL AND NOT {number})"

    def example(self, field: str | None) -> str:
        """As `FieldValues.example` says."""
        texts = (self._dialect.reference("f", self._facts.settings.entity), self.raw(field))
        whose, value = (f"hex(substr(CAST({text} AS BLOB), 1, {SHOWN}))" for text in texts)
        value = f"CASE typeof({texts[1]}) WHEN 'blob' THEN 'x' ELSE '' END || {value}"
        rank = f"printf('%03d', {SHOWN} - length(substr(CAST({texts[1]} AS TEXT), 1, {SHOWN})))"
        return f"{rank} || ' ' || {whose} || ' ' || {value}"

    def present(self, value: str, kind: Kind, numbers: Numbers) -> str:  # noqa: ARG002
        """A column without the texts that are no value; they become NULL."""
        if not numbers.null:
            return value
        texts = ", ".join(map(self._dialect.quoted, numbers.null))
        spaces = f"char({', '.join(str(ord(space)) for space in SPACES)})"
        return f"CASE WHEN typeof({value}) <> 'text' OR trim({value}, {spaces}) NOT IN ({texts}) THEN {value} END"

    @staticmethod
    def read_totals(columns: Sequence[Any]) -> Totals:
        """What `totals` gave. Raises `InexactError`."""
        hundredths, values, rest = columns
        return _totals(hundredths, rest, values)

    @staticmethod
    def read_entity(columns: Sequence[Any]) -> Totals:
        """What `of_entity` gave: one figure stands for all that are hundredths. Raises `InexactError`."""
        hundredths, rest = columns
        return _totals(hundredths, rest, None)

    def _numbers(self, field: str | None, only: str) -> list[str]:
        value = self.value(field)
        where = f" FILTER (WHERE {only})" if only else ""
        if not self._guarded:
            quick = _hundredths(value, self._limit, otherwise="0.0")
            return [f"sum({quick}){where}", f"count({value}){where}", "NULL"]
        exact = _hundredths(value, self._limit)
        rest = f"{value} IS NOT NULL AND {exact} IS NULL" + (f" AND {only}" if only else "")
        added = f"countercache_sum({self._decodable(field)}, {self._spelling(field)}) FILTER (WHERE {rest})"
        return [f"sum({exact}){where}", f"count({value}){where}", added]

    def _decodable(self, field: str | None) -> str:
        value = self.value(field)
        return self.spelled(field, lambda numbers: _decodable(value, numbers))

    def _spelling(self, field: str | None) -> str:
        """The spelling as the functions of `sqlite.connection` take it."""
        return self.spelled(
            field,
            lambda numbers: "NULL" if numbers == PLAIN else self._dialect.quoted(msgspec.json.encode(numbers).decode()),
        )


def _totals(
    hundredths: int | float | None,  # noqa: PYI041 - a float tells that some value is no hundredths
    rest: str | None,
    values: int | None,
) -> Totals:
    """The sum of what are hundredths, and of the rest the sum, count and rejected."""
    if isinstance(hundredths, float):
        raise InexactError
    total = Decimal(0) if hundredths is None else Decimal(hundredths).scaleb(-2, EXACT)
    if rest is None:
        return Totals(total, (hundredths is not None) if values is None else values)
    more, count, rejected = rest.split()
    figures = (hundredths is not None) + int(count) if values is None else values - int(rejected)
    return Totals(EXACT.add(total, Decimal(more)), figures, int(rejected))


def _hundredths(value: str, limit: int, *, otherwise: str = "NULL") -> str:
    """A value as a whole number of hundredths; NULL stays NULL, what is none or too large is `otherwise`.

    A float that equals n / 100.0 with n below 1e15 prints as just that decimal. `+` takes away the affinity of the
    column, so that text, in whatever column, is larger than every limit.
    """
    scaled = f"round({value} * 100)"
    fits = f"+{value} BETWEEN -{limit} AND {limit} AND {scaled} / 100.0 = {value}"
    return f"CASE WHEN {fits} THEN CAST({scaled} AS INTEGER) WHEN {value} IS NOT NULL THEN {otherwise} END"


def _decodable(value: str, numbers: Numbers) -> str:
    """A value as a function of Python's takes it, which fails for text that is not UTF-8.

    Text that has other characters than a number becomes an empty BLOB: neither is a number.
    """
    letters = characters(numbers)
    ordinary = DIALECT.quoted("".join(letter for letter in letters if letter not in SPACES))
    allowed = f"{ordinary} || char({', '.join(str(ord(letter)) for letter in SPACES)})"
    return f"CASE WHEN typeof({value}) = 'text' AND trim({value}, {allowed}) <> '' THEN X'' ELSE {value} END"


def _hundredths_limit(rows: int | None) -> int:
    """The largest value that SQLite adds itself: so small that the sum of so many rows stays within 64 bits."""
    return max(10, min(10**13, 9 * 10**16 // max(rows or 10**9, 1)) - 1)
