"""The widgets that `terminal` puts a screen together from: columns, bars, lines beside a sign. Each fits its width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from countercache.model.results import RunView
from countercache.render import text

WIDE = 80
GAP = 2
NARROWEST = 8
FOLDED = 24
"""Terminal cells to which a column that can be folded is narrowed before another column has to go."""


class Column(NamedTuple):
    """A column: each cell a text, escaped already, and a style. `drop`: the higher, the sooner it goes; 0 stays."""

    title: str
    cells: Sequence[tuple[str, str]]
    right: bool = False
    drop: int = 0
    fold: bool = False

    @property
    def width(self) -> int:
        """Terminal cells of its widest line."""
        return max((cell_len(self.title), *(cell_len(cell) for cell, _ in self.cells)))


class Grid:
    """Columns side by side under a rule. Rows are written as segments: rich's own table takes seconds for 10,000."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns = [column for column in columns if any(cell for cell, _ in column.cells)]

    def fitted(self, width: int) -> list[tuple[Column, int]]:
        """The columns that have room, each with its width."""
        kept = [(column, column.width) for column in self.columns]
        while _least(kept) > width and any(column.drop for column, _ in kept):
            kept.remove(max(kept, key=lambda each: each[0].drop))
        widths = [natural for _, natural in kept]
        excess = sum(widths) + GAP * (len(widths) - 1) - width
        while excess > 0:
            narrower = [i for i, (column, _) in enumerate(kept) if column.fold and widths[i] > NARROWEST]
            if not narrower:
                break
            widths[max(narrower, key=widths.__getitem__)] -= 1
            excess -= 1
        return [(column, fitted) for (column, _), fitted in zip(kept, widths, strict=True)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """The lines, for rich."""
        fitted = self.fitted(options.max_width)
        if not fitted:
            return
        styles = {style: console.get_style(style) for column, _ in fitted for _, style in column.cells}
        styles |= {"head": Style(bold=True), "rule": Style(dim=True)}
        yield from _line([(c.title, "head", c.right, width) for c, width in fitted], styles)
        yield from _line([("─" * width, "rule", False, width) for _, width in fitted], styles)
        for index in range(len(fitted[0][0].cells)):
            parts = [(*column.cells[index], column.right, width) for column, width in fitted]
            yield from _line(parts, styles)


def _line(parts: Sequence[tuple[str, str, bool, int]], styles: dict[str, Style]) -> Iterator[Segment]:
    """A row: more than one line where a cell has to be folded."""
    folded = [_fold(cell, width) for cell, _, _, width in parts]
    last = len(parts) - 1
    for number in range(max(map(len, folded))):
        for index, (lines, (_, style, right, width)) in enumerate(zip(folded, parts, strict=True)):
            line = lines[number] if number < len(lines) else ""
            space = " " * (width - cell_len(line))
            yield Segment(space + line if right else line, styles[style])
            if index < last:
                yield Segment(("" if right else space) + " " * GAP)
        yield Segment.line()


def _fold(cell: str, width: int) -> list[str]:
    if cell_len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, width) if cell.isascii() else chop_cells(cell, width)


def wrapped(line: str, width: int) -> list[str]:
    """The line in lines of so many terminal cells, between its words; a longer word stands alone, and whole."""
    lines = [""]
    for word in line.split(" "):
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) > width:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _least(columns: Sequence[tuple[Column, int]]) -> int:
    """The width that the columns need when those that can be folded are."""
    return sum(min(width, FOLDED) if column.fold else width for column, width in columns) + GAP * (len(columns) - 1)


class Flow:
    """Phrases one after the other, as many a line as fit; none is broken, so that a command can be copied whole."""

    def __init__(self, phrases: Iterable[Text]) -> None:
        self.phrases = [phrase for phrase in phrases if phrase]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """The lines, for rich."""
        at = 0
        for phrase in self.phrases:
            if at and at + 3 + phrase.cell_len > options.max_width:
                yield Segment.line()
                at = 0
            if at:
                yield Segment("   ")
                at += 3
            yield Segment(phrase.plain, console.get_style(phrase.style))
            at += phrase.cell_len
        yield Segment.line()


class Runs:
    """Runs in flight, each with a bar; on a narrow terminal what they do stands beneath."""

    def __init__(self, runs: Sequence[RunView]) -> None:
        self.runs = runs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """The lines, for rich."""
        del console
        wide = options.max_width >= WIDE
        table = Table.grid(padding=(0, GAP, 0, 0))
        for run in self.runs:
            name = Text(text.escape(run.lock), style="bold cyan", overflow="fold")
            bar = _bar(run, max(NARROWEST, options.max_width // 4))
            count = Text("" if run.progress.total is None else f"{run.progress.done}/{run.progress.total}")
            said = f"{text.escape(run.progress.phase, text.LIMIT)}, " if run.progress.phase else ""
            does = Text.assemble(said, ("its process is gone", "red") if run.dead else (text.times(run), "dim"))
            table.add_row(name, bar, count, *([does] if wide else []))
            if not wide:
                table.add_row("", does)
        yield table


def _bar(run: RunView, width: int) -> Text:
    """How far a run is; what has no known end is shown by something that moves with the time."""
    done, total = run.progress.done, run.progress.total
    if total is None and run.dead:
        return Text("─" * width, "dim")
    if total is None:
        before = int(run.elapsed * 10) % (width - 2)
        return Text("─" * before, "dim").append("━━━", "cyan").append("─" * (width - 3 - before), "dim")
    full = width if not total else min(width, width * done // total)
    return Text("━" * full, "green" if full == width else "cyan").append("─" * (width - full), "dim")


def sentence(sign: str, style: str, line: Text | str) -> RenderableType:
    """A sign and a line that is wrapped beside it."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_row(Text(sign, style=style), Text(line) if isinstance(line, str) else line)
    return table


class Uncut:
    """A part of a screen with commands to copy: what is longer than a line is folded by the terminal, not cut off."""


class CommandList(Uncut):
    """Commands to type, each with what it does; that stands beneath where there is no room beside."""

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        self.lines = [(text.escape(command), does) for command, does in lines]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """The lines, for rich. A command is never broken, so that it can be copied whole."""
        style = console.get_style("bold cyan")
        first = max(cell_len(command) for command, does in self.lines if does)
        beside = first + GAP + max(cell_len(does) for _, does in self.lines) <= options.max_width
        for command, does in self.lines:
            yield Segment(command, style)
            if does:
                if beside:
                    yield Segment(" " * (first - cell_len(command) + GAP) + does)
                else:
                    beneath = textwrap.fill(does, max(NARROWEST, options.max_width - 4))
                    yield Segment("\n" + textwrap.indent(beneath, " " * 4))
            yield Segment.line()
