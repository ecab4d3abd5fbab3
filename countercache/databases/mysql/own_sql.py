"""What somebody's own SQL may be: one SELECT, which reads and leaves nothing behind. Pure.

The transaction is read-only, but that keeps nobody from writing a file or from locking what others want to change.
"""

from __future__ import annotations

import itertools

from countercache.databases.base import Refused
from countercache.databases.conditions import RUN_COMMENT, Lexer, bare_words
from countercache.model.states import Reason

_READS = {"SELECT", "WITH", "VALUES", "TABLE"}
_REFUSED = {
    "INTO": "INTO would write a file or a variable",
    "UPDATE": "FOR UPDATE would lock rows that others change",
    "LOCK": "LOCK IN SHARE MODE would lock rows that others change",
    "GET_LOCK": "GET_LOCK would take a lock that others wait for",
    RUN_COMMENT: "a comment that is run, /*! … */, hides what it does",
}


def check_own_sql(statement: str, lexer: Lexer) -> None:
    """Raises `Refused` unless the statement reads and does no more."""
    words = bare_words(statement, lexer)
    first = next((word for word in words if word != RUN_COMMENT), "")
    if first not in _READS:
        raise Refused(Reason.SQL, f"the query must be one SELECT; it begins with {first or 'nothing'}")
    for word in words:
        if word in _REFUSED:
            raise Refused(Reason.SQL, f"the query does more than read: {_REFUSED[word]}", hint="leave it out")
    if ("FOR", "SHARE") in itertools.pairwise(words):
        raise Refused(Reason.SQL, "the query does more than read: FOR SHARE would lock rows", hint="leave it out")
