"""Write the generated parts of `docs/cli.md`, from the program itself: JSON schemas, exit codes, each command's help.

`make docs` runs it; a test fails while page and program differ.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from countercache import cli, errors
from countercache.model.results import Health
from countercache.model.states import State
from countercache.render import documents

PAGE = Path(__file__).parent / "cli.md"
sys.path.append(str(PAGE.parents[1]))  # for the samples
from tests import samples  # noqa: E402

SCHEMAS_BEGIN = "<!-- Generated from countercache/render/ by docs/cli_reference.py: edit it there. -->\n"
COMMANDS_BEGIN = "<!-- Generated from countercache/cli.py and errors.py by docs/cli_reference.py: edit it there. -->\n"
END = "<!-- End of the generated part. -->\n"
SCHEMAS = {
    "status": "`status`",
    "warmup": "`warmup`",
    "plan": "`warmup --dry-run`",
    "locks": "`locks list`",
    "clear": "`locks clear`",
    "events": "`events`",
    "event": "`events --follow`, `warmup --log-format json`: one a line",
    "recover": "`recover`",
    "accept": "`accept`",
    "prune": "`prune`",
    "check": "`config check`",
    "doctor": "`doctor`",
    "config": "`config show`",
    "embedded": "`embedded status`",
    "embedded-stop": "`embedded stop`",
    "demo": "`demo`",
    "error": "any command that failed",
}
# What is said of a key in place of the keys below it.
REMARKS = {
    "counter_states": "cells, see below",
    "events": "see below",
    "settings": "as in the configuration",
    "attempts": "at counters that are gone",
}
COUNTS = {State: "the number of cells in each state", Health: "the number of findings of each health"}
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
    """The page with its generated parts as the program is now."""
    page = _replaced(page, SCHEMAS_BEGIN, schemas())
    return _replaced(page, COMMANDS_BEGIN, sections())


def _replaced(page: str, begin: str, lines: Iterator[str]) -> str:
    before, found, rest = page.partition(begin)
    _, end, after = rest.partition(END)
    if not found or not end:
        message = f"{PAGE} has lost the marks of its generated parts"
        raise ValueError(message)
    return before + begin + "\n" + "\n".join(lines) + "\n\n" + end + after


def schemas() -> Iterator[str]:
    """The table of JSON documents: what each is of, and its keys."""
    found = dict(_documents())
    yield "| schema | of | keys |\n| --- | --- | --- |"
    for name, of in SCHEMAS.items():
        keys = found.pop(f"countercache.{name}/1")
        yield f"| `countercache.{name}/1` | {of} | {keys} |"
    if found:
        message = f"{PAGE.name} does not say which commands print {', '.join(found)}"
        raise ValueError(message)


def _documents() -> Iterator[tuple[str, str]]:
    """Each schema and its keys, of the sample that shows most of them."""
    made = [documents.document(result) for result in samples.EVERY]
    made.append(documents.event_line(samples.EVENTS.events[0]))
    made.append(documents.error(errors.UsageError(""), errors.EXIT_USAGE))
    for document in sorted(made, key=lambda each: len(_keys(each))):
        yield document.pop("schema"), _keys(document)


def _keys(document: dict[str, Any]) -> str:
    """The keys of an object, those of the objects in it in parentheses."""
    keys, counts = dict(document), []
    for enum, words in COUNTS.items():
        if keys.keys() >= set(enum):
            keys = {key: value for key, value in keys.items() if key not in set(enum)}
            counts.append(words)
    return ", ".join([*(_key(*each) for each in keys.items()), *counts])


def _key(key: str, value: Any) -> str:  # noqa: ANN401 - whatever JSON has
    inner = value[0] if isinstance(value, list) and value else value
    remark = REMARKS.get(key, "")
    if isinstance(inner, dict) and not remark:
        each = "each " if inner is not value else ""
        remark = f"as `{inner['schema']}`" if "schema" in inner else each + _keys(inner)
    return f"`{key}`" + (f" ({remark})" if remark else "")


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
