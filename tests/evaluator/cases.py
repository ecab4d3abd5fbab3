"""A case: tables as they are made, and a configuration without its database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.evaluator.places import Declared, quoted


@dataclass
class Drawn:
    """A table: its columns with their types, what else is in its definition, its rows as SQL literals."""

    name: str
    columns: dict[str, str]
    rows: list[list[str]] = field(default_factory=list)
    more: str = ""

    def script(self) -> str:
        """The SQL that makes it."""
        parts = [f"{quoted(name)} {declared}".strip() for name, declared in self.columns.items()]
        lines = [f"CREATE TABLE {quoted(self.name)} ({', '.join([*parts, *([self.more] if self.more else [])])});"]
        if self.rows:
            rows = ",\n  ".join("(" + ", ".join(row) + ")" for row in self.rows)
            lines.append(f"INSERT INTO {quoted(self.name)} VALUES\n  {rows};")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Case:
    """The case of a seed on a database of a kind. `settings` are the tables of the TOML: sources, groups, counters."""

    seed: int
    kind: str
    tables: tuple[Drawn, ...]
    settings: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def __str__(self) -> str:
        """The case to read, and to repeat by hand."""
        again = f"python -m tests.evaluator --{self.kind} --seed {self.seed} --cases 1"
        return f"{self.kind}, seed {self.seed}; once more: {again}\n\n{self.script}\n{self.toml}"

    @property
    def script(self) -> str:
        """The tables as SQL."""
        before = "CREATE EXTENSION citext;\n" if self.kind == "postgresql" else ""
        return before + "".join(table.script() for table in self.tables)

    @property
    def declared(self) -> Declared:
        """The types and collations of the columns."""
        return {table.name: table.columns for table in self.tables}

    @property
    def toml(self) -> str:
        """The configuration."""
        lines = []
        for kind, named in self.settings.items():
            for name, table in named.items():
                lines.append(f"[{kind}.{name}]")
                lines += [f"{key} = {_toml(each)}" for key, each in table.items()]
                lines.append("")
        return "\n".join(lines)


def _toml(each: Any) -> str:
    """A value. JSON's way to write a text is TOML's as well."""
    if isinstance(each, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(value)}" for key, value in each.items()) + " }"
    if isinstance(each, list):
        return "[" + ", ".join(map(_toml, each)) + "]"
    return json.dumps(each, ensure_ascii=False)
