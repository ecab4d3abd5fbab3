"""The screen of `status --watch`: it fits every screen, and shows the most pressing on the smallest."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from countercache.model.results import RunView, StatusResult
from countercache.model.states import Event, Progress, State
from countercache.render.watch_screen import Seen, WatchScreen
from tests import samples
from tests.samples import HOSTILE, NOW, unescaped

EVENTS = tuple(
    Event(level, "run", "failed", f"message {number}", ("total-debt",), "main", "3f2a1b0c", "me@web1", NOW + number)
    for number, level in enumerate(("info", "warning", "error", "debug", "info", "info"))
)


def drawn(screen: WatchScreen, width: int, height: int) -> list[str]:
    """The lines of a screen of that size."""
    console = Console(
        file=io.StringIO(), width=width, height=height, markup=False, emoji=False, highlight=False, force_terminal=False
    )
    with console.capture() as captured:
        console.print(screen, height=height, end="", crop=False)
    return captured.get().split("\n")


def of(status: StatusResult, events: tuple[Event, ...] = EVENTS) -> WatchScreen:
    """A screen of a status."""
    screen = WatchScreen(2.0)
    screen.seen = Seen(status, events, NOW)
    return screen


MANY = msgspec.structs.replace(samples.STATUS, cells=samples.CELLS * 1000)


@pytest.mark.parametrize("status", [samples.STATUS, samples.EMPTY_STATUS, MANY], ids=["some", "none", "many"])
def test_it_has_as_many_lines_as_the_screen(status: StatusResult) -> None:
    """Whatever the size: no line too many, none too long, the keys on the last."""
    for width in (10, 30, 60, 80, 140):
        for height in (1, 2, 5, 10, 24, 50):
            lines = drawn(of(status), width, height)
            assert len(lines) == height
            assert all(cell_len(line) <= width for line in lines), (width, height)
            assert lines[-1].startswith("q quit")


def test_what_calls_for_something_comes_first_where_room_is_short() -> None:
    """On a low screen the errors stand above; where all cells have room they stand as they are configured."""
    assert "net-debt" in drawn(of(samples.STATUS), 100, 12)[4]
    assert "total-debt" in drawn(of(samples.STATUS), 100, 60)[4]


def test_a_tall_screen_has_all_of_it() -> None:
    """Counts, cells, runs, failures, what to type, events: each is there."""
    text = "\n".join(drawn(of(samples.STATUS), 100, 60))
    for part in ("✗ 2 error", "120/400", "timeout: ", "countercache recover", "message 5", "12:00:00Z", "q quit"):
        assert part in text


def test_the_last_events_stay_where_cells_are_many() -> None:
    """Ten thousand cells leave room for a few events."""
    text = "\n".join(drawn(of(MANY), 100, 24))
    assert "message 5" in text
    assert "of 10000 cells" in text


def test_scrolling_ends_at_the_ends() -> None:
    """Nobody gets lost beyond the last cell or before the first."""
    screen = of(MANY)
    drawn(screen, 100, 24)
    screen.scroll(10**9)
    assert screen.first == len(MANY.cells) - screen.page
    screen.scroll(-(10**9))
    assert screen.first == 0
    screen.scroll(3)
    assert "4-" in drawn(screen, 100, 24)[-1]


def test_trouble_with_redis_is_above_what_was_seen_last() -> None:
    """It is said since when what is shown is old; before anything was seen it is all there is."""
    screen = of(samples.STATUS)
    screen.problem = "Redis at h:6379/0 cannot be reached"
    lines = drawn(screen, 100, 24)
    assert lines[1].startswith("✗ Redis at h:6379/0 cannot be reached; tried again every 2.0s; what is shown is ")
    first = WatchScreen(2.0)
    first.problem = "x"
    assert "✗ x" in drawn(first, 60, 10)[1]


def test_hostile_text_is_not_obeyed() -> None:
    """Names, events and errors from outside are shown escaped."""
    cell = samples.view(HOSTILE, HOSTILE, HOSTILE, state=State.ERROR, name=HOSTILE, display=HOSTILE * 1000)
    event = Event(HOSTILE, HOSTILE, HOSTILE, HOSTILE * 100, (HOSTILE,), HOSTILE, HOSTILE, HOSTILE, 1e300)
    screen = of(StatusResult(HOSTILE, (cell,), (RunView(HOSTILE, Progress(HOSTILE), 1.0, 2.0),)), (event,))
    screen.problem = HOSTILE * 10
    for line in drawn(screen, 80, 40):
        assert not unescaped(line)
