"""The SQL that each engine gets, as text: one file a query in tests/data/sql, compared without a server.

`standard` is an engine that says nothing of its own: what another one begins with.

After a change that is meant, write the files anew and read what became different:

    .venv/bin/python -m tests.unit.test_sql_text && git diff tests/data/sql
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.mssql.pyodbc import MSDialect_pyodbc

from countercache.compute.plan import Group, KnownFields, Plan, make_plan
from countercache.databases import lookup_queries
from countercache.databases.clickhouse.engine import ENGINE as CLICKHOUSE
from countercache.databases.dialect import STYLE, Dialect
from countercache.databases.duckdb.engine import ENGINE as DUCKDB
from countercache.databases.engine import Engine
from countercache.databases.features import BlockScan
from countercache.databases.field_values import Facts
from countercache.databases.mysql.engine import MARIADB, MYSQL
from countercache.databases.postgresql.engine import ENGINE as POSTGRESQL
from countercache.databases.query_parts import Blocks, Range
from countercache.databases.sqlite.engine import ENGINE as SQLITE
from countercache.databases.statements import Reading, Statements
from countercache.errors import ConfigError
from countercache.model.table import Column, Kind, Table
from countercache.settings import (
    Aggregate,
    CounterSettings,
    GroupSettings,
    Layout,
    Lookup,
    Missing,
    Numbers,
    Over,
    Settings,
    SourceSettings,
)

FILES = Path(__file__).parents[1] / "data" / "sql"
PINNED = {
    "clickhouse": CLICKHOUSE,
    "duckdb": DUCKDB,
    "mariadb": MARIADB,
    "postgresql": POSTGRESQL,
    "sqlite": SQLITE,
    "standard": Engine(name="Standard SQL", dialect=Dialect()),
}


class SQLServerDialect(Dialect):
    """Standard SQL as SQL Server quotes it."""

    def compiler(self) -> sa.Dialect:
        """SQLAlchemy's own."""
        return MSDialect_pyodbc(paramstyle=STYLE)  # type: ignore[no-untyped-call]


ENGINES = {
    **PINNED,
    "mysql": MYSQL,
    "mssql": Engine(name="SQL Server", dialect=SQLServerDialect()),
}

EXACT = ("clickhouse", "mariadb", "mysql", "postgresql", "sqlite")
"""The engines that say how they add floats and texts."""

FIELDS = {"debt": 7, "population": 12, "reserves": 9}
WHERE = "region = 'North' -- as the site has it"
BRITISH = Numbers(thousands=",", prefix="£", null=("n/a", "-"), negative="parentheses")


def column(engine: str, name: str, kind: Kind, *, nullable: bool = False) -> Column:
    """A column as the engine's catalogue describes it."""
    if engine == "sqlite":
        kept = "TEXT" if kind is Kind.TEXT else "NUMERIC"
        return Column(name, kept, Kind.ANY, nullable, f"{kept} BINARY", "BINARY", exact=True)
    if engine == "clickhouse":
        types = {Kind.INTEGER: "Int64", Kind.NUMERIC: "Decimal(20, 2)", Kind.FLOAT: "Float64"}
        return Column(name, types.get(kind, "String"), kind, nullable, types.get(kind, "String"), exact=True)
    types = {Kind.INTEGER: "integer", Kind.NUMERIC: "numeric", Kind.FLOAT: "double precision"}
    return Column(name, types.get(kind, "text"), kind, nullable, kind.value, exact=True)


def table(engine: str, name: str, unique: tuple[str, ...] = (), **kinds: Kind) -> Table:
    """A table of such columns; what holds figures may be NULL."""
    columns = {
        called: column(engine, called, kind, nullable=called in {"value", *FIELDS}) for called, kind in kinds.items()
    }
    rowid = "id" if engine == "sqlite" and "id" in kinds else None
    return Table((name,), columns, 1_000_000, 10_000, (frozenset(unique),) if unique else (), rowid=rowid)


COUNCILS = Lookup(table="council", name="slug")


def long(engine: str, *, value: Kind = Kind.NUMERIC, numbers: Numbers | None = None, listed: bool = True) -> Facts:
    """One row a figure; `listed`: other tables have the names."""
    settings = SourceSettings(
        database="main", table="figure", entity="council_id", field="field_id", period="year_id", value="value",
        entities=COUNCILS if listed else None,
        periods=Lookup(table="year", name="label", order="start") if listed else None,
        fields=Lookup(table="field") if listed else None,
        numbers=numbers, field_numbers={"debt": BRITISH} if numbers else {},
    )  # fmt: skip
    keys = {"council_id": Kind.INTEGER, "field_id": Kind.INTEGER, "year_id": Kind.INTEGER}
    figures = table(engine, "figure", tuple(keys), **keys, value=value)
    return Facts(settings, figures, FIELDS, council(engine) if listed else None)


