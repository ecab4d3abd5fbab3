"""What is sent to MariaDB and to MySQL where they differ, what a URL may say, and what one's own SQL may not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import make_url

from countercache.databases.base import Refused
from countercache.databases.mysql.dialect import MySQLDialect
from countercache.databases.mysql.flavors import flavor_of, is_too_old
from countercache.databases.mysql.login import login
from countercache.databases.mysql.own_sql import check_own_sql
from countercache.errors import ConfigError


@pytest.mark.parametrize(
    ("version", "name", "old"),
    [
        ("10.11.18-MariaDB-0+deb12u1", "MariaDB", False),
        ("10.6.0-MariaDB", "MariaDB", False),
        ("5.5.5-10.5.22-MariaDB-log", "MariaDB", True),
        ("11.4.2-MariaDB", "MariaDB", False),
        ("8.0.36", "MySQL", False),
        ("8.4.0-commercial", "MySQL", False),
        ("5.7.44-log", "MySQL", True),
        ("8.0.36-28", "MySQL", False),
    ],
)
def test_which_server_it_is(version: str, name: str, old: bool) -> None:
    """The word MariaDB tells; MariaDB 10.6 and MySQL 8.0 are the oldest that are read."""
    assert flavor_of(version).engine.name == name
    assert is_too_old(version) is old


def test_limits_on_mariadb() -> None:
    """Seconds with fractions for the statement; whole seconds, rounded up, to wait for others' locks."""
    assert flavor_of("10.6.0-MariaDB").limits(2.5, 0.3) == (
        "SET SESSION max_statement_time = 2.500, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, wait_timeout = 4"
    )


def test_limits_on_mysql() -> None:
    """Milliseconds, of which 0 would be no limit."""
    mysql = flavor_of("8.0.36")
    assert mysql.limits(2.5, 10.2) == (
        "SET SESSION max_execution_time = 2500, lock_wait_timeout = 11, innodb_lock_wait_timeout = 11, wait_timeout = 4"
    )
    assert "max_execution_time = 1," in mysql.limits(0.0001, 1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://me:pa%40ss@db.site:3307/s", {"user": "me", "password": "pa@ss", "host": "db.site", "port": 3307}),
        ("mariadb://me@/site?unix_socket=/run/mysqld.sock", {"unix_socket": "/run/mysqld.sock", "database": "site"}),
        ("mysql+pymysql://me@db/?charset=utf8", {"charset": "utf8", "database": None, "port": 3306}),
        ("mysql://me@db/s?ssl_ca=/ca.pem&ssl_verify_identity=true", {"ssl_ca": "/ca.pem", "ssl_verify_identity": True}),
        ("mysql://me@db/s?ssl_ca=/ca.pem&ssl_check_hostname=false", {"ssl_verify_identity": False}),
        ("mysql://me@db/s", {"charset": "utf8mb4"}),
    ],
)  # fmt: skip
def test_what_a_url_says(url: str, expected: dict[str, Any]) -> None:
    """Each part becomes the driver's argument of that meaning."""
    assert login("main", make_url(url)).items() >= expected.items()


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("read_timeout=900", "has a parameter read_timeout, which there is not; remove it; there are unix_socket,"),
        ("local_infile=1", "has a parameter local_infile"),
        ("init_command=SET+autocommit=0", "has a parameter init_command"),
        ("read_default_file=/root/.my.cnf", "has a parameter read_default_file"),
        ("ssl_verify_cert=maybe", "ssl_verify_cert is neither true nor false; write ssl_verify_cert=true"),
    ],
)
def test_what_a_url_may_not_say(parameter: str, message: str) -> None:
    """Nothing reaches the driver by which limits would not hold, or another file be read; no password is shown."""
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        login("main", make_url(f"mysql://me:hunter2@db/s?{parameter}"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM users",
        "  -- how many\n(SELECT 1)",
        "WITH a AS (SELECT 1 AS n) SELECT n FROM a",
        "SELECT sum(share) FROM f WHERE name = 'into' AND note = \"for update\"",
        "SELECT `into` FROM f # INTO OUTFILE",
        "SELECT substr(share FROM 1 FOR 3) FROM f",
    ],
)
def test_own_sql_that_reads(statement: str) -> None:
    """Words in texts, quoted names and comments are none."""
    check_own_sql(statement, MySQLDialect.lexer)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "INTO would write"),
        ("SELECT 1 INTO @x", "INTO would write"),
        ("SELECT 1 FROM f FOR UPDATE", "FOR UPDATE would lock"),
        ("SELECT 1 FROM f LOCK IN SHARE MODE", "LOCK IN SHARE MODE would lock"),
        ("SELECT 1 FROM f FOR SHARE", "FOR SHARE would lock"),
        ("SELECT get_lock('x', 10)", "GET_LOCK would take"),
        ("SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */", "a comment that is run"),
        ("/*! DELETE FROM f */", "it begins with DELETE"),
        ("DELETE FROM f", "it begins with DELETE"),
        ("CALL p()", "it begins with CALL"),
        ("", "it begins with nothing"),
    ],
)
def test_own_sql_that_does_more(statement: str, message: str) -> None:
    """What writes, locks or hides what it does is refused before it is sent."""
    with pytest.raises(Refused, match=re.escape(message)):
        check_own_sql(statement, MySQLDialect.lexer)
