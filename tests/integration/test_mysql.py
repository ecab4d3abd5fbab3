"""MariaDB as a database to read from: connecting, its snapshot, its limits, its types and collations, rights, own SQL.

What MySQL is told differently is in `tests/unit/test_mysql.py`.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from countercache.databases.base import Database, Lost, Refused
from countercache.databases.mysql import connection
from countercache.databases.registry import prepare
from countercache.errors import CountercacheError, DatabaseUnreachable
from countercache.model.results import Health
from countercache.model.states import Reason
from countercache.settings import DatabaseSettings, Lookup, Numbers
from countercache.worker.protocol import CHECK, DOCTOR, Checked, Diagnosed
from tests.computing import as_if_large, compute, order
from tests.mariadb import MariaDB
from tests.sources import both, counter, settings, values
from tests.terminal import run
from tests.valkey import Valkey

pytestmark = pytest.mark.mariadb
Make = Callable[[str], str]

LONG = "CREATE TABLE f (e int, k varchar(20), p varchar(20), v decimal(18, 2));"


@contextmanager
def opened(url: str, seconds: float = 30.0, **options: Any) -> Iterator[Database]:
    """A connection in its transaction."""
    database = prepare("main", DatabaseSettings(url=url, **options)).open(time.monotonic() + seconds)
    try:
        yield database
    finally:
        database.close()


def named(url: str) -> str:
    """The database in a URL."""
    return str(make_url(url).database)


# --- connecting


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"])
@pytest.mark.parametrize("unix", [True, False])
def test_a_url(mariadb: MariaDB, scheme: str, unix: bool) -> None:
    """Each scheme, over TCP and over the unix socket."""
    url = mariadb.url("mysql", unix=unix).replace("mariadb", scheme, 1)
    with opened(url) as database:
        assert database.rows("SELECT 1, '£'") == [(1, "£")]
        assert database.engine.name == "MariaDB"


def refused(url: str, **options: Any) -> CountercacheError:
    """The error of connecting: one line, without a password."""
    with pytest.raises(CountercacheError) as caught, opened(url, **options):
        pass
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint
    return caught.value


def test_a_wrong_login(mariadb: MariaDB) -> None:
    """A password that is wrong, and a user that there is not."""
    for user in ("with_password", "nobody"):
        error = refused(mariadb.url("mysql", user=user, password="hunter2", unix=False))
        assert str(error).startswith(f'database main: user "{user}" was refused; check user and password')
        assert error.exit_code == 5


def test_an_unknown_database(mariadb: MariaDB) -> None:
    """One that there is not; to a user without rights it is one that he may not use."""
    error = refused(mariadb.url("nothing"))
    assert str(error).startswith('database main: there is no database "nothing"; check the name after the last /')
    assert error.exit_code == 5
    mariadb.execute("CREATE OR REPLACE USER poor@'%'")
    error = refused(mariadb.url("mysql", user="poor", unix=False))
    assert str(error).startswith(
        'database main: user "poor" may not use "mysql", or there is no such database; '
        "check the name, or run: GRANT SELECT ON `mysql`.* TO poor"
    )


def test_a_server_that_is_away() -> None:
    """Nobody listens: the place and the reason, exit code 5."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = refused(f"mysql://me:hunter2@127.0.0.1:{port}/site")
    assert str(error).startswith(f"database main at 127.0.0.1:{port} cannot be reached: Connection refused; check that")
    assert error.exit_code == 5


