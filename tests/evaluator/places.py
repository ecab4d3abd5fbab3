"""Databases to put a case in and to read it back from, row by row, with nothing but plain SELECTs."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import clickhouse_connect
import duckdb
import psycopg
from sqlalchemy import make_url

from tests import clickhouse_server
from tests.computing import generic_url
from tests.evaluator.tables import Column, Row, Stored, Table
from tests.mariadb import MariaDB as Server

# Of each column of a case its type and collation, by table and column, where the catalogue does not tell all of it.
Declared = Mapping[str, Mapping[str, str]]


def quoted(name: str) -> str:
    """A name as SQL spells it."""
    return '"' + name.replace('"', '""') + '"'


class Place(Protocol):
    """A database with the tables of a case. The `kind` decides which columns and values there are."""

    kind: str
    url: str

    def load(self, script: str) -> None:
        """Run SQL that makes the tables of a case; those of the case before are gone."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def types(self, table: str) -> dict[str, str]:
        """The declared types of a table's columns."""

    def as_text(self, column: str) -> str:
        """SQL for a column as text."""

    def close(self) -> None:
        """Close the connection."""


class SQLite:
    """An SQLite file."""

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"sqlite:///{path}"
        self._connection: sqlite3.Connection | None = None

    def load(self, script: str) -> None:
        """Make the file anew."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;" + script)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        assert self._connection
        return self._connection.execute(sql).fetchall()

    def types(self, table: str) -> dict[str, str]:
        """The declared types of a table's columns, which leave out the collations."""
        return {row[1]: row[2] for row in self.rows(f"PRAGMA table_info({quoted(table)})")}

    def as_text(self, column: str) -> str:
        """SQL for a column as text. A blob has none: its bytes need not be one."""
        return f"CASE typeof({column}) WHEN 'blob' THEN hex({column}) ELSE CAST({column} AS TEXT) END"

    def close(self) -> None:
        """Close the file."""
        if self._connection:
            self._connection.close()
            self._connection = None


class Generic(SQLite):
    """An SQLite file that is read through SQLAlchemy, as a database is of which nothing else is known."""

    kind = "generic"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.url = generic_url(f"sqlite:///{path}")


