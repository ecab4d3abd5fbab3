"""Random tables and counters: what the databases compute equals what plain loops over fractions give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from countercache.model.states import Computed, Reason
from countercache.settings import CounterSettings
from tests import worlds
from tests.computing import as_if_large, compute, generic_url
from tests.postgres import Cluster
from tests.worlds import World

LARGE = "as if large"
"""The batch size `auto`, where every table is one that is cut."""


@pytest.fixture(
    scope="module", params=[pytest.param("postgresql", marks=pytest.mark.postgres), "sqlite", "duckdb", "anysqlite"]
)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One database for all examples."""
    if request.param != "postgresql":
        kind = request.param.removeprefix("any")
        path = f"{kind}:///{tmp_path_factory.mktemp('property')}/any.db"
        yield path if kind == request.param else generic_url(path)
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    cluster.execute("CREATE DATABASE property TEMPLATE template0")
    yield cluster.url("property")
    cluster.execute("DROP DATABASE property WITH (FORCE)")


@hypothesis_settings(
    max_examples=100,
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    world=worlds.worlds(),
    formulas=st.lists(st.tuples(worlds.trees, worlds.counters), min_size=1, max_size=4),
    batch_size=st.sampled_from(["auto", 1, 2, LARGE]),
)
def test_equals_plain_loops(
    url: str, world: World, formulas: list[tuple[worlds.Formula, CounterSettings]], batch_size: int | str
) -> None:
    """Values, previous values, changes, failures, coverage and rejected values: all are as the loops say."""
    counters = [msgspec.structs.replace(c, formula=worlds.render(tree)) for tree, c in formulas]
    world = world.kept_by(url.removeprefix("any").partition(":")[0])
    worlds.fill(world, url)
    with as_if_large() if batch_size == LARGE else nullcontext():
        results = compute(
            worlds.settings(world, url, counters), batch_size="auto" if batch_size == LARGE else batch_size
        )
    assert results.ended is None
    for i, (tree, counter) in enumerate(formulas):
        note(f"n{i}: {worlds.render(tree)}")
        name = f"n{i}"
        if name in results.failures:
            reason = results.failures[name].reason
            no_period = reason is Reason.NO_FIGURES and counter.periods == "each" and not world.present()
            assert no_period or no_such_field(world, tree, reason), results.failures[name]
            continue
        cells = {key[1:]: cell for key, cell in results.cells.items() if key[0] == name}
        assert set(cells) == set(expected_cells(world, counter))
        for (group, period), cell in cells.items():
            assert_cell(world, tree, counter, (group, period), cell)


def expected_cells(world: World, counter: CounterSettings) -> Iterator[tuple[str, str]]:
    """Group and period of each cell."""
    periods = world.present() if counter.periods == "each" else counter.periods
    for group in counter.groups:
        for period in periods:
            yield group, period


def no_such_field(world: World, tree: worlds.Formula, reason: Reason) -> bool:
    """Without a lookup table, a field of which there is no row does not exist."""
    known = {row[1] for row in world.rows}
    return reason is Reason.CONFIG and not world.field_lookup and not worlds.leaves(tree) <= known


def assert_cell(
    world: World, tree: worlds.Formula, counter: CounterSettings, place: tuple[str, str], cell: Computed
) -> None:
    """One cell is what the loops say."""
    group, period = place
    note(f"{cell}")
    reason = cell.failure.reason if cell.failure else None
    if wrong := group_is_wrong(world, group):
        assert reason is wrong
        return
    present, existing = world.present(), world.periods()
    label = world.latest(tree, counter) if period == "latest" else period
    if label is None or not (existing or label == "all"):
        assert reason is Reason.NO_FIGURES
        return
    if label not in (*existing, "all"):
        assert reason is Reason.CONFIG
        return
    assert cell.label == label
    expected = world.expected(tree, counter, group, present if period == "all" else [label])
    assert (reason or Fraction(cell.value or 0)) == expected.value
    assert cell.rejected == expected.rejected
    coverage = (expected.reported, expected.entities) if expected.reported <= expected.entities else None
    assert (None if cell.coverage is None else (cell.coverage.reported, cell.coverage.entities)) == coverage
    previous = None
    if counter.compare and period != "all" and existing.index(label) and not cell.failure:
        before = world.expected(tree, counter, group, [existing[existing.index(label) - 1]]).value
        previous = before if isinstance(before, Fraction) else None
    assert (None if cell.previous is None else Fraction(cell.previous)) == previous
    change: Any = None
    points = counter.format.percent
    if (previous or (points and previous is not None)) and isinstance(expected.value, Fraction):
        change = worlds.rounded((expected.value - previous) * 100 / (1 if points else abs(previous)), 1)
    assert cell.points is points
    assert (None if cell.change is None else Fraction(cell.change)) == change


def group_is_wrong(world: World, group: str) -> Reason | None:
    """A group that selects nobody, or names somebody who does not exist."""
    named = {"named": {"ann"}, "both": {"ann", "bob's"}}.get(group, set())
    members = world.members(group)
    if members is None or (members and named <= world.everybody()):
        return None
    return Reason.CONFIG