def test_a_server_that_says_nothing() -> None:
    """It takes the connection and is silent: the connect timeout holds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        before = time.monotonic()
        error = refused(f"mysql://me:hunter2@127.0.0.1:{listener.getsockname()[1]}/site", connect_timeout=0.5)
        assert time.monotonic() - before < 2
    assert isinstance(error, DatabaseUnreachable)


def test_tls_that_the_server_has_not(mariadb: MariaDB, tmp_path: Path) -> None:
    """Where TLS is asked for, nothing is sent without it; a file that is not there is named."""
    url = mariadb.url("mysql", user="with_password", password="hunter2", unix=False)
    error = refused(f"{url}?ssl_verify_cert=true")
    assert "check ssl_ca, ssl_cert and ssl_key in its url, and whether the server has TLS" in str(error)
    assert error.exit_code == 5
    error = refused(f"{url}?ssl_ca={tmp_path}/ca.pem")
    assert "No such file" in str(error)


def test_a_server_that_is_too_old() -> None:
    """Its version is named, and the oldest that is read."""
    server = MariaDB(version="10.5.9-MariaDB")
    try:
        error = refused(server.url("mysql"))
    finally:
        server.close()
    assert str(error) == "database main is MariaDB 10.5.9-MariaDB; countercache reads MariaDB 10.6 and newer"
    assert error.exit_code == 5


def test_the_extra_is_missing(tmp_path: Path, valkey: Valkey) -> None:
    """One line with the command that installs the driver, exit code 2."""
    (tmp_path / "pymysql.py").write_text("raise ModuleNotFoundError(\"No module named 'pymysql'\", name='pymysql')")
    text = f'[redis]\nurl = "{valkey.url}"\n[databases.main]\nurl = "mysql://me:hunter2@db/site"\n'
    (tmp_path / "countercache.toml").write_text(f'{text}[counters.n]\ndatabase = "main"\nsql = "SELECT 1"\n')
    done = run("config", "check", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2
    assert 'run: pip install "countercache[mysql]"' in said
    assert "Traceback" not in said
    assert "hunter2" not in said


# --- the snapshot and the limits


def test_one_snapshot(mariadb: MariaDB, make_mariadb: Make) -> None:
    """What another session commits in the middle of a run is not seen, by figures or by own SQL; afterwards it is."""
    url = make_mariadb(f"{LONG} INSERT INTO f VALUES (1, 'd', '2020', 1)")
    with opened(url) as database:
        mariadb.execute("INSERT INTO f VALUES (2, 'd', '2020', 10); DELETE FROM f WHERE e = 1", named(url))
        assert database.rows("SELECT sum(v) FROM f") == [("1.00",)]
        assert database.number("SELECT sum(v) FROM f", None) == 1
    with opened(url) as database:
        assert database.number("SELECT sum(v) FROM f", None) == 10


def test_a_transaction_that_ends_is_no_snapshot(make_mariadb: Make) -> None:
    """Should anything end it, nothing more is read: it would be of another moment."""
    with opened(make_mariadb(LONG)) as database:
        database.rows("COMMIT")
        with pytest.raises(Lost, match="ended the transaction"):
            database.rows("SELECT 1")


def test_every_limit_is_set(mariadb: MariaDB) -> None:
    """Before each statement, from the time that is left; `lock_timeout` where that is less, in whole seconds."""
    query = "SELECT @@max_statement_time, @@lock_wait_timeout, @@innodb_lock_wait_timeout, @@wait_timeout"
    with opened(mariadb.url(), seconds=20, lock_timeout=3.2) as database:
        ((statement, lock, row_lock, idle),) = database.rows(query)
        assert 15 < float(statement) <= 20
        assert (lock, row_lock) == (4, 4)
        assert idle <= 22


def test_a_query_beyond_its_own_limit(mariadb: MariaDB) -> None:
    """It fails alone, and the next one runs in the same transaction."""
    with opened(mariadb.url()) as database:
        for query in ("SELECT sleep(20)", "SELECT benchmark(1000000000, 1 + 1)"):
            before = time.monotonic()
            with pytest.raises(Refused) as caught:
                database.number(query, 0.3)
            assert caught.value.reason is Reason.TIMEOUT
            assert str(caught.value) == "the query took more than 0.3 s"
            assert time.monotonic() - before < 5
        assert database.number("SELECT 1", 0.5) == 1


def test_cancel(mariadb: MariaDB) -> None:
    """From another thread: the statement ends, and with it the connection."""
    with opened(mariadb.url()) as database:
        ended: list[float] = []

        def wait() -> None:
            with pytest.raises(Lost):
                database.rows("SELECT sleep(20)")
            ended.append(time.monotonic())

        thread = threading.Thread(target=wait)
        thread.start()
        busy = "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE '/* countercache %sleep(20)%'"
        until(lambda: mariadb.execute(busy))
        began = time.monotonic()
        database.cancel()
        thread.join(10)
        assert ended[0] - began < 2
        assert not mariadb.execute(busy)


def until(what: Callable[[], Any]) -> None:
    """Wait for something to be true, at most ten seconds."""
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_stream_is_put_aside(make_mariadb: Make) -> None:
    """Another statement while rows are still to come: both give all of theirs."""
    url = make_mariadb("CREATE TABLE n AS SELECT seq FROM seq_1_to_20000")
    with opened(url) as database:
        for asked in ({0, 1, 5000}, set[int]()):
            found = []
            for at, (n,) in enumerate(database.stream("SELECT seq FROM n ORDER BY seq")):
                found.append(n)
                if at in asked:
                    assert database.rows("SELECT count(*) FROM n") == [(20000,)]
            assert found == list(range(1, 20001))


# --- figures


TYPES = {
    "tinyint(1)": (["1", "0", "5"], "6"),
    "bigint unsigned": (["18446744073709551615", "18446744073709551615"], "36893488147419103230"),
    "int(5) zerofill": (["7", "8"], "15"),
    "bit(8)": (["b'101'", "3"], "8"),
    "year": (["2020", "2021"], "4041"),
    "decimal(30,10)": (["0.1", "-0.0000000001"], "0.0999999999"),
    "decimal(65,0)": (["9" * 65, "9" * 65, "1"], str(2 * int("9" * 65) + 1)),
    "decimal(65,38)": (["0." + "0" * 37 + "1", "1"], "1." + "0" * 37 + "1"),
    "float": (["0.1", "0.2", "1234567", "16777216", "0.333333333", "-0"], "18011783.63333334"),
    "double": (["0.1", "0.2", "1e22", "1e-20", "123456789012345680"], None),
    "varchar(60)": (["'12'", "' +12.5 '", "'1.2e3'", "'.5'", "'1e40'", "'-1e-40'", "'1e999'"], None),
    "enum('1.5','n')": (["'1.5'", "'1.5'"], "3"),
    "set('1','2')": (["'1'", "'2'"], "3"),
}


@pytest.mark.parametrize("declared", TYPES)
def test_a_type(make_mariadb: Make, declared: str) -> None:
    """Each value counts as the decimal that it prints as, to the last digit, in both ways to compute."""
    numbers, expected = TYPES[declared]
    rows = ", ".join(f"({n}, 'd', '2020', {number})" for n, number in enumerate(numbers))
    url = make_mariadb(f"{LONG.replace('decimal(18, 2)', declared)} INSERT INTO f VALUES {rows}")
    results = compute(settings(url, both()))
    total = sum(Fraction(each.strip("'")) for each in numbers) if expected is None else Fraction(expected)
    assert [exact(results.value(name, period="all")) for name in ("totals", "entities")] == [total] * 2


def exact(value: Decimal | None) -> Fraction:
    """A number with all of its digits."""
    assert value is not None
    return Fraction(value)


@pytest.mark.parametrize("value", ["12abc", "", "abc", "0x10", "1_0", "١٢", "1e9999", "12\u2028", "--1", "1 2"])
def test_a_text_that_is_no_number(make_mariadb: Make, value: str) -> None:
    """A cast would take what it begins with; it is rejected, and told with its entity."""
    rows = f"(1, 'd', '2020', '5'), (7, 'd', '2020', '{value}')"
    url = make_mariadb(f"{LONG.replace('decimal(18, 2)', 'text')} INSERT INTO f VALUES {rows}")
    results = compute(settings(url, both()))
    for name in ("totals", "entities"):
        failure = results.cell(name, period="all").failure
        assert failure
        assert failure.reason is Reason.REJECTED
        assert f'"{value[:3]}' in failure.text or not value.isprintable() or not value.isascii()
    assert compute(settings(url, both(), rejected="skip")).value("totals", period="all") == 5


def test_more_numbers_than_can_be_listed(make_mariadb: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers beyond the server's decimals are listed; where the list ends before they do there is no value."""
    many = "INSERT INTO f SELECT seq, 'd', '2020', concat('1e', 50 + seq % 900) FROM seq_1_to_2000"
    url = make_mariadb(f"{LONG.replace('decimal(18, 2)', 'varchar(20)')} {many}")
    good = compute(settings(url, {"d": counter()}))
    assert exact(good.value("d", period="all")) == sum(10 ** (50 + n % 900) for n in range(1, 2001))
    monkeypatch.setattr(connection, "_LISTED", 5000)
    failure = compute(settings(url, {"d": counter()})).failures["d"]
    assert failure.reason is Reason.DATABASE
    assert "no exact sum" in failure.text


