"""Ends the queries of a worker that has died, whatever killed it: a small process beside it, and its counterpart.

The server does not notice that a client has died while it works for it. So a worker has a process that waits for the
end of a pipe, of which only the worker holds the other end, and then connects and ends what the worker has left. It
knows that by a mark, a comment at the beginning of each of its statements. To cancel a query is to close the pipe.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import time
from typing import Any

_CONNECT = 1
"""Seconds to connect, and to wait for an answer, in whole seconds as the driver has it."""

_TRIES_FOR = 1.2
"""Seconds in which a server that is away is tried again, or a query that has just arrived is looked for."""

_PAUSE = 0.2
"""Seconds between two looks."""

_DONE = b"done\n"


class QueryKiller:
    """The process that watches over this one. `mark` begins each statement that it may have to end."""

    def __init__(self, login: dict[str, Any]) -> None:
        self.mark = f"/* countercache {secrets.token_hex(8)} */ "
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what kills a group of processes is not to kill it as well
        )
        self._tell(json.dumps({"login": login, "mark": self.mark}).encode() + b"\n")

    def kill(self) -> None:
        """End what this process has running in the server; nothing more is expected of the connection then."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()

    def close(self) -> None:
        """All has ended well: nobody needs to look."""
        self._tell(_DONE)
        self.kill()
        self._process.wait()

    def _tell(self, line: bytes) -> None:
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # it has gone
                self._process.stdin.write(line)
                self._process.stdin.flush()


def kill(login: dict[str, Any], mark: str) -> bool:
    """End the connections whose statement has the mark; whether there was any."""
    import pymysql  # noqa: PLC0415 - a process that has nothing to kill does not need it

    limits = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), _CONNECT)
    with pymysql.connect(**{**login, **limits}) as connection, connection.cursor() as cursor:
        # Not information_schema.PROCESSLIST, which MySQL is about to drop.
        cursor.execute("SHOW FULL PROCESSLIST")
        names = [column[0] for column in cursor.description]
        at, text = names.index("Id"), names.index("Info")
        found = [row[at] for row in cursor.fetchall() if str(row[text] or "").startswith(mark)]
        for number in found:
            with contextlib.suppress(pymysql.Error):  # it has ended by itself
                cursor.execute(f"KILL {number:d}")
    return bool(found)


def main() -> None:
    """The process: wait for the end of stdin; unless `done` was said before it, kill."""
    lines = sys.stdin.buffer.read().splitlines(keepends=True)
    if not lines or _DONE in lines:
        return
    order = json.loads(lines[0])
    until = time.monotonic() + _TRIES_FOR
    while time.monotonic() < until:
        with contextlib.suppress(Exception):  # nobody hears what is wrong; the server's own limit then ends the query
            if kill(order["login"], order["mark"]):
                return
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
