"""Values that a database only counts, because it cannot add them exactly: how often each occurs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from countercache.compute import text_numbers
from countercache.compute.formula import EXACT
from countercache.compute.partial_sums import Totals


def add_counted(values: Iterable[tuple[str, int]]) -> Totals:
    """The total of values and how often each occurs.

    A text that is read as a number comes as its spelling (`text_numbers.encode`), the end of a line, and the text; a
    float as it prints.
    """
    total, figures, rejected = Decimal(0), 0, 0
    for written, times in values:
        spelling, is_text, text = written.partition("\n")
        number = text_numbers.read(text, text_numbers.decode(spelling)) if is_text else Decimal(written)
        if number is None or not number.is_finite():
            rejected += times
        else:
            total = EXACT.add(total, EXACT.multiply(number, Decimal(times)))
            figures += times
    return Totals(total, figures, rejected)
