"""SQLite as an engine."""

from __future__ import annotations

from countercache.databases.engine import Engine
from countercache.databases.features import BlockScan, Features
from countercache.databases.sqlite.dialect import DIALECT
from countercache.databases.sqlite.entity_columns import SQLiteEntityColumns
from countercache.databases.sqlite.field_values import SQLiteFieldValues
from countercache.databases.sqlite.group_masks import SQLiteMasks
from countercache.databases.sqlite.key_packing import packing

ENGINE = Engine(
    name="SQLite",
    dialect=DIALECT,
    features=Features(block_scan=BlockScan.ROWIDS, shares_scans=True, has_typed_columns=False),
    field_values=SQLiteFieldValues,
    masks=SQLiteMasks,
    entity_columns=SQLiteEntityColumns,
    packing=packing,
)