class DuckDB:
    """A file of DuckDB. It is closed while it is not asked: nobody else could open it then."""

    kind = "duckdb"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"duckdb:///{path}"

    def load(self, script: str) -> None:
        """Make the file anew."""
        self._path.unlink(missing_ok=True)
        with closing(duckdb.connect(self._path)) as connection:
            connection.execute(script)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with closing(duckdb.connect(self._path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def types(self, table: str) -> dict[str, str]:
        """The types of a table's columns, which leave out the collations."""
        return {row[0]: row[1] for row in self.rows(f"DESCRIBE {quoted(table)}")}

    def as_text(self, column: str) -> str:
        """SQL for a column as text."""
        return f"CAST({column} AS TEXT)"

    def close(self) -> None:
        """Nothing is open."""


class PostgreSQL:
    """A PostgreSQL database of our own, with the extension citext."""

    kind = "postgresql"

    def __init__(self, url: str) -> None:
        self.url = url
        # Dates as ISO 8601, times in UTC: what docs/semantics.md says that labels are.
        self._connection = psycopg.connect(
            url, autocommit=True, prepare_threshold=None, options="-c timezone=UTC -c datestyle=ISO"
        )

    def load(self, script: str) -> None:
        """Empty the schema and fill it."""
        self._connection.execute("DROP SCHEMA public CASCADE")
        self._connection.execute("CREATE SCHEMA public")
        self._connection.execute(script.encode())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._connection.execute(sql.encode()).fetchall()

    def types(self, table: str) -> dict[str, str]:
        """The types of a table's columns."""
        literal = quoted(table).replace("'", "''")
        return dict(
            self.rows(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                f" WHERE attrelid = '{literal}'::regclass AND attnum > 0 ORDER BY attnum"
            )
        )

    def as_text(self, column: str) -> str:
        """SQL for a column as text."""
        return f"{column}::text"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class ClickHouse:
    """A ClickHouse database of our own."""

    kind = "clickhouse"

    def __init__(self, url: str) -> None:
        self.url = url
        target = make_url(url)
        self._database = target.database or ""
        self._owner = clickhouse_server.Client(target.port or 0)
        self._client = clickhouse_connect.get_client(
            host=target.host, port=target.port, database=self._database, autogenerate_session_id=False
        )

    def load(self, script: str) -> None:
        """Empty the database and fill it. There are no constraints of keys."""
        for (table,) in self.rows("SHOW TABLES"):
            self._client.command(f"DROP TABLE {quoted(table)}")
        without_keys = re.sub(r", (UNIQUE|PRIMARY KEY) \([^)]*\)\);", ");", script)
        nullable = re.sub(r'(?<=" )(text|integer|date)(?=[,)])', r"Nullable(\1)", without_keys)
        settings = {**clickhouse_server.STANDARD, "data_type_default_nullable": "0"}
        self._owner.script(nullable, self._database, settings)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query. Texts of fixed length come as what they are filled with has left them."""
        return [tuple(map(_unfilled, row)) for row in self._client.query(sql).result_rows]

    def types(self, table: str) -> dict[str, str]:
        """The types of a table's columns."""
        return {row[0]: row[1] for row in self.rows(f"DESCRIBE TABLE {quoted(table)}")}

    def as_text(self, column: str) -> str:
        """SQL for a column as text."""
        return f"replaceRegexpOne(toString({column}), '\\\\0+$', '')"

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _unfilled(value: Any) -> Any:
    return value.rstrip(b"\0").decode() if isinstance(value, bytes) else value


class MariaDB:
    """A MariaDB database of our own. Names are in double quotes here, and a backslash is one."""

    kind = "mariadb"

    def __init__(self, server: Server, name: str) -> None:
        self.url = server.url(name)
        self._name = name
        self._connection = server.connect(name)
        self.rows("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00'")

    def load(self, script: str) -> None:
        """Make the database anew."""
        made = f"CREATE DATABASE {self._name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
        self.rows(f"DROP DATABASE {self._name}; {made}; USE {self._name}; {script}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            rows = list(cursor.fetchall())
            while cursor.nextset():
                pass
            return rows

    def types(self, table: str) -> dict[str, str]:
        """The declared types of a table's columns, without their collations."""
        return dict(
            self.rows(
                "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS"
                f" WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{table}' ORDER BY ORDINAL_POSITION"
            )
        )

    def as_text(self, column: str) -> str:
        """SQL for a column as text."""
        return f"CAST({column} AS CHAR)"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def read_table(place: Place, name: str, declared: Declared, where: str = "") -> Table:
    """A table as it is in the database, or those of its rows for which a condition holds."""
    types = place.types(name) | dict(declared.get(name, {}))
    columns = tuple(Column(column, kind) for column, kind in types.items())
    parts = [part for column in types for part in (quoted(column), place.as_text(quoted(column)))]
    found = place.rows(f"SELECT {', '.join(parts)} FROM {quoted(name)}" + (f" WHERE {where}" if where else ""))
    return Table(name, columns, [_row(columns, row) for row in found])


def _row(columns: Sequence[Column], row: Sequence[Any]) -> Row:
    return {column.name: Stored(row[2 * i], row[2 * i + 1]) for i, column in enumerate(columns)}


def equal(place: Place, table: str, column: str, lookup: str, key: str) -> list[tuple[Any, Any]]:
    """Which values of a column the database takes for equal to which keys of a lookup table.

    Compared pair by pair: in a join, SQLite 3.40 loses keys that are equal in RTRIM only (the filter is by length).
    """
    return place.rows(
        f"SELECT t.{quoted(column)}, l.{quoted(key)} FROM {quoted(table)} AS t CROSS JOIN {quoted(lookup)} AS l"
        f" WHERE (t.{quoted(column)} = l.{quoted(key)}) IS TRUE"
    )


def chosen(place: Place, table: str, column: str, where: str) -> list[Any]:
    """The values of a column in the rows for which a condition holds."""
    return [row[0] for row in place.rows(f"SELECT {quoted(column)} FROM {quoted(table)} WHERE {where}")]
