"""How MariaDB and MySQL read figures: as decimals of 65 digits, and what is too large or too small for these as text.

A cast takes the beginning of a text for the number and rounds what has too many places. So whatever is no plain number
is first written as one, by patterns; what a decimal holds is then added by the server, and the few others are listed,
and added here. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from countercache.compute.formula import EXACT
from countercache.compute.partial_sums import Totals
from countercache.compute.text_numbers import is_plain, patterns
from countercache.databases.field_values import SHOWN, FieldValues, InexactError
from countercache.model.table import MAX_DIGITS, Kind
from countercache.settings import Numbers

_SUMMED = 43
"""Digits of a decimal of which the server adds any number of rows: the sum has 22 more, and 65 is the most."""

_DECIMAL = "DECIMAL(65, 30)"
_FITS = (
    r"^[+-]?([0-9]{1,25}([.][0-9]{0,30})?|[.][0-9]{1,30})\z"
    r"|^[+-]?([0-9]{1,12}([.][0-9]{0,17})?|[.][0-9]{1,17})[eE][+-]?0*([0-9]|1[0-3])\z"
)
"""What such a decimal holds, with room for the sum of ten thousand million of them."""

_NUMBER = r"^[ \t\r\n]*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,3})?[ \t\r\n]*\z"
_SPACES_AROUND = r"^[ \t\r\n]+|[ \t\r\n]+\z"


class MariaDBFieldValues(FieldValues):
    """The values of one source on MariaDB."""

    group: ClassVar[str] = "\\"
    """What is written before the number of a group of a pattern, where it is replaced."""

    def totals(self, field: str | None) -> list[str]:
        """The sum, and what `_read` takes; the third is there for those who need it."""
        return [*self._numbers(field, ""), "NULL"]

    def of_entity(self, field: str, *, flat: bool) -> list[str]:  # noqa: ARG002 - nothing is gained by it
        """The first two of these."""
        return self._numbers(field, self.only(field))

    def rejected(self, field: str | None) -> str:
        """The condition that the value of a row is rejected: only texts may be none."""
        if self.kind(field) is not Kind.TEXT:
            return "1 = 0"
        return f"({self.value(field)} IS NOT NULL AND {self._written(field)} IS NULL)"

    def example(self, field: str | None) -> str:
        """As `FieldValues.example` says."""
        texts = (self._dialect.reference("f", self._facts.settings.entity), self.raw(field))
        whose, value = (f"left({_text(text)}, {SHOWN})" for text in texts)
        return f"concat(lpad({SHOWN} - char_length({value}), 3, '0'), ' ', hex({whose}), ' ', hex({value}))"

    def present(self, value: str, kind: Kind, numbers: Numbers) -> str:
        """A column without the texts that are no value; they become NULL."""
        if kind is not Kind.TEXT or not numbers.null:
            return value
        texts = ", ".join(map(self._dialect.quoted, numbers.null))
        return f"CASE WHEN {self._trimmed(value)} NOT IN ({texts}) THEN {value} END"

    @staticmethod
    def read_totals(columns: Sequence[Any]) -> Totals:
        """What `totals` gave. Raises `InexactError`."""
        return _read(*columns[:2])

    @staticmethod
    def read_entity(columns: Sequence[Any]) -> Totals:
        """What `of_entity` gave. Raises `InexactError`."""
        return _read(*columns)

    def _numbers(self, field: str | None, only: str) -> list[str]:
        written = self._written(field)
        if not written:
            return [self._dialect.aggregate(function, self.raw(field), only) for function in ("sum", "count")]
        fits = f"{written} REGEXP {self._dialect.quoted(_FITS)}"
        figure = f"CASE WHEN {fits} THEN CAST({written} AS {_DECIMAL}) END"
        other = f"CASE WHEN NOT {fits} THEN concat({written}, ';') END"
        counts = [self._dialect.aggregate("count", of, only) for of in (figure, self.value(field), other)]
        listed = f"group_concat({f'CASE WHEN {only} THEN {other} END' if only else other} SEPARATOR '')"
        return [self._dialect.aggregate("sum", figure, only), f"concat_ws(' ', {', '.join(counts)}, {listed})"]

    def _written(self, field: str | None) -> str:
        """The value of a row as a plain number in text; empty where the server adds the column as it is."""
        value, column = self.raw(field), self._facts.table.columns[self.column(field)]
        match column.kind:
            case Kind.TEXT:
                return self.spelled(
                    field, lambda numbers: self._plain(self.present(value, column.kind, numbers), numbers)
                )
            case Kind.FLOAT if column.type.startswith("float"):
                return _shortest(value)
            case Kind.FLOAT:
                return f"CAST({value} AS CHAR)"
            case Kind.NUMERIC if int((re.findall(r"\d+", column.type) or ["10"])[0]) > _SUMMED:
                return f"CAST({value} AS CHAR)"
        return ""

    def _trimmed(self, value: str) -> str:
        return f"regexp_replace({_text(value)}, {self._dialect.quoted(_SPACES_AROUND)}, '')"

    def _plain(self, value: str, numbers: Numbers) -> str:
        """A text that spells a number as these do, as a plain one; NULL where it spells none."""
        short, trimmed = f"char_length({value}) <= {MAX_DIGITS}", self._trimmed(value)
        if is_plain(numbers):
            return f"CASE WHEN {short} AND {_text(value)} REGEXP {self._dialect.quoted(_NUMBER)} THEN {trimmed} END"
        spelling = patterns(numbers)
        cases = ""
        for sign, pattern in (("", spelling.signed), ("-", spelling.bracketed)):
            if pattern:
                # The end of a pattern may be before the last line's, which is no part of the number.
                written = self._dialect.quoted(f"{pattern.removesuffix('$')}\\z")
                # The `x` holds the place of the point until the separators are gone, one of which may be a point.
                groups = "x".join("".join(f"{self.group}{n}" for n in part) for part in ((1, 2, 3), (4, 5, 6)))
                parts = f"regexp_replace({trimmed}, {written}, {self._dialect.quoted(sign + groups)})"
                if numbers.thousands:
                    parts = f"replace({parts}, {self._dialect.quoted(numbers.thousands)}, '')"
                cases += f" WHEN {trimmed} REGEXP {written} THEN replace({parts}, 'x', '.')"
        return f"CASE WHEN {short} THEN CASE{cases} END END"


class MySQLFieldValues(MariaDBFieldValues):
    """The values of one source on MySQL, which has other regular expressions."""

    group: ClassVar[str] = "$"


def _text(value: str) -> str:
    """A value as text of which each character counts, whatever its column's collation."""
    return f"CONVERT({value} USING utf8mb4) COLLATE utf8mb4_bin"


