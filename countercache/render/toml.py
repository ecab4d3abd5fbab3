"""Plain data → TOML, for `config show`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from countercache.render import text

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def lines(table: Mapping[str, object], path: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of a table at `path`: its own keys, then the tables within it. Empty tables are left out."""
    tables = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    values = {name: value for name, value in table.items() if name not in tables}
    if values and path:
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    for name, value in values.items():
        yield f"{_key(name)} = {_value(value)}"
    for name, inner in tables.items():
        yield from lines(inner, (*path, name))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return _string(str(value))


def _string(value: str) -> str:
    return '"' + "".join(_character(character) for character in value) + '"'


def _character(each: str) -> str:
    if each in '"\\':
        return f"\\{each}"
    if not text.is_unsafe(each):
        return each
    return {"\n": "\\n", "\t": "\\t"}.get(each) or (
        f"\\u{ord(each):04x}" if ord(each) <= 0xFFFF else f"\\U{ord(each):08x}"
    )
