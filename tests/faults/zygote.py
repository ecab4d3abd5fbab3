"""Starts countercache commands as real processes, quickly: it has loaded the program once and forks a copy a command.

Run as a program (`python -m tests.faults.zygote`), it reads one order a line on stdin and reports one line a fact on
stdout. Each command is a process of its own, in a session of its own, with its own files for stdout and stderr; it runs
`countercache.__main__.main` as the installed command does. What it saves is only the start of the interpreter, so that
hundreds of faults fit into a few minutes. An order may name points of the run at which the process sends itself a
signal (`points`).

`Zygote` is its counterpart in the tests.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parents[2]


class Ended(NamedTuple):
    """How a process ended: its exit code (negative: the signal), and when, by `time.monotonic()` of this machine."""

    code: int
    at: float


class Zygote:
    """The tests' side. Safe to use from many threads."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n", "the program does not load; see stderr"
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._born: dict[int, Future[int]] = {}
        self._ended: dict[int, Future[Ended]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def fork(self, order: dict[str, Any]) -> tuple[int, Future[Ended]]:
        """Start a process; its pid, and how it ended as soon as that is known."""
        born: Future[int] = Future()
        ended: Future[Ended] = Future()
        assert self._process.stdin
        with self._lock:
            number = next(self._numbers)
            self._born[number], self._ended[number] = born, ended
            self._process.stdin.write(json.dumps({"number": number, **order}).encode() + b"\n")
            self._process.stdin.flush()
        return born.result(30), ended

    def close(self) -> None:
        """End it, and what it started and still runs."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._reader.join(20)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            fact = json.loads(line)
            if "pid" in fact:
                self._born.pop(fact["number"]).set_result(fact["pid"])
            else:
                self._ended.pop(fact["number"]).set_result(Ended(fact["code"], fact["at"]))


def main() -> None:
    """The zygote itself: fork what is ordered, report what ended, until stdin ends."""
    _load()
    os.write(1, b"ready\n")
    gc.freeze()
    wake, wake_write = os.pipe()
    for fd in (wake, wake_write):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    selector = selectors.DefaultSelector()
    selector.register(wake, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    buffer = b""
    while True:
        for key, _ in selector.select():
            if key.fd == wake:
                os.read(wake, 4096)
                continue
            chunk = os.read(0, 1 << 16)
            if not chunk:
                _kill(running)
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if not pid:
                    _be(order)
                running[pid] = order["number"]
                _say(number=order["number"], pid=pid)
        _reap(running)


def _reap(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        at = time.monotonic()
        if pid in running:
            _say(number=running.pop(pid), code=os.waitstatus_to_exitcode(status), at=at)


def _kill(running: dict[int, int]) -> None:
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _say(**fact: object) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


def _load() -> None:
    """All that the commands import where they use it."""
    import psycopg  # noqa: F401
    import pymysql  # noqa: F401
    import sqlalchemy.dialects.mysql.pymysql
    import sqlalchemy.dialects.postgresql.psycopg
    import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401

    from countercache import agent, cli, locks, render, settings  # noqa: F401
    from countercache.config import loader  # noqa: F401
    from countercache.run import job, value_formatting  # noqa: F401
    from countercache.store import cell_store, lock_owner  # noqa: F401
    from countercache.worker import tasks  # noqa: F401
    from tests.faults import points, race  # noqa: F401

    value_formatting.display(Decimal(1), settings.Format())
    lock_owner.this_owner("")


def _be(order: dict[str, Any]) -> NoReturn:
    """In the child: become the command."""
    code = 70
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # A shell's background job, or nohup, ignores these; what a run does with them must not depend on that.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        null = os.open(os.devnull, os.O_RDONLY)
        out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        err = os.open(order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for fd, to in ((null, 0), (out, 1), (err, 2)):
            os.dup2(fd, to)
        os.closerange(3, 64)
        os.chdir(order["directory"])
        os.environ.update(order.get("environment", {}))
        code = _run(order)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - shown, and told by the exit code
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(order: dict[str, Any]) -> int:
    from tests.faults import points, race

    if "race" in order:
        race.main(**order["race"])
        return 0
    points.arm(order.get("points", ()))
    sys.argv = ["countercache", *order["arguments"]]
    from countercache.__main__ import main as command

    command()
    return 0


if __name__ == "__main__":
    main()
