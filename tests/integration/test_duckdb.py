"""DuckDB: which files it opens and which statements it runs, its numbers, its limits, and files of other kinds."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import duckdb
import psutil
import pytest

from countercache.databases.registry import prepare
from countercache.errors import CountercacheError, DatabaseUnreachable
from countercache.model.states import Reason
from countercache.settings import (
    CounterSettings,
    DatabaseSettings,
    Layout,
    Settings,
    SourceSettings,
)
from tests.computing import Results, compute, load, order
from tests.sources import both, counter, settings, values
from tests.terminal import run
from tests.valkey import Valkey

HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
SLOW = "SELECT count(*) FROM range(400000) a (i), range(400000) b (i) WHERE a.i * b.i % 7 = 3"
FIGURES = "CREATE TABLE f (e TEXT, k TEXT, p TEXT, v {}); "


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with one figure."""
    path = tmp_path / "site.duckdb"
    load(f"duckdb:///{path}", FIGURES.format("INTEGER") + "INSERT INTO f VALUES ('ann', 'd', '2020', 5);", {})
    return path


@contextmanager
def writing(path: Path) -> Iterator[int]:
    """Another process that has the file open to write; its process id."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdin
        assert process.stdout.readline() == "open\n"
        try:
            yield process.pid
        finally:
            process.stdin.close()


def unreachable(url: str, lock_timeout: float = 0.2) -> DatabaseUnreachable:
    """Why a database cannot be opened."""
    target = prepare("main", DatabaseSettings(url=url, lock_timeout=lock_timeout))
    with pytest.raises(DatabaseUnreachable) as caught:
        target.open(time.monotonic() + 10)
    return caught.value


def by_sql(path: Path | None, *queries: str, timeout: float = 30.0) -> Results:
    """What counters of these queries give, named by them."""
    counters = {query: CounterSettings(database="main", sql=query) for query in queries}
    url = f"duckdb:///{path or ''}"
    return compute(Settings(databases={"main": DatabaseSettings(url=url)}, counters=counters), timeout=timeout)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, file: Path) -> None:
    """It is not there, is no database, may not be read, or somebody writes to it: each says what to do."""
    assert f"there is no file '{tmp_path}/none.duckdb'" in unreachable(f"duckdb:///{tmp_path}/none.duckdb").message
    assert "there is no file" in unreachable(f"duckdb:///{tmp_path}").message
    (tmp_path / "text.duckdb").write_text("no database\n" * 1000, encoding="utf-8")
    other = unreachable(f"duckdb:///{tmp_path}/text.duckdb").message
    assert other == f"database main: '{tmp_path}/text.duckdb' is no DuckDB database"
    with writing(file) as pid:
        error = unreachable(f"duckdb:///{file}")
    assert error.message == f"database main: '{file}' is opened by another process (PID {pid})"
    assert "let that process close it" in error.hint


def test_a_file_that_is_closed_in_time_is_read(file: Path) -> None:
    """Whoever writes is waited for, for as long as lock_timeout says."""
    found: list[Results] = []
    with writing(file):
        waiting = threading.Thread(target=lambda: found.append(by_sql(file, "SELECT sum(v) FROM f")))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(20)
    assert found[0].value("SELECT sum(v) FROM f", period="all") == 5


def test_commands_say_so_with_their_exit_code(tmp_path: Path) -> None:
    """`config check` of a missing file: one line, 5 for what cannot be reached."""
    text = '[databases.main]\nurl = "duckdb:///none.duckdb"\n[counters.n]\ndatabase = "main"\nsql = "SELECT 1"\n'
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    done = run("config", "check", cwd=tmp_path)
    assert done.returncode == 5, (done.stdout, done.stderr)
    assert f"there is no file '{tmp_path}/none.duckdb'" in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr


def test_nobody_can_write_while_it_is_read(file: Path) -> None:
    """The file itself is the snapshot."""
    with closing(prepare("main", DatabaseSettings(url=f"duckdb:///{file}")).open(time.monotonic() + 10)) as database:
        done = subprocess.run(
            [sys.executable, "-c", HOLDER, file], check=False, capture_output=True, text=True, timeout=60
        )
        assert "Conflicting lock" in done.stderr
        assert database.rows("SELECT v FROM f") == [(5,)]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("COPY f TO '{}/out.csv'", "COPY"),
        ("ATTACH '{}/other.duckdb' AS other", "ATTACH"),
        ("INSTALL httpfs", "LOAD"),
        ("LOAD httpfs", "LOAD"),
        ("SET threads = 1", "SET"),
        ("RESET threads", "SET"),
        ("EXPORT DATABASE '{}/all'", "EXPORT"),
        ("INSERT INTO f VALUES ('x', 'd', '2020', 1)", "INSERT"),
        ("CREATE TEMP TABLE t AS SELECT 1", "CREATE"),
        ("DROP TABLE f", "DROP"),
        ("CHECKPOINT", "CALL"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
    ],
)
def test_a_counter_only_reads(file: Path, tmp_path: Path, query: str, word: str) -> None:
    """Also where the database is read-only DuckDB would write files, open others and change itself."""
    before = sorted(tmp_path.iterdir())
    query = query.format(tmp_path)
    failure = by_sql(file, query).failures[query]
    assert failure.reason is Reason.SQL
    assert failure.text.startswith("the query is no SELECT but "), failure
    assert word in failure.text
    assert sorted(tmp_path.iterdir()) == before


def test_a_counter_is_one_statement(file: Path) -> None:
    """Neither two, nor none, nor one of this program's own variables; the connection stays as it was."""
    two, none, odd, good = "SELECT 1; SELECT 2", "-- nothing", "SELECT count(*) FROM _CONFIG", "SELECT 7"
    results = by_sql(file, two, none, odd, "SELECT $1", "SELEC 1", "SELECT v / 0 FROM f", good)
    assert results.failures[two].text == "the query must be one SELECT; there are 2 statements"
    assert results.failures[none].text == "the query must be one SELECT; there are none"
    assert "_CONFIG does not exist" in results.failures[odd].text
    assert "parameter" in results.failures["SELECT $1"].text
    assert "syntax error" in results.failures["SELEC 1"].text
    assert "LINE 1" not in results.failures["SELEC 1"].text
    assert results.value(good, period="all") == 7


