"""ClickHouse on the wire: what it adds exactly, what it says when it is unwilling, what it is told with each query."""

from __future__ import annotations

import re
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.exceptions import Error
from sqlalchemy import make_url

from countercache.databases.base import Database, Lost, Refused
from countercache.databases.clickhouse.catalog import ClickHouseCatalog
from countercache.databases.clickhouse.connection import ClickHouseTarget
from countercache.databases.clickhouse.query_settings import wanted
from countercache.databases.clickhouse.server_errors import refused
from countercache.databases.clickhouse.tab_separated import Answer
from countercache.databases.registry import prepare
from countercache.errors import ConfigError, DatabaseUnreachable, DeadlineExceeded
from countercache.model.results import Finding, Health
from countercache.model.states import Reason
from countercache.settings import (
    Aggregate,
    CounterSettings,
    DatabaseSettings,
    GroupSettings,
    Lookup,
    Over,
    Settings,
    SourceSettings,
)
from countercache.worker.protocol import CHECK, DOCTOR, Checked, Diagnosed
from tests.clickhouse_server import BOUND, Server
from tests.computing import as_if_large, compute, order
from tests.faults.processes import until
from tests.faults.proxy import Mode, Proxy
from tests.integration.findings import of

LONG = "CREATE TABLE figure (entity String, field String, period String, value {}) ORDER BY entity;"
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(number, sleep(0.02))"

Make = Callable[..., str]


@pytest.fixture
def make(make_clickhouse: Make) -> Make:
    """Makes a database with SQL that is ClickHouse's own."""
    return partial(make_clickhouse, settings={})


def settings_for(url: str, *, sql: str = "", timeout: float | None = None, **source: Any) -> Settings:
    """A long source of one counter, and one counter by SQL."""
    counters = {"debt": CounterSettings(source="figures", formula="debt", periods=("all",))}
    if sql:
        counters = {"own": CounterSettings(database="main", sql=sql, timeout=timeout)}
    figures = {"table": "figure", "entity": "entity", "field": "field", "period": "period", "value": "value"}
    return Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={"figures": SourceSettings(database="main", **(figures | source))},
        counters=counters,
    )


@contextmanager
def opened(url: str, seconds: float = 30.0) -> Iterator[Database]:
    """A connection."""
    target = prepare("main", DatabaseSettings(url=url))
    with closing(target.open(time.monotonic() + seconds)) as database:
        yield database


def total(make: Make, type_: str, *values: str) -> Decimal | None:
    """What the product adds up of values of a type, given as the elements of an array."""
    rows = f"INSERT INTO figure SELECT toString(number), 'debt', 'p', CAST([{', '.join(values)}], "
    rows += f"'Array({type_})')[number + 1] FROM numbers({len(values)})"
    results = compute(settings_for(make(LONG.format(type_) + rows)))
    return results.value("debt", period="all")


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("Int64", ["9223372036854775807"] * 3),
        ("UInt64", ["18446744073709551615"] * 3),
        ("UInt32", ["4294967295"] * 3),
        ("Int128", [f"'{2**127 - 1}'"] * 3),
        ("Int256", [f"'{2**255 - 1}'"] * 3),
        ("UInt256", [f"'{2**256 - 1}'", f"'{2**256 - 1}'", "1"]),
        ("Decimal(18, 2)", ["'9999999999999999.99'"] * 12),
        ("Decimal(38, 3)", ["'99999999999999999999999999999999999.999'"] * 30),
        ("Decimal(76, 0)", ["'" + "9" * 76 + "'"] * 12),
        ("Float64", ["0.1", "0.2", "1e300", "-1e300", "1e-300", "16777217"]),
        ("String", ["'0.1'", "' +12 '", "'1e999'", "'" + "7" * 900 + "'", "'.5'"]),
        ("LowCardinality(String)", ["'0.1'", "'12.'"]),
        ("FixedString(8)", ["'0.1'", "'12'"]),
    ],
)
def test_sums_are_exact(make: Make, type_: str, values: list[str], *, large: bool) -> None:
    """No sum wraps around, is rounded or is cut, in a type of any width; also where the table is read in parts."""
    with localcontext(prec=3000):
        expected = sum((Decimal(value.strip("' ")) for value in values), Decimal())
    with as_if_large() if large else nullcontext():
        assert total(make, type_, *values) == expected


