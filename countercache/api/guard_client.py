"""The program's side of a run: starts the guard as a process of its own, tells it what to compute, waits for its end.

A guard takes over signals and forks, for which it needs the main thread of a process that holds nothing else. So it is
never the program itself, which may be a worker of Celery or gunicorn. It reads the end of its standard input as an
order to stop, so it does not outlive a program that is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from multiprocessing.spawn import get_executable

from countercache.agent import Request
from countercache.api.guard_messages import Order, Raised, decode_answer, encode, error_of
from countercache.errors import CountercacheError
from countercache.model.redaction import redact
from countercache.model.results import WarmupResult
from countercache.render.text import escape
from countercache.settings import Settings


def run(settings: Settings, request: Request) -> WarmupResult:
    """Let a guard do the run. Whatever is raised here while it runs (Ctrl-C, a time limit of the caller's) ends it.

    Raises what the guard did, and `CountercacheError` where it cannot be started or ends without an answer.
    """
    order = memoryview(encode(Order(settings, request)))
    guards_end, our_end = os.pipe()
    with open(our_end, "wb", buffering=0) as lifeline:  # noqa: PTH123 - a descriptor has no path
        try:
            guard = _start(guards_end)
        finally:
            os.close(guards_end)
        try:
            with suppress(BrokenPipeError):  # it is dead, which its output shows
                while order:
                    order = order[lifeline.write(order) :]
            output, complaints = guard.communicate()
        except BaseException:
            # Both: it may have inherited that signals are ignored, and a process forked here may hold the pipe open.
            guard.terminate()
            lifeline.close()
            guard.communicate()
            raise
    try:
        answer = decode_answer(output.splitlines()[-1])
    except (IndexError, ValueError):
        raise _died(guard.returncode, complaints.decode(errors="backslashreplace")) from None
    if isinstance(answer, Raised):
        raise error_of(answer)
    return answer.result


def _start(stdin: int) -> subprocess.Popen[bytes]:
    program = get_executable()
    try:
        return subprocess.Popen(
            [program, "-P", "-m", "countercache.api.guard_process"],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # it finds what we found
            start_new_session=True,  # what Ctrl-C in the terminal means is for this program to say
        )
    except OSError as error:
        problem = f"the guard cannot be started: {program!r}: {error.strerror}"
        raise CountercacheError(problem, hint=_INTERPRETER) from error


_INTERPRETER = "multiprocessing.set_executable() names another Python interpreter"


def _died(status: int, complaints: str) -> CountercacheError:
    """The error for a guard that has ended without an answer: how, and the last line that it wrote to stderr."""
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    said = [escape(line) for line in redact(complaints.strip()).splitlines()]
    error = CountercacheError(": ".join([f"the guard ended without a result ({how})", *said[-1:]]))
    if said:
        error.add_note("\n".join(["What it wrote to stderr:", *said]))
    return error
