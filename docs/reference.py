"""Write the generated part of `docs/configuration.md`: every key with its default and variable, from `settings.py`.

`make docs` runs it; a test fails while page and program differ.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Literal, get_args, get_origin

import msgspec

from countercache import settings
from countercache.config import schema
from countercache.model.durations import duration_text
from countercache.model.percent import percent_text

PAGE = Path(__file__).parent / "configuration.md"
BEGIN = "<!-- Generated from countercache/settings.py by docs/reference.py: edit it there. -->\n"
END = "<!-- End of the generated part. -->\n"
# Stands for a space that no line may be broken at.
_SPACE = "\N{NO-BREAK SPACE}"
# The lookup tables are documented once, below the sources.
_LOOKUP = "sources.NAME.entities, sources.NAME.fields, sources.NAME.periods"
_NUMBERS = "sources.NAME.numbers, sources.NAME.field_numbers.FIELD"


def main() -> None:
    """Put the generated part into the page."""
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def updated(page: str) -> str:
    """The page with its generated part as the settings are now."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"{PAGE} has lost the marks of its generated part"
        raise ValueError(message)
    return before + begin + "\n" + "\n".join(sections()) + "\n" + end + after


def sections() -> Iterator[str]:
    """A section for each table of the configuration."""
    yield from _section("", settings.Settings)
    for name, field in schema.fields(settings.Settings).items():
        for member in schema.members(field.type):
            item = schema.settings_class(schema.item_type(member))
            if item:
                yield from _section(f"{name}.NAME", item)
            elif cls := schema.settings_class(member):
                yield from _section(name, cls)
        if name == "sources":
            yield from _section(_LOOKUP, settings.Lookup)
            yield from _section(_NUMBERS, settings.Numbers)
        if name == "counters":
            yield from _section("counters.NAME.format", settings.Format)


def _section(path: str, cls: type[msgspec.Struct]) -> Iterator[str]:
    """The heading of a table, what it is for, and its keys."""
    tables = [f"`[{table}]`" for table in path.split(", ") if table]
    yield f"### {', '.join(tables) or 'The top of the file'}\n"
    text = inspect.getdoc(cls) or ""
    yield (text if path else "Keys that stand before the first table.") + "\n"
    comments = _comments(cls)
    for name, field in schema.fields(cls).items():
        if schema.settings_class(schema.item_type(field.type)) or (not path and name != "namespace"):
            continue
        facts = [
            _kind(field.type),
            _default(field),
            *([f"`{_variable(path, name)}`"] if path not in {_LOOKUP, _NUMBERS} else []),
        ]
        yield f"- **`{name}`** ({'; '.join(facts)})"
        yield _wrapped(comments[name])
    yield ""


def _comments(cls: type[msgspec.Struct]) -> dict[str, str]:
    """The comment above each field of a class."""
    lines = inspect.getsource(cls).splitlines()
    comments = {}
    for node in ast.parse(inspect.getsource(cls)).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above: list[str] = []
            for line in reversed(lines[: node.lineno - 1]):
                if not line.strip().startswith("#"):
                    break
                above.insert(0, line.strip().removeprefix("#").strip())
            comments[node.target.id] = " ".join(above)
    return comments


def _wrapped(text: str) -> str:
    """The text in lines of the page's width, none of them broken within a piece of code."""
    joined = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", _SPACE), text)
    wrapped = textwrap.fill(joined, 120, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return wrapped.replace(_SPACE, " ")


def _kind(type_: object) -> str:
    if type_ == settings.Fields | None:
        return "a table, or a list of texts"
    return " or ".join(_member(member) for member in schema.members(type_))


def _member(member: object) -> str:
    if member == settings.Duration:
        return "duration"
    if member == settings.Percent:
        return "percentage"
    if get_origin(member) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(member))
    if isinstance(member, type) and issubclass(member, StrEnum):
        return ", ".join(f"`{each.value}`" for each in member)
    if get_origin(member) is tuple:
        return "list of texts"
    return {str: "text", int: "whole number", bool: "`true` or `false`"}.get(member, "table")  # type: ignore[call-overload, no-any-return]


def _default(field: msgspec.structs.FieldInfo) -> str:
    """What holds where the key is not given."""
    if field.required:
        return "required"
    value = field.default
    if value in {None, ""} or isinstance(value, msgspec.Struct):
        return "optional"
    if settings.Duration in schema.members(field.type):
        value = duration_text(value)
    if settings.Percent in schema.members(field.type):
        value = percent_text(value)
    text = msgspec.json.encode(value).decode()
    return f"default `{text}`"


def _variable(path: str, name: str) -> str:
    return "COUNTERCACHE_" + "__".join(part.upper() for part in [*path.split("."), name] if part)


if __name__ == "__main__":
    main()
