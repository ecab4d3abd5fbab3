"""What a terminal shows: it fits, it is aligned, nothing in it is cut."""

from __future__ import annotations

import io
import time

import pytest
from rich.cells import cell_len
from rich.console import Console

from countercache.model import results
from countercache.model.results import StatusResult
from countercache.model.states import ALL, Coverage, Failure, Progress, Reason, State, Verdict
from countercache.render import plain, terminal, widgets
from tests import samples
from tests.samples import screen

COMMANDS = ("countercache ", "cd ", "redis-cli ", "*/15 ")
WIDTHS = (40, 60, 80, 100, 140, 200)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("result", samples.EVERY, ids=lambda it: type(it).__name__)
def test_screens_fit_their_width(result: object, width: int) -> None:
    """No line is longer than the terminal is wide, but for a command to copy."""
    for line in screen(result, width).splitlines():
        assert cell_len(line.rstrip()) <= width or line.lstrip().startswith(COMMANDS)


@pytest.mark.parametrize("width", WIDTHS)
def test_names_and_values_are_never_cut(width: int) -> None:
    """On the narrowest terminal a name is folded over lines; neither it nor a value gets an ellipsis."""
    shown = screen(samples.STATUS, width)
    assert "…" not in shown
    assert "£126.8B" in shown
    joined = "".join(line[3:].split("  ")[0] for line in shown.splitlines())
    assert "borrowing-from-the-public-works-loan-board" in joined


def test_the_least_useful_columns_go_first() -> None:
    """At 140 columns all that matters is there; what names a row and its value stay at 60."""
    head = {width: screen(samples.STATUS, width).splitlines()[0].split() for width in (60, 80, 140)}
    assert head[140] == ["Counter", "Group", "Period", "Value", "Change", "Coverage", "State", "Updated"]
    assert head[80] == ["Counter", "Group", "Period", "Value", "Updated"]
    assert head[60] == ["Counter", "Group", "Period", "Value"]


def test_a_column_that_says_the_same_everywhere_is_left_out() -> None:
    """With the one group `all` there is no column of groups, and no coverage where no cell has one."""
    cell = samples.view(coverage=None)
    head = screen(StatusResult("s", (cell, samples.view("other", coverage=None)), ()), 140).splitlines()[0].split()
    assert head == ["Counter", "Name", "Period", "Value", "Change", "State", "Updated"]


def test_numbers_are_aligned_at_their_right() -> None:
    """Values of different lengths end in the same terminal cell."""
    lines = [line for line in screen(samples.STATUS, 140).splitlines() if "total-debt" in line]
    assert len({line.index(value) + len(value) for line, value in zip(
        lines, ("£126.8B", "£98.1B", "£1.2B", "£790.2B"), strict=True)}) == 1  # fmt: skip


def test_each_state_has_a_sign_and_a_colour() -> None:
    """Without colours the sign tells the state; the colours are the terminal's own eight but for white and black."""
    assert len({sign for sign, _ in terminal.SIGNS.values()}) == len(State)
    shown = screen(samples.STATUS, colour=True)
    codes = {code for part in shown.split("\x1b[")[1:] for code in part.split("m")[0].split(";")}
    assert codes <= {"0", "1", "2", "31", "32", "33", "36", "1;36"}
    assert "\x1b" not in screen(samples.STATUS)


def test_wide_characters_are_counted_as_the_terminal_does() -> None:
    """Names in Chinese take two cells a character; the columns after them are aligned all the same."""
    cells = (samples.view("总债务", name="总债务"), samples.view("total", name="total"))
    lines = screen(StatusResult("s", cells, ()), 80).splitlines()[2:4]
    assert len({cell_len(line[: line.index("2019/20")]) for line in lines}) == 1


def test_status_says_what_to_type_next() -> None:
    """Where something is to be done there is a command; where all is well there is none."""
    assert "countercache locks list" in screen(samples.STATUS)
    assert "countercache recover" in screen(samples.STATUS)
    assert "countercache recover" not in screen(StatusResult("s", (samples.never("x", state=State.CALCULATING),), ()))
    dead = results.RunView("main", Progress(""), 1.0, 2.0, Verdict.DEAD)
    assert "countercache recover" in screen(StatusResult("s", (), (dead,)))
    assert "countercache warmup --due" in screen(StatusResult("s", (samples.never("x"),), ()))
    assert "countercache" not in screen(StatusResult("s", (samples.view(),), ()))
    assert "countercache locks clear" in screen(samples.LOCKS)