def test_spellings(make_mariadb: Make) -> None:
    """Thousands, a prefix, brackets and texts that are no value, as the settings say."""
    texts = "'£1,234.5'", "' (£1,000) '", "'n/a'", "'£ 12,34,567'", "'7'"
    rows = ", ".join(f"({n}, 'd', '2020', {text})" for n, text in enumerate(texts))
    url = make_mariadb(f"{LONG.replace('decimal(18, 2)', 'text')} INSERT INTO f VALUES {rows}")
    numbers = Numbers(thousands=",", prefix="£", null=("n/a",), negative="parentheses")
    results = compute(settings(url, both(), numbers=numbers))
    for name in ("totals", "entities"):
        assert results.value(name, period="all") == Decimal("1234808.5")


# --- keys


@pytest.mark.parametrize(
    ("collation", "keys", "same"),
    [
        ("utf8mb4_general_ci", ("dé", "DE", "de  "), {"dé", "DE", "de  "}),
        ("utf8mb4_unicode_ci", ("dé", "DE", "de  "), {"dé", "DE", "de  "}),
        ("utf8mb4_bin", ("de", "de  ", "DE"), {"de", "de  "}),
        ("utf8mb4_nopad_bin", ("de", "de ", "DE"), {"de"}),
        ("utf8mb4_general_nopad_ci", ("de", "de ", "DÉ"), {"de", "DÉ"}),
    ],
)
def test_a_collation(make_mariadb: Make, collation: str, keys: tuple[str, ...], same: set[str]) -> None:
    """What the database takes for one key is one: as field, as period and as entity."""
    text = f"varchar(20) COLLATE {collation}"
    rows = ", ".join(f"('{key}', '{key}', '{key}', {10**n})" for n, key in enumerate(keys))
    url = make_mariadb(f"CREATE TABLE f (e {text}, k {text}, p {text}, v int); INSERT INTO f VALUES {rows}")
    results = compute(settings(url, {**both(formula="de"), "each": counter(formula="de", periods="each")}))
    expected = sum(10**n for n, key in enumerate(keys) if key in same)
    assert values(results) == (expected, expected)
    found = {period: cell.value for (name, _, period), cell in results.cells.items() if name == "each" and cell.value}
    assert list(found.values()) == [expected]
    assert found.keys() <= same
    coverage = results.cell("entities", period="all").coverage
    assert coverage
    assert coverage.reported == 1