def test_a_single_float_counts_as_it_prints(make: Make) -> None:
    """0.1 in 32 bits is 0.1, not 0.10000000149011612."""
    assert total(make, "Float32", "0.1", "0.2") == Decimal("0.3")


def test_what_is_no_finite_float_is_rejected(make: Make) -> None:
    """NaN and infinity fail the cell, with an example."""
    url = make(LONG.format("Float64") + "INSERT INTO figure VALUES ('a', 'debt', 'p', nan), ('b', 'debt', 'p', 1)")
    failure = compute(settings_for(url)).cell("debt", period="all").failure
    assert failure is not None
    assert failure.reason is Reason.REJECTED
    assert "nan" in failure.message


def test_no_row_is_no_zero(make: Make) -> None:
    """ClickHouse's sum of nothing is 0, which is not what a counter without figures is."""
    url = make(LONG.format("Nullable(Int32)") + "INSERT INTO figure VALUES ('a', 'debt', 'p', NULL)")
    failure = compute(settings_for(url)).cell("debt", period="all").failure
    assert failure is not None
    assert failure.reason is Reason.NO_FIGURES


@pytest.mark.parametrize("type_", ["Int32", "UInt64", "Int64", "Nullable(Int16)", "Int128", "String"])
def test_masks_in_an_array_and_joined(make: Make, type_: str) -> None:
    """Groups are looked up in an array where keys are dense, and joined elsewhere: the same totals, strangers apart."""
    keys = "0, 1, 2, 5" if "Int" in type_ else "'0', '1', '2', '5'"
    script = f"""
    CREATE TABLE council (id {type_.removeprefix("Nullable(").rstrip(")")}, country String) ORDER BY id;
    INSERT INTO council SELECT arrayJoin([{keys}]), 'Wales';
    INSERT INTO council SELECT 3, 'England';
    CREATE TABLE figure (entity {type_}, field String, period String, value Int32) ORDER BY tuple();
    INSERT INTO figure SELECT toString(number), 'debt', 'p', 10 + number FROM numbers(7);
    """
    url = make(script)
    settings = settings_for(url, entities=Lookup(table="council", name="country"))
    groups = {"wales": GroupSettings(source="figures", where="country = 'Wales'")}
    counters = {"debt": CounterSettings(source="figures", formula="debt", periods=("all",), groups=("all", "wales"))}
    settings = msgspec.structs.replace(settings, groups=groups, counters=counters)
    for patched in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if patched:
                patch.setattr("countercache.worker.source_reader.MANY_ROWS", 0)
            results = compute(settings)
        assert results.value("debt", "wales", "all") == 10 + 11 + 12 + 15
        assert results.value("debt", "all", "all") == 10 + 11 + 12 + 13 + 15


# What replaces, and what is spread

REPLACING = """
CREATE TABLE figure (entity String, field String, period String, value Int32, version UInt32)
ENGINE = ReplacingMergeTree(version) ORDER BY (entity, field, period);
SYSTEM STOP MERGES figure;
INSERT INTO figure VALUES ('a', 'debt', 'p', 1, 1);
INSERT INTO figure VALUES ('a', 'debt', 'p', 20, 2);
"""


def test_final_leaves_out_what_was_replaced(make: Make) -> None:
    """With `final` a row that was replaced does not count, without it it does, and `config check` says so."""
    url = make(REPLACING)
    assert compute(settings_for(url)).value("debt", period="all") == 21
    assert compute(settings_for(url, final=True)).value("debt", period="all") == 20
    assert any("set final = true" in each for each in warnings(settings_for(url)))
    assert not warnings(settings_for(url, final=True))


