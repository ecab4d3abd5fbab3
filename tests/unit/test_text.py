"""Text from outside is escaped, and figures read as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countercache.render import text
from tests import samples
from tests.samples import unescaped


@given(st.text(st.characters(), max_size=60), st.none() | st.integers(2, 70))
def test_escaping_leaves_nothing_to_obey_and_one_line(given: str, limit: int | None) -> None:
    """Whatever the text is, what is shown has no control, format or surrogate character, and stays within its limit."""
    shown = text.escape(given, limit)
    assert not unescaped(shown)
    assert shown.isascii() or not given.isascii() or "…" in shown
    if limit is None:
        assert "…" not in shown or "…" in given
    else:
        assert len(shown) <= limit * 10  # each character may become an escape of ten


def test_escapes_are_those_that_people_know() -> None:
    r"""Line breaks, ESC, C1, bidi and bytes that were no UTF-8 show as \n, \x1b, \x9b, \u202e, \udcff."""
    assert text.escape("a\nb\t\x1b[0m\x9b\u202e\udcff\U000e0041") == r"a\nb\t\x1b[0m\x9b\u202e\udcff\U000e0041"
    assert text.escape("£126.8B, naïve 数字 ▲") == "£126.8B, naïve 数字 ▲"


def test_long_text_is_shortened_with_a_mark() -> None:
    """A text of a megabyte is cut to its limit, and one that fits is not touched."""
    assert text.escape("x" * 1_000_000, 200) == "x" * 199 + "…"
    assert text.escape("x" * 200, 200) == "x" * 200


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.00s"),
        (0.042, "0.04s"),
        (3.14, "3.1s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m"),
        (125, "2m 5s"),
        (3600, "1h"),
        (11_520, "3h 12m"),
        (354_000, "4d 2h"),
        (-3, "-3.0s"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, shown: str) -> None:
    """A duration reads at a glance; one that rounds up to the next unit is written in it."""
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0.4, "just now"), (59.9, "59s ago"), (60, "1m ago"), (7300, "2h ago"), (200_000, "2d ago")],
)
def test_ages_have_one_unit(seconds: float | None, shown: str) -> None:
    """An age is one number and one unit, rounded down."""
    assert text.age(seconds) == shown


@pytest.mark.parametrize(
    ("change", "points", "shown"),
    [
        ("10.29986", False, "▲ 10.3%"),
        ("-2.04", False, "▼ 2.0%"),
        ("0.04", False, "= 0.0%"),
        ("-0.04", False, "= 0.0%"),
        ("1E+3", False, "▲ 1000.0%"),
        ("1E+40", False, f"▲ 1{'0' * 40}%"),
        ("0.3", True, "▲ 0.3 pp"),
        ("-5", True, "▼ 5.0 pp"),
        (None, True, "-"),
    ],
)
def test_changes_have_a_direction(change: str | None, points: bool, shown: str) -> None:
    """The direction is that of the rounded change, so that no ▲ stands before 0.0%; a share's change is in points."""
    assert text.change(samples.view(change=change, points=points).cell) == shown


def test_a_moment_that_no_calendar_has_is_unknown() -> None:
    """A damaged time in a record is no crash."""
    assert text.moment(samples.NOW) == "2026-03-01T12:00:00.000Z"
    assert text.moment(1e30) is None
    assert text.moment(None) is None


def test_lists_of_names_are_bounded() -> None:
    """A hundred names become eight and how many more; nine are shown, since "1 more" says less than the name."""
    assert text.listed("abc") == "a, b, c"
    assert text.listed(map(str, range(9))) == "0, 1, 2, 3, 4, 5, 6, 7, 8"
    assert text.listed(map(str, range(100))) == "0, 1, 2, 3, 4, 5, 6, 7 and 92 more"
