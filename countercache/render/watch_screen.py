"""The screen of `status --watch`: what fits a screen of some size, the most pressing first.

From top to bottom: how many cells are in each state, trouble with Redis, the cells, runs in flight, why cells failed,
what to type, the last events, and the keys. Cells and events share what the others leave.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from countercache.model.program import PROGRAM
from countercache.model.results import CellView, StatusResult
from countercache.model.states import Event, State
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.render import terminal, text
from countercache.render.log import body
from countercache.render.next_commands import next_commands
from countercache.render.widgets import Column, Flow, Grid, Runs

Line = list[Segment]

MOST_EVENTS = 10
"""Events that are shown where there is room; the log has more."""

_FEW_EVENTS = 4
"""Events that cells make room for."""

_HEAD = 2
"""Lines of a grid above its rows."""

_LEAST_ROWS = 4
_URGENCY = (State.ERROR, State.CALCULATING, State.STALE, State.PENDING, State.READY)


class Seen(msgspec.Struct, frozen=True):
    """What was read at one moment (`at`, by this host's clock)."""

    status: StatusResult
    events: tuple[Event, ...]
    at: float


class WatchScreen:
    """What the screen shows. `seen` is `None` before the first reading; `problem` is why the last one failed."""

    def __init__(self, interval: float, commands: Commands = NO_OPTIONS) -> None:
        self.interval = interval
        self.commands = commands
        self.seen: Seen | None = None
        self.problem = ""
        self.first = 0
        self.page = 1
        """How many cells had room when it was last drawn for."""

    def scroll(self, amount: int) -> None:
        """Move the cells by so many rows."""
        last = max(0, len(self.seen.status.cells) - self.page) if self.seen else 0
        self.first = min(max(0, self.first + amount), last)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, as many as the screen has, for rich."""
        height = options.height or console.height
        lines = self._lines(_Pen(console, options), height - 1)[: height - 1]
        lines += [[] for _ in range(height - 1 - len(lines))]
        for line in lines:
            yield from line
            yield Segment.line()
        yield from self._foot(_Pen(console, options))

    def _lines(self, pen: _Pen, height: int) -> list[Line]:
        head = pen.draw(self._title())
        if self.problem:
            head += pen.draw(Text(f"✗ {self._problem()}", style="red"))
        if self.seen is None:
            return head
        status = self.seen.status
        under: list[list[Line]] = []
        if status.runs:
            under.append(pen.draw(Runs(status.runs)))
        if why := pen.draw(*terminal.failures(status.cells))[1:]:
            under.append(why[:_LEAST_ROWS])
        if steps := next_commands(status):
            typed = (self.commands.to_type(command) for command, _ in steps)
            under.append(pen.draw(Flow(Text(command, "bold cyan") for command in typed)))
        left = height - len(head) - 1
        rest: list[Line] = []
        for part in under:
            if left - len(rest) - len(part) - 1 >= _HEAD + _LEAST_ROWS:
                rest += [[], *part]
        left -= len(rest)
        few = min(len(self.seen.events), _FEW_EVENTS)
        cells = min(len(status.cells), max(_LEAST_ROWS, left - _HEAD - few - 1))
        table = self._cells(pen, status.cells, cells, left)
        left -= len(table) + 1
        events = [pen.cut(_event(event)) for event in self.seen.events[-min(MOST_EVENTS, max(0, left)) :]]
        return [*head, [], *table, *rest, *([[], *events] if left > 0 and events else [])]

    def _cells(self, pen: _Pen, every: Sequence[CellView], amount: int, height: int) -> list[Line]:
        """The rows from the first that is shown; where not all have room, those that call for something come first."""
        if not every:
            return pen.draw(Text("No counters are configured."))
        self.page = amount
        self.scroll(0)
        if amount < len(every):
            every = sorted(every, key=lambda view: _URGENCY.index(view.state))
        shown = every[self.first : self.first + amount]
        ages = Column("Updated", [(text.age(view.age), "") for view in shown], right=True, drop=1)
        lines = pen.draw(Grid([*terminal.cell_columns(shown), ages]))
        # Rows that are folded take more lines than one.
        return lines[:height]

    def _title(self) -> RenderableType:
        if self.seen is None:
            return Text(PROGRAM, style="bold")
        name = Text(text.escape(self.seen.status.namespace, 40), style="bold")
        return Flow([name, Text(_clock(self.seen.at), "dim"), *self._counts()])

    def _counts(self) -> list[Text]:
        return terminal.states(self.seen.status.cells) if self.seen else []

    def _problem(self) -> str:
        since = f"; what is shown is {text.duration(time.time() - self.seen.at)} old" if self.seen else ""
        return f"{text.escape(self.problem, 1000)}; tried again every {text.duration(self.interval)}{since}"

    def _foot(self, pen: _Pen) -> Line:
        total = len(self.seen.status.cells) if self.seen else 0
        rows = f"   ↑↓ scroll   {self.first + 1}-{min(self.first + self.page, total)} of {total} cells"
        return pen.cut(Text(f"q quit{rows if total > self.page else ''}", style="dim"))


class _Pen:
    """Draws what rich can draw as lines of the screen's width."""

    def __init__(self, console: Console, options: ConsoleOptions) -> None:
        self._console = console
        self._options = options.update(height=None)

    def draw(self, *parts: RenderableType) -> list[Line]:
        """The lines of some parts, one beneath the other."""
        return self._console.render_lines(Group(*parts), self._options, pad=False)

    def cut(self, line: Text) -> Line:
        """One line: what has no room is cut off."""
        line.truncate(self._options.max_width, overflow="ellipsis")
        return self.draw(line)[0]


def _event(event: Event) -> Text:
    """An event in one line; its level is told by the colour, and trouble by a sign besides."""
    sign, style = {"error": ("✗", "red"), "warning": ("!", "yellow")}.get(event.level, ("·", "dim"))
    return Text.assemble((sign, style), " ", (_clock(event.at), "dim"), " ", body(event))


def _clock(moment: float) -> str:
    """The time of a day, as `countercache events` has it: `12:00:00Z`."""
    return text.second(moment)[-9:]
