"""What users of countercache rely on, as one document, gathered from the installed command and nothing else.

The commands with their options, the keys of JSON documents, exit codes, keys in Redis and the columns of piped output,
as the situations of `situations` show them. The document that was recorded is `tests/data/contract.json`; after a
change that is meant, record it again: `python -m tests.acceptance.contract > tests/data/contract.json`.

It imports nothing of the package, so that no move of its modules touches it.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import redis

from tests.terminal import run

Document = dict[str, Any]
GROUPS = ("locks", "config", "embedded")
PARALLEL = 4

# Keys of JSON documents whose values are words that scripts compare with.
WORDS = {"action", "category", "kind", "level", "outcome", "reason", "schema", "state", "type", "verdict"}

# What a column of a piped line holds, most specific first.
COLUMNS = {
    "-": r"-",
    "time": r"\d{4}-\d\d-\d\dT[\d:.]+Z",
    "age": r"just now|\d+[smhd] ago",
    "period": r"\d{4}/\d\d",
    "duration": r"-?\d+(\.\d+)?[smhd]( \d+[smhd])?",
    "coverage": r"\d+/\d+",
    "change": r"[▲▼=].*",
    "number": r"[-£]*\d[\d,.]*[KMB%]?",
    "cells": r"\d+ cells?",
    "run": r"[0-9a-f]{32}",
    "owner": r"[\w.-]+@[\w.-]+(, pid \d+)?( \(pid \d+\))?",
    "published key": r"total:\S+",
    "a counter": r"long-term-borrowing-of-councils|users|gated|old|broken|nothing|moving|odd|odd-skipped|divided|share",
    "a group": r"yorkshire-and-the-humber",
    "{}": r"all|latest|main|pending|ready|stale|calculating|error|live|dead|no-ttl|unknown|cleared|left|lock|counter"
    r"|ok|warning|FAILED|removed|orphaned|accepted|planned|computed|failed|running|stopped|not running"
    r"|debug|info|timeout|run|breaker|recovery"
    r"|acquired|released|refused|started|finished|held|opened|closed|fired|pruned",
    "text": r".*",
}
TEXTS = ("config show", "warmup --dry-run")
"""What prints no rows in a pipe."""

HEX = re.compile(r"[0-9a-f]{32}")
CELL = "COUNTER:GROUP:PERIOD"


class Record:
    """What one story has shown; records of several stories can be merged."""

    def __init__(self) -> None:
        self.exits: dict[str, dict[str, int]] = {}
        self.documents: dict[str, dict[str, set[str]]] = {}
        self.schemas: dict[str, set[str]] = {}
        self.rows: dict[str, dict[str, list[set[str]]]] = {}
        self.keys: dict[str, dict[str, set[str]]] = {}

    def ended(self, command: str, situation: str, code: int) -> None:
        """How a command ended."""
        before = self.exits.setdefault(command, {}).setdefault(situation, code)
        assert before == code, f"{command}, {situation}: exit code {before} and {code}"

    def document(self, command: str, text: str) -> None:
        """A JSON document that a command printed."""
        document = json.loads(text)
        schema = document["schema"]
        self.schemas.setdefault(command, set()).add(schema)
        self.json(schema, document)

    def json(self, name: str, document: Any) -> None:
        """The keys of a document and what they hold."""
        known = self.documents.setdefault(name, {})
        for path, holds, inner in paths(document):
            known.setdefault(path, set()).add(holds)
            if inner:
                self.json(inner["schema"], inner)

    def lines(self, command: str, text: str) -> None:
        """The lines that a command printed into a pipe."""
        known = self.rows.setdefault(command, {})
        for line in text.splitlines():
            if line.startswith("#"):
                known.setdefault("# a remark", [])
                continue
            row = line.split("\t")
            kind = f"{row[0]}: " if command == "recover" else ""
            columns = known.setdefault(f"{kind}{len(row)} columns", [set() for _ in row])
            for column, (number, cell) in zip(columns, enumerate(row), strict=True):
                # What `doctor` finds depends on the machine.
                column.add(kind_of(cell) if command != "doctor" else "text" if number else "health")

    def redis(self, client: redis.Redis) -> None:
        """The keys that are there."""
        for key in client.scan_iter():
            shape = self.keys.setdefault(pattern(key), {})
            shape.setdefault("type", set()).add(str(client.type(key)))
            shape.setdefault("expires", set()).add("yes" if client.pttl(key) != -1 else "no")
            shape.setdefault("holds", set()).update(held(client, key))

    def merge(self, other: Record) -> None:
        """Add what another story has shown."""
        for command, situations in other.exits.items():
            for situation, code in situations.items():
                self.ended(command, situation, code)
        for command, schemas in other.schemas.items():
            self.schemas.setdefault(command, set()).update(schemas)
        for mine, theirs in ((self.documents, other.documents), (self.keys, other.keys)):
            for name, seen in theirs.items():
                for path, found in seen.items():
                    mine.setdefault(name, {}).setdefault(path, set()).update(found)
        for command, kinds in other.rows.items():
            mine_of = self.rows.setdefault(command, {})
            for kind, columns in kinds.items():
                before = mine_of.get(kind, [set()] * len(columns))
                mine_of[kind] = [one | two for one, two in zip(before, columns, strict=True)]


def gather() -> Document:
    """The whole contract as it is now."""
    from tests.acceptance.situations import STORIES  # which needs `Record`

    record = Record()
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(PARALLEL) as pool:
        stories = [pool.submit(story, Path(directory)) for story in STORIES]
        commands = dict(sorted(helps(pool)))
        for story in stories:
            record.merge(story.result())
    return {
        "commands": commands,
        "exit codes": record.exits,
        "schemas of commands": listed(record.schemas),
        "documents": {
            name: {path: holding(types) for path, types in keys.items()} for name, keys in record.documents.items()
        },
        "columns in a pipe": {
            command: {kind: ["|".join(sorted(column)) for column in columns] for kind, columns in kinds.items()}
            for command, kinds in record.rows.items()
        },
        "keys in Redis": {key: listed(shape) for key, shape in record.keys.items()},
    }


def listed(sets: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Sets as sorted lists."""
    return {name: sorted(each) for name, each in sets.items()}


