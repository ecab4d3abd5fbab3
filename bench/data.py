"""The figures that are measured, and the counters over them.

The tables are as web stacks make them: a figure has a row of its own with an `id`, and points with integer keys to the
tables of areas, topics and years that have the names; the keys of a figure are unique together, and each is indexed.
Rows lie in the order of the years, as they come. One value in fifty is NULL. Everything is made inside the server.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import msgspec
import psycopg

FIELDS = 10
PERIODS = 10
CLASSES = 5
FIRST_YEAR = 2014
"""The year before the first period."""


class Size(msgspec.Struct, frozen=True):
    """A number of entities; figures are that × 10 fields × 10 periods."""

    name: str
    entities: int

    @property
    def figures(self) -> int:
        """How many figures that makes."""
        return self.entities * FIELDS * PERIODS


class Counter(msgspec.Struct, frozen=True):
    """A counter, and the same in SQL: an expression over `{f1}`…, the sums of the fields. `plain`: it is one sum."""

    name: str
    formula: str
    fields: tuple[int, ...]
    aggregate: str = ""
    plain: bool = False

    @property
    def sql(self) -> str:
        """The formula with `{f1}` for `field-1`, and a divisor of zero as no value."""
        return re.sub(r"field-(\d+)", r"{f\1}", re.sub(r"/ field-(\d+)", r"/ nullif({f\1}, 0)", self.formula))


def _sum(name: str, *fields: int, aggregate: str = "") -> Counter:
    return Counter(name, " + ".join(f"field-{n}" for n in fields), fields, aggregate, plain=True)


def _of(name: str, formula: str, *, aggregate: str = "") -> Counter:
    return Counter(name, formula, tuple(sorted({int(n) for n in re.findall(r"field-(\d+)", formula)})), aggregate)


TOTALS = (
    *(_sum(f"field-{n}-total", n) for n in range(1, 6)),
    _sum("short-term", 1, 2, 3),
    _sum("long-term", 4, 5, 6),
    _sum("borrowed", 1, 2, 3, 4, 5, 6),
    _sum("invested", 7, 8, 9),
    _sum("everything", *range(1, FIELDS + 1)),
    _of("first-share", "field-1 / field-2"),
    _of("second-share", "field-3 / field-4"),
    _of("third-share", "field-5 / field-6"),
    _of("fourth-share", "field-7 / field-8"),
    _of("fifth-share", "100 * field-9 / field-10"),
    _of("net", "field-1 + field-2 - field-7"),
    _of("gap", "field-4 - field-8"),
    _of("weighted", "0.5 * field-9 + 0.25 * field-10"),
    _of("half", "(field-5 + field-6) * 0.5"),
    _of("double", "2 * field-10"),
)
"""Twenty counters over totals: sums, ratios, differences."""

ENTITIES = (
    *(_sum(f"{how}-field-1", 1, aggregate=how) for how in ("avg", "max", "min", "count")),
    _of("average-share", "field-1 / field-2", aggregate="avg"),
    _of("largest-share", "field-3 / field-4", aggregate="max"),
    _of("shares", "field-5 / field-6", aggregate="count"),
    _sum("sum-of-three", 1, 2, 3, aggregate="sum"),
    _sum("average-of-three", 4, 5, 6, aggregate="avg"),
    _sum("largest-of-two", 7, 8, aggregate="max"),
)
"""Ten counters over entities: four of one field; ratios, and sums of entities that have all fields."""

_SHAPE = """
CREATE TABLE area (id {big} PRIMARY KEY, slug text NOT NULL UNIQUE, class text NOT NULL);
CREATE TABLE topic (id {big} PRIMARY KEY, slug text NOT NULL UNIQUE);
CREATE TABLE year (id {big} PRIMARY KEY, label text NOT NULL UNIQUE);
CREATE TABLE figure (
    id {big} PRIMARY KEY, area_id {big} NOT NULL, topic_id {big} NOT NULL, year_id {big} NOT NULL, value numeric(16, 2)
);
"""
_INDEXES = """
CREATE UNIQUE INDEX figure_keys ON figure (area_id, topic_id, year_id);
CREATE INDEX figure_topic ON figure (topic_id);
CREATE INDEX figure_year ON figure (year_id);
"""
_FILL = """
INSERT INTO area SELECT i, 'area-' || i, 'class-' || (i % {classes} + 1) FROM {areas};
INSERT INTO topic SELECT i, 'field-' || i FROM {topics};
INSERT INTO year SELECT i, CAST({first} + i AS text) FROM {years};
INSERT INTO figure SELECT ((y.id - 1) * {entities} + a.id - 1) * {fields} + f.id, a.id, f.id, y.id,
    CASE WHEN (a.id * 31 + f.id * 17 + y.id * 7) % 50 <> 0
    THEN ((a.id * 7919{big} + f.id * 104729 + y.id * 1299709) % 100000007 - 5000000) / 100.0 END
FROM year y CROSS JOIN area a CROSS JOIN topic f ORDER BY y.id, a.id, f.id;
"""
_CONFIG = """\
namespace = "{namespace}"

[redis]
url = "{redis}"

[databases.main]
url = "{database}"