def wide(engine: str, *, value: Kind = Kind.NUMERIC, unique: bool = True) -> Facts:
    """One column a field; `unique`: each council has one row a year."""
    settings = SourceSettings(
        database="main", layout=Layout.WIDE, table="site.budget", entity="council_id", period="year", entities=COUNCILS
    )
    kinds = {"council_id": Kind.INTEGER, "year": Kind.TEXT, **dict.fromkeys(FIELDS, value)}
    figures = table(engine, "budget", ("council_id", "year") if unique else (), **kinds)
    return Facts(settings, figures, {name: name for name in FIELDS}, council(engine))


def council(engine: str) -> Table:
    """The table of the entities."""
    return table(engine, "council", ("id",), id=Kind.INTEGER, slug=Kind.TEXT, region=Kind.TEXT)


COUNTERS = {
    "total": CounterSettings(
        source="figures", formula="debt + reserves", groups=("all", "north", "few"), periods="each"
    ),
    "both": CounterSettings(source="figures", formula="debt / population", complete=True, periods="each"),
    **{
        f"{aggregate}_{missing}": CounterSettings(
            source="figures", formula="(debt - reserves) / population", over=Over.ENTITIES, aggregate=aggregate,
            missing=missing, periods="each", groups=("all", "north"),
        )
        for aggregate, missing in zip(Aggregate, [*Missing, *Missing], strict=False)
    },
    "one": CounterSettings(source="figures", formula="debt", over=Over.ENTITIES, aggregate=Aggregate.MAX),
}  # fmt: skip
GROUPS = {
    "north": GroupSettings(source="figures", where=WHERE),
    "few": GroupSettings(source="figures", entities=("leeds", "st-helen's", "50%")),
}


def plan(facts: Facts, *counters: str) -> Plan:
    """The plan of some counters over a source."""
    settings = Settings(sources={"figures": facts.settings}, groups=GROUPS, counters=COUNTERS)
    made = make_plan(settings, "figures", counters, KnownFields(list(facts.fields)))
    assert not made.failures
    return made


def statements(
    engine: str, facts: Facts, *counters: str, guarded: bool = False, array: str | None = None, packed: bool = False
) -> Statements:
    """The queries of a source."""
    made = plan(facts, *counters)
    packing = ENGINES[engine].packing(facts, len(made.groups)) if packed else None
    return Statements(ENGINES[engine], facts, made, Reading(guarded, 50_000, array, packing))


def queries(engine: str) -> dict[str, str]:
    """Every kind of query by its name, without spaces at the ends of lines."""
    kinds = (totals, entities, others, masks, lookups)
    return {name: re.sub(r" +$", "", text, flags=re.MULTILINE) for kind in kinds for name, text in kind(engine)}


def totals(engine: str) -> Iterator[tuple[str, str]]:
    """Sums by field, period and group."""
    written = statements(engine, long(engine), "total")
    yield "totals_long", written.totals()
    yield "totals_long_range", written.totals(Range(3, 8))
    yield "totals_long_text_range", written.totals(Range("a'b", None))
    if ENGINES[engine].features.block_scan is not BlockScan.NONE:
        yield "totals_long_blocks", written.totals(Blocks(None, 100), Blocks(100, 200), Blocks(200, None))
    yield "totals_long_guarded", statements(engine, long(engine), "total", guarded=True).totals()
    yield "totals_long_unlisted", statements(engine, long(engine, listed=False), "total").totals()
    yield "totals_wide", statements(engine, wide(engine), "total").totals()
    for kind in (Kind.INTEGER, Kind.FLOAT, Kind.TEXT) if engine in EXACT else (Kind.INTEGER,):
        yield f"totals_wide_{kind}", statements(engine, wide(engine, value=kind), "total", guarded=True).totals()
    if engine in EXACT:
        spelled = long(engine, value=Kind.TEXT, numbers=Numbers(null=("",)))
        yield "totals_long_spelled", statements(engine, spelled, "total", guarded=True).totals()
    if engine in ("mariadb", "mysql"):
        yield "totals_long_array", statements(engine, long(engine), "total", array="010003").totals()
    if engine == "postgresql":
        by_array = statements(engine, long(engine), "total", array="{1,0,3}")
        yield "totals_long_array", by_array.totals()
        yield "totals_long_array_blocks", by_array.totals(Blocks(None, 100), Blocks(100, None))
    if engine == "clickhouse":
        yield "totals_long_array", statements(engine, long(engine), "total", array="1").totals()
    if engine == "sqlite":
        packed = statements(engine, long(engine), "total", packed=True)
        yield "totals_long_packed", packed.totals()
        yield "totals_long_packed_blocks", packed.totals(Blocks(None, 100))


