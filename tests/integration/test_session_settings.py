"""What a role, a database or a client sets for its sessions must not change what a total is called or is made of."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from countercache.settings import CounterSettings, DatabaseSettings, Settings
from tests.computing import compute, load
from tests.sources import both, settings, values

PERIODS = {
    "date": "2024-02-01",
    "timestamp": "2024-02-01 12:30:00",
    "timestamptz": "2024-02-01 12:30:00+00",
    "interval": "1 year 2 mons",
}


@pytest.mark.parametrize("kind", PERIODS)
@pytest.mark.parametrize("style", ["SQL, DMY", "German, DMY", "Postgres, MDY", "ISO, YMD"])
def test_labels_are_iso_whatever_the_session(make_database: Callable[[str], str], style: str, kind: str) -> None:
    """Dates and times are labels in the style of ISO 8601, in UTC, and periods can be asked for by them."""
    url = make_database("")
    name = url.rpartition("/")[2]
    with psycopg.connect(url) as server:
        for setting, value in {"datestyle": style, "timezone": "Asia/Kolkata", "intervalstyle": "iso_8601"}.items():
            server.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'".encode())
    label = PERIODS[kind]
    earlier = "11 mons" if kind == "interval" else "2023-02-01"
    rows = [("a", "d", earlier, 1), ("a", "d", label, 4)]
    script = "SET datestyle = 'ISO, YMD'; SET timezone = 'UTC';"
    load(url, script + f"CREATE TABLE f (e text, k text, p {kind}, v integer);", {"f": rows})
    results = compute(settings(url, both(periods=("latest", label))))
    assert results.cell("totals").label == label
    assert values(results, label) == values(results, "latest") == (4, 4)


def test_a_query_of_ones_own_runs_in_the_time_zone_of_the_database(make_database: Callable[[str], str]) -> None:
    """What is today for the site is so for its counters by SQL; sources, before or after, are read in UTC."""
    url = make_database("CREATE TABLE f (e text, k text, p timestamptz, v integer)")
    name = url.rpartition("/")[2]
    with psycopg.connect(url) as server:
        server.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'".encode())
        server.execute("INSERT INTO f VALUES ('a', 'd', '2024-02-01 20:00:00+00', 1)")
    query = "SELECT extract(day FROM p)::integer FROM f"
    counters = {name: CounterSettings(database="main", sql=query) for name in ("one", "two")}
    results = compute(Settings(databases={"main": DatabaseSettings(url=url)}, counters=counters))
    assert [results.value(name, period="all") for name in counters] == [2, 2]
