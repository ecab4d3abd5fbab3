"""The process beside a worker: at the end of its stdin it ends what the worker has left in the server.

It is started with every connection and seldom has anything to do. So it runs without the packages that are installed,
and looks for them when it needs the driver; see `query_killer`.
"""

from __future__ import annotations

import contextlib
import json
import site
import sys
import time
from typing import Any

_CONNECT = 1
"""Seconds to connect, and to wait for an answer, in whole seconds as the driver has it."""

_TRIES_FOR = 1.2
"""Seconds in which a server that is away is tried again, or a query that has just arrived is looked for."""

_PAUSE = 0.2
"""Seconds between two looks."""


def kill(login: dict[str, Any], mark: str) -> bool:
    """End the connections whose statement begins with the mark; whether there was any."""
    import pymysql  # noqa: PLC0415 - see above

    limits = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), _CONNECT)
    with pymysql.connect(**{**login, **limits}) as connection, connection.cursor() as cursor:
        # Not information_schema.PROCESSLIST, which MySQL is about to drop.
        cursor.execute("SHOW FULL PROCESSLIST")
        names = [column[0] for column in cursor.description]
        number_at, text_at = names.index("Id"), names.index("Info")
        found = [row[number_at] for row in cursor.fetchall() if str(row[text_at] or "").startswith(mark)]
        for number in found:
            with contextlib.suppress(pymysql.Error):  # it has ended by itself
                cursor.execute(f"KILL {number:d}")
    return bool(found)


def main() -> None:
    """Wait for the end of stdin, and kill."""
    order = sys.stdin.buffer.read()
    if not order:
        return
    site.main()
    login, mark = json.loads(order)
    until = time.monotonic() + _TRIES_FOR
    while time.monotonic() < until:
        with contextlib.suppress(Exception):  # nobody hears what is wrong; the server's own limit then ends the query
            if kill(login, mark):
                return
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