def entities(engine: str) -> Iterator[tuple[str, str]]:
    """What brings together what belongs to one entity."""
    names = [name for name, counter in COUNTERS.items() if counter.over is Over.ENTITIES or counter.complete]
    facts = {"long": long(engine), "wide": wide(engine), "several": wide(engine, unique=False)}
    for name, of in facts.items():
        for guarded in (False, True):
            written = statements(engine, of, *names, guarded=guarded)
            made = plan(of, *names)
            called = f"entities_{name}{'_guarded' if guarded else ''}"
            columns = written.entity_columns(made.entity_specs)
            if columns:
                yield called, written.entities(made.entity_specs, columns)
                yield f"{called}_range", written.entities(made.entity_specs, columns, Range(3, 8), Range(8, None))
            else:
                yield called, written.entity_rows(made.fields, Range())
                yield f"{called}_range", written.entity_rows(made.fields, Range(3, 8, scan=True))
    written = statements(engine, long(engine), "one")
    specs = plan(long(engine), "one").entity_specs
    if columns := written.entity_columns(specs, ["debt"]):
        yield "entities_flat", written.entities(specs, columns)
    yield "boundary", written.boundary(None, 1000)
    yield "boundary_next", written.boundary("x'y", 1000)
    yield "boundary_unlisted", statements(engine, long(engine, listed=False), "one").boundary(4, 1000)


def others(engine: str) -> Iterator[tuple[str, str]]:
    """Periods, rejected values, samples."""
    for name, facts in {"long": long(engine), "wide": wide(engine), "text": long(engine, value=Kind.TEXT)}.items():
        written = statements(engine, facts, "total")
        yield f"other_periods_{name}", written.other_periods([2021, "2022'"])
        yield f"rejections_{name}", written.rejections(["debt", "reserves"])
        yield f"sample_{name}", written.sample(["debt", "reserves"], 10_000)
    if engine == "sqlite":
        yield "block_boundary", statements(engine, long(engine), "total").block_boundary(None, 50_000)
        yield "block_boundary_next", statements(engine, long(engine), "total").block_boundary(7, 50_000)


def masks(engine: str) -> Iterator[tuple[str, str]]:
    """Which groups each entity is in."""
    for name, facts in {"listed": long(engine), "unlisted": long(engine, listed=False)}.items():
        found = statements(engine, facts, "total").masks
        yield f"masks_{name}_sizes", found.sizes()
        yield f"masks_{name}_attempt", found.attempt(found.groups[1])
        yield f"masks_{name}_named", found.named(["leeds", "it's"])
        if engine == "sqlite":
            yield f"masks_{name}_temporary", ";\n".join(found.preparation())
    if engine in ("mariadb", "mysql"):
        yield "masks_array", statements(engine, long(engine), "total").masks.array_query(3, 2, 9) or ""
    if engine == "postgresql":
        found = statements(engine, long(engine), "total").masks
        yield "masks_array_dense", found.array_query(3, 1, 3) or ""
        yield "masks_array_gaps", found.array_query(3, 2, 9) or ""
    many = tuple(Group(f"g{bit}", bit, where=f"id % {bit + 2} = 0") for bit in range(64))
    facts = long(engine)
    yield (
        "masks_two_words",
        ENGINES[engine].masks(ENGINES[engine].dialect, facts.settings, facts.table, facts.entities, many).sizes(),
    )


def lookups(engine: str) -> Iterator[tuple[str, str]]:
    """Keys and names."""
    dialect = ENGINES[engine].dialect
    year = Lookup(table="site.year", key="id", name="label", order="start", where="lang = 'en'")
    yield "lookup", lookup_queries.lookup_sql(dialect, COUNCILS)
    yield "lookup_ordered", lookup_queries.lookup_sql(dialect, year)
    yield "lookup_named", lookup_queries.named_sql(dialect, year, [1, "b'", 2.5])
    yield "lookup_repeated", lookup_queries.repeated_sql(dialect, year)
    yield "lookup_more", lookup_queries.more_sql(dialect, "figure", 10_000)
    yield "lookup_unlisted", lookup_queries.unlisted_sql(dialect, "figure", "year_id", year, 10_000)
    yield "lookup_doubles", lookup_queries.doubles_sql(dialect, "figure", ["council_id", "year_id"], 10_000)
    yield "lookup_mixed", lookup_queries.mixed_sql(dialect, "figure", "council_id", WHERE, 10_000)
    yield "lookup_several", lookup_queries.several_sql(dialect, "figure", "council_id", "region", 10_000)
    yield "keys_distinct", lookup_queries.distinct_sql(dialect, "figure", "field_id")
    yield "keys_distinct_where", lookup_queries.distinct_sql(dialect, "council", "region", where=WHERE, limit=1001)
    yield "keys_sample", lookup_queries.sample_sql(dialect, "figure", "field_id", 100_000)
    yield "keys_equals", lookup_queries.equals_sql(dialect, "figure", "field_id", "de'bt", float("inf"))
    yield "keys_equal", lookup_queries.equal_sql(dialect, "figure", "field_id", 7, [7.0, "7", b"7", "a\0b"])
    yield "keys_sorted", dialect.sorted_keys("council", column(engine, "region", Kind.TEXT), ["South", "North"])
    yield "keys_spellings", lookup_queries.spellings_sql(dialect, "council", "region", ["South", "North"])


