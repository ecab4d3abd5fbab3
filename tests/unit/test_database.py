"""What a database's URL may be, and what is said where it leads nowhere."""

from __future__ import annotations

import time
import traceback

import pytest

from countercache.databases.registry import prepare
from countercache.errors import ConfigError, DatabaseUnreachable
from countercache.settings import DatabaseSettings
from tests.rights import closed_directory


@pytest.mark.parametrize(
    "login",
    [
        "bob:f1rst@s3cond",
        "bob:f1rst@/s3cond",
        "bob:f1rst@s3cond/th1rd",
        "bob:f1rst@s3cond?th1rd",
        "bob:f1rst@s3cond#th1rd",
        "bob@server:f1rst@s3cond",
        "f1rst/bob:s3cond",
        "f1rst/bob@server:s3cond",
    ],
)
@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg2", "mysql", "mariadb+pymysql", "clickhouse"]
)
def test_a_password_that_is_not_encoded(login: str, scheme: str) -> None:
    """No part of it is taken for the host or the name, which are shown. (Paths in a traceback hold none of them.)"""
    with pytest.raises(ConfigError, match="write @ as %40") as caught:
        prepare("main", DatabaseSettings(url=f"{scheme}://{login}@127.0.0.1:1/db"))
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(part in shown for part in ("f1rst", "s3cond", "th1rd"))
    assert "main" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://bob:p%40w@h/db", ("bob", "p@w", "h", "db")),
        ("postgresql://bob:p/#?w@h/db", ("bob", "p/#?w", "h", "db")),
        ("postgresql://bob@server:pw@h:5432/db?sslmode=require", ("bob@server", "pw", "h", "db")),
        ("postgresql://bob@server@h/db", ("bob@server", None, "h", "db")),
        ("postgresql://bob:pw@h/a%40b", ("bob", "pw", "h", "a@b")),
        ("postgresql+psycopg://h/db?application_name=me@here", (None, None, "h", "db")),
        ("postgresql://bob:p/#?w@h/db?application_name=me@here&connect_timeout=3", ("bob", "p/#?w", "h", "db")),
        ("postgresql://bob@/db?host=/run/postgresql", ("bob", None, None, "db")),
        ("postgresql://bob:pw@[::1]:5432/db", ("bob", "pw", "::1", "db")),
        ("sqlite:////srv/me@here/site.db", (None, None, None, "/srv/me@here/site.db")),
    ],
)
def test_an_at_sign_where_it_may_be(url: str, expected: tuple[str | None, ...]) -> None:
    """In a user's name, in an encoded password, behind the host in a value: as it was."""
    read = prepare("main", DatabaseSettings(url=url)).url
    assert (read.username, read.password, read.host, read.database) == expected


def test_a_file_behind_a_directory_without_rights() -> None:
    """It cannot be reached, as a server that refuses one: exit 5, with the path and the cause."""
    prepare("other", DatabaseSettings(url="sqlite:///other.db"))  # loads the driver while that is allowed
    with closed_directory() as closed:
        target = prepare("main", DatabaseSettings(url=f"sqlite:///{closed}/site.db"))
        with pytest.raises(DatabaseUnreachable, match=f"{closed}/site.db' cannot be read: Permission denied") as caught:
            target.open(time.monotonic() + 5)
    assert caught.value.hint
    assert caught.value.exit_code == 5
