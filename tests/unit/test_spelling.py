"""Any bytes as text that can be shown and typed, and back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from countercache.model.key_text import is_unsafe, meant, spelled

PIECES = (
    b"\\",
    b"n",
    b"x",
    b"1b",
    b"u",
    b"202e",
    b"\n",
    b"\x85",
    b"\xc2\x85",
    b"\xff",
    b"U0001f600",
    b"U00110000",
    b"a",
)
RAW = st.one_of(st.binary(max_size=12), st.text(max_size=8).map(lambda text: text.encode(errors="replace")),
                st.lists(st.sampled_from(PIECES)).map(b"".join))  # fmt: skip


@given(RAW)
@example(b"\xed\xa0\x80")
@example("\U000e0001".encode())
def test_what_is_shown_means_the_very_bytes(raw: bytes) -> None:
    """Every key has a spelling of its own, in which nothing is obeyed, hidden or reordered."""
    shown = spelled(raw)
    assert meant(shown) == raw
    assert not any(map(is_unsafe, shown))


@given(RAW, st.integers(1, 12))
def test_a_shortened_spelling_is_as_safe(raw: bytes, limit: int) -> None:
    """No more than so many characters; where something is missing, the last one says so."""
    shown = spelled(raw, limit)
    assert len(shown) <= limit
    assert not any(map(is_unsafe, shown))
    assert shown == spelled(raw) or shown.endswith("…")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"celery:lock", "celery:lock"),
        ("Zürich, 東京".encode(), "Zürich, 東京"),
        (rb"App\Jobs\Mail", r"App\Jobs\Mail"),
        (rb"App\notify", r"App\\notify"),
        (b"\x1b[31m\n", r"\x1b[31m\n"),
        (b"\xff", r"\xff"),
        (rb"\xff", r"\\xff"),
        ("\x85".encode(), r"\u0085"),
        ("\u202e".encode(), r"\u202e"),
        ("\U000e0041".encode(), r"\U000e0041"),
    ],
)
def test_plain_text_is_spelled_as_it_is(raw: bytes, shown: str) -> None:
    """Only what would not be seen, or be read as an escape, is written as one."""
    assert spelled(raw) == shown


def test_a_megabyte_is_cut_before_it_is_spelled() -> None:
    """A character that is cut in two at the limit leaves no half behind."""
    assert spelled("東".encode() * 1_000_000, 5) == "東東東東…"