@pytest.mark.parametrize(
    ("declared", "first", "second"),
    [
        ("year", "2019", "2020"),
        ("int", "-5", "3"),
        ("bigint unsigned", "9", "18446744073709551615"),
        ("decimal(10,2)", "9.50", "10.00"),
        ("double", "9.25", "10.25"),
        ("date", "2019-12-31", "2020-01-01"),
        ("timestamp", "2019-12-31 23:00:00", "2020-01-01 00:00:00"),
        ("time", "-01:00:00", "100:00:00"),
        ("enum('z','a')", "z", "a"),
        ("varchar(9)", "A", "b"),
    ],
)
def test_periods_of_a_type(make_mariadb: Make, declared: str, first: str, second: str) -> None:
    """Labels as the server prints them, in the order of the type: the previous value tells which one is before."""
    table = f"CREATE TABLE f (e int, k varchar(9), p {declared}, v int);"
    rows = f"INSERT INTO f VALUES (1, 'd', '{second}', 10), (1, 'd', '{first}', 2), (2, 'd', '{second}', 30)"
    results = compute(settings(make_mariadb(f"{table} {rows}"), {"d": counter(periods="each", compare=True)}))
    assert not results.failures
    found = {cell.label: (cell.value, cell.previous) for cell in results.cells.values()}
    assert found == {first: (Decimal(2), None), second: (Decimal(40), Decimal(2))}