def test_final_is_for_engines_that_have_it(tmp_path: Any) -> None:
    """Elsewhere it is an error of the configuration, not a setting without an effect."""
    with closing(sqlite3.connect(tmp_path / "figures.db")) as connection:
        connection.execute("CREATE TABLE figure (entity, field, period, value)")
    (failure,) = compute(settings_for(f"sqlite:///{tmp_path}/figures.db", final=True)).failures.values()
    assert failure.reason is Reason.CONFIG
    assert 'source figures has "final"' in failure.message


def test_two_passes_are_no_snapshot(make: Make) -> None:
    """`config check` says where a source is read by statements that share no snapshot."""
    url = make(LONG.format("Int32") + "INSERT INTO figure VALUES ('a', 'debt', 'p', 1)")
    settings = settings_for(url)
    assert not warnings(settings)
    mean = CounterSettings(source="figures", formula="debt", over=Over.ENTITIES, aggregate=Aggregate.AVG)
    settings = msgspec.structs.replace(settings, counters={**settings.counters, "mean": mean})
    assert any("not read in one snapshot" in each for each in warnings(settings))


def warnings(settings: Settings) -> list[str]:
    """What `config check` warns of."""
    checks = [each for report in order(settings, task=CHECK) if isinstance(report, Checked) for each in report.checks]
    assert all(each.ok for each in checks), checks
    return [each.message for each in checks if each.warning and each.subject.startswith("source")]


# Limits


def test_a_query_ends_at_its_own_limit(make: Make, clickhouse: Server) -> None:
    """A counter's own timeout is the server's limit for its query, and nothing runs on."""
    began = time.monotonic()
    results = compute(settings_for(make(), sql=ENDLESS, timeout=0.4))
    assert results.failures["own"].reason is Reason.TIMEOUT
    assert "more than 0.4 s" in results.failures["own"].message
    assert time.monotonic() - began < 5
    until(lambda: not clickhouse.running(), seconds=2, why="no query is left")


def test_a_query_ends_at_the_deadline(make: Make, clickhouse: Server) -> None:
    """The time that is left of the run is the limit of each query."""
    with opened(make(), 1.0) as database, pytest.raises(DeadlineExceeded):
        database.rows(ENDLESS)
    until(lambda: not clickhouse.running(), seconds=2, why="no query is left")


def test_a_query_that_the_server_does_not_limit_is_killed(make: Make, clickhouse: Server) -> None:
    """Of a user who may set nothing, the client's own clock ends the query, and kills it on the server."""
    url = make().replace("reader:", f"{BOUND}:")
    with opened(url) as database, pytest.raises(Refused) as error:
        database.number(ENDLESS, 0.3)
    assert error.value.reason is Reason.TIMEOUT
    until(lambda: not clickhouse.running(), seconds=2, why="no query is left")


def test_cancel_kills_the_query(make: Make, clickhouse: Server) -> None:
    """`cancel` from another thread ends the query on the server at once."""
    with opened(make()) as database, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(database.rows, ENDLESS)
        until(clickhouse.running, why="the query runs")
        database.cancel()
        refused = asked.exception(2)
    assert isinstance(refused, Refused)
    assert "cancelled" in str(refused)
    assert not clickhouse.running()


def test_a_connection_that_is_lost(make: Make, clickhouse: Server) -> None:
    """It is an error at once; the server looks for clients that are gone, since each query tells it to."""
    with Proxy(clickhouse.port) as proxy:
        url = make().replace(f":{clickhouse.port}/", f":{proxy.port}/")
        with opened(url) as database, ThreadPoolExecutor(1) as pool:
            lost = pool.submit(database.rows, ENDLESS)
            until(clickhouse.running, why="the query runs")
            proxy.mode = Mode.RESET
            assert isinstance(lost.exception(2), Lost)
            until(lambda: not clickhouse.running(), seconds=2, why="no query is left")


