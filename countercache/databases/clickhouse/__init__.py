"""ClickHouse, over HTTP by the driver clickhouse-connect; any statement is a snapshot of its own."""
