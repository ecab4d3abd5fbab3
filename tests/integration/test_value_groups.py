"""Groups with `group_by`: one for each value of a column, on PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from countercache.model.states import ALL, CellId, Reason
from countercache.settings import GroupSettings, Lookup, Over, Settings
from countercache.worker.protocol import CHECK, PLAN, Checked, Planned
from tests.computing import Results, compute, load, order
from tests.sources import both, counter, settings, values

TABLES = """
CREATE TABLE c (id text PRIMARY KEY, country text, tier integer);
CREATE TABLE f (e text, k text, p text, v integer);
INSERT INTO c VALUES ('a', 'England', 1), ('b', 'England', 2), ('c', 'O''Neill "x" %', 2),
  ('d', NULL, NULL), ('e', '', 1);
INSERT INTO f VALUES ('a', 'd', '2019', 5), ('b', 'd', '2019', 6), ('c', 'd', '2020', 7), ('d', 'd', '2020', 100),
  ('e', 'd', '2020', 1000), ('x', 'd', '2020', 9);
"""


def numbers(last: int) -> str:
    """A table n of the whole numbers i from 1 on, for what follows."""
    return f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last})"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("make_database")
        return make()
    return f"sqlite:///{tmp_path}/groups.db"


def grouped(url: str, by: dict[str, str], *, listed: bool = True, groups: tuple[str, ...] = ()) -> Settings:
    """Counters whose groups are those of columns; with `listed`, of the table of entities."""
    entities = Lookup(table="c", name="id") if listed else None
    found = settings(url, both(groups=(ALL, *by, *groups)), entities=entities)
    found.groups.update({name: GroupSettings(source="figures", group_by=column) for name, column in by.items()})
    return found


def groups_of(results: Results) -> set[str]:
    """The groups that the cells are of."""
    return {group for _, group, _ in results.cells}


@pytest.mark.parametrize("batch_size", ["auto", 1, 7])
def test_each_value_is_a_group(url: str, batch_size: int | str) -> None:
    """Whatever characters it has; who has no value, or an empty one, is in none."""
    load(url, TABLES, {})
    results = compute(grouped(url, {"country": "country"}), batch_size=batch_size)
    assert groups_of(results) == {ALL, "England", 'O\'Neill "x" %'}
    assert values(results) == (1118, 1118)
    assert values(results, group="England") == (11, 11)
    assert values(results, group='O\'Neill "x" %') == (7, 7)


def test_a_value_may_be_a_number(url: str) -> None:
    """It is named as the database writes it."""
    load(url, TABLES, {})
    results = compute(grouped(url, {"tier": "tier", "country": "country"}))
    assert groups_of(results) == {ALL, "1", "2", "England", 'O\'Neill "x" %'}
    assert values(results, group="1") == (1005, 1005)
    assert values(results, group="2") == (13, 13)


def test_without_an_entities_table_the_column_is_the_sources_own(url: str) -> None:
    """An entity with two values is in both groups, with all of its figures, as with `where`."""
    load(
        url,
        """CREATE TABLE f (e text, k text, p text, v integer, country text);
        INSERT INTO f VALUES ('a', 'd', '2019', 5, 'N'), ('b', 'd', '2019', 6, 'S'), ('b', 'd', '2020', 7, 'N');""",
        {},
    )
    results = compute(grouped(url, {"country": "country"}, listed=False))
    assert values(results, group="N") == (18, 18)
    assert values(results, group="S") == (13, 13)


def test_equal_spellings_are_one_group(url: str) -> None:
    """A column that takes two spellings for equal has one group of both, named by the first of them."""
    kind, extension = (
        ("citext", "CREATE EXTENSION citext;") if url.startswith("postgres") else ("text COLLATE NOCASE", "")
    )
    load(
        url,
        f"""{extension} CREATE TABLE c (id text PRIMARY KEY, country {kind});
        CREATE TABLE f (e text, k text, p text, v integer);
        INSERT INTO c VALUES ('a', 'wales'), ('b', 'Wales'), ('c', 'WALES');
        INSERT INTO f VALUES ('a', 'd', '2019', 5), ('b', 'd', '2019', 6), ('c', 'd', '2019', 7);""",
        {},
    )
    results = compute(grouped(url, {"country": "country"}))
    assert groups_of(results) == {ALL, "WALES"}
    assert values(results, group="WALES") == (18, 18)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE c SET country = 'all' WHERE id = 'a'", 'its value "all" is the name of another group'),
        ("UPDATE c SET country = 'few' WHERE id = 'a'", 'its value "few" is the name of another group'),
        ("UPDATE c SET country = NULL", 'column "country" of table "c" has no value to group by'),
        ("ALTER TABLE c RENAME COLUMN country TO county", 'table "c" has no column "country"; did you mean "county"?'),
        (
            f"INSERT INTO c (id, country) {numbers(1001)} SELECT 'n' || i, 'n' || i FROM n",
            'column "country" of table "c" has more than 1,000 values to group by',
        ),
    ],
)
def test_a_group_that_cannot_be_made_fails_its_counters_alone(url: str, change: str, said: str) -> None:
    """With what is wrong; a counter without the group is computed. `config check` says it too."""
    load(url, TABLES, {})
    load(url, change, {})
    mine = grouped(url, {"country": "country"})
    mine.groups["few"] = GroupSettings(source="figures", where="tier = 1")
    mine.counters["other"] = counter(groups=("few",))
    results = compute(mine)
    assert set(results.failures) == {"totals", "entities"}
    for failure in results.failures.values():
        assert failure.reason is Reason.CONFIG
        assert failure.text.startswith(f'group "country": {said}'), failure.text
    assert results.value("other", "few", "all") == 1005
    (checks,) = [report for report in order(mine, task=CHECK) if isinstance(report, Checked) and len(report.checks) > 1]
    assert {check.subject for check in checks.checks if not check.ok} >= {"group country", "counter totals"}


@pytest.mark.parametrize("over", [Over.TOTALS, Over.ENTITIES])
def test_a_counter_whose_group_cannot_be_made_lends_its_value(url: str, over: Over) -> None:
    """It fails, once, and has no cell besides; a counter in other groups that uses it is computed."""
    load(url, TABLES + "UPDATE c SET country = NULL;", {})
    counters = {"d-by-country": counter("d", groups=("country",), over=over), "twice": counter("d-by-country * 2")}
    of = settings(url, counters, entities=Lookup(table="c", name="id"))
    of.groups["country"] = GroupSettings(source="figures", group_by="country")
    results = compute(of)
    assert results.failures["d-by-country"].reason is Reason.CONFIG
    assert set(results.cells) == {("twice", ALL, "all")}
    assert results.value("twice", period="all") == 2236


def test_a_dry_run_lists_the_groups_of_the_values(url: str) -> None:
    """As cells that would be computed."""
    load(url, TABLES, {})
    (planned,) = [r for r in order(grouped(url, {"country": "country"}), task=PLAN) if isinstance(r, Planned)]
    assert CellId("totals", "England", ALL) in planned.cells
    assert not planned.failures


def test_config_check_looks_at_groups_that_no_counter_uses(url: str) -> None:
    """A `group_by` over a column that is not there is found before a counter uses it."""
    load(url, TABLES, {})
    mine = grouped(url, {"country": "country"})
    mine.groups["county"] = GroupSettings(source="figures", group_by="county")
    checks = [each for r in order(mine, task=CHECK) if isinstance(r, Checked) for each in r.checks]
    assert [each.subject for each in checks if not each.ok] == ["group county"]


def test_a_thousand_groups(url: str) -> None:
    """As many as are allowed, in several words of a mask: each entity is its own group."""
    load(url, TABLES.split("INSERT", maxsplit=1)[0], {})
    load(url, f"INSERT INTO c (id, country) {numbers(1000)} SELECT 'e' || i, 'c' || i FROM n", {})
    load(url, f"INSERT INTO f {numbers(1000)} SELECT 'e' || i, 'd', '2019', i FROM n", {})
    results = compute(grouped(url, {"country": "country"}))
    assert len(groups_of(results)) == 1001
    for i in (1, 62, 63, 500, 1000):
        assert values(results, group=f"c{i}") == (i, i)