def test_somebody_elses_sql(make: Make) -> None:
    """One SELECT that gives one number is run; what is more, or would change the query, is refused in words."""
    with opened(make("CREATE TABLE t (x Int32) ORDER BY x; INSERT INTO t VALUES (1), (2)")) as database:
        assert database.number("SELECT sum(x) FROM t -- all of them", 5.0) == 3
        assert database.number("WITH 2 AS n SELECT n / 4;", 5.0) == Decimal("0.5")
        assert database.number("SELECT CAST(0.1 AS Float32)", 5.0) == Decimal("0.1")
        assert database.number("SELECT toInt256('-12')", 5.0) == -12
        for sql, words in {
            "SELECT 1; SELECT 2": 'it has a ";"',
            "SELECT 1) UNION ALL (SELECT 2": 'it has a ")" too many',
            "SELECT sum(x) FROM t FORMAT JSON": "has a clause FORMAT",
            "SELECT sum(x) FROM t SETTINGS max_execution_time = 0": "has a clause SETTINGS",
            "SELECT sum(x) FROM t INTO OUTFILE 'x'": "has a clause OUTFILE",
            "INSERT INTO t VALUES (1)": "begins with INSERT",
            "DROP TABLE t": "begins with DROP",
            "SELECT x FROM t": "more than one row",
            "SELECT x, x AS y FROM t": "2 columns",
            "SELECT 'a'": "String, not a number",
            "SELECT NULL": "gives NULL",
            "SELECT nan": "NaN, not a number",
            "SELECT y FROM t": "y",
            "SELECT 1 FROM nowhere": "nowhere",
        }.items():
            with pytest.raises(Refused) as error:
                database.number(sql, 5.0)
            assert words in str(error.value), (sql, str(error.value))
            assert error.value.reason is Reason.SQL
            assert "\n" not in str(error.value)


# Errors of connecting


def failed(url: str, seconds: float = 10.0) -> str:
    """What a connection that fails says: one line, without the password, in time."""
    began = time.monotonic()
    with pytest.raises(DatabaseUnreachable) as error, opened(url, seconds):
        pass
    assert time.monotonic() - began < 3.5
    said = str(error.value)
    assert "s3cret" not in said
    assert "wr0ng" not in said
    assert "\n" not in said
    assert error.value.exit_code == 5
    return said


def test_a_wrong_password(clickhouse: Server) -> None:
    """The user is named, the password is not."""
    assert 'user "reader" was refused' in failed(clickhouse.url().replace("s3cret", "wr0ng"))


def test_an_unknown_database(clickhouse: Server) -> None:
    """It is named."""
    assert 'there is no database "nowhere"' in failed(clickhouse.url("nowhere"))


def test_a_server_that_is_away() -> None:
    """Where it should be, and that nothing is there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert f"at 127.0.0.1:{port} cannot be reached" in failed(f"clickhouse://reader:s3cret@127.0.0.1:{port}/x")


@pytest.mark.parametrize(
    "says", [b"", b"-ERR unknown command\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]
)
def test_something_else_answers(says: bytes) -> None:
    """Another server, or one that says nothing: told apart from a ClickHouse, in time."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with ExitStack() as connections, suppress(OSError):  # at the end
                while True:
                    connection = connections.enter_context(server.accept()[0])
                    if says:
                        connection.recv(10_000)
                        connection.sendall(says)
                        connection.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=answer)
        thread.start()
        said = failed(f"clickhouse://reader:s3cret@127.0.0.1:{server.getsockname()[1]}/x")
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "cannot be reached" in said or "is no ClickHouse" in said


def test_a_missing_table_is_told_with_the_nearest_name(make: Make) -> None:
    """As on every engine: the failure of the counter, with a hint."""
    url = make("CREATE TABLE figures (x Int32) ORDER BY x")
    (failure,) = compute(settings_for(url)).failures.values()
    assert failure.reason is Reason.CONFIG
    assert 'no table "figure"' in failure.message
    assert "figures" in failure.hint


