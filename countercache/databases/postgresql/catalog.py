"""PostgreSQL's catalogue: what its tables are, and what its server is. The queries are for any version from 10 on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from sqlalchemy.engine import URL

from countercache.databases.catalog import SNAPSHOT, Catalog
from countercache.databases.dialect import Dialect
from countercache.model.clock_comparison import clock
from countercache.model.results import Finding, Health
from countercache.model.table import Column, Kind, Table

_SORTED = 0.9
"""From this correlation on between a column and the order of the rows, a range of it lies together."""

_MANY = 10_000_000
"""Rows of a table that may be read in blocks."""

_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8"), Kind.INTEGER),
    "numeric": Kind.NUMERIC,
    **dict.fromkeys(("float4", "float8"), Kind.FLOAT),
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), Kind.TEXT),
}

_SORTS = {"varchar": "text"}
"""Types that sort as another one does."""


class PostgresCatalog(Catalog):
    """The catalogue of a connection; `uses` is told the schemas of types that columns are of. `attempt` gives the rows
    of a query, and `None` where the server refuses it: one that only speaks PostgreSQL's protocol may lack anything.
    """

    slow_query: ClassVar[str] = "SELECT 1 FROM pg_sleep(2)"

    def __init__(
        self,
        rows: Callable[[str], list[tuple[Any, ...]]],
        url: URL,
        dialect: Dialect,
        uses: Callable[[Iterable[str]], None],
        attempt: Callable[[str], list[tuple[Any, ...]] | None],
    ) -> None:
        super().__init__(rows, url, dialect)
        self._attempt = attempt
        self._uses = uses

    def describe(self, name: Sequence[str]) -> Table | None:
        """A table by the parts of its name, as one that the role can name."""
        called = ".".join(self.dialect.reference(None, part) for part in name)
        size = self._size(called)
        if size is None:
            return None
        oid, count, blocks = size
        columns: dict[str, Column] = {}
        in_order: set[str] = set()
        schemas: dict[str, None] = {}
        found = self._attempt(_COLUMNS.format(oid=oid))
        if found is None:
            found = self.rows(_PLAIN_COLUMNS.format(oid=oid))
        for column, type_, base, schema, required, collation, exact, correlation in found:
            if schema != "pg_catalog":
                schemas[schema] = None
            kind = _KINDS.get(base, Kind.OTHER)
            order = "integer" if kind is Kind.INTEGER else f"{_SORTS.get(base, base)} {collation}"
            columns[column] = Column(column, type_, kind, not required, order, exact=exact)
            if abs(correlation or 0) > _SORTED:
                in_order.add(column)
        unique: list[frozenset[str]] = []
        leading: set[str] = set()
        for is_unique, names in self._attempt(_INDEXES.format(oid=oid)) or ():
            if names[0] is not None:
                leading.add(names[0])
            if is_unique and None not in names:
                unique.append(frozenset(names))
        table = Table(
            tuple(name),
            columns,
            None if count is None else int(count),
            blocks,
            tuple(unique),
            frozenset(leading),
            frozenset(in_order),
            identity=str(oid),
            references=frozenset(self._attempt(_REFERENCES.format(oid=oid)) or ()),
        )
        self._uses(schemas)
        return table

    def _size(self, called: str) -> tuple[int, float | None, int | None] | None:
        """Number, rows and pages of a table; `None` where there is none."""
        name = self.dialect.quoted(called)
        rows = self._attempt(_TABLE.format(name=name))
        if rows is None:
            rows = self._attempt(_PLAIN_TABLE.format(name=name))
        if not rows:
            return None
        oid, count, blocks = rows[0]
        if (count or 0) > _MANY and self._attempt(f"SELECT ctid < '(0,0)'::tid FROM {called} LIMIT 0") is None:  # noqa: S608
            blocks = None
        return oid, count, blocks

    def table_names(self) -> list[str]:
        """The tables and views of schemas that are not the system's."""
        return [name for (name,) in self.rows(_NAMES)]

    def examine(self, area: str) -> Iterator[Finding]:
        """The server, and how it ends what takes too long."""
        before = time.time()
        ((version, user, superuser, standby, now, dying, whole),) = self.rows(_SERVER)
        took = time.time() - before
        more = "; it is a standby" if standby else ""
        who = f"as {user}, a superuser: one that may only SELECT is enough" if superuser else f"as {user}"
        url = self.url
        where = f"{url.host or url.query.get('host') or 'the local socket'}:{url.port or 5432}"
        server = f"PostgreSQL {str(version).split()[0]} at {where}, {who}{more}"
        yield Finding(area, "server", Health.OK, server, SNAPSHOT)
        yield from versions(area, dying, whole)
        yield clock(area, float(now) - before - took / 2, took)

    def cost(self, statement: str) -> float:
        """The planner's estimate."""
        ((plan,),) = self.rows(f"EXPLAIN (FORMAT JSON) {statement}")
        return float(plan[0]["Plan"]["Total Cost"])

    def create_index(self, table: Table, column: str) -> str:
        """It can be made while others write."""
        return f"in psql: CREATE INDEX CONCURRENTLY ON {self.indexed(table, column)}"


