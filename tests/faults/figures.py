"""The figures of a site, its counters over them, and the exact total of each of their generations."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

ENTITIES = 12
PERIODS = ("2023", "2024")
FIELDS = ("a", "b")

CLOSE = Decimal("1e-20")
"""A ratio has no end; the digits that are stored are far more than these."""

FORMULAS = ("total", "ratio", "sum")
"""Counters that take no time: two formulas and one by SQL, which must agree on the snapshot."""


def base(entity: int, field: str, period: str) -> Decimal:
    """A figure of generation 0."""
    return Decimal(entity * 7 + FIELDS.index(field) * 100 + PERIODS.index(period) * 31) + Decimal("0.01")


def expected(kind: str, counter: str, period: str, generation: int) -> Decimal:
    """The exact value of a cell of a generation, on that kind of database."""
    add = 1000 * generation
    chosen = PERIODS[-1:] if period == "latest" else PERIODS
    of = {field: _SUMS[field, chosen] + add * ENTITIES * len(chosen) for field in FIELDS}
    if counter.startswith("huge"):
        return Decimal(10) ** 2000
    if counter.startswith("ratio"):
        return of["a"] / of["b"]
    if counter.startswith(("total", "slow")):
        return of["a"] + of["b"]
    whole = of["a"] + of["b"]  # the counters by SQL, of all periods
    # A plain sum on SQLite is one of floats, with what floats bring; there they sum the integer parts.
    return whole if kind != "sqlite" else whole.to_integral_value(ROUND_FLOOR)


def change(generation: int) -> str:
    """The SQL by which all figures change at once to a generation."""
    return f"UPDATE figure SET value = base + {1000 * generation}"


def database(kind: str, *, name: str, url: str, lock_timeout: str, slow: bool = True) -> str:
    """The part of a configuration that is about one database: its sources and counters."""
    suffix = "" if name == "main" else f"-{name}"
    text = _DATABASE + _SLOW_SOURCE if slow else _DATABASE
    return text.format(name=name, url=url, suffix=suffix, lock_timeout=lock_timeout, **_SLOW[kind])


_SUMS = {
    (field, periods): sum((base(entity, field, p) for entity in range(ENTITIES) for p in periods), Decimal())
    for field in FIELDS
    for periods in (PERIODS, PERIODS[-1:])
}
_ROWS = ", ".join(
    f"('e{entity}', '{field}', '{period}', {base(entity, field, period)}, {base(entity, field, period)})"
    for entity in range(ENTITIES)
    for field in FIELDS
    for period in PERIODS
)
POSTGRES_TABLES = f"""
CREATE TABLE figure (entity text, field text, period text, base numeric(20, 2), value numeric(20, 2));
INSERT INTO figure VALUES {_ROWS};
CREATE FUNCTION nap(seconds float8) RETURNS numeric VOLATILE LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep(seconds); RETURN 0; END';
CREATE VIEW slow_figure AS SELECT entity, field, period, value + nap(0.008) AS value FROM figure;
""".encode()
SQLITE_TABLES = f"""
CREATE TABLE figure (entity text, field text, period text, base numeric, value numeric);
INSERT INTO figure VALUES {_ROWS};
CREATE VIEW slow_figure AS SELECT entity, field, period, value + (
    WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT 0 * count(*) FROM c) AS value
    FROM figure;
"""
MARIADB_TABLES = f"""
CREATE TABLE figure (
  entity varchar(20), field varchar(20), period varchar(20), base decimal(20, 2), value decimal(20, 2));
INSERT INTO figure VALUES {_ROWS};
CREATE FUNCTION nap(seconds double) RETURNS decimal(20, 2) NOT DETERMINISTIC SQL SECURITY INVOKER
  RETURN 0 * sleep(seconds);
CREATE SQL SECURITY INVOKER VIEW slow_figure AS SELECT entity, field, period, value + nap(0.008) AS value FROM figure;
"""
_SLOW = {
    "mariadb": {
        "sum": "SELECT sum(value) FROM figure",
        "huge": "SELECT 1",
        "nap": "SELECT (SELECT sum(value) FROM figure) FROM (SELECT sleep(0.8)) AS slept",
        "endless": "SELECT sleep(60)",
    },
    "postgres": {
        "sum": "SELECT sum(value) FROM figure",
        "huge": "SELECT 10::numeric ^ 2000",
        "nap": "SELECT (SELECT sum(value) FROM figure) FROM pg_sleep(0.8)",
        "endless": "SELECT 1 FROM pg_sleep(60)",
    },
    "sqlite": {
        "sum": "SELECT sum(CAST(value AS integer)) FROM figure",
        "huge": "SELECT 9e999",
        "nap": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 500000) "
        "SELECT (SELECT sum(CAST(value AS integer)) FROM figure) + 0 * count(*) FROM c",
        "endless": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000000000) "
        "SELECT count(*) FROM c",
    },
}
_DATABASE = """
[databases.{name}]
url = "{url}"
lock_timeout = "{lock_timeout}"
connect_timeout = "2s"
[sources.figures{suffix}]
database = "{name}"
table = "figure"
entity = "entity"
field = "field"
period = "period"
value = "value"
[counters.total{suffix}]
source = "figures{suffix}"
formula = "a + b"
periods = ["latest", "all"]
[counters.ratio{suffix}]
source = "figures{suffix}"
formula = "a / b"
[counters.sum{suffix}]
database = "{name}"
sql = "{sum}"
[counters.endless{suffix}]
database = "{name}"
sql = "{endless}"
[counters.nap{suffix}]
database = "{name}"
sql = "{nap}"
[counters.brief{suffix}]
database = "{name}"
sql = "{endless}"
timeout = "500ms"
[counters.huge{suffix}]
database = "{name}"
sql = "{huge}"
[counters.broken{suffix}]
database = "{name}"
sql = "SELECT 1 FROM no_such_table"
"""
_SLOW_SOURCE = """
[sources.slow{suffix}]
database = "{name}"
table = "slow_figure"
entity = "entity"
field = "field"
period = "period"
value = "value"
[counters.slow{suffix}]
source = "slow{suffix}"
formula = "a + b"
"""
