"""PostgreSQL as an engine."""

from __future__ import annotations

from countercache.databases.engine import Engine
from countercache.databases.features import BlockScan, Features
from countercache.databases.postgresql.dialect import DIALECT
from countercache.databases.postgresql.entity_columns import PostgresEntityColumns
from countercache.databases.postgresql.field_values import PostgresFieldValues
from countercache.databases.postgresql.group_masks import PostgresMasks

ENGINE = Engine(
    name="PostgreSQL",
    dialect=DIALECT,
    features=Features(
        block_scan=BlockScan.PAGES,
        reads_parts_together=True,
        reads_ranges_cheaply=True,
    ),
    field_values=PostgresFieldValues,
    masks=PostgresMasks,
    entity_columns=PostgresEntityColumns,
)