[sources.figures]
database = "main"
table = "{figures}"
entity = "{entity}"
field = "{field}"
period = "{period}"
value = "value"
entities = {{ table = "{entities}", name = "slug" }}
fields = {{ table = "{fields}", name = "slug" }}
periods = {{ table = "{periods}", name = "label", order = "label" }}
"""


class Names(msgspec.Struct, frozen=True):
    """What the table of figures, its columns and the tables that these point to are called."""

    figures: str = "figure"
    entity: str = "area_id"
    field: str = "topic_id"
    period: str = "year_id"
    entities: str = "area"
    fields: str = "topic"
    periods: str = "year"


def fill_postgres(size: Size, url: str) -> None:
    """Make the tables in an empty PostgreSQL database, and let it look at them."""
    with psycopg.connect(url, autocommit=True) as connection:
        # The one large table is indexed after it is filled, as a restored dump is.
        filled = _filled(size, "generate_series(1, {}) i", "::bigint")
        for script in (_SHAPE.format(big="bigint"), filled, _INDEXES, "VACUUM ANALYZE"):
            connection.execute(script.encode())


def fill_clickhouse(size: Size, execute: Callable[[str], object]) -> None:
    """Make the tables in an empty ClickHouse database. Figures lie in the order of what is unique elsewhere."""
    for statement in (
        *_CLICKHOUSE_TABLES,
        *_filled(size, "(SELECT number + 1 AS i FROM numbers({}))", "").split(";")[:-2],
    ):
        execute(statement)
    # Not by joins, which would be made in memory.
    of = {"entities": size.entities, "fields": FIELDS, "each": size.entities * FIELDS, "all": size.figures}
    execute(_CLICKHOUSE_FIGURES.format(**of))


_CLICKHOUSE_TABLES = (
    "CREATE TABLE area (id UInt32, slug String, class LowCardinality(String)) ORDER BY id",
    "CREATE TABLE topic (id UInt16, slug String) ORDER BY id",
    "CREATE TABLE year (id UInt16, label String) ORDER BY id",
    """CREATE TABLE figure (area_id UInt32, topic_id UInt16, year_id UInt16, value Nullable(Decimal(16, 2)))
       ORDER BY (area_id, topic_id, year_id)""",
)
_CLICKHOUSE_FIGURES = """
INSERT INTO figure SELECT n % {each} DIV {fields} + 1 AS a, n % {fields} + 1 AS f, n DIV {each} + 1 AS y,
    if((a * 31 + f * 17 + y * 7) % 50 <> 0,
       toDecimal64((a * 7919 + f * 104729 + y * 1299709) % 100000007 - 5000000, 0) / 100, NULL)
FROM (SELECT toInt64(number) AS n FROM numbers({all}))
"""


def fill_mariadb(size: Size, execute: Callable[[str], object]) -> None:
    """Make the tables in an empty MariaDB database, and let it look at them."""
    filled = _filled(size, "(SELECT seq AS i FROM seq_1_to_{}) AS n", "").replace("AS text)", "AS char)")
    shape = _SHAPE.format(big="bigint").replace(" text ", " varchar(40) ")
    for script in ("SET SESSION sql_mode = 'PIPES_AS_CONCAT'", shape, filled, _INDEXES, "ANALYZE TABLE figure"):
        execute(script)


def fill_sqlite(path: Path, size: Size) -> None:
    """Make the tables in a new SQLite file."""
    numbers = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n)"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript("PRAGMA journal_mode = off; PRAGMA synchronous = off;")
        connection.executescript(_SHAPE.format(big="integer") + _filled(size, numbers, "") + _INDEXES + "ANALYZE;")
    finally:
        connection.close()


def fill_duckdb(path: Path, size: Size) -> None:
    """Make the tables in a new file of DuckDB, which needs no indexes."""
    with closing(duckdb.connect(path)) as connection:
        connection.execute(_SHAPE.format(big="bigint") + _filled(size, "range(1, {} + 1) n (i)", "::bigint"))
        connection.execute("CHECKPOINT")


def _filled(size: Size, numbers: str, big: str) -> str:
    """The SQL that fills the tables; `numbers` are a relation of so many, `big` makes a number one of 64 bits."""
    return _FILL.format(
        classes=CLASSES,
        entities=size.entities,
        fields=FIELDS,
        first=FIRST_YEAR,
        big=big,
        areas=numbers.format(size.entities),
        topics=numbers.format(FIELDS),
        years=numbers.format(PERIODS),
    )


def config(database: str, redis: str, namespace: str, *, entities: bool) -> str:
    """A configuration: the twenty counters over totals, each with every period, its change, and six groups; with
    `entities` the ten over entities too.
    """
    groups = {f"class-{n}": f"class = 'class-{n}'" for n in range(1, CLASSES + 1)}
    counters = [(counter.name, f'formula = "{counter.formula}"') for counter in TOTALS]
    for counter in ENTITIES if entities else ():
        how = f'over = "entities"\naggregate = "{counter.aggregate}"\nmissing = "skip"'
        counters.append((counter.name, f'formula = "{counter.formula}"\n{how}'))
    return document(database, redis, namespace, Names(), groups, counters)


def document(
    database: str,
    redis: str,
    namespace: str,
    names: Names,
    groups: Mapping[str, str],
    counters: Iterable[tuple[str, str]],
) -> str:
    """A configuration: groups by name, each with its SQL; counters by name, each in every period, for all groups."""
    parts = [_CONFIG.format(namespace=namespace, redis=redis, database=database, **msgspec.structs.asdict(names))]
    parts += [f'[groups.{name}]\nsource = "figures"\nwhere = "{where}"\n' for name, where in groups.items()]
    common = f'source = "figures"\nperiods = "each"\ncompare = true\ngroups = {["all", *groups]}\n'
    parts += [f"[counters.{name}]\n{keys}\n{common}" for name, keys in counters]
    return "\n".join(parts)