def _shortest(value: str) -> str:
    """A value of type float, which the server prints with 6 digits, with as many as it takes to read it back: 9 do."""
    cases = ""
    digits = [f"round({value} + 0e0, {n - 1} - floor(log10(abs({value}))))" for n in (7, 8, 9)]
    for number in (value, *digits):
        is_it = f"CAST(CAST({number} AS CHAR) AS FLOAT) = {value}" if number != digits[-1] else f"{value} IS NOT NULL"
        cases += f" WHEN {is_it} THEN CAST({number} AS CHAR)"
    return f"CASE{cases} END"


def _read(total: str | None, counts: int | str) -> Totals:
    """The sum of the figures that the server added, and how many they are; or also how many values there are, how many
    others, and these, each with a `;` behind it.
    """
    added = Decimal(total or 0)
    if isinstance(counts, int):
        return Totals(added, counts)
    figures, values, others, *listed = counts.split(" ")
    numbers = "".join(listed).split(";")[:-1]
    if len(numbers) != int(others) or not "".join(listed).endswith(";" * bool(numbers)):
        raise InexactError  # there were more than the list could hold
    for number in numbers:
        added = EXACT.add(added, Decimal(number))
    return Totals(added, int(figures) + len(numbers), int(values) - int(figures) - len(numbers))
