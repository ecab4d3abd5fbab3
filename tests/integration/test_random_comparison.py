"""What the product computes of random tables is what docs/semantics.md says, as `tests/evaluator` reads the page.

The seeds are new in each run and printed; `COMPARISON_SEED` sets the first. `make soak` compares 500 more cases.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.conftest import ENGINES
from tests.evaluator.compare import report
from tests.evaluator.generate import draw
from tests.evaluator.places import ClickHouse, DuckDB, Generic, MariaDB, Place, PostgreSQL, SQLite

CASES, CHUNKS = 30, 5


@pytest.fixture(params=[*ENGINES, "generic"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A database of each kind for the cases of a chunk."""
    found: Place
    if request.param == "sqlite":
        found = SQLite(tmp_path / "figures.db")
    elif request.param == "make_duckdb":
        found = DuckDB(tmp_path / "figures.duckdb")
    elif request.param == "generic":
        found = Generic(tmp_path / "generic.db")
    elif request.param == "make_mariadb":
        url = request.getfixturevalue("make_mariadb")("")
        found = MariaDB(request.getfixturevalue("mariadb"), str(make_url(url).database))
    elif request.param == "make_clickhouse":
        found = ClickHouse(request.getfixturevalue("make_clickhouse")())
    else:
        found = PostgreSQL(request.getfixturevalue("make_database")())
    request.addfinalizer(found.close)
    return found


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_cell_is_what_the_page_says(place: Place, chunk: int, tmp_path: Path) -> None:
    """Thirty cases on each database, with batches of every size: each cell in full."""
    given = os.environ.get("COMPARISON_SEED")
    cases = CASES // CHUNKS
    first = int(given) + chunk * cases if given else secrets.randbelow(10**9)
    print(f"seeds {first} to {first + cases - 1} on {place.kind}")
    for seed in range(first, first + cases):
        found = report(draw(seed, place.kind), place, tmp_path)
        assert not found, found
