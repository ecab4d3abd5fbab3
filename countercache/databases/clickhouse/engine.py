"""ClickHouse as an engine."""

from __future__ import annotations

from countercache.databases.clickhouse.dialect import DIALECT
from countercache.databases.clickhouse.field_values import ClickHouseFieldValues
from countercache.databases.clickhouse.group_masks import ClickHouseMasks
from countercache.databases.engine import Engine
from countercache.databases.features import Features

ENGINE = Engine(
    name="ClickHouse",
    dialect=DIALECT,
    features=Features(one_snapshot=False, reads_final=True),
    field_values=ClickHouseFieldValues,
    masks=ClickHouseMasks,
)
