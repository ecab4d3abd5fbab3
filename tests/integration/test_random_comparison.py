"""What the product computes of random tables is what docs/semantics.md says, as `tests/evaluator` reads the page.

The seeds are new in each run and printed; `COMPARISON_SEED` sets the first. `make soak` compares 500 more cases.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.evaluator.compare import report
from tests.evaluator.generate import draw
from tests.evaluator.places import MariaDB, PostgreSQL, Some, SQLite

CASES, CHUNKS = {"postgresql": 30, "sqlite": 30, "mariadb": 60}, 5


@pytest.fixture(
    params=[
        pytest.param("mariadb", marks=pytest.mark.mariadb),
        pytest.param("postgresql", marks=pytest.mark.postgres),
        "sqlite",
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Some:
    """A database of each kind for the cases of a chunk."""
    found: Some
    if request.param == "sqlite":
        found = SQLite(tmp_path / "figures.db")
    elif request.param == "mariadb":
        url = request.getfixturevalue("make_mariadb")("")
        found = MariaDB(request.getfixturevalue("mariadb"), str(make_url(url).database))
    else:
        make: Callable[[], str] = request.getfixturevalue("make_database")
        found = PostgreSQL(make())
    request.addfinalizer(found.close)
    return found


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_cell_is_what_the_page_says(place: Some, chunk: int, tmp_path: Path) -> None:
    """Thirty cases on each database or more, with batches of every size: each cell in full."""
    given = os.environ.get("COMPARISON_SEED")
    cases = CASES[place.kind] // CHUNKS
    first = int(given) + chunk * cases if given else secrets.randbelow(10**9)
    print(f"seeds {first} to {first + cases - 1} on {place.kind}")
    for seed in range(first, first + cases):
        found = report(draw(seed, place.kind), place, tmp_path)
        assert not found, found
