"""Durations: how they are written, what they may be, and how they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countercache.config import loader
from countercache.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15m", 900),
        ("30s", 30),
        ("1h30m", 5400),
        (" 1h 30m ", 5400),
        ("250ms", 0.25),
        ("2d", 172800),
        ("1.5s", 1.5),
        ("1d2h3m4s5ms", 93784.005),
        ("90", 90),
        ("0.5", 0.5),
        (90, 90),
        (0.5, 0.5),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    """Proves how durations are read."""
    assert loader.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "m", "1x", "30m1h", "1h1h", "1e3", "inf", float("nan"), True, None, [1], "\u0661m"]
)
def test_no_durations(text: object) -> None:
    """Proves that anything else is refused, with what came and an example."""
    with pytest.raises(UsageError, match=r'^got .*give a duration .*"30s"'):
        loader.duration(text)


@pytest.mark.parametrize("text", ["0", "-1", "-15m", "0s", "99999d", 0, -1.5, 10**400, float("inf")])
def test_durations_out_of_range(text: object) -> None:
    """Proves that a duration is more than zero, and no number that Redis or a database would choke on."""
    with pytest.raises(UsageError, match=r"^got .*give a duration of (more than zero|at most 3650d)"):
        loader.duration(text)


@given(st.integers(min_value=1, max_value=3650 * 86_400_000))
def test_durations_are_shown_as_they_are_read(milliseconds: int) -> None:
    """Proves that the text of a duration is that duration, to the millisecond."""
    assert round(loader.duration(loader.duration_text(milliseconds / 1000)) * 1000) == milliseconds
