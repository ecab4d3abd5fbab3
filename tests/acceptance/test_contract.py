"""What users rely on is as it was recorded: options, JSON keys, exit codes, keys in Redis, columns of piped output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import contract

RECORDED = Path(__file__).parents[1] / "data" / "contract.json"


@pytest.mark.timeout(300)  # a hundred commands, beside the other tests
def test_the_contract(subtests: pytest.Subtests) -> None:
    """Each part of the contract as gathered is what was recorded; a difference names each thing that differs."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    gathered = json.loads(contract.written(contract.gather()))
    assert set(recorded) == set(gathered)
    for part, before in recorded.items():
        with subtests.test(part):
            found = list(differences(before, gathered[part]))
            if found:
                pytest.fail(
                    "\n".join([f"{part}: not as recorded in tests/data/{RECORDED.name}", *found]), pytrace=False
                )


def test_a_difference_is_named() -> None:
    """What is added, removed and changed, by its path."""
    before = {"status": {"--watch": "a", "--json": "b"}, "columns": ["counter", "group"], "same": {}}
    now = {"status": {"--live": "a", "--json": "c"}, "columns": ["group", "counter"], "same": {}, "new": {}}
    assert list(differences(before, now)) == [
        "changed: columns[0]: 'counter' -> 'group'",
        "changed: columns[1]: 'group' -> 'counter'",
        "added: new: {}",
        "changed: status / --json: 'b' -> 'c'",
        "added: status / --live: 'a'",
        "removed: status / --watch: 'a'",
    ]


def differences(before: Any, now: Any) -> Iterator[str]:
    """A line for each thing that differs, in the order of their paths."""
    old, new = dict(leaves(before)), dict(leaves(now))
    for path in sorted(old | new):
        if path not in new:
            yield f"removed: {path}: {old[path]!r}"
        elif path not in old:
            yield f"added: {path}: {new[path]!r}"
        elif old[path] != new[path]:
            yield f"changed: {path}: {old[path]!r} -> {new[path]!r}"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Whatever holds nothing else, with its path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path} / {key}" if path else key)
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{position}]")
    else:
        yield path, value
