"""Ends the queries of a worker that has died, whatever killed it: by a small process beside it.

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
from typing import Any

from countercache.databases.mysql import kill_queries


class QueryKiller:
    """The process that watches over this one. `mark` begins each statement that it may have to end."""

    def __init__(self, login: dict[str, Any]) -> None:
        self.mark = f"/* countercache {secrets.token_hex(8)} */ "
        self._killing = False
        self._process = subprocess.Popen(
            # By its file, without site-packages and without this directory: it then starts in a few milliseconds.
            [sys.executable, "-S", "-P", kill_queries.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what kills a group of processes is not to kill it as well
        )
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it has gone
                self._process.stdin.write(json.dumps([login, self.mark]).encode())
                self._process.stdin.flush()

    def kill(self) -> None:
        """End what this process has running in the server; nothing more is expected of the connection then."""
        self._killing = True
        if self._process.stdin:
            self._process.stdin.close()

    def close(self) -> None:
        """The connection has ended: nobody needs to look."""
        if not self._killing:
            self._process.kill()
            self.kill()
        self._process.wait()
