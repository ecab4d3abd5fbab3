"""Groups and periods that come and go with the data: what a run leaves in Redis, and which keys the site reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.operating import document, sql
from tests.terminal import run
from tests.valkey import Valkey

CONFIG = """
namespace = "{namespace}"
[redis]
url = "{redis}"

[databases.main]
url = "sqlite:///{directory}/site.db"

[publish]
key = "{namespace}:{{counter}}:{{group}}:{{period}}"

[sources.figures]
database = "main"
table = "figure"
entity = "council"
field = "field"
period = "year"
value = "value"
entities = {{ table = "council", key = "slug", name = "slug" }}

[groups.country]
source = "figures"
group_by = "country"

[counters.debt]
source = "figures"
formula = "debt"
groups = ["all", "country"]
periods = "each"
"""
TABLES = """
CREATE TABLE council (slug TEXT PRIMARY KEY, country TEXT);
INSERT INTO council VALUES ('leeds', 'England'), ('fife', 'Scotland'), ('bath', 'England');
CREATE TABLE figure (council TEXT, field TEXT, year TEXT, value INTEGER);
INSERT INTO figure VALUES ('leeds', 'debt', '2019', 1), ('fife', 'debt', '2019', 20), ('leeds', 'debt', '2020', 300),
  ('fife', 'debt', '2020', 4000), ('bath', 'debt', '2020', 50000);
"""


@pytest.fixture
def directory(tmp_path: Path, valkey: Valkey) -> Path:
    """A site whose counter has a cell for each country and year."""
    text = CONFIG.format(redis=valkey.url, namespace=tmp_path.name, directory=tmp_path)
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    sql(tmp_path, TABLES)
    return tmp_path


def shown(directory: Path) -> dict[tuple[str, str], str | None]:
    """The values by group and period, as `status` has them."""
    cells = document("status", cwd=directory)["counter_states"]
    return {(each["group"], each["period"]): each["value"] for each in cells}


def published(directory: Path, valkey: Valkey) -> set[str]:
    """The keys that the site reads, without what is the same in all."""
    client = valkey.client()
    return {key.split(":", 2)[2] for key in client.scan_iter(f"{directory.name}:*")}


FIRST = {
    ("all", "2019"): "21",
    ("all", "2020"): "54300",
    ("England", "2019"): "1",
    ("England", "2020"): "50300",
    ("Scotland", "2019"): "20",
    ("Scotland", "2020"): "4000",
}


def test_what_the_database_no_longer_has_is_removed(directory: Path, valkey: Valkey) -> None:
    """A group stands for itself until the first run. A value that was renamed and a year that was deleted go, also the
    keys that the site reads, and `prune` leaves what there is.
    """
    assert shown(directory) == {("all", "each"): None, ("country", "each"): None}
    assert run("warmup", cwd=directory).returncode == 0
    assert shown(directory) == FIRST
    assert published(directory, valkey) == {f"{group}:{year}" for group, year in FIRST}
    sql(directory, "UPDATE council SET country = 'Alba' WHERE country = 'Scotland'")
    sql(directory, "DELETE FROM figure WHERE year = '2019'")
    assert run("warmup", cwd=directory).returncode == 0
    assert shown(directory) == {("all", "2020"): "54300", ("England", "2020"): "50300", ("Alba", "2020"): "4000"}
    assert published(directory, valkey) == {"all:2020", "England:2020", "Alba:2020"}
    assert run("warmup", cwd=directory).returncode == 0
    assert document("prune", "--dry-run", cwd=directory)["cells"] == []


def test_an_empty_table_removes_nothing(directory: Path, valkey: Valkey) -> None:
    """It is being filled again, perhaps: the last values stay, and each says that there are no figures now."""
    assert run("warmup", cwd=directory).returncode == 0
    sql(directory, "DELETE FROM figure")
    assert run("warmup", cwd=directory).returncode == 1
    assert shown(directory) == FIRST
    assert {each["error"]["reason"] for each in document("status", cwd=directory)["counter_states"]} == {"no figures"}
    assert published(directory, valkey) == {f"{group}:{year}" for group, year in FIRST}


def test_a_group_that_is_removed_from_the_configuration_is_pruned(directory: Path, valkey: Valkey) -> None:
    """With the groups of all its values."""
    assert run("warmup", cwd=directory).returncode == 0
    file = directory / "countercache.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('["all", "country"]', '["all"]'), encoding="utf-8")
    assert run("prune", cwd=directory).returncode == 0
    assert published(directory, valkey) == {"all:2019", "all:2020"}


def test_two_cells_that_share_a_key_fail(directory: Path, valkey: Valkey) -> None:
    """Names from the database can make one key of two cells. Neither is published, and each names the other."""
    sql(directory, "UPDATE council SET country = 'A'; UPDATE council SET country = 'A:2020' WHERE slug = 'fife'")
    sql(directory, "UPDATE figure SET year = 'Q1'; UPDATE figure SET year = '2020:Q1' WHERE value > 300")
    sql(directory, "INSERT INTO figure VALUES ('fife', 'debt', 'Q1', 7)")
    result = run("warmup", cwd=directory)
    assert result.returncode == 3
    cells = document("status", cwd=directory)["counter_states"]
    failed = {(each["group"], each["period"]): each["error"]["message"] for each in cells if each["error"]}
    assert set(failed) == {("A", "2020:Q1"), ("A:2020", "Q1")}
    assert 'A:2020:Q1" is also that of debt (A:2020); change "key" in [publish]' in failed["A", "2020:Q1"]
    assert "A:2020:Q1" not in published(directory, valkey)


def test_keys_of_a_period_that_is_no_longer_the_latest_go(directory: Path, valkey: Valkey) -> None:
    """The cell of `latest` has one key under that word and one under the period's own name, be it a later or an earlier
    one. A key that another cell of the counter has stays.
    """
    file = directory / "countercache.toml"
    text = file.read_text(encoding="utf-8").replace('periods = "each"', 'periods = ["latest", "2019"]')
    file.write_text(text.replace('["all", "country"]', '["all"]'), encoding="utf-8")
    for change, label in [
        ("UPDATE figure SET value = value", "2020"),
        ("INSERT INTO figure SELECT council, field, '2021', 5 FROM figure WHERE year = '2020'", "2021"),
        ("DELETE FROM figure WHERE year = '2021'", "2020"),
    ]:
        sql(directory, change)
        assert run("warmup", cwd=directory).returncode == 0
        assert published(directory, valkey) == {"all:latest", "all:2019", f"all:{label}"}
