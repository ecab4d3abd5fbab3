"""A condition is one expression by itself, as each database reads its text, names and comments."""

from __future__ import annotations

import pytest

from countercache.databases.dialect import Dialect
from countercache.databases.mysql.dialect import MySQLDialect
from countercache.databases.postgresql.dialect import PostgresDialect
from countercache.databases.sqlite.dialect import SQLiteDialect

ENGINES: dict[str, Dialect] = {"mysql": MySQLDialect(), "postgresql": PostgresDialect(), "sqlite": SQLiteDialect()}

GOOD = [
    "country = 'England'",
    "(a = 1) OR (b IN (1, 2))",
    "a = ')'",
    "a = 'it''s )'",
    '"a)b" = 1',
    '"a"")" = 1',
    "a = 1 -- only these)",
    "a = 1 -- only these;",
    "a /* ) ; ' */ = 1",
    "a = ';'",
    "a = E - 1",
    "name = 'x' -- it's",
    "a * b / c - -1 > 0",
]
BAD = {
    "e = 'a') or (1=1": 'it has a ")" too many',
    "1=1) ; DROP TABLE f; SELECT (1": 'it has a ")" too many',
    "1=1; DROP TABLE f": 'it has a ";": only one expression is taken',
    "(a = 1": 'a "(" is never closed',
    "a = 'x": 'a "\'" is never closed',
    '"a = 1': 'a " is never closed',
    "a = 1 /* and": 'a "/*" is never closed',
    "": "it is empty",
    " \n": "it is empty",
    "-- nothing": "it is empty",
    "/* nothing */": "it is empty",
    "a = 1\0": "it has a NUL character",
    "a = '__[POSTCOMPILE_part0]'": "it has __[POSTCOMPILE_, which is reserved",
    "a = 'x'')": 'a "\'" is never closed',
    "a = 1 -- )\n)": 'it has a ")" too many',
}

MYSQL = {
    r"a = '\') or (1=1": 'a "\'" is never closed',
    r"a = 'x\'' ) or (b = '1": 'it has a ")" too many',
    r"a = 'x\\') or (1=1": 'it has a ")" too many',
    r'a = "x\")"': "",
    'a = ")"': "",
    "`a)b` = 1": "",
    r"`a\` = ')'": "",
    "a = 1 # )": "",
    "# nothing": "it is empty",
    "a = 1 --)": 'it has a ")" too many',
    "a = 1 --\t)": "",
    "a = 1 --": "",
    "a /* /* */ = 1": "",
    "a = 1 /*!50000 ) or (1=1 */": "it has a comment that is run, /*! … */",
    "a = 1 /*M! ) or (1=1 */": "it has a comment that is run, /*! … */",
    "a = '/*!'": "",
    "a = _latin1'\\')'": "",
}
POSTGRES = {
    r"a = E'\')' ": "",
    r"a = e'\\') or (1=1": 'it has a ")" too many',
    r"a = 'x\') or (1=1": 'it has a ")" too many',
    r"namee'\') or ('": 'it has a ")" too many',
    "a = E'x'\n'\\')'": "",
    "a = E'x' -- more\n  '\\')'": "",
    "a = 'x'\n'\\') or (1=1": 'it has a ")" too many',
    "a = $$)$$": "",
    "a = $t$)$x$;$$$t$": "",
    "a = $t$)": "a $t$ is never closed",
    "a$b$ = 1) or (c$b$ = 1": 'it has a ")" too many',
    "$1$a$)$a$ = ''": "",
    "a /* /* */ ) */ = 1": "",
    "a /* /* */ = 1": 'a "/*" is never closed',
    "a = 1 -- x\r)": 'it has a ")" too many',
    "arr[1] = (1)": "",
    "arr[')'::text] = 1": "",
    "a +--x)\n 1 > 0": "",
    "a //* ) */ 1 > 0": "",
    "a = U&'\\0029' AND b = B'1' AND c = X'29'": "",
}
SQLITE = {
    "[a)b] = 1": "",
    "[a]] = 1) or ([b] = 1": 'it has a ")" too many',
    "`a``)` = 1": "",
    "[a = 1": "a ] is never closed",
    "a /* /* */ = 1": "",
    "a /* /* */ ) */ = 1": 'it has a ")" too many',
    "a = 1 -- x\r)": "",
    r"a = 'x\' AND b = ')'": "",
    "a = $$) or ($$": 'it has a ")" too many',
    "a = X'29'": "",
}


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("condition", GOOD)
def test_one_expression(condition: str, kind: str) -> None:
    """Whatever stands in text, in quoted names and in comments is no syntax; a comment may be the end."""
    assert ENGINES[kind].flaw(condition) == ""


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("condition", BAD)
def test_more_or_less_than_one_expression(condition: str, kind: str) -> None:
    """What is open, closed too often, a second statement or nothing is refused, and it is said why."""
    assert ENGINES[kind].flaw(condition) == BAD[condition]


@pytest.mark.parametrize(
    ("kind", "condition", "expected"),
    [
        *(("mysql", *each) for each in MYSQL.items()),
        *(("postgresql", *each) for each in POSTGRES.items()),
        *(("sqlite", *each) for each in SQLITE.items()),
    ],
)
def test_what_only_one_database_reads_so(kind: str, condition: str, expected: str) -> None:
    """Dollar quotes and nested comments are PostgreSQL's, other quotes SQLite's, backslashes in every text and comments
    that are run MySQL's.
    """
    assert ENGINES[kind].flaw(condition) == expected