def test_numbers_are_stored_as_they_are_printed() -> None:
    """Of single precision too; what is no finite number is none."""
    numbers = {
        "0.1::FLOAT": "0.1",
        "'3.4028235e38'::FLOAT": "3.4028235E+38",
        "0.1::DOUBLE": "0.1",
        "0::DOUBLE * -1": "0",
        "12.50::DECIMAL(9, 2)": "12.50",
        "170141183460469231731687303715884105727::HUGEINT": "170141183460469231731687303715884105727",
        "7": "7",
    }
    no_numbers = {"'NaN'::DOUBLE": "NaN", "'-inf'::FLOAT": "-Infinity", "true": "BOOLEAN", "NULL::INTEGER": "NULL"}
    results = by_sql(None, *(f"SELECT {each}" for each in {**numbers, **no_numbers}))
    found = {each: results.value(f"SELECT {each}", period="all") for each in numbers}
    assert {each: str(value) for each, value in found.items()} == numbers
    for each, shown in no_numbers.items():
        assert results.failures[f"SELECT {each}"].text == f"the query gives {shown}, not a number"


@pytest.mark.parametrize("type_", ["HUGEINT", "DECIMAL(38, 0)", "UHUGEINT", "BIGNUM"])
def test_sums_are_larger_than_the_databases_own_numbers(tmp_path: Path, type_: str) -> None:
    """What DuckDB cannot add any more is added here, over totals and over entities."""
    large = 9 * 10**37
    rows = [(who, "d", "2020", large) for who in ("ann", "ann", "bob", "cy")] + [("dee", "d", "2020", 7)]
    load(f"duckdb:///{tmp_path}/large.duckdb", FIGURES.format(type_), {"f": rows})
    assert values(compute(settings(f"duckdb:///{tmp_path}/large.duckdb", both()))) == (4 * large + 7,) * 2


def test_floats_and_texts_are_added_exactly(tmp_path: Path) -> None:
    """Tenths, whatever fits into no decimal of 38 digits, and one figure that is none."""
    url = f"duckdb:///{tmp_path}/odd.duckdb"
    rows = [("ann", "d", "2020", value) for value in ("0.1", "0.2", "1e22", "1e-22", "123456789012.5", "-0.0")]
    for type_ in ("DOUBLE", "TEXT"):
        load(url, "DROP TABLE IF EXISTS f; " + FIGURES.format(type_), {"f": [*rows, ("bob", "d", "2021", "nan")]})
        counters = both(periods=("2020", "2021"))
        results = compute(settings(url, counters))
        for name in counters:
            assert results.value(name, period="2020") == Decimal("10000000000123456789012.8000000000000000000001")
            failure = results.cell(name, period="2021").failure
            assert failure
            assert failure.message == '1 of 1 values of d in 2021 is not a number, such as "nan" (bob)'


