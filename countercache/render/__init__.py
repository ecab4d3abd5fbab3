"""Shows results: as tables on a terminal, as lines in a pipe, or as JSON documents.

Results go to stdout, errors and notes to stderr. Only the modules for a terminal import rich, and they are imported
only where a terminal shows something.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from countercache.errors import OutputClosed, OutputError
from countercache.model.program import PROGRAM

if TYPE_CHECKING:
    from rich.console import Console

    from countercache.errors import CountercacheError, LockHeld
    from countercache.model.states import Event, Progress
    from countercache.model.suggested_commands import Commands
    from countercache.render.log import Log
    from countercache.render.progress import Bars

LOG_FORMATS = ("text", "json")


class Result(Protocol):
    """The result of any command."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        ...


def show(result: Result, commands: Commands, *, as_json: bool = False, quiet: bool = False, log: str = "") -> int:
    """Show the result of a command and return its exit code. With `quiet`, only errors are shown.

    `commands` writes the commands that messages suggest. `log` is the format of stderr where that is a log, which has
    the notes and errors of a run already.
    """
    from countercache.model.results import WarmupResult  # noqa: PLC0415 - not needed to show a version or help
    from countercache.render import plain  # noqa: PLC0415

    if quiet and not result.exit_code:
        return result.exit_code
    if as_json:
        _write_document(result)
    elif not quiet:
        _write(result, commands)
    sys.stdout.flush()  # an error of writing must be raised here, as an error of this command
    logged = log and isinstance(result, WarmupResult)
    for note in () if logged else plain.notes(result):
        say(note, log)
    for problem in () if logged else plain.problems(result, commands):
        complain(problem, log)
    return result.exit_code


@contextmanager
def writing() -> Iterator[None]:
    """Turn an error of writing to stdout into one `OutputError`, and discard all later output."""
    try:
        yield
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        closed = isinstance(error, BrokenPipeError)
        raise (OutputClosed if closed else OutputError)(f"the result cannot be written: {error.strerror}") from error


def follow(events: Iterable[Event], *, as_json: bool = False) -> None:
    """Show events as they come: a line each, with `as_json` a document each."""
    from countercache.render import log  # noqa: PLC0415 - not needed to show a version or help

    coloured = sys.stdout.isatty() and not as_json
    for event in events:
        if coloured:
            from countercache.render import terminal  # noqa: PLC0415 - rich is for terminals only

            console(sys.stdout).print(terminal.event_line(event), soft_wrap=True)
        else:
            _line(log.line(event, log.JSON if as_json else log.TEXT))
        sys.stdout.flush()


def show_error(error: CountercacheError, exit_code: int, *, as_json: bool = False, log: str = "") -> None:
    """Show why a command failed: a line on stderr and, with `as_json`, a document on stdout too."""
    if as_json:
        from countercache.render import documents  # noqa: PLC0415

        _line(documents.encode(documents.error(error, exit_code), indent=sys.stdout.isatty()))
    complain(str(error), log)


def show_traceback(error: Exception) -> None:
    """Show the traceback of an error on stderr, without secrets and control characters."""
    import traceback  # noqa: PLC0415

    from countercache.model.redaction import redact  # noqa: PLC0415
    from countercache.render import text  # noqa: PLC0415

    for line in redact("".join(traceback.format_exception(error))).splitlines():
        sys.stderr.write(f"{text.escape(line)}\n")


def complain(line: str, log: str = "") -> None:
    """Write an error to stderr, wrapped on a terminal."""
    _to_stderr(line, "error: ", "bold red", log)


def say(line: str, log: str = "") -> None:
    """Write a note to stderr, wrapped on a terminal."""
    _to_stderr(line, "", "", log)


class Silent:
    """An observer of a run that shows nothing."""

    def progress(self, database: str, progress: Progress, elapsed: float, remaining: float) -> None:
        """Show nothing."""

    def waiting(self, database: str, held: LockHeld) -> None:
        """Show nothing."""

    def event(self, event: Event) -> None:
        """Show nothing."""


@contextmanager
def observer(*, shown: bool = True, quiet: bool = False, log: str = "") -> Iterator[Bars | Log | Silent]:
    """The observer that shows a run: a `log` in that format (if `quiet`, of errors only), or bars on a terminal."""
    if log:
        from countercache.render.log import Log  # noqa: PLC0415 - not needed to show a version or help

        yield Log(log, quiet=quiet)
        return
    if quiet or not (shown and sys.stderr.isatty()):
        yield Silent()
        return
    from countercache.render.progress import Bars  # noqa: PLC0415 - rich is for terminals only

    with Bars(console(sys.stderr)) as bars:
        yield bars


def console(stream: TextIO) -> Console:
    """A rich console on the stream that reads nothing as markup, emoji or numbers to highlight."""
    from rich.console import Console  # noqa: PLC0415 - rich is for terminals only

    return Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=False)


def _write(result: Result, commands: Commands) -> None:
    if sys.stdout.isatty():
        from countercache.render import terminal  # noqa: PLC0415 - rich is for terminals only

        terminal.show(console(sys.stdout), result, commands)
    else:
        from countercache.render import plain  # noqa: PLC0415

        sys.stdout.writelines(f"{line}\n" for line in plain.lines(result, commands))


def _write_document(result: Result) -> None:
    from countercache.render import documents  # noqa: PLC0415

    _line(documents.encode(documents.document(result), indent=sys.stdout.isatty()))


def _line(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _to_stderr(line: str, kind: str, style: str, log: str) -> None:
    from countercache.model.redaction import redact  # noqa: PLC0415
    from countercache.render import text  # noqa: PLC0415

    sys.stdout.flush()
    if log:
        from countercache.render.log import trouble  # noqa: PLC0415 - not needed to show a version or help

        trouble(line, log, failed=bool(kind))
        return
    clean = text.escape(redact(line))
    if sys.stderr.isatty():
        from rich.text import Text  # noqa: PLC0415 - rich is for terminals only

        from countercache.render.widgets import wrapped  # noqa: PLC0415

        screen, start = console(sys.stderr), len(f"{PROGRAM}: ")
        message = Text("\n".join(wrapped(f"{PROGRAM}: {kind}{clean}", screen.width)))
        message.stylize(style, start, start + len(kind))
        screen.print(message, soft_wrap=True)
    else:
        sys.stderr.write(f"{PROGRAM}: {kind}{clean}\n")