def versions(area: str, dying: str | None, whole: str | None) -> Iterator[Finding]:
    """What the settings `client_connection_check_interval` and `transaction_timeout` mean (`None`: not known there)."""
    why = "without it a query runs on when countercache is killed with SIGKILL, until its own limit ends it"
    if dying is None:
        state = "the server does not know client_connection_check_interval (PostgreSQL 14 does)"
        yield Finding(area, "dead clients", Health.WARNING, state, why, "upgrade to PostgreSQL 14 or newer")
    elif dying in {"0", ""}:
        state = "client_connection_check_interval cannot be set: the server's system cannot look for dead clients"
        yield Finding(area, "dead clients", Health.WARNING, state, why)
    else:
        yield Finding(area, "dead clients", Health.OK, f"the server looks every {dying} whether the client lives", why)
    why = "it ends a transaction as a whole; without it each statement has a limit, and countercache has its own"
    state = (
        "the server has no transaction_timeout (PostgreSQL 17 does)" if whole is None else "transaction_timeout is set"
    )
    yield Finding(area, "transaction limit", Health.OK, state, why)


_TABLE = """
SELECT c.oid, CASE WHEN c.relkind = 'p' THEN (
    SELECT sum(greatest(l.reltuples, 0)) FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid
  ) WHEN c.relkind IN ('r', 'm') THEN CASE WHEN c.reltuples > 0 THEN c.reltuples
    ELSE pg_relation_size(c.oid) / 60 END END,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint END
FROM pg_class c WHERE c.oid = to_regclass({name}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_PLAIN_TABLE = """
SELECT c.oid, NULL, NULL FROM pg_class c WHERE c.oid = {name}::regclass AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_PLAIN_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, -1), t.typname, n.nspname, a.attnotnull, a.attcollation, false, NULL
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, -1), b.typname, n.nspname, a.attnotnull, a.attcollation,
  (b.typtype = 'e' OR b.typname IN (
    'int2', 'int4', 'int8', 'text', 'varchar', 'bpchar', 'name', 'date', 'timestamp', 'timestamptz', 'bool', 'uuid'))
  AND coalesce((SELECT to_jsonb(c) ->> 'collisdeterministic' FROM pg_collation c WHERE c.oid = a.attcollation), 'true')
    = 'true', (
    SELECT s.correlation FROM pg_stats s JOIN pg_class c ON c.oid = a.attrelid
    WHERE s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = c.relname AND s.attname = a.attname
      AND NOT s.inherited)
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
JOIN pg_namespace n ON n.oid = b.typnamespace
WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_INDEXES = """
SELECT i.indisunique AND i.indimmediate, array(
    SELECT (SELECT attname FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[n] AND attnum <> 0)::text
    FROM generate_series(0, i.indnkeyatts - 1) n ORDER BY n)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = {oid} AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
"""
_REFERENCES = """
SELECT a.attname::text, k.confrelid::text, b.attname::text FROM pg_constraint k
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
WHERE k.conrelid = {oid} AND k.contype = 'f' AND k.convalidated AND array_length(k.conkey, 1) = 1
"""
_NAMES = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN relname ELSE nspname || '.' || relname END::text
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname <> 'information_schema' AND nspname !~ '^pg_' LIMIT 10000
"""
_SERVER = """
SELECT current_setting('server_version'), current_user::text,
  (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  pg_is_in_recovery(), extract(epoch FROM clock_timestamp()),
  current_setting('client_connection_check_interval', true), current_setting('transaction_timeout', true)
"""
