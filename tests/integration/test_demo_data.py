"""The demo's files: the real figures in a database as a web stack has it, and a configuration to copy from."""

from __future__ import annotations

import csv
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from countercache.compute import formula
from countercache.config import loader
from countercache.demo import site
from countercache.errors import UsageError
from countercache.settings import EMBEDDED

PUBLISHED = Path(__file__).parents[1] / "data" / "published_totals.csv"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the demo in it."""
    path = tmp_path_factory.mktemp("demo") / "new" / "directory"
    site.create(path)
    return path


def figures(path: Path) -> Iterator[tuple[str, str, str, Decimal]]:
    """Field, period, country and value of each figure; SQLite's real numbers as the decimals that they print as."""
    query = """
        SELECT data_field.slug, financial_year.label, council.country, CAST(financial_figure.value AS TEXT)
        FROM financial_figure
        JOIN council ON council.id = council_id
        JOIN data_field ON data_field.id = field_id
        JOIN financial_year ON financial_year.id = year_id
    """
    with closing(sqlite3.connect(path)) as connection:
        for field, period, country, value in connection.execute(query):
            yield field, period, country, Decimal(value)


def test_the_figures_are_those_that_were_published(directory: Path) -> None:
    """Proves that all 1,190 published totals, by field, year and country, are the sums of the demo's figures."""
    sums: dict[tuple[str, str, str], Decimal] = {}
    for field, period, country, value in figures(directory / "councils.sqlite3"):
        for area in (country, "United Kingdom"):
            key = (field, period, area)
            sums[key] = sums.get(key, Decimal()) + value
    with PUBLISHED.open(newline="") as file:
        published = {(row["field"], row["period"], row["area"]): Decimal(row["value"]) for row in csv.DictReader(file)}
    assert len(published) == 1190
    different = {key: value for key, value in published.items() if sums[key] != value}
    assert different == {}


def test_the_configuration_is_one_to_copy_from(directory: Path) -> None:
    """Proves that it loads, uses what there is to show, and that its formulas name only fields of the data."""
    settings = loader.load(directory / "countercache.toml", {})
    assert settings.namespace == "demo"
    assert settings.redis.url == EMBEDDED
    assert settings.publish is not None
    assert settings.databases["main"].url == f"sqlite:///{directory.resolve()}/councils.sqlite3"
    assert set(settings.groups) == {"england", "scotland", "wales", "northern-ireland"}
    counters = settings.counters
    assert len(counters) >= 12
    assert any(counter.sql for counter in counters.values())
    assert any(counter.compare for counter in counters.values())
    with closing(sqlite3.connect(directory / "councils.sqlite3")) as connection:
        kinds = dict(connection.execute("SELECT slug, kind FROM data_field"))
    named: dict[str, set[str]] = {}
    for name, counter in counters.items():
        if counter.formula is not None:
            named[name] = {each.name for each in formula.names(formula.parse(counter.formula))}
            assert named[name] <= {*kinds, *counters}
    parts = named["short-term-borrowing"] | named["long-term-borrowing"] | named["securities"]
    assert parts == {field for field, kind in kinds.items() if kind == "borrowing"}
    assert len(parts) == 21
    assert named["investments"] == {field for field, kind in kinds.items() if kind == "investment"}
    assert sum(len(named[name]) for name in ("short-term-borrowing", "long-term-borrowing", "securities")) == 21


@pytest.mark.no_cover
def test_what_it_says_it_did(tmp_path: Path) -> None:
    """Proves the result's counts, and that all of it takes less than two seconds of this process's time."""
    began = time.process_time()
    result = site.create(tmp_path)
    assert time.process_time() - began < 2.0
    assert (result.entities, result.fields, result.periods, result.figures) == (560, 34, 7, 121_958)
    assert (result.directory, result.config_kept) == (str(tmp_path), False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["councils.sqlite3", "countercache.toml"]


def test_again_keeps_what_was_edited(tmp_path: Path) -> None:
    """Proves that a second time rebuilds the data and leaves an edited configuration, and says so."""
    site.create(tmp_path)
    assert not site.create(tmp_path).config_kept
    mine = '[databases.main]\nurl = "sqlite:///councils.sqlite3"\n'
    (tmp_path / "countercache.toml").write_text(mine)
    (tmp_path / "councils.sqlite3").write_text("broken")
    assert site.create(tmp_path).config_kept
    assert (tmp_path / "countercache.toml").read_text() == mine
    assert sum(1 for _ in figures(tmp_path / "councils.sqlite3")) == 121_958
    assert len(list(tmp_path.iterdir())) == 2


def test_a_configuration_of_something_else_is_nothing_to_try(tmp_path: Path) -> None:
    """Proves that a site's own configuration is not run as a demo, and that nothing is put beside it."""
    (tmp_path / "countercache.toml").write_text('[databases.main]\nurl = "sqlite:///site.db"\n')
    with pytest.raises(UsageError, match="has a configuration of its own; name another directory"):
        site.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["countercache.toml"]


def test_a_reader_never_sees_half_of_it(tmp_path: Path) -> None:
    """Proves that whoever opens the database while it is rebuilt finds all figures, old or new."""
    site.create(tmp_path)
    rebuilding = threading.Thread(target=site.create, args=[tmp_path])
    rebuilding.start()
    seen = 0
    while rebuilding.is_alive():
        with closing(sqlite3.connect(tmp_path / "councils.sqlite3")) as connection:
            assert connection.execute("SELECT count(*) FROM financial_figure").fetchone() == (121_958,)
        seen += 1
    rebuilding.join()
    assert seen > 0


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """Proves that a bad directory is one line with the cure."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"the demo cannot be put into .*file.*; name a directory that you may write"):
        site.create(tmp_path / "file")
