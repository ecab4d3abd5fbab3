"""The evaluator of the random comparison says of every example of docs/semantics.md what the page says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from tests.evaluator.evaluate import evaluate
from tests.evaluator.formulas import parse, quotient, reckon
from tests.evaluator.numerals import NoFigure, read_text
from tests.evaluator.places import SQLite

PAGE = Path(__file__).parents[2] / "docs" / "semantics.md"
_BLOCK = re.compile(
    r"^```(sql|toml)\n(.*?)^```\n|^(\| counter \| group \| period \| result \|\n(?:\|[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)
_REASONS = re.compile("[a-z ]+")


def examples() -> Iterator[tuple[str, str, str, list[list[str]]]]:
    """The examples of the page: SQL, TOML and the rows of the table, under the heading that they stand under."""
    for part in re.split(r"^(?=##)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        sql, toml = [], ""
        for found in _BLOCK.finditer(part):
            kind, text, table = found.groups()
            if kind == "sql":
                sql.append(text)
            elif kind == "toml":
                toml = text
            else:
                rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()[2:]]
                yield part.splitlines()[0].strip("# "), "".join(sql), toml, rows
                sql, toml = [], ""


EXAMPLES = list(examples())


@pytest.mark.parametrize(("sql", "toml", "rows"), [it[1:] for it in EXAMPLES], ids=[it[0] for it in EXAMPLES])
def test_every_example_of_the_page(sql: str, toml: str, rows: list[list[str]], tmp_path: Path) -> None:
    """Each cell of each example is what the page says."""
    place = SQLite(tmp_path / "figures.db")
    place.load(sql)
    cells = evaluate(tomllib.loads(toml), place, {})
    place.close()
    for counter, group, period, result in rows:
        word, _, label = period.partition(" (")
        outcome = cells[counter, group, word]
        expected = (None, result) if _REASONS.fullmatch(result) else (Fraction(result), None)
        assert (outcome.value, outcome.reason) == expected, (counter, group, period)
        assert not label or label.rstrip(")") == outcome.label


def test_there_are_examples() -> None:
    """The page is read as it is written."""
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("12", "12"), ("+12", "12"), ("-12", "-12"), ("00012", "12"), ("12.5", "12.5"), ("12.", "12"), (".5", "0.5")],
        *[("1.2e3", "1200"), ("5E-2", "0.05"), (" \t12\r\n", "12")],
        *[(bad, None) for bad in ("", "n/a", "-", "1,234", "1 234", "12,5", "£12", "12 %", "(12)", "NaN", "0x10")],
        *[(bad, None) for bad in ("Infinity", "1_000", "٣", ".", "1e1000", "--1", "1\x0b", "1" * 1001)],
    ],
)
def test_the_spellings_that_count_without_settings(text: str, number: str | None) -> None:
    """The table of spellings, row by row."""
    assert read_text(text, {}) == (NoFigure.REJECTED if number is None else Fraction(number))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("1,234,567", 1234567), ("12,34,567", 1234567), ("1234567", 1234567), ("£1,234", 1234), ("-£ 7 %", -7)],
        *[("£-7", -7), ("(12)", -12), ("(£1,500)", -1500), ("-12", -12)],
        *[("1,5", None), ("1234,567", None), ("1,234,56", None), ("£-£7", None), ("(-7)", None), ("£", None)],
    ],
)
def test_numbers_as_people_publish_them(text: str, number: int | None) -> None:
    """The settings of `numbers`."""
    spelling = {"thousands": ",", "prefix": "£", "suffix": "%", "null": ["-"], "negative": "parentheses"}
    assert read_text(text, spelling) == (NoFigure.REJECTED if number is None else Fraction(number))
    assert read_text(" - ", spelling) is NoFigure.MISSING


def test_formulas_are_exact_and_quotients_rounded() -> None:
    """Precedence, signs, hyphens in names, and the rule of the 30 places."""
    values = {"a-b": Fraction(2), "a": Fraction(7), "b c": Fraction(3)}.__getitem__
    assert reckon(parse('a-b + a * "b c"'), values) == 23
    assert reckon(parse("-(a - 1) / 4"), values) == Fraction(-3, 2)
    assert quotient(Fraction(-2), Fraction(3)) == Fraction(-(6 * (10**30 - 1) // 9 + 1), 10**30)
    assert quotient(Fraction(5), Fraction(10**31)) == Fraction(1, 10**30)
