"""The fields of a source: whoever misspells one, or has none, is shown those there are, or how to get some."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import Terminal, run
from tests.valkey import Valkey

LONG = """
[sources.figures]
database = "main"
table = "figure"
entity = "council"
field = "field"
period = "year"
value = "value"
"""
WIDE = """
[sources.figures]
database = "main"
layout = "wide"
table = "budget"
entity = "council"
period = "year"
"""
FIGURES = """
CREATE TABLE figure (council TEXT, field TEXT, year TEXT, value NUMERIC);
INSERT INTO figure VALUES
  ('leeds', 'roads', '2020', 1), ('leeds', 'parks', '2020', 2), ('leeds', NULL, '2020', 3);
CREATE TABLE data_field (id INTEGER, name TEXT);
"""
BUDGETS = """
CREATE TABLE budget (council TEXT, year TEXT, roads NUMERIC, parks NUMERIC, debt TEXT);
CREATE TABLE texts (council TEXT, year TEXT, debt TEXT, people TEXT);
CREATE TABLE "keys" (council TEXT, year TEXT);
"""
LOOKUP = 'fields = { table = "data_field" }\n'

Site = Callable[..., Path]


def counter(formula: str, name: str = "total") -> str:
    """A counter over the source."""
    return f'[counters.{name}]\nsource = "figures"\nformula = "{formula}"\n'


@pytest.fixture
def site(tmp_path: Path, valkey: Valkey, make_tables: Callable[[str], str]) -> Site:
    """A site with these tables and this configuration."""

    def make(sql: str, toml: str) -> Path:
        above = f'[redis]\nurl = "{valkey.url}"\n[databases.main]\nurl = "{make_tables(sql)}"\n'
        (tmp_path / "countercache.toml").write_text(above + toml, encoding="utf-8")
        return tmp_path

    return make


def source(site: Path, exit_code: int = 0) -> dict[str, Any]:
    """What `config check` says of the source."""
    done = run("config", "check", "--json", cwd=site)
    assert done.returncode == exit_code, done.stdout + done.stderr
    (found,) = [check for check in json.loads(done.stdout)["checks"] if check["subject"] == "source figures"]
    return dict(found)


def failure(site: Path) -> str:
    """Why the run failed, as it said on stderr."""
    done = run("warmup", cwd=site)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr.replace("countercache: error: ", "").strip()


@pytest.mark.terminal
@pytest.mark.parametrize(
    ("sql", "toml", "fields"),
    [
        (FIGURES, LONG, ["parks", "roads"]),
        (FIGURES + "INSERT INTO data_field VALUES (1, 'roads')", LONG + LOOKUP, ["roads"]),
        (FIGURES, LONG + counter("1 + parks", "roads"), ["parks", "roads"]),
        (BUDGETS, WIDE, ["parks", "roads"]),
        (BUDGETS, WIDE + 'fields = { borrowing = "parks" }\n', ["borrowing"]),
    ],
    ids=["long", "long-lookup", "long-named-as-a-counter", "wide", "wide-renamed"],
)
def test_the_fields_are_listed(site: Site, sql: str, toml: str, fields: list[str]) -> None:
    """In JSON, in a pipe and on a terminal `config check` shows what a formula may name."""
    directory = site(sql, toml + counter(f"1 + {fields[0]}"))
    assert source(directory)["fields"] == fields
    listed = f"with {len(fields)} field{'s' if len(fields) > 1 else ''}: {', '.join(fields)}"
    assert listed in run("config", "check", cwd=directory).stdout
    with Terminal("config", "check", width=120, cwd=directory) as terminal:
        assert terminal.finish() == 0
    assert listed in terminal.text


def test_many_fields_are_shortened(site: Site) -> None:
    """All of them are in the JSON; people see the first twenty."""
    names = [f"field-{number:03}" for number in range(300)]
    rows = ", ".join(f"('leeds', '{name}', '2020', 1)" for name in names)
    directory = site(f"{FIGURES} DELETE FROM figure; INSERT INTO figure VALUES {rows}", LONG + counter("field-007"))
    found = source(directory)
    assert found["fields"] == names
    assert "with 300 fields: field-000, " in found["message"]
    assert ", field-019 and 280 more" in found["message"]


@pytest.mark.parametrize(
    ("sql", "toml", "why"),
    [
        (
            BUDGETS,
            WIDE.replace("budget", "texts"),
            """table "texts" has no numeric column for a field; text is in debt, people: name those that hold figures \
