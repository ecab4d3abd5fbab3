"""Numbers of single precision, which drivers hand over as floats of twice their digits: 0.1 as 0.10000000149011612."""

from __future__ import annotations

import contextlib
import math
import struct


def shortest(value: float) -> str:
    """A number of single precision in the fewest digits that lie nearest to it, as databases print it."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        around = [math.nextafter(float(text), end) for end in (-math.inf, math.inf)]
        with contextlib.suppress(OverflowError):  # the largest, rounded up
            if struct.unpack("!2f", struct.pack("!2f", *around)) == (value, value):
                return text
    return repr(value)
