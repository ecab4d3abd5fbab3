"""Tables that are cut by where their rows lie: several queries of several parts, groups looked up or joined."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from countercache.databases.sqlite.connection import SQLite
from countercache.settings import (
    CounterSettings,
    DatabaseSettings,
    GroupSettings,
    Layout,
    Lookup,
    Settings,
    SourceSettings,
)
from countercache.worker.protocol import Progressed
from tests.computing import as_if_large, compute, load

ENTITIES = 2000
PERIODS = ("2019", "2020")
FIELDS = ("debt", "cash", "loans")


def value(entity: int, field: int, period: int) -> int:
    """Some figure in hundredths, negative for some."""
    return (entity * 7919 + field * 104729 + period * 1299709) % 200_000 - 50_000


def expected(field: int, period: int, entities: range) -> Decimal:
    """The sum of figures by a loop."""
    return Decimal(sum(value(entity, field, period) for entity in entities)).scaleb(-2)


def figures(url: str, *, wide: bool, keys: str) -> None:
    """Figures of all entities, in blocks of a period each."""

    def key(number: int) -> int | str:
        return f"e{number:04}" if keys == "text" else number

    numbers = range(1, ENTITIES + 1)
    script = f"CREATE TABLE who (id {keys} PRIMARY KEY, odd integer);"
    if wide:
        script += f"CREATE TABLE figures (who {keys}, year text, debt numeric, cash numeric, loans numeric)"
        rows = [
            (key(e), PERIODS[p], *(Decimal(value(e, f, p)).scaleb(-2) for f in range(3)))
            for p in range(2)
            for e in numbers
        ]
    else:
        script += f"CREATE TABLE figures (who {keys}, year text, field text, value numeric)"
        rows = [
            (key(e), PERIODS[p], FIELDS[f], Decimal(value(e, f, p)).scaleb(-2))
            for p in range(2)
            for e in numbers
            for f in range(3)
        ]
    load(url, script, {"who": [(key(e), e % 2) for e in numbers], "figures": rows})


@pytest.mark.parametrize("groups", [0, 1, 16], ids=["no groups", "looked up", "joined"])
@pytest.mark.parametrize("keys", ["integer", "bigint", "text"])
@pytest.mark.parametrize("wide", [False, True], ids=["long", "wide"])
def test_every_row_is_in_one_part(make_database: Callable[[], str], wide: bool, keys: str, groups: int) -> None:
    """Sums are those of a loop, whatever the layout, the keys and the number of groups; and the table was cut."""
    url = make_database()
    figures(url, wide=wide, keys=keys)
    names = tuple(f"odd-{number}" for number in range(groups))
    layout = {"layout": Layout.WIDE, "fields": FIELDS} if wide else {"field": "field", "value": "value"}
    source = SourceSettings(
        database="main", table="figures", entity="who", period="year", entities=Lookup(table="who", name="id"), **layout
    )
    settings = Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={"figures": source},
        groups={name: GroupSettings(source="figures", where="odd = 1") for name in names},
        counters={
            field: CounterSettings(source="figures", formula=field, periods=PERIODS, groups=("all", *names))
            for field in FIELDS
        },
    )
    with as_if_large(first=ENTITIES):
        results = compute(settings)
    for f, field in enumerate(FIELDS):
        for p, period in enumerate(PERIODS):
            assert results.value(field, "all", period) == expected(f, p, range(1, ENTITIES + 1))
            for name in names:
                assert results.value(field, name, period) == expected(f, p, range(1, ENTITIES + 1, 2))
    done = [each.progress.done for each in results.reports if isinstance(each, Progressed) and each.progress.total]
    assert len(done) > 3
    assert done == sorted(done)
    assert done[-1] == ENTITIES


WRITER = """
import itertools, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
connection.execute("PRAGMA synchronous = OFF")
for generation in itertools.count(1):
    connection.execute("UPDATE figures SET value = ?", (generation,))
    if generation == 1:
        print(flush=True)
"""


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_what_is_read_side_by_side_is_one_snapshot(
    tmp_path: Path, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process changes every figure all the time, each sum is that of one of its generations."""
    file = tmp_path / "busy.sqlite3"
    url = f"sqlite:///{file}"
    load(url, "CREATE TABLE figures (who, year, field, value)", {"figures": [(n, 1, "debt", 0) for n in range(90)]})
    settings = Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={
            "figures": SourceSettings(
                database="main", table="figures", entity="who", period="year", field="field", value="value"
            )
        },
        counters={"debt": CounterSettings(source="figures", formula="debt", periods=("all",))},
    )
    shared: list[bool] = []
    begin = SQLite.begin

    def noted(database: SQLite) -> None:
        begin(database)
        shared.append(database.is_shared)

    monkeypatch.setattr(SQLite, "begin", noted)
    assert compute(settings).value("debt", period="all") == 0
    with subprocess.Popen([sys.executable, "-c", WRITER, str(file), journal], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            with as_if_large():
                found = [compute(settings).value("debt", period="all") for _ in range(40)]
        finally:
            writer.kill()
    assert all(value is not None and value % 90 == 0 for value in found), found
    assert len(set(found)) > 1, "nobody wrote meanwhile"
    assert shared[0], "nobody wrote, and yet there was one connection only"
    print(f"{shared.count(True)} of {len(shared)} on two connections")
