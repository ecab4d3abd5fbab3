"""docs/semantics.md: every example on the page, computed by the real command on each database."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from countercache.render import toml
from tests import pages
from tests.terminal import run
from tests.valkey import Valkey

PAGE = pages.DOCS / "semantics.md"
HEAD = "| counter | group | period | result |"
_TITLE = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LATEST = re.compile(r"latest \((.+)\)")


class Example(NamedTuple):
    """An example: the heading it stands under, its SQL and TOML, and the rows of its table."""

    title: str
    sql: str
    toml: str
    rows: tuple[tuple[str, str, str, str], ...]


def examples(page: str) -> Iterator[Example]:
    """The examples of a page: each a table of results, with the blocks between it and the table before."""
    start = 0
    for at in (match.start() for match in re.finditer(re.escape(HEAD), page)):
        table = page[at:].partition("\n\n")[0].splitlines()[2:]
        blocks = pages.blocks(page[start:at])
        yield Example(
            _TITLE.findall(page[:at])[-1],
            "\n".join(block.text for block in blocks if block.language == "sql"),
            "\n".join(block.text for block in blocks if block.language == "toml"),
            tuple(_row(line) for line in table),
        )
        start = at


def _row(line: str) -> tuple[str, str, str, str]:
    counter, group, period, result = (cell.strip() for cell in line.strip().strip("|").split("|"))
    return counter, group, period, result


EXAMPLES = tuple(examples(PAGE.read_text(encoding="utf-8")))


def configuration(example: Example, redis: str, database: str) -> str:
    """The example's TOML with what it leaves out: Redis, the database, and that all its sources are there."""
    data: dict[str, Any] = tomllib.loads(example.toml)
    for source in data.get("sources", {}).values():
        source.setdefault("database", "main")
    for counter in data["counters"].values():
        if "sql" in counter:
            counter.setdefault("database", "main")
    data |= {"namespace": "semantics", "redis": {"url": redis}, "databases": {"main": {"url": database}}}
    return "\n".join(toml.lines(data))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.sub(r"\W+", "-", example.title.lower()))
def test_an_example(example: Example, tmp_path: Path, valkey: Valkey, make_tables: Callable[[str], str]) -> None:
    """Each cell of the table has exactly that value, or fails for that reason."""
    text = configuration(example, valkey.url, make_tables(example.sql))
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    warmed = run("warmup", cwd=tmp_path)
    shown = run("status", "--json", cwd=tmp_path)
    assert shown.returncode == 0, warmed.stderr + shown.stderr
    cells = json.loads(shown.stdout)["counter_states"]
    assert [found(cells, *row[:3]) for row in example.rows] == [expected(row[3]) for row in example.rows], warmed.stderr


def found(cells: list[dict[str, Any]], counter: str, group: str, period: str) -> Decimal | str:
    """What the cell has: a value, or the reason for none; in words, where there is no such cell."""
    label = _LATEST.fullmatch(period)
    for cell in cells:
        latest = period == "latest" or label is not None
        same = cell["latest"] if latest else cell["period"] == period and not cell["latest"]
        if (cell["slug"], cell["group"]) == (counter, group) and same:
            if label and cell["period"] != label[1]:
                return f"the latest period is {cell['period']}"
            return str(cell["error"]["reason"]) if cell["error"] else Decimal(cell["value"])
    return "there is no such cell"


def expected(result: str) -> Decimal | str:
    """What a table's row promises."""
    return Decimal(result) if re.fullmatch(r"-?\d+(\.\d+)?", result) else result


def test_the_page_has_examples() -> None:
    """Proves that the page is read: all its blocks of SQL and TOML belong to an example with a table of results."""
    page = PAGE.read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 7
    assert all(example.sql and example.toml and example.rows for example in EXAMPLES)
    blocks = [block for block in pages.blocks(page) if block.language in {"sql", "toml"}]
    assert sum(block.text in example.sql + example.toml for block in blocks for example in EXAMPLES) >= len(blocks)
    assert blocks[-1].end < page.rindex(HEAD), "the last blocks are followed by no table of results"