def test_urls() -> None:
    """Schemes, ports and options; what is none is an error of the configuration."""

    def target(url: str) -> ClickHouseTarget:
        found = prepare("main", DatabaseSettings(url=url))
        assert isinstance(found, ClickHouseTarget)
        return found

    assert (target("clickhouse://h/d").url.port, target("clickhouse://h/d").secure) == (8123, False)
    for secure in ("clickhouses://h/d", "clickhousedb://h/d?secure=true"):
        assert (target(secure).url.port, target(secure).secure) == (8443, True)
    assert target("clickhousedb+connect://u:p@h:99/d?verify=false").url.port == 99
    assert target("clickhouses://h/d?verify=false").tls["cert_reqs"] == "CERT_NONE"
    for wrong in ("clickhouse://h/d?colour=red", "clickhouse://h/d?secure=perhaps", "clickhouse://u:p@ss@w@h/d"):
        with pytest.raises(ConfigError):
            target(wrong)


def test_without_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with what to install."""
    for name in [name for name in sys.modules if name.startswith("countercache.databases.clickhouse")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)
    with pytest.raises(ConfigError) as error:
        prepare("main", DatabaseSettings(url="clickhouse://h/d"))
    assert error.value.hint == 'run: pip install "countercache[clickhouse]"'


# What the user may set


def examined(settings: Settings) -> list[Finding]:
    """What the doctor sees."""
    reports = order(settings, task=DOCTOR)
    return [each for report in reports if isinstance(report, Diagnosed) for each in report.findings]


def test_a_user_who_may_set_nothing(make: Make) -> None:
    """`readonly = 1`: totals are computed all the same, and the doctor says what is missing and how to get it."""
    url = make(LONG.format("Int32") + "INSERT INTO figure VALUES ('a', 'debt', 'p', 1)")
    settings = settings_for(url.replace("reader:", f"{BOUND}:"))
    assert compute(settings).value("debt", period="all") == 1
    found = of(
        [each for r in order(settings, task=DOCTOR) if isinstance(r, Diagnosed) for each in r.findings], "settings"
    )
    assert found.health is Health.WARNING
    assert "max_execution_time" in found.seen
    assert "readonly = 2" in found.cure
    (failure,) = compute(settings_for(url.replace("reader:", f"{BOUND}:"), final=True)).failures.values()
    assert 'may not set "final"' in failure.message


def test_names_that_need_a_setting(make: Make) -> None:
    """A condition over a column that is called as ours are means the column; or else it is an error, never another."""
    script = """
    CREATE TABLE council (id Int32, slug String, key String, m0 Int32) ORDER BY id;
    INSERT INTO council VALUES (1, 'a', '2', 7), (2, 'b', '1', 0);
    CREATE TABLE figure (entity Int32, field String, period String, value Int32) ORDER BY entity;
    INSERT INTO figure VALUES (1, 'debt', 'p', 10), (2, 'debt', 'p', 200);
    """
    url = make(script)
    conditions = {"one": "key = '1'", "m": "m0 > 0"}
    groups = {name: GroupSettings(source="figures", where=where) for name, where in conditions.items()}
    counters = {"debt": CounterSettings(source="figures", formula="debt", periods=("all",), groups=("one", "m"))}
    for user in ("reader:", f"{BOUND}:"):
        settings = settings_for(url.replace("reader:", user), entities=Lookup(table="council", name="slug"))
        results = compute(msgspec.structs.replace(settings, groups=groups, counters=counters))
        if user == "reader:":
            assert results.value("debt", "one", "all") == 200
            assert results.value("debt", "m", "all") == 10
        else:
            (failure,) = results.failures.values()
            assert failure.reason is Reason.CONFIG
            assert 'column "key" of table "council"' in failure.message


def test_the_doctor_of_a_server_that_is_well(make: Make) -> None:
    """Version, user, limits that were tried."""
    url = make(LONG.format("Int32") + "INSERT INTO figure VALUES ('a', 'debt', 'p', 1)")
    found = examined(settings_for(url))
    assert not [each for each in found if each.health is not Health.OK], found
    assert "ClickHouse 2" in of(found, "server").seen
    assert "was ended after" in of(found, "limits").seen


def test_totals_that_may_be_partial_are_not_computed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that cuts results off, and cannot be overruled, is no server to read from."""

    class There:
        value, readonly = "any", 1

    assert wanted({"group_by_overflow_mode": There()}).partial == ("group_by_overflow_mode",)
    assert wanted({"limit": There()}).partial == ("limit",)
    There.readonly = 0
    assert wanted({"group_by_overflow_mode": There()}).own["group_by_overflow_mode"] == "throw"