# --- rights


def test_select_is_enough(mariadb: MariaDB, make_mariadb: Make) -> None:
    """A user who may SELECT and no more: checks, groups, both ways to compute, views, and nothing to say against it."""
    url = make_mariadb(
        f"{LONG} INSERT INTO f VALUES (1, 'd', '2020', 1), (2, 'd', '2020', 2); CREATE VIEW w AS SELECT * FROM f"
    )
    mariadb.execute(f"CREATE OR REPLACE USER reader@'%'; GRANT SELECT ON {named(url)}.* TO reader@'%'")
    url = url.replace("root@", "reader@")
    for table in ("f", "w"):
        mine = settings(
            url, {**both(groups=("all", "one")), "e": counter(periods="each")}, {"one": "e = 1"}, table=table
        )
        results = compute(mine)
        assert (results.value("totals", "one", "all"), results.value("entities", "all", "all")) == (
            Decimal(1),
            Decimal(3),
        )
        reports = order(mine, task=CHECK)
        assert all(check.ok for report in reports if isinstance(report, Checked) for check in report.checks), reports
    findings = [
        each for report in order(mine, task=DOCTOR) if isinstance(report, Diagnosed) for each in report.findings
    ]
    assert {each.subject for each in findings if each.health is not Health.OK} == set(), findings
    rights = next(each for each in findings if each.subject == "rights")
    assert rights.seen == "reader@% may read and do no more"


def test_a_right_that_is_missing(mariadb: MariaDB, make_mariadb: Make) -> None:
    """The table, and the statement that grants it; a table of which nothing may be seen is not there."""
    url = make_mariadb(f"{LONG} CREATE TABLE g (id int, x int)")
    mariadb.execute(f"CREATE OR REPLACE USER partly@'%'; GRANT SELECT (id) ON {named(url)}.g TO partly@'%'")
    with opened(url.replace("root@", "partly@")) as database:
        with pytest.raises(Refused, match="SELECT command denied") as caught:
            database.rows("SELECT x FROM g")
        assert re.search(r"GRANT SELECT ON \S*g\S* TO 'partly'@", caught.value.hint)
        assert database.catalog.describe(["f"]) is None
        assert database.catalog.table_names() == ["g"]


def test_a_user_who_may_write(make_mariadb: Make) -> None:
    """The doctor says so, and of tables without a snapshot."""
    url = make_mariadb(f"{LONG} CREATE TABLE old (i int) ENGINE = MyISAM")
    reports = order(settings(url, {"d": counter()}), task=DOCTOR)
    found = {each.subject: each for report in reports if isinstance(report, Diagnosed) for each in report.findings}
    assert found["rights"].health is Health.WARNING
    assert found["snapshot"].seen == "tables that are not InnoDB's: old"
    assert found["limits"].health is Health.OK


