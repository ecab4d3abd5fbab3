"""The suite itself: every row of the table of faults, enough injections, and a document that says what is proved."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.faults.injections import REGISTRY, ROWS
from tests.faults.soak import load

ROOT = Path(__file__).resolve().parents[2]
AT_LEAST = 300


def test_every_row_is_injected_and_there_are_enough() -> None:
    """At least 300 seeded injections over all rows of the table."""
    load()
    assert {injection.row for injection in REGISTRY} == set(ROWS)
    assert sum(injection.times for injection in REGISTRY) >= AT_LEAST


def test_injections_have_names_of_their_own_and_say_what_they_prove() -> None:
    """A seed and a name say which injection it was."""
    load()
    names = [injection.name for injection in REGISTRY]
    assert len(names) == len(set(names))
    assert all(injection.inject.__doc__ for injection in REGISTRY)


def test_the_guarantees_name_tests_that_exist() -> None:
    """`docs/guarantees.md` names, for each promise, tests that are there; and every promise has some."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not name or name in functions, f"{path} has no {name}"
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    for promise in "ABCDEFG":
        section = next(part for part in sections if part.startswith(f"{promise}. "))
        assert "`tests/" in section, f"promise {promise} names no test"


def test_the_guarantees_name_every_mutant() -> None:
    """The list of mutants in the document is the one that is run."""
    from tests.faults.mutants import MUTANTS

    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    for mutant in MUTANTS:
        assert mutant.name in text
        for killer in mutant.killers:
            assert killer.partition("::")[2] in text, f"{killer} is not in the document"
