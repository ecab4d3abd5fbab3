"""Write the generated part of `docs/cli.md`: each command's help and the exit codes, from the app itself.

Run `python docs/cli_reference.py` after a change of the commands; a test fails while the two differ.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from countercache import cli, errors

PAGE = Path(__file__).parent / "cli.md"
BEGIN = "<!-- Generated from countercache/cli.py and errors.py by docs/cli_reference.py: edit it there. -->\n"
END = "<!-- End of the generated part. -->\n"
MEANINGS = {
    "EXIT_OK": "done, or nothing to do",
    "EXIT_FAILED": "failed: no counter succeeded, or an unexpected error",
    "EXIT_USAGE": "usage or configuration error; nothing was touched",
    "EXIT_PARTIAL": "partial: some succeeded and are saved; or `locks clear`, `recover` or `prune` left something",
    "EXIT_LOCKED": "another run holds the lock (0 with `--ok-if-locked`)",
    "EXIT_UNREACHABLE": "Redis or the database cannot be reached",
    "EXIT_TIMEOUT": "the timeout fired",
    "EXIT_BROKEN_PIPE": "the reader of the output went away (as with `head`): what SIGPIPE does",
    "EXIT_INTERRUPTED": "interrupted (SIGINT, Ctrl-C)",
    "EXIT_TERMINATED": "terminated (SIGTERM)",
}


def main() -> None:
    """Put the generated part into the page."""
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def updated(page: str) -> str:
    """The page with its generated part as the commands are now."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"{PAGE} has lost the marks of its generated part"
        raise ValueError(message)
    return before + begin + "\n" + "\n".join(sections()) + "\n\n" + end + after


def sections() -> Iterator[str]:
    """The table of exit codes, then each command's help."""
    yield "## Exit codes\n"
    yield "| exit | meaning |\n| --- | --- |"
    for name, code in exit_codes():
        yield f"| {code} | {MEANINGS[name]} |"
    yield "\n## Commands\n"
    yield "\n\n".join(f"### {path}\n\n```text\n{text}\n```" for path, text in commands())


def exit_codes() -> list[tuple[str, int]]:
    """The constants of `errors`, in the order of their codes."""
    found = [(name, code) for name, code in vars(errors).items() if name.startswith("EXIT_")]
    return sorted(found, key=lambda each: each[1])


def commands(command: Any = None, parent: Any = None) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - Typer's own classes
    """The path of each command and its help, groups before what they hold."""
    command = command or get_command(cli.app)
    context = command.context_class(
        command, info_name=command.name, parent=parent, terminal_width=100, **command.context_settings
    )
    yield context.command_path, command.get_help(context)
    if isinstance(command, TyperGroup):
        for inner in command.commands.values():
            yield from commands(inner, context)


if __name__ == "__main__":
    main()
