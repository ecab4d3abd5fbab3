"""An engine that another package brings: its folder and an entry point are all that it takes."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests import standard_engine
from tests.terminal import run
from tests.valkey import Valkey

TABLES = """
CREATE TABLE council (id INTEGER, slug TEXT, region TEXT);
CREATE TABLE year (id INTEGER, label TEXT);
CREATE TABLE figure (council_id INTEGER, field TEXT, year_id INTEGER, value DECIMAL);
CREATE TABLE budget (council TEXT, year TEXT, debt INTEGER, people INTEGER);
"""
SETTINGS = """
[redis]
url = "{redis}"
[databases.main]
url = "{database}"
[sources.figures]
database = "main"
table = "figure"
entity = "council_id"
field = "field"
period = "year_id"
value = "value"
entities = {{ table = "council", name = "slug" }}
periods = {{ table = "year", name = "label", order = "label" }}
[sources.budgets]
database = "main"
layout = "wide"
table = "budget"
entity = "council"
period = "year"
[groups.north]
source = "figures"
where = "region = 'North'"
[groups.regions]
source = "figures"
group_by = "region"
[groups.few]
source = "figures"
entities = ["c1", "c2"]
[counters.debt]
source = "figures"
formula = "debt - reserves"
groups = ["all", "north", "few", "regions"]
periods = ["latest", "all"]
compare = true
[counters.ratio]
source = "figures"
over = "entities"
aggregate = "avg"
formula = "debt / reserves"
groups = ["all", "north"]
periods = "each"
[counters.both]
source = "figures"
formula = "debt"
complete = true
[counters.per-head]
source = "budgets"
formula = "debt / people"
periods = "each"
[counters.largest]
source = "budgets"
over = "entities"
aggregate = "max"
formula = "debt"
periods = ["all"]
[counters.councils]
database = "main"
sql = "SELECT count(*) FROM council"
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A directory with the package, as if it were installed there."""
    directory = tmp_path / "packages"
    shutil.copytree(Path(standard_engine.__file__).parent, directory / "standard_engine")
    about = directory / "standard_engine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: standard-engine\nVersion: 1.0\n", encoding="utf-8")
    points = "[countercache.databases]\nstandard = standard_engine:StandardTarget\nmissing = standard_engine:Nothing\n"
    (about / "entry_points.txt").write_text(f"{points}odd = standard_engine:KINDS\n", encoding="utf-8")
    return directory


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A database file."""
    file = tmp_path / "site.db"
    rows: dict[str, Iterable[tuple[Any, ...]]] = {
        "council": [(n, f"c{n}", "North" if n % 3 else "South") for n in range(30)],
        "year": [(n, str(2019 + n)) for n in range(4)],
        "figure": [
            (c, field, y, None if (c, y) == (4, 2) else 100 * c + 7 * y + len(field))
            for c in range(30) for y in range(4) for field in ("debt", "reserves")
        ],
        "budget": [(f"c{c}", str(2019 + y), c * y, 10 + c) for c in range(30) for y in range(4)],
    }  # fmt: skip
    connection = sqlite3.connect(file)
    connection.executescript(TABLES)
    for table, values in rows.items():
        for row in values:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    connection.commit()
    connection.close()
    return file


def command(directory: Path, packages: Path, *arguments: str) -> Any:
    """What a command gives as JSON; it ends well."""
    done = run(*arguments, "--json", cwd=directory, env={"PYTHONPATH": str(packages)})
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def computed(
    directory: Path, packages: Path, redis: str, database: str, more: str = ""
) -> dict[tuple[str, str, str], str]:
    """What `config check` and a run give with this database: each cell's value."""
    directory.mkdir()
    text = SETTINGS.format(redis=redis, database=database) + more
    (directory / "countercache.toml").write_text(text, encoding="utf-8")
    checked = command(directory, packages, "config", "check")
    assert all(check["ok"] for check in checked["checks"]), checked
    command(directory, packages, "warmup", "--force")
    cells = command(directory, packages, "status")["counter_states"]
    return {(cell["slug"], cell["group"], cell["period"]): cell["value"] for cell in cells}


def test_an_engine_from_outside_gives_the_same_numbers(
    tmp_path: Path, installed: Path, site: Path, valkey: Valkey
) -> None:
    """Whatever can be configured is computed in standard SQL too, and comes out as SQLite's own engine has it."""
    found = computed(tmp_path / "standard", installed, valkey.url, f"standard:///{site}")
    assert found == computed(tmp_path / "sqlite", installed, valkey.url, f"sqlite:///{site}")
    cut = "[agent]\nbatch_size = 7\n"
    assert found == computed(tmp_path / "batches", installed, valkey.url, f"standard:///{site}", cut)
    assert len(found) == 10 + 8 + 1 + 4 + 1 + 1
    assert found["councils", "all", "all"] == "30"
    assert None not in found.values()


def test_a_sum_that_is_a_float_is_no_value(tmp_path: Path, installed: Path, site: Path, valkey: Valkey) -> None:
    """What an engine may have rounded is not stored, and the run ends; counters that do not read it are computed."""
    connection = sqlite3.connect(site)
    connection.execute("UPDATE figure SET value = 0.1 WHERE council_id = 3")
    connection.commit()
    connection.close()
    text = SETTINGS.format(redis=valkey.url, database=f"standard:///{site}")
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    done = run("warmup", "--json", cwd=tmp_path, env={"PYTHONPATH": str(installed)})
    (job,) = json.loads(done.stdout)["jobs"]
    errors = {counter["slug"]: counter["errors"] for counter in job["counters"]}
    assert {slug for slug, failures in errors.items() if failures} == {"debt", "ratio", "both"}
    assert "the database gives no exact sum of figures of figure" in json.dumps(errors)


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("nobody", "database main has the unknown engine 'nobody'; countercache reads PostgreSQL"),
        ("missing", "what reads missing:// for database main cannot be loaded: "),
        ("odd", "what reads odd:// for database main is no engine of countercache; its entry point must name a class"),
    ],
)
def test_an_engine_that_is_not_there(
    scheme: str, message: str, tmp_path: Path, installed: Path, site: Path, valkey: Valkey
) -> None:
    """One line says what is wrong with a scheme that nobody reads, or whose package is broken."""
    text = SETTINGS.format(redis=valkey.url, database=f"{scheme}:///{site}")
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    done = run("config", "check", cwd=tmp_path, env={"PYTHONPATH": str(installed)})
    assert done.returncode == 2
    assert message in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr
