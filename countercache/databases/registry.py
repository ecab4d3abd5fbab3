"""The engines by the schemes of their URLs: the one module that knows them all.

`prepare` looks at a URL and loads the driver of its engine, and no other; `Target.open` then connects.
"""

from __future__ import annotations

import re

import sqlalchemy

from countercache.databases.base import Target
from countercache.errors import ConfigError
from countercache.settings import DatabaseSettings

_POSTGRES = {"postgres", "postgresql", "postgis", "pgsql"}
_SQLITE = {"sqlite", "sqlite3"}
# As SQLAlchemy has it: a password ends at its first @, a user's name (on Azure `name@server`) at the last before that.
_LOGIN = re.compile(r"\w+(?:\+\w+)?://(?:[^:/]*(?::[^@]*)?@)?")


def prepare(name: str, settings: DatabaseSettings) -> Target:
    """The database that the settings name; loads its driver, opens nothing. Raises `ConfigError`."""
    try:
        url = sqlalchemy.make_url(settings.url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        hint = "write it as postgresql://USER:PASSWORD@HOST/NAME or sqlite:///PATH"
        raise ConfigError(f"the url of database {name} is no URL of a database", hint=hint) from None
    scheme = url.drivername.partition("+")[0].lower()
    if scheme in _POSTGRES:
        from countercache.databases.postgresql.connection import PostgresTarget  # noqa: PLC0415 - only the driver that is needed is loaded

        if _is_cut_short(settings.url):
            hint = "in the password, write @ as %40, / as %2F, # as %23 and ? as %3F"
            raise ConfigError(f"the url of database {name} has an @ in its host or name", hint=hint)
        return PostgresTarget(name, url.set(drivername="postgresql+psycopg"), settings)
    if scheme in _SQLITE:
        from countercache.databases.sqlite.connection import SQLiteTarget  # noqa: PLC0415

        return SQLiteTarget(name, url.set(drivername="sqlite"), settings)
    hint = "countercache reads PostgreSQL (postgresql://…) and SQLite (sqlite:///PATH)"
    raise ConfigError(f"database {name} is a {scheme!r}, which cannot be read", hint=hint)


def _is_cut_short(url: str) -> bool:
    """Whether the password goes on behind where it seems to end: then there is an `@` in the host or in the name."""
    login = _LOGIN.match(url)
    place, _, query = url[login.end() if login else 0 :].partition("?")
    return "@" in place or any("@" in pair.partition("=")[0] for pair in query.split("&"))
