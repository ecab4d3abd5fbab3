"""What the product computes of random tables is what docs/semantics.md says, as `tests/evaluator` reads the page.

The seeds are new in each run and printed; `COMPARISON_SEED` sets the first. `make soak` compares 500 more cases.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ENGINES
from tests.evaluator.compare import report
from tests.evaluator.generate import draw
from tests.evaluator.places import ClickHouse, Place, PostgreSQL, SQLite

CASES, CHUNKS = 30, 5
PLACES: dict[str, Callable[[str], Place]] = {"make_clickhouse": ClickHouse, "make_database": PostgreSQL}


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A database of each kind for the cases of a chunk."""
    found: Place
    if request.param == "sqlite":
        found = SQLite(tmp_path / "figures.db")
    else:
        make: Callable[[], str] = request.getfixturevalue(request.param)
        found = PLACES[request.param](make())
    request.addfinalizer(found.close)
    return found


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_cell_is_what_the_page_says(place: Place, chunk: int, tmp_path: Path) -> None:
    """Thirty cases on each database, with batches of every size: each cell in full."""
    given = os.environ.get("COMPARISON_SEED")
    first = int(given) + chunk * CASES // CHUNKS if given else secrets.randbelow(10**9)
    print(f"seeds {first} to {first + CASES // CHUNKS - 1} on {place.kind}")
    for seed in range(first, first + CASES // CHUNKS):
        found = report(draw(seed, place.kind), place, tmp_path)
        assert not found, found
