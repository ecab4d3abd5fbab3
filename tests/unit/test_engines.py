"""What belongs to one engine stays in its folder, and engines are found by the schemes of their URLs."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import countercache
from countercache.databases.registry import BUILT_IN, GROUP

PACKAGE = Path(countercache.__file__).parent
ENGINES = (
    *("databases/clickhouse/", "databases/duckdb/", "databases/mysql/", "databases/postgresql/", "databases/sqlite/"),
)

MAY_NAME_THEM = {
    "databases/registry.py": "knows the schemes of the built-in engines, and names these in hints",
    "config/document.py": "puts its directory before relative paths of files",
    "config/validation.py": "shows what a URL of a database looks like, and loads no engine for it",
    "demo/site.py": "makes a database of SQLite itself",
}
"""Modules with an engine's name in a string, each with the reason."""


def named(tree: ast.AST) -> Iterator[ast.Constant]:
    """The strings that name an engine, but for docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            names = "clickhouse|duckdb|postgres|psycopg|sqlite|mysql|mariadb"
            yield from [node] if re.search(names, node.value, re.IGNORECASE) else []


def test_nothing_outside_asks_which_engine_it_is() -> None:
    """Neither a comparison nor a message names an engine, and the list of those that may has none too many."""
    found: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(ENGINES):
            for node in named(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault(name, []).append(f"{name}:{node.lineno}: {node.value!r}")
    assert [line for name, lines in found.items() if name not in MAY_NAME_THEM for line in lines] == []
    assert found.keys() == MAY_NAME_THEM.keys()


def test_the_registry_knows_what_is_declared() -> None:
    """The entry points that other tools see are those by which the built-in engines are found."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == BUILT_IN