SAID = {
    241: (
        "(total) memory limit exceeded: would use 9.32 GiB, maximum: 9.31 GiB. (MEMORY_LIMIT_EXCEEDED)",
        "less memory",
    ),
    497: (
        "u: Not enough privileges. To execute this query, it's necessary to have the grant SELECT(x) ON d.t. (X)",
        "(as u)",
    ),
    164: ("u: Cannot execute query in readonly mode. (READONLY)", "more than read"),
    394: ("Query was cancelled. (QUERY_WAS_CANCELLED)", "cancelled"),
    60: ("Unknown table expression identifier 'x' in scope SELECT 1 FROM x. (UNKNOWN_TABLE)", "identifier 'x'"),
    279: ("All connection tries failed. Log: s3cret", "All connection tries failed. Log: ***"),
}


@pytest.mark.parametrize("code", SAID)
def test_errors_of_statements(code: int) -> None:
    """Each is one line, with its reason and what to do, without what only programmers want to know, and no secret."""
    text, words = SAID[code]
    said = f"Received ClickHouse exception, code: {code}, server response: Code: {code}. DB::Exception: {text}"
    target = prepare("main", DatabaseSettings(url="clickhouse://u:s3cret@h/d"))
    found = refused(target, Error(f"{said} (version 26.9.2.1 (official build)) (for url http://h:8123)", code=code))
    assert isinstance(found, Refused)
    assert words in str(found)
    assert found.reason is (Reason.SQL if code in (60, 164) else Reason.DATABASE)
    assert not re.search(r"version|url|s3cret|[A-Z]{3}_", str(found).replace("max_memory_usage", ""))
    if code == 497:
        assert found.hint == "run: GRANT SELECT(x) ON d.t TO u"


def test_an_answer_that_breaks_off() -> None:
    """What the server says behind the rows it has sent already is told; rows that are cut are no rows."""
    sent = [b"a\tb", b"Int32\tString", b"1\tx", b"__exception__", b"Code: 241. DB::Exception: too much. (MEMORY)"]
    rows = Answer(sent).rows()
    assert next(rows) == (1, "x")
    with pytest.raises(ValueError, match="DB::Exception: too much"):
        next(rows)


def test_the_catalogue(make: Make) -> None:
    """Columns with their types, rows, the order in which they lie; a view; names for hints."""
    script = (
        "CREATE TABLE f (`a``b` LowCardinality(Nullable(String)), x SimpleAggregateFunction(sum, UInt64), d Date)"
        " ORDER BY (d, `a``b`) SETTINGS allow_nullable_key = 1;"
        "INSERT INTO f VALUES ('1', 2, '2020-01-01'); CREATE VIEW v AS SELECT x FROM f"
    )
    with opened(make(script)) as database:
        table = database.catalog.describe(["f"])
        assert table is not None
        assert table.rows == 1
        assert table.leading == {"d"}
        kinds = {name: (column.kind.value, column.nullable) for name, column in table.columns.items()}
        assert kinds == {"a`b": ("text", True), "x": ("integer", False), "d": ("other", False)}
        assert database.catalog.describe(["v"]) is not None
        assert database.catalog.describe(["nowhere"]) is None
        assert {"f", "v"} <= set(database.catalog.table_names())
        name = make_url(str(database.target.url)).database
        assert database.catalog.describe([str(name), "f"]) is not None
        assert isinstance(database.catalog, ClickHouseCatalog)