# --- own SQL


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 7", "7"),
        ("SELECT 18446744073709551615", "18446744073709551615"),
        ("SELECT 1.10", "1.10"),
        ("SELECT 0.1e0 + 0.2e0", "0.30000000000000004"),
        ("SELECT -0e0", "0"),
        ("SELECT b'101' + 0", "5"),
        ("SELECT count(*) FROM f # all", "0"),
        ('(SELECT "3" + 0)', "3"),
        ("WITH a AS (SELECT 4 AS n) SELECT n FROM a", "4"),
        ("SELECT sum(seq) FROM seq_1_to_10", "55"),
    ],
)  # fmt: skip
def test_own_sql(make_mariadb: Make, query: str, expected: str) -> None:
    """Any number of any type, exactly; `config check` finds it well."""
    with opened(make_mariadb(LONG)) as database:
        database.parse(query)
        assert str(database.number(query, None)) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 'a'", "the query gives text, not a number"),
        ("SELECT NULL", "the query gives NULL, not a number"),
        ("SELECT current_date", "the query gives a date or time, not a number"),
        ("SELECT 1, 2", "the query gives 2 columns, not one"),
        ("SELECT seq FROM seq_1_to_100000000000", "the query gives more than one row"),
        ("SELECT 1 FROM f", "the query gives no row, not one"),
        ("SELECT 1; SELECT 2", "You have an error in your SQL syntax"),
        ("SELECT nothing FROM f", "Unknown column 'nothing'"),
        ("SELECT 1 FROM g", "doesn't exist"),
        ("SELECT 1 FROM f FOR UPDATE", "FOR UPDATE would lock"),
    ],
)
def test_own_sql_that_gives_no_number(make_mariadb: Make, query: str, message: str) -> None:
    """It is said what it gives; the next one runs as ever, and gets all of its rows."""
    with opened(make_mariadb(LONG)) as database:
        with pytest.raises(Refused, match=re.escape(message)):
            database.number(query, None)
        assert len(database.rows("SELECT seq FROM seq_1_to_5")) == 5


def test_own_sql_runs_with_the_servers_settings() -> None:
    """Whoever wrote it has tried it with these, while conditions and our own queries have settings of ours."""
    server = MariaDB(sql_mode="ANSI_QUOTES,NO_BACKSLASH_ESCAPES", default_time_zone="+05:00")
    try:
        server.execute("CREATE DATABASE s; CREATE TABLE s.f (e int, k varchar(9), p varchar(9), v int)")
        server.execute(r"INSERT INTO s.f VALUES (1, 'd', '1', 1), (2, 'a\b', '1', 5), (3, 'd', '1', 3)")
        url = server.url("s")
        with opened(url) as database:
            assert database.number('SELECT sum("v") FROM f', None) == 9
            assert database.number("SELECT hour(timediff(now(), utc_timestamp()))", None) == 5
            assert database.rows("SELECT @@sql_mode, @@time_zone") == [("", "+00:00")]
        mine = settings(
            url, {"d": counter(groups=("one",)), "o": counter(formula=r'"a\b"')}, {"one": 'k = "d" AND e < 2'}
        )
        results = compute(mine)
        assert (results.value("d", "one", "all"), results.value("o", "all", "all")) == (Decimal(1), Decimal(5))
    finally:
        server.close()


# --- groups


def test_groups_by_bytes(make_mariadb: Make) -> None:
    """Masks that are looked up as bytes: gaps between the keys, keys that nobody lists, below 1 and behind the last."""
    listed = "(2, 'a'), (3, 'b'), (5, 'a'), (9, 'b')"
    figures = ", ".join(f"({key}, 'd', '2020', {2**n})" for n, key in enumerate((2, 3, 5, 9, -1, 0, 4, 10, 300000)))
    script = f"CREATE TABLE who (id int PRIMARY KEY, name varchar(9)); INSERT INTO who VALUES {listed};"
    url = make_mariadb(f"{script} {LONG} INSERT INTO f VALUES {figures}")
    groups = {"a": "name = 'a'", "b": "name = 'b'", "none": "1 = 0"}
    mine = settings(url, {"d": counter(groups=("all", "a", "b"))}, groups, entities=Lookup(table="who"))
    with as_if_large():
        results = compute(mine)
    assert [results.value("d", group, "all") for group in ("all", "a", "b")] == [1 + 2 + 4 + 8, 1 + 4, 2 + 8]
    assert compute(mine).cells.keys() == results.cells.keys()