def write() -> None:
    """Write the files anew."""
    shutil.rmtree(FILES, ignore_errors=True)
    for engine in PINNED:
        (FILES / engine).mkdir(parents=True)
        for name, text in queries(engine).items():
            (FILES / engine / f"{name}.sql").write_text(f"{text}\n", encoding="utf-8")


@pytest.mark.parametrize("engine", PINNED)
def test_each_engine_gets_the_sql_that_was_reviewed(engine: str) -> None:
    """No query changes unseen; a query without a file, and a file without a query, are told too."""
    written = queries(engine)
    kept = {path.stem: path.read_text(encoding="utf-8").removesuffix("\n") for path in (FILES / engine).glob("*.sql")}
    assert written.keys() == kept.keys()
    assert {name: text for name, text in written.items() if text != kept[name]} == {}


@pytest.mark.parametrize(
    ("engine", "name", "text"),
    [
        ("clickhouse", "`a\\`\"]\\\\\\'%`", "'a`\"]\\\\''%'"),
        ("standard", '"a`""]\\\'%"', "'a`\"]\\''%'"),
        ("postgresql", '"a`""]\\\'%"', "'a`\"]\\''%'"),
        ("sqlite", '"a`""]\\\'%"', "'a`\"]\\''%'"),
        ("mysql", "`a``\"]\\'%`", "'a`\"]\\\\''%'"),
        ("mssql", "[a`\"]]\\'%]", "N'a`\"]\\''%'"),
    ],
)
def test_names_and_texts_are_quoted_as_the_engine_does(engine: str, name: str, text: str) -> None:
    """What is odd in a name or a text stays in it, alone and within a query."""
    odd, dialect = "a`\"]\\'%", ENGINES[engine].dialect
    assert dialect.reference("f", odd) in {f"f.{name}", f"`f`.{name}"}
    assert dialect.literal(odd) == text
    query = lookup_queries.equals_sql(dialect, odd, odd, odd)
    assert f"\nFROM {name}" in query
    assert f"\nWHERE {name} = {text}" in query


@pytest.mark.parametrize("engine", PINNED)
def test_the_bounds_of_a_part_are_put_in_as_they_are(engine: str) -> None:
    """Whatever a key holds, also what stands for a bound until it is known; each part gets its own."""
    odd = ["%s", ":part0", "__[POSTCOMPILE_part1]", "\\1"]
    written = statements(engine, long(engine), "total")
    for low, high in itertools.pairwise(odd):
        text = written.totals(Range(None, low), Range(low, high))
        literal = ENGINES[engine].dialect.literal
        assert [text.count(f"<= {literal(key)}") for key in (low, high)] == [1, 1]
        assert text.count(f"> {literal(low)}") == 1
        assert text.count(" UNION ALL ") == 1


@pytest.mark.parametrize("engine", ["mysql", "mssql"])
def test_an_engine_gets_what_it_has(engine: str) -> None:
    """What an engine does not say that it has is not in its queries, nor is a name in quotes that are another's."""
    for name, text in queries(engine).items():
        assert not re.search(r'FILTER \(|NULLS FIRST|"[^"]*"\.|\."|::', text), (name, text)
        assert engine == "mysql" or "LIMIT" not in text, (name, text)


def test_mysql_gets_what_mariadb_gets() -> None:
    """The same SQL, which runs on MariaDB in other tests, but for how the groups of a pattern are named."""
    mariadb, mysql = queries("mariadb"), queries("mysql")
    different = {name for name, text in mysql.items() if text != mariadb[name]}
    assert different == {"totals_long_spelled"}
    assert re.sub(r"\$(\d)", r"\\\\\1", mysql["totals_long_spelled"]) == mariadb["totals_long_spelled"]


@pytest.mark.parametrize("kind", [Kind.FLOAT, Kind.TEXT, Kind.OTHER])
def test_standard_sql_adds_no_floats_and_no_texts(kind: Kind) -> None:
    """An engine that does not say how it adds them exactly gives no sum that is nearly right."""
    with pytest.raises(ConfigError, match=r'column "value" of table "figure" is of type .*no exact sum'):
        statements("standard", long("standard", value=kind), "total").totals()


if __name__ == "__main__":
    write()
