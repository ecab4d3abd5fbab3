"""PostgreSQL's catalogue: what its tables are. The queries are for any version from 10 on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from countercache.databases.base import Row
from countercache.model.table import Column, Kind, Table

_SORTED = 0.9
"""So much correlation between a column and where the rows lie that a range of it is found together."""

_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8"), Kind.INTEGER),
    "numeric": Kind.NUMERIC,
    **dict.fromkeys(("float4", "float8"), Kind.FLOAT),
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), Kind.TEXT),
}

_SORTS = {"varchar": "text"}
"""Types that sort as another one does."""


def describe(rows: Callable[[str], list[Row]], name: Sequence[str]) -> tuple[Table, list[str]] | None:
    """A table by the parts of its name, as one that the role can name, and the schemas that its types are of beside the
    server's own; `None` where there is none. `rows` runs a query.
    """
    text = ".".join('"' + part.replace('"', '""') + '"' for part in name).replace("'", "''")
    found = rows(_TABLE.format(name=text))
    if not found:
        return None
    oid, count, blocks = found[0]
    columns: dict[str, Column] = {}
    in_order: set[str] = set()
    schemas: dict[str, None] = {}
    for column, type_, base, schema, required, collation, exact, correlation in rows(_COLUMNS.format(oid=oid)):
        if schema != "pg_catalog":
            schemas[schema] = None
        kind = _KINDS.get(base, Kind.OTHER)
        order = "integer" if kind is Kind.INTEGER else f"{_SORTS.get(base, base)} {collation}"
        columns[column] = Column(column, type_, kind, not required, order, exact=exact)
        if abs(correlation or 0) > _SORTED:
            in_order.add(column)
    unique: list[frozenset[str]] = []
    leading: set[str] = set()
    for is_unique, names in rows(_INDEXES.format(oid=oid)):
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
        references=frozenset(rows(_REFERENCES.format(oid=oid))),
    )
    return table, list(schemas)


def table_names(rows: Callable[[str], list[Row]]) -> list[str]:
    """The tables and views of schemas that are not the system's."""
    return [name for (name,) in rows(_NAMES)]


_TABLE = """
SELECT c.oid, CASE WHEN c.relkind = 'p' THEN (
    SELECT sum(greatest(l.reltuples, 0)) FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid
  ) WHEN c.relkind IN ('r', 'm') THEN CASE WHEN c.reltuples > 0 THEN c.reltuples
    ELSE pg_relation_size(c.oid) / 60 END END,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint END
FROM pg_class c WHERE c.oid = to_regclass('{name}') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
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