# --- the help of commands


def helps(pool: ThreadPoolExecutor) -> Iterator[tuple[str, Document]]:
    """Every command with what its help offers; the commands are those that the help names."""
    found: list[tuple[str, ...]] = [()]
    while found:
        texts = pool.map(lambda words: run(*words, "--help").stdout, found)
        further = []
        for words, text in zip(found, texts, strict=True):
            parts = sections(text)
            further += [(*words, name) for name in parts.pop("Commands", {})]
            usage = text.partition("\n")[0].removeprefix("Usage: ")
            yield " ".join(("countercache", *words)), {"usage": usage, **parts}
        found = further


def sections(text: str) -> dict[str, dict[str, str]]:
    """The parts of a help page under their headings: each entry with what its brackets say (variable, default)."""
    parts: dict[str, dict[str, str]] = {}
    for heading, body in re.findall(r"^(Arguments|Options|Commands):\n((?:  .*\n)+)", text, re.MULTILINE):
        entries = re.split(r"^  (?=\S)", body, flags=re.MULTILINE)[1:]
        parts[heading] = {}
        for entry in entries:
            name, *told = re.split(r"\s{2,}", entry.strip(), maxsplit=1)
            brackets = re.findall(r"\[((?:env var|default|required)[^\]]*)\]", " ".join(" ".join(told).split()))
            parts[heading][name] = "; ".join(brackets)
    return parts


# --- what is in a document, a column or a key


def paths(value: Any, path: str = "") -> Iterator[tuple[str, str, Document | None]]:
    """The path of everything in a document, `counter_states[].period`, with its type; of `WORDS` with the word.

    A document within it is named by its schema, and given as the third.
    """
    if isinstance(value, dict) and path and "schema" in value:
        yield path, f"document {value['schema']}", value
    elif isinstance(value, dict):
        if path:
            yield path, "object", None
        for key, inner in value.items():
            yield from paths(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield path, "array", None
        for inner in value:
            yield from paths(inner, f"{path}[]")
    else:
        types = {type(None): "null", bool: "boolean", str: "string"}
        word = f' "{value}"' if isinstance(value, str) and path.rpartition(".")[2] in WORDS else ""
        yield path, types.get(type(value), "number") + word, None


def holding(types: set[str]) -> str:
    """`null or string`; of words all that were seen: `string "error", "ready"`."""
    words = sorted(each.removeprefix("string ") for each in types if each.startswith('string "'))
    plain = sorted(each for each in types if not each.startswith('string "'))
    return " or ".join(plain + (["string " + ", ".join(words)] if words else []))


def kind_of(column: str) -> str:
    """What a column holds; a word that scripts compare with as it is."""
    return next(name for name, form in COLUMNS.items() if re.fullmatch(form, column)).format(column)


def pattern(key: str) -> str:
    """The name of a key without what differs from site to site and run to run."""
    named = re.sub(r"(:cell|^total):.*", rf"\1:{CELL}", re.sub(r":lock:.*", ":lock:NAME", key))
    return HEX.sub("ID", named)


def held(client: redis.Redis, key: str) -> set[str]:
    """The names in a key: fields of a hash or of a stream's entries, members of a set."""
    kind = client.type(key)
    if kind == "hash":
        fields = set(map(str, client.hkeys(key)))
        return {"COUNTER"} if key.endswith(":began") else fields
    if kind == "stream":
        return {str(name) for _, entry in client.xrange(key) or () for name in entry or ()}
    if kind == "set":
        return {re.sub(r"[^:]+:[^:]+:[^:]+", CELL, str(member)) for member in client.smembers(key)}
    text = str(client.get(key))
    return {"JSON" if text.startswith("{") else "number" if re.fullmatch(r"-?[\d.]+", text) else "text"}


def written(document: Document) -> str:
    """The document as it is kept."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(written(gather()), end="")
