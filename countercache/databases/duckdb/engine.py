"""DuckDB as an engine."""

from __future__ import annotations

from countercache.databases.duckdb.dialect import DIALECT
from countercache.databases.duckdb.field_values import DuckDBFieldValues
from countercache.databases.duckdb.group_masks import DuckDBMasks
from countercache.databases.engine import Engine

ENGINE = Engine(name="DuckDB", dialect=DIALECT, field_values=DuckDBFieldValues, masks=DuckDBMasks)
