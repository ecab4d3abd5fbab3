"""Named points of a run, at which the process sends a signal to itself, to its worker or to both.

The real functions are wrapped in the process that is about to run the command; the product knows nothing of it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

# name → module, attribute (of a class in it), and who passes there.
GUARD_POINTS = {
    "acquire": ("countercache.locks", "acquire"),
    "renew": ("countercache.locks", "Lease.renew"),
    "write": ("countercache.store.cell_store", "write"),
    "release": ("countercache.locks", "Lease.release"),
    "fork": ("countercache.run.supervisor", "Worker.__init__"),
    "go": ("countercache.run.supervisor", "Worker.start"),
    "stop": ("countercache.run.supervisor", "Worker.stop"),
    "read": ("countercache.store.cell_store", "read"),
    "script": ("countercache.store.redis_client", "Store.run"),
}
WORKER_POINTS = {
    "work": ("countercache.run.worker_process", "work"),
    "connect": ("countercache.databases.base", "Target.open"),
    "report": ("countercache.run.worker_process", "MessageChannel.send"),
    "order": ("countercache.run.worker_process", "MessageChannel.receive"),
}
MOMENTS = ("before", "after")


def point(name: str, moment: str, *, nth: int = 1, do: str = "kill", **more: Any) -> dict[str, Any]:
    """An order for `arm`: at the n-th passing of a point, before or after it, do one of `DEEDS`."""
    return {"name": name, "moment": moment, "nth": nth, "do": do, **more}


def arm(orders: Sequence[dict[str, Any]]) -> None:
    """Wrap the functions that the orders name."""
    for order in orders:
        module_name, path = (GUARD_POINTS | WORKER_POINTS)[order["name"]]
        holder: Any = importlib.import_module(module_name)
        *outer, attribute = path.split(".")
        for part in outer:
            holder = getattr(holder, part)
        for cls in _all_that_define(holder, attribute):
            setattr(cls, attribute, _wrapped(cls.__dict__[attribute], order))


def _all_that_define(holder: Any, attribute: str) -> list[Any]:
    """A module or class, and for an abstract method the classes that give it."""
    if not isinstance(holder, type):
        return [holder]
    for engine in ("mysql", "postgresql", "sqlite"):
        importlib.import_module(f"countercache.databases.{engine}.connection")
    found = [holder, *holder.__subclasses__()]
    return [cls for cls in found if attribute in cls.__dict__]


def _wrapped(function: Callable[..., Any], order: dict[str, Any]) -> Callable[..., Any]:
    passed = 0

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal passed
        passed += 1
        here = passed == order["nth"]
        if here and order["moment"] == "before":
            DEEDS[order["do"]](order)
        result = function(*args, **kwargs)
        if here and order["moment"] == "after":
            DEEDS[order["do"]](order)
        return result

    return wrapper


def _mark(order: dict[str, Any]) -> None:
    if "mark" in order:
        Path(order["mark"]).write_text(repr(time.monotonic()), encoding="ascii")


def _kill(order: dict[str, Any]) -> None:
    _mark(order)
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(order: dict[str, Any]) -> None:
    _mark(order)
    os.kill(os.getpid(), signal.SIGSTOP)


def _kill_worker(order: dict[str, Any]) -> None:
    _mark(order)
    _to_children(signal.SIGKILL)


def _kill_both(order: dict[str, Any]) -> None:
    _mark(order)
    _to_children(signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _terminate(order: dict[str, Any]) -> None:
    _mark(order)
    os.kill(os.getpid(), order["signal"])


def _hang(order: dict[str, Any]) -> None:
    _mark(order)
    time.sleep(600)


def _hang_in_c(order: dict[str, Any]) -> None:
    _mark(order)
    ctypes.CDLL(None).sleep(600)


def _hold_the_interpreter(order: dict[str, Any]) -> None:
    _mark(order)
    ctypes.PyDLL(None).sleep(600)  # PyDLL keeps the interpreter's lock, CDLL gives it away


def _spin(order: dict[str, Any]) -> None:
    _mark(order)
    while True:
        pass


def _ignore_all(order: dict[str, Any]) -> None:
    """Hang with every signal that can be ignored ignored."""
    _mark(order)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    while True:
        ctypes.CDLL(None).sleep(600)


def _wait(order: dict[str, Any]) -> None:
    _mark(order)
    time.sleep(order["seconds"])


def _raise(order: dict[str, Any]) -> None:
    _mark(order)
    raise RuntimeError("an error that nobody foresaw")


def _to_children(number: int) -> None:
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    for pid in text.split():
        os.kill(int(pid), number)


DEEDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "kill": _kill,
    "stop": _stop,
    "kill worker": _kill_worker,
    "kill both": _kill_both,
    "signal": _terminate,
    "hang": _hang,
    "hang in C": _hang_in_c,
    "hold the interpreter": _hold_the_interpreter,
    "spin": _spin,
    "ignore signals": _ignore_all,
    "wait": _wait,
    "raise": _raise,
}
