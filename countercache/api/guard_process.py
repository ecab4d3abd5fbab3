"""The guard as a process of its own, `python -m countercache.api.guard_process`, which `guard_client` starts.

It reads its order from standard input, does the run as the command does, and writes its answer to standard output. The
end of standard input ends the run as SIGTERM does.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from countercache import agent
from countercache.api.guard_messages import Answer, Returned, decode_order, encode, raised
from countercache.errors import CountercacheError
from countercache.render import Silent

_STDIN = 0


def main() -> None:
    """Do one run. An error that nobody foresaw ends the process with its traceback, which the program shows."""
    line = _order()
    if not line.endswith(b"\n"):
        return  # the program has ended before it had said all
    order = decode_order(line)
    answer: Answer
    try:
        answer = Returned(agent.warmup(order.settings, order.request, Silent(), program=_STDIN))
    except CountercacheError as error:
        answer = raised(error)
    with suppress(BrokenPipeError):  # nobody waits for it any more
        sys.stdout.flush()
        sys.stdout.buffer.write(b"\n" + encode(answer))  # whatever was printed before, the answer is a line of its own
        sys.stdout.flush()


def _order() -> bytes:
    """The line on standard input, unbuffered: its end is for the guard to see."""
    line = b""
    while not line.endswith(b"\n") and (chunk := os.read(_STDIN, 65536)):
        line += chunk
    return line


if __name__ == "__main__":
    main()
