"""How figures are read where it is not known how a database adds: it adds whole numbers and decimals, if it is sure
that nothing was rounded or left out. All others are added here, row by row. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from countercache.compute.partial_sums import Totals
from countercache.databases.field_values import FieldValues, InexactError, finite
from countercache.model.table import Kind

_LARGEST_WHOLE: Final = 2**63
"""A sum of whole numbers that stays below it cannot have run over anywhere on its way."""

_DIGITS: Final = 30
"""Digits that every engine's sums of decimals have."""


class GenericFieldValues(FieldValues):
    """The values of one source."""

    def totals(self, field: str | None) -> list[str]:
        """The sum, how many figures, and the largest: it says how large any part of the sum can have been."""
        value = self.raw(field)
        if self.kind(field) not in {Kind.INTEGER, Kind.NUMERIC}:
            # Such values are always read row by row.
            return [f"count({value})"] * 3
        return [f"sum({value})", f"count({value})", f"max(abs({value}))"]

    @staticmethod
    def read_totals(columns: Sequence[Any]) -> Totals:
        """What `totals` gave. Raises `InexactError`."""
        total, figures, largest = columns
        if total is None:
            return Totals(Decimal(0), figures)
        found, most = finite(total), finite(largest) * figures
        exponent = found.as_tuple().exponent
        scale = -exponent if isinstance(exponent, int) and exponent < 0 else 0
        # A driver may drop zeros at the end of a decimal; more places than these are in no column of its kind.
        limit = _LARGEST_WHOLE if isinstance(total, int) else Decimal(10) ** (_DIGITS - scale)
        if not 0 <= most < limit:
            raise InexactError
        return Totals(found, figures)
