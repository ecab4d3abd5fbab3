"""The change from the period before: of a share in percentage points, of everything else in percent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from countercache.settings import CounterSettings, DatabaseSettings, Format, Layout, Settings, SourceSettings
from tests.computing import compute, load


@pytest.mark.parametrize(
    ("before", "now", "percent", "points"),
    [
        ("0.25", "0.30", "20.0", "5.0"),
        ("0.882", "0.885", "0.3", "0.3"),
        ("0.30", "0.25", "-16.7", "-5.0"),
        ("-0.5", "0.5", "200.0", "100.0"),
        ("0.2", "0.2005", "0.3", "0.1"),
        ("0.2", "0.1995", "-0.3", "-0.1"),
        ("0.2", "0.20049", "0.2", "0.0"),
        ("10", "9.9999", "0.0", "0.0"),
        ("0", "0.05", None, "5.0"),
    ],
)
def test_the_change_of_a_share_is_in_points(
    tmp_path: Path, before: str, now: str, percent: str | None, points: str
) -> None:
    """Half is rounded away from zero in both; from nothing there is a change in points and none in percent; no "-0"."""
    url = f"sqlite:///{tmp_path}/shares.db"
    load(
        url,
        f"CREATE TABLE t (who, year, share TEXT); INSERT INTO t VALUES (1, '1', '{before}'), (1, '2', '{now}');",
        {},
    )
    source = SourceSettings(
        database="main", layout=Layout.WIDE, table="t", entity="who", period="year", fields=("share",)
    )
    counters = {
        name: CounterSettings(source="t", formula="share", compare=True, format=Format(percent=name == "ratio"))
        for name in ("number", "ratio")
    }
    settings = Settings(databases={"main": DatabaseSettings(url=url)}, sources={"t": source}, counters=counters)
    results = compute(settings)
    number, ratio = results.cell("number"), results.cell("ratio")
    assert (None if number.change is None else str(number.change), number.points) == (percent, False)
    assert (str(ratio.change), ratio.points) == (points, True)
    assert ratio.previous == Decimal(before)