@pytest.mark.parametrize(
    ("reason", "recovers", "checks"),
    [
        (Reason.TIMEOUT, True, False),
        (Reason.ABANDONED, True, False),
        (Reason.CLEARED, True, False),
        (Reason.UNREACHABLE, True, False),
        (Reason.CONFIG, False, True),
        (Reason.SQL, False, True),
        (Reason.NO_FIGURES, False, False),
        (Reason.MISSING, False, False),
        (Reason.DIVISION_BY_ZERO, False, False),
        (Reason.HELD, False, False),
    ],
)
def test_recover_is_offered_only_where_it_can_help(reason: Reason, recovers: bool, checks: bool) -> None:
    """What the next attempt cannot change has another cure, or only the message."""
    failed = StatusResult("s", (samples.view(state=State.ERROR, failure=Failure(reason, "why")),), ())
    for shown in (screen(failed), "\n".join(plain.lines(failed))):
        assert ("countercache recover" in shown) is recovers
        assert ("countercache config check" in shown) is checks
        assert "countercache events" in shown


def test_the_coverage_of_all_periods_is_in_entity_periods() -> None:
    """On a terminal and in a pipe, where the column of the coverage stays as it was; of one period it is entities."""
    view = samples.view()
    assert view.cell
    assert view.cell.coverage
    over_all = samples.view(period=ALL)
    covered = f"{view.cell.coverage.reported}/{view.cell.coverage.entities}"
    assert f"{covered} entity-periods" in screen(StatusResult("s", (over_all,), ()), 140)
    columns = next(plain.lines(StatusResult("s", (over_all,), ()))).split("\t")
    assert (columns[6], columns[-1]) == (covered, f"{covered} entity-periods")
    one = StatusResult("s", (view,), ())
    assert "entity-periods" not in screen(one, 140) + "\n".join(plain.lines(one))


def test_a_run_whose_process_is_gone_is_not_shown_as_going_on() -> None:
    """On a terminal and in a pipe: nobody waits for what will never come."""
    dead = StatusResult("s", (), (results.RunView("main", Progress("reading", 1, 4), 1.0, 2.0, Verdict.DEAD),))
    for shown in (screen(dead), screen(dead, 60), "\n".join(plain.lines(dead))):
        assert "its process is gone" in shown
        assert "left" not in shown


@pytest.mark.parametrize(("done", "total", "full"), [(0, 400, 0), (100, 400, 5), (400, 400, 20), (900, 400, 20)])
def test_a_bar_shows_the_share_that_is_done(done: int, total: int, full: int) -> None:
    """The bar is as long as the share, and never longer than whole, whatever a record claims."""
    run = results.RunView("main", Progress("reading", done, total), 1.0, 2.0)
    shown = screen(StatusResult("s", (), (run,)), 80)
    assert shown.count("━") == full


def test_a_bar_without_a_known_end_moves_with_the_time() -> None:
    """While the total is not known something moves, so that it can be told from a frozen screen."""
    runs = [results.RunView("main", Progress("connecting"), elapsed, 2.0) for elapsed in (0.0, 0.5)]
    first, second = (screen(StatusResult("s", (), (run,)), 80) for run in runs)
    assert first.count("━") == second.count("━") == 3
    assert first.index("━") != second.index("━")


@pytest.mark.no_cover
def test_ten_thousand_cells_are_drawn_in_a_second() -> None:
    """A screen of 10,000 cells costs what its rows cost: rich's own table would take several seconds."""
    cells = tuple(samples.view(f"counter-{number}", coverage=Coverage(1, 2)) for number in range(10_000))
    began = time.process_time()
    shown = screen(StatusResult("s", cells, ()), 140, colour=True)
    assert shown.count("£126.8B") == 10_000
    assert time.process_time() - began < 4  # about 1 s on an idle machine


def test_cells_are_folded_between_words() -> None:
    """A name that is too long is broken at its hyphens where that is possible."""
    grid = widgets.Grid([widgets.Column("Counter", [("long-term-borrowing-share", "")], fold=True)])
    assert [width for _, width in grid.fitted(12)] == [12]
    console = Console(file=io.StringIO(), width=12, color_system=None)
    console.print(grid)
    assert isinstance(console.file, io.StringIO)
    assert [line.strip() for line in console.file.getvalue().splitlines()[2:]] == ["long-term-", "borrowing-", "share"]
