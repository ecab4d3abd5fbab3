"""How DuckDB reads figures. Its decimals have 38 digits, and texts and floats may have more. Pure.

So what surely fits is added by DuckDB as decimals, and of the rest it only counts how often each value occurs, which is
added up in Python.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from countercache.compute import text_numbers
from countercache.compute.formula import EXACT
from countercache.compute.partial_sums import Totals
from countercache.databases.counted_values import add_counted
from countercache.databases.duckdb.dialect import DIALECT
from countercache.databases.field_values import SHOWN, FieldValues, finite
from countercache.model.table import MAX_DIGITS, Kind
from countercache.settings import Numbers

_SPACES: Final = r"E' \t\r\n'"

_SHORT: Final = r"[ \t\r\n]*[+-]?([0-9]{1,18}(\.[0-9]{0,9})?|\.[0-9]{1,9})[ \t\r\n]*"
"""The texts that are surely a number of the next type."""

_SHORT_TYPE: Final = "DECIMAL(27, 9)"
"""Its sum of more rows than there can be has 38 digits at most."""

_FLOAT_TYPE: Final = "DECIMAL(18, 4)"
"""A float up to 1e11 that is equal to such a number has no more than 15 digits, and prints as that number."""

_FEW_ROWS: Final = 10**15
"""More rows than that are none: they say that a sum was too large for DuckDB."""

_LARGEST: Final = 10**19
"""Then only numbers that are smaller, as the integers that they are kept as, are added by DuckDB."""


class DuckDBFieldValues(FieldValues):
    """The values of one source."""

    def totals(self, field: str | None) -> list[str]:
        """The sum of what DuckDB adds, how many values, and how often each other value occurs."""
        total, rest = self._parts(field)
        return [total, f"count({self.value(field)})", rest]

    def of_entity(self, field: str, *, flat: bool) -> list[str]:  # noqa: ARG002 - nothing is gained by it
        """The first and the last of these."""
        return self._parts(field, self.only(field))

    def rejected(self, field: str | None) -> str:
        """The condition that the value of a row is rejected."""
        value = self.raw(field)
        match self.kind(field):
            case Kind.FLOAT:
                return f"NOT isfinite({value})"
            case Kind.TEXT:
                is_number = self.spelled(field, lambda numbers: _is_number(value, numbers))
                return f"({self.value(field)} IS NOT NULL AND NOT {is_number})"
            case _:
                return "1 = 0"

    def example(self, field: str | None) -> str:
        """As `FieldValues.example` says."""
        entity, value = (
            f"left(CAST({text} AS TEXT), {SHOWN})"
            for text in (DIALECT.reference("f", self._facts.settings.entity), self.raw(field))
        )
        rank = f"lpad(CAST({SHOWN} - length({value}) AS TEXT), 3, '0')"
        return f"{rank} || ' ' || hex({entity}) || ' ' || hex({value})"

    def present(self, value: str, kind: Kind, numbers: Numbers) -> str:
        """A column without the texts that are no value; they become NULL."""
        if kind is not Kind.TEXT or not numbers.null:
            return value
        texts = ", ".join(map(DIALECT.quoted, numbers.null))
        # Capitals matter, whatever the column's collation.
        return f"CASE WHEN trim({value}, {_SPACES}) COLLATE C NOT IN ({texts}) THEN {value} END"

    @staticmethod
    def read_totals(columns: Sequence[Any]) -> Totals:
        """What `totals` gave. Raises `InexactError`."""
        total, values, rest = columns
        counted = add_counted((rest or {}).items())
        return Totals(EXACT.add(finite(total or 0), counted.total), values - counted.rejected, counted.rejected)

    @staticmethod
    def read_entity(columns: Sequence[Any]) -> Totals:
        """What `of_entity` gave: one figure stands for all that DuckDB added. Raises `InexactError`."""
        total, rest = columns
        return Totals(finite(total or 0), int(total is not None)) + add_counted((rest or {}).items())

    def _parts(self, field: str | None, only: str = "") -> list[str]:
        """The sum of what DuckDB adds, and how often each other value occurs, under a condition."""
        quick, rest = self._quick(field)
        total = DIALECT.aggregate("sum", quick, only)
        if rest is None:
            return [total, "NULL"]
        others = f"{quick} IS NULL" + (f" AND {only}" if only else "")
        return [total, DIALECT.aggregate("histogram", rest, others)]

    def _quick(self, field: str | None) -> tuple[str, str | None]:
        """A value as DuckDB adds it, NULL where it cannot; and as a text for `add_counted`, if that may be needed."""
        value, kind, type_ = self.raw(field), self.kind(field), self._type(field)
        if kind is Kind.TEXT:
            present = self.value(field)
            spelling = self.spelled(field, lambda numbers: DIALECT.quoted(text_numbers.encode(numbers)))
            is_plain = self.spelled(field, lambda numbers: _is_short(value, numbers))
            quick = f"CASE WHEN {is_plain} THEN CAST(trim({present}, {_SPACES}) AS {_SHORT_TYPE}) END"
            return quick, f"{spelling} || chr(10) || left({present}, {MAX_DIGITS + 1})"
        if type_ == "DOUBLE":
            number = f"CAST({value} AS {_FLOAT_TYPE})"
            equal = f"CASE WHEN CAST({number} AS DOUBLE) = {value} THEN {number} END"
            return f"CASE WHEN abs({value}) < 1e11 THEN {equal} END", f"CAST({value} AS TEXT)"
        if kind is Kind.FLOAT:
            text = f"CAST({value} AS TEXT)"
            return (
                f"CASE WHEN regexp_full_match({text}, {DIALECT.quoted(_SHORT)}) THEN CAST({text} AS {_SHORT_TYPE}) END",
                text,
            )
        if (self._rows or 0) > _FEW_ROWS:
            scale = re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", type_)
            limit = Decimal(_LARGEST).scaleb(-int(scale[1])) if scale else Decimal(_LARGEST)
            return f"CASE WHEN {value} BETWEEN {-limit:f} AND {limit:f} THEN {value} END", f"CAST({value} AS TEXT)"
        return value, None

    def _type(self, field: str | None) -> str:
        return self._facts.table.columns[self.column(field)].type


def _is_short(value: str, numbers: Numbers) -> str:
    """The condition that a text is a number that DuckDB can add, spelled in the plain way."""
    return f"regexp_full_match({value}, {DIALECT.quoted(_SHORT)})" if text_numbers.is_plain(numbers) else "false"


def _is_number(value: str, numbers: Numbers) -> str:
    """The condition that a text is a number."""
    spelling = text_numbers.patterns(numbers)
    either = "|".join(filter(None, (spelling.signed, spelling.bracketed)))
    matches = f"regexp_full_match(trim({value}, {_SPACES}), {DIALECT.quoted(either)})"
    return f"(length({value}) <= {MAX_DIGITS} AND {matches})"
