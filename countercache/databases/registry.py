"""The engines by the schemes of their URLs: `prepare` loads the one of a URL, and no other.

An engine is found by an entry point of the group `countercache.databases`, whose name is the scheme and whose value the
engine's class of `Target`. Ours are declared in the same way, but known here, so that the metadata of all installed
packages is only read for a scheme that is none of ours.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points

import sqlalchemy

from countercache.compute.formula import nearest
from countercache.databases.base import Target
from countercache.errors import ConfigError
from countercache.settings import DatabaseSettings

GROUP = "countercache.databases"

# SQLAlchemy ends a password at its first @, and a user's name (`name@server` on Azure) at the last @ before it.
_LOGIN = re.compile(r"\w+(?:\+\w+)?://(?:[^:/]*(?::[^@]*)?@)?")

_CLICKHOUSE = "countercache.databases.clickhouse.connection:ClickHouseTarget [clickhouse]"
_POSTGRESQL = "countercache.databases.postgresql.connection:PostgresTarget"
_MYSQL = "countercache.databases.mysql.connection:MySQLTarget [mysql]"
_SQLITE = "countercache.databases.sqlite.connection:SQLiteTarget"
_DUCKDB = "countercache.databases.duckdb.connection:DuckDBTarget [duckdb]"

BUILT_IN = {
    **dict.fromkeys(("postgres", "postgresql", "postgis", "pgsql"), _POSTGRESQL),
    **dict.fromkeys(("clickhouse", "clickhouses", "clickhousedb"), _CLICKHOUSE),
    **dict.fromkeys(("mysql", "mariadb"), _MYSQL),
    **dict.fromkeys(("sqlite", "sqlite3"), _SQLITE),
    "duckdb": _DUCKDB,
}
"""The entry points of pyproject.toml, each with the extra that brings its driver."""


NAMES = {
    "PostgreSQL": "postgresql://…",
    "MariaDB and MySQL": "mysql://…",
    "ClickHouse": "clickhouse://…",
    "SQLite": "sqlite:///PATH",
    "DuckDB": "duckdb:///PATH",
}
"""The engines as people write them, with what a URL looks like."""

_GENERIC = "countercache.databases.generic.connection:GenericTarget"

_DIALECTS = {
    "bigquery": "sqlalchemy-bigquery",
    "databricks": "databricks-sqlalchemy",
    "exa": "sqlalchemy-exasol",
    "ibm_db_sa": "ibm-db-sa",
    "snowflake": "snowflake-sqlalchemy",
    "teradatasql": "teradatasqlalchemy",
    "trino": "trino[sqlalchemy]",
    "vertica": "vertica-sqlalchemy-dialect",
}
"""What brings a dialect to SQLAlchemy, by scheme."""


def prepare(name: str, settings: DatabaseSettings) -> Target:
    """The database that the settings name; loads its driver, opens nothing. Raises `ConfigError`."""
    try:
        url = sqlalchemy.make_url(settings.url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        hint = "write it as postgresql://USER:PASSWORD@HOST/NAME, with another engine's name, or sqlite:///PATH"
        raise ConfigError(f"the url of database {name} is no URL of a database", hint=hint) from None
    if (url.host or url.username) and _is_cut_short(settings.url):
        # The driver would look up a part of the password as the name of a host, and show it in its error.
        hint = "in the password, write @ as %40, / as %2F, # as %23 and ? as %3F"
        raise ConfigError(f"the url of database {name} has an @ in its host or name", hint=hint)
    scheme = url.drivername.partition("+")[0].lower()
    entry_point = _entry_point(scheme) or _of_dialect(scheme, url, name)
    try:
        target = entry_point.load()
    except (ImportError, AttributeError) as error:
        hint = "install the package that brings it again"
        if entry_point.extras:
            hint = f'run: pip install "countercache[{",".join(entry_point.extras)}]"'
        raise ConfigError(f"what reads {scheme}:// for database {name} cannot be loaded: {error}", hint=hint) from error
    if not (isinstance(target, type) and issubclass(target, Target)):
        hint = f"its entry point must name a class of countercache.databases.base.Target, not {entry_point.value}"
        raise ConfigError(f"what reads {scheme}:// for database {name} is no engine of countercache", hint=hint)
    return target(name, url, settings)


def _of_dialect(scheme: str, url: sqlalchemy.URL, name: str) -> EntryPoint:
    """What reads any database that SQLAlchemy has a dialect for. Raises `ConfigError` where it has none."""
    try:
        url.get_dialect()
    except (sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        if package := _DIALECTS.get(scheme):
            hint = f'pip install "{package}"'
            raise ConfigError(f"{scheme}:// for database {name} needs its SQLAlchemy dialect", hint=hint) from error
        known = ", ".join(f"{engine} ({looks})" for engine, looks in NAMES.items())
        likely = nearest(scheme, (*BUILT_IN, *_DIALECTS))
        hint = f"{likely} " if likely else ""
        hint += f"countercache reads {known}, and what SQLAlchemy has an installed dialect for"
        raise ConfigError(f"database {name} has the unknown engine {url.drivername!r}", hint=hint) from error
    return EntryPoint(scheme, _GENERIC, GROUP)


def _entry_point(scheme: str) -> EntryPoint | None:
    if value := BUILT_IN.get(scheme):
        return EntryPoint(scheme, value, GROUP)
    return next(iter(entry_points(group=GROUP, name=scheme)), None)


def _is_cut_short(url: str) -> bool:
    """Whether the password goes on behind where it seems to end: then there is an `@` in the host or in the name."""
    login = _LOGIN.match(url)
    address, _, query = url[login.end() if login else 0 :].partition("?")
    return "@" in address or any("@" in pair.partition("=")[0] for pair in query.split("&"))