in `fields`, and in `numbers` how they spell numbers""",
        ),
        (BUDGETS, WIDE.replace("budget", "keys"), 'table "keys" has no column for a field; name another table'),
        (FIGURES, LONG + LOOKUP, 'table "data_field" has no rows, so there is no field; fill it'),
        (
            FIGURES + "DELETE FROM figure",
            LONG,
            'table "figure" has no rows with a field; fill it, or name another table',
        ),
        (
            FIGURES + "INSERT INTO data_field VALUES (1, 'roads'), (2, 'roads'), (3, 'parks')",
            LONG + 'fields = { table = "data_field", where = "id < 3" }\n',
            'table "data_field" has two rows named "roads"',
        ),
        (
            FIGURES + "INSERT INTO data_field VALUES (1, 'roads')",
            LONG + 'fields = { table = "data_field", where = "id > 1" }\n',
            'table "data_field" has no rows for which its "where" holds, so there is no field; look at it',
        ),
        (BUDGETS, WIDE + 'fields = ["debts"]\n', 'table "budget" has no column "debts"; did you mean "debt"?'),
    ],
    ids=["wide-texts", "wide-keys", "long-lookup", "long", "twice", "where", "wrong-column"],
)
def test_no_field_at_all_is_an_error(site: Site, sql: str, toml: str, why: str) -> None:
    """A source without fields is no source that is well: why there are none, and the cure."""
    found = source(site(sql, toml + counter("debts" if "debts" in toml else "debt")), 2)
    assert (found["ok"], found["message"], found["fields"]) == (False, why, [])


@pytest.mark.parametrize(
    ("sql", "toml", "formula", "why"),
    [
        (BUDGETS, WIDE, "road", 'no field or counter is called "road"; did you mean "roads"?'),
        (BUDGETS, WIDE, "xyz", 'no field or counter is called "xyz"; the fields are: parks, roads'),
        (
            BUDGETS,
            WIDE,
            "debt",
            """no field or counter is called "debt"; column "debt" of table "budget" is of type {text}: name it in \
`fields`, and in `numbers` how it spells numbers""",
        ),
        (FIGURES, LONG + LOOKUP, "xyz", 'no field or counter is called "xyz"; the fields are: none'),
    ],
    ids=["near", "far", "text", "none"],
)
def test_an_unknown_field_is_answered_with_those_there_are(
    site: Site, sql: str, toml: str, formula: str, why: str
) -> None:
    """The hint is the answer: it does not send to a command that says nothing more."""
    directory = site(sql, toml + counter(formula))
    said = re.sub("of type (text|TEXT|String|VARCHAR):", "of type {text}:", failure(directory))
    assert said == f"total: config: counter total: {why}"


def test_a_misspelt_field_of_the_counters_own_name_is_no_circle(site: Site) -> None:
    """A counter that names itself means a field of that name; a circle of two is one."""
    said = failure(site(BUDGETS, WIDE + counter("road", "road") + counter("b + 1", "a") + counter("a + 1", "b")))
    assert 'road: config: counter road: no field is called "road"; did you mean "roads"?' in said
    assert "counters use each other in a circle: a → b → a" in said


def test_a_name_that_is_wrong_is_not_what_was_meant(site: Site) -> None:
    """A counter of that name is no cure for a field that is missing, where no table lists the fields."""
    said = failure(site(FIGURES, LONG + counter("debt + 1", "debt")))
    see = 'see what column "field" of table "figure" holds'
    assert said == f'debt: config: counter debt, field "debt": no field or counter is called that; {see}'


@pytest.mark.parametrize("others", ["", 'periods = "each"\n'])
def test_a_period_that_does_not_exist_is_found_without_a_table_of_periods(site: Site, others: str) -> None:
    """Before the first run, with those that there are, as the run says it."""
    more = counter("parks", "others") + others
    directory = site(FIGURES, LONG + counter("roads") + 'periods = ["2020", "fy20"]\n' + more)
    done = run("config", "check", "--json", cwd=directory)
    assert done.returncode == 2, done.stdout + done.stderr
    (found,) = [check for check in json.loads(done.stdout)["checks"] if check["subject"] == "counter total"]
    assert (found["ok"], found["message"]) == (False, 'there is no period "fy20"; there is "2020"')
    done = run("warmup", cwd=directory)
    assert done.returncode == 3, done.stdout + done.stderr
    assert found["message"] in done.stderr
