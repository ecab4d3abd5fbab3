"""The findings of `doctor` for a terminal, grouped by area, with a symbol each, and problems with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from countercache.model.redaction import redact
from countercache.model.results import DoctorResult, Finding, Health
from countercache.render import text
from countercache.render.widgets import Flow, Uncut

SIGNS = {
    Health.OK: ("✓", "green"),
    Health.WARNING: ("!", "yellow"),
    Health.WRONG: ("✗", "red"),
    Health.UNKNOWN: ("?", "cyan"),
}
_WORDS = {Health.OK: "well", Health.WARNING: "to look into", Health.WRONG: "wrong", Health.UNKNOWN: "not seen"}
_PROGRAMS = ("countercache ", "redis-cli ")
_INDENT = 2


def screen(result: DoctorResult) -> Iterator[RenderableType]:
    """The parts of the screen, from top to bottom."""
    for index, (area, findings) in enumerate(groupby(result.findings, lambda finding: finding.area)):
        yield Text(("\n" if index else "") + text.escape(area), style="bold")
        for finding in findings:
            yield from _finding(finding)
    counts = Counter(finding.health for finding in result.findings)
    yield Text("")
    yield Flow(
        Text(f"{sign} {counts[health]} {_WORDS[health]}", style)
        for health, (sign, style) in SIGNS.items()
        if counts[health]
    )


def _finding(finding: Finding) -> Iterator[RenderableType]:
    """What was found; for a problem, why it matters and what to do."""
    sign, style = SIGNS[finding.health]
    seen = Text(f"{text.escape(finding.subject, text.LIMIT)}: ", style="bold")
    seen.append(text.escape(redact(finding.seen), 1000), "not bold")
    lines = Table.grid(padding=(0, 1, 0, 0))
    lines.add_row(Text(sign, style=style), seen)
    if finding.health is not Health.OK and finding.why:
        lines.add_row("", Text(text.escape(finding.why, 1000), style="dim"))
    yield lines
    if finding.health is not Health.OK and finding.cure:
        yield _cure(text.escape(redact(finding.cure), 2000))


def _cure(cure: str) -> RenderableType:
    """What to do: a command, with the place where to run it, or words."""
    place, colon, command = cure.partition(": ")
    if not colon:
        place, command = "", cure
    if place or command.startswith(_PROGRAMS):
        return Command(place, command)
    return Padding(Text(cure), (0, 0, 0, _INDENT))


class Command(Uncut):
    """A command on one line, so that it can be copied; the terminal wraps it where it is too long."""

    def __init__(self, place: str, command: str) -> None:
        self.place = f"{place}: " if place else ""
        self.command = command

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """The lines, for rich. A command that does not fit beside its place begins a new line."""
        indent = " " * _INDENT
        beside = cell_len(indent + self.place + self.command) <= options.max_width
        if self.place:
            yield Segment(indent + self.place)
            if not beside:
                yield Segment.line()
        yield Segment(indent if not (self.place and beside) else "")
        yield Segment(self.command, console.get_style("bold cyan"))
        yield Segment.line()