def test_a_query_ends_at_its_limit(file: Path) -> None:
    """Its own, which costs the others nothing, and the run's; no thread is left behind."""
    threads = threading.active_count()
    counters = {
        "slow": CounterSettings(database="main", sql=SLOW, timeout=0.3),
        "quick": CounterSettings(database="main", sql="SELECT 7"),
    }
    url = f"duckdb:///{file}"
    results = compute(Settings(databases={"main": DatabaseSettings(url=url)}, counters=counters))
    assert results.failures["slow"].reason is Reason.TIMEOUT
    assert results.failures["slow"].text == "the query took more than 0.3 s"
    assert results.value("quick", period="all") == 7
    began = time.monotonic()
    ended = by_sql(file, SLOW, timeout=0.5).ended
    assert ended and ended.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 5
    assert threading.active_count() == threads


def test_a_run_ends_at_its_timeout(file: Path, tmp_path: Path, valkey: Valkey) -> None:
    """`warmup --timeout`: exit 124, what was complete is stored, and no process is left."""
    text = f'[redis]\nurl = "{valkey.url}"\n[databases.main]\nurl = "duckdb:///{file.name}"\n'
    for name, query in {"quick": "SELECT sum(v) FROM f", "slow": SLOW}.items():
        text += f'[counters.{name}]\ndatabase = "main"\nsql = "{query}"\n'
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    mark = {"MARK": str(tmp_path)}
    began = time.monotonic()
    done = run("warmup", "--timeout", "4s", "--json", cwd=tmp_path, env=mark)
    assert done.returncode == 124, (done.stdout, done.stderr)
    assert time.monotonic() - began < 15
    until = time.monotonic() + 2
    while left := [each for each in psutil.process_iter() if _environment(each).get("MARK") == mark["MARK"]]:
        assert time.monotonic() < until, left
        time.sleep(0.05)
    counters = {each["slug"]: each for each in json.loads(done.stdout)["jobs"][0]["counters"]}
    assert not counters["quick"]["errors"]
    assert "timeout" in json.dumps(counters["slow"])


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def test_a_query_is_cancelled(file: Path) -> None:
    """By another thread, at once."""
    database = prepare("main", DatabaseSettings(url=f"duckdb:///{file}")).open(time.monotonic() + 60)
    with closing(database):
        canceller = threading.Timer(0.3, database.cancel)
        canceller.start()
        began = time.monotonic()
        with pytest.raises(CountercacheError):
            database.rows(SLOW)
        assert time.monotonic() - began < 10
        canceller.join()


def test_parquet_and_csv_files_are_tables(tmp_path: Path) -> None:
    """By their names, without a database file; `config check` says what is not promised of them."""
    with closing(duckdb.connect()) as connection:
        connection.execute(FIGURES.format("DECIMAL(9, 2)"))
        connection.execute("INSERT INTO f VALUES ('ann', 'd', '2020', 1.25), ('bob', 'd', '2020', 2)")
        connection.execute(f"COPY f TO '{tmp_path}/f.parquet'; COPY f TO '{tmp_path}/f.csv'")
    for table in ("f.parquet", "f.csv", "*.parquet"):
        made = settings("duckdb:///", both(), table=f'"{tmp_path}/{table}"')
        results = compute(made)
        assert results.value("totals", period="all") == results.value("entities", period="all") == Decimal("3.25")
        told = str(order(made, task="check"))
        assert "may change while a run reads them" in told
    nothing = compute(settings("duckdb:///", {"n": counter()}, table=f'"{tmp_path}/none.parquet"'))
    assert "has no table" in nothing.failures["n"].text


def test_a_file_of_views(tmp_path: Path) -> None:
    """A database file may hold nothing but views of files, which give columns their types."""
    (tmp_path / "figures.csv").write_text("who,what,year,amount\nann,d,2020,0.10\nbob,d,2020,0.20\n", encoding="utf-8")
    view = f"read_csv('{tmp_path}/*.csv', types = {{'amount': 'DECIMAL(18, 2)'}})"
    with closing(duckdb.connect(tmp_path / "views.duckdb")) as connection:
        connection.execute(f"CREATE VIEW f AS SELECT who AS e, what AS k, year AS p, amount AS v FROM {view}")
    made = settings(f"duckdb:///{tmp_path}/views.duckdb", both())
    results = compute(made)
    assert results.value("totals", period="all") == results.value("entities", period="all") == Decimal("0.3")
    assert "may change while a run reads them" in str(order(made, task="check"))


def test_a_wide_file_with_its_columns(tmp_path: Path) -> None:
    """The columns of numbers are the fields, as in any table."""
    (tmp_path / "w.csv").write_text("who,year,debt\nann,2020,1.5\nbob,2020,2\n", encoding="utf-8")
    source = SourceSettings(
        database="main", layout=Layout.WIDE, table=f'"{tmp_path}/w.csv"', entity="who", period="year"
    )
    made = Settings(
        databases={"main": DatabaseSettings(url="duckdb://")},
        sources={"figures": source},
        counters={"n": CounterSettings(source="figures", formula="debt")},
    )
    assert compute(made).value("n") == Decimal("3.5")
