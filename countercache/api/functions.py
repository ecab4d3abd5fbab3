"""The functions of the Python API: the commands without the command line. docs/python-api.md describes them.

They keep nothing between two calls: each connects anew, and may be called from any thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from countercache.errors import UsageError
from countercache.model.results import ClearResult, LocksResult, StatusResult, WarmupResult
from countercache.settings import Settings


def load_settings(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The configuration in the file `path`; without it, the one that the command would find.

    `environ` stands for the environment's variables (default: `os.environ`). Raises `ConfigError` for anything in the
    configuration that cannot be.
    """
    from countercache.config import loader  # noqa: PLC0415

    return loader.load(None if path is None else Path(path), os.environ if environ is None else environ)


def warmup(  # noqa: PLR0913 - the options of the command
    settings: Settings,
    counters: Sequence[str] = (),
    *,
    timeout: float | None = None,
    due: bool = False,
    force: bool = False,
    accept: bool = False,
    wait: float = 0.0,
    ok_if_locked: bool = False,
) -> WarmupResult:
    """Compute the counters (none named: all) and store them in Redis, in a process of its own.

    `timeout` and `wait` are in seconds; the other options are those of `countercache warmup`. What goes wrong with a
    database or a counter is in the result. Raises `UsageError` for a counter that does not exist, `ConfigError` where
    none is configured, `RedisError` and `RedisUnreachable` where Redis lets nothing begin, and `CountercacheError`
    where the process ends without a result.
    """
    from countercache import agent  # noqa: PLC0415
    from countercache.api import guard_client  # noqa: PLC0415

    request = agent.Request(
        counters=_names("counters", counters),
        timeout=None if timeout is None else _seconds("timeout", timeout),
        due=due,
        force=force,
        wait=_seconds("wait", wait) if wait else 0.0,
        accept=accept,
        ok_if_locked=ok_if_locked,
        command=_caller("warmup"),
    )
    agent.by_database(settings, request.counters)  # a wrong name needs no process to be found out
    return guard_client.run(settings, request)


def status(settings: Settings, counters: Sequence[str] = ()) -> StatusResult:
    """The values and states of the counters (none named: all), and the runs in flight. Changes nothing.

    Raises `UsageError` for a counter that does not exist, `RedisError` and `RedisUnreachable`.
    """
    from countercache.model.suggestions import check_counters  # noqa: PLC0415
    from countercache.store import cell_store  # noqa: PLC0415
    from countercache.store.redis_client import open_store  # noqa: PLC0415

    names = _names("counters", counters)
    check_counters(settings, names)
    with open_store(settings) as store:
        return cell_store.status(store, settings, names)


def list_locks(settings: Settings, *, pattern: str | None = None, foreign: bool = True) -> LocksResult:
    """Who holds a lock, and whether they live; with `foreign` also the locks of the web stack. Changes nothing.

    `pattern` is a glob that keys have to match. Raises `RedisError` and `RedisUnreachable`.
    """
    from countercache.foreign_locks import scan  # noqa: PLC0415
    from countercache.store.redis_client import open_store  # noqa: PLC0415

    with open_store(settings) as store:
        return scan.survey(store, settings.locks.patterns, glob=pattern, foreign=foreign)


def clear_locks(
    settings: Settings,
    names: Sequence[str] = (),
    *,
    force: bool = False,
    foreign: bool = False,
    dry_run: bool = False,
) -> ClearResult:
    """Remove the locks (none named: all of ours) whose holder is provably gone, with `force` any.

    `names` are names, ids or keys. With `foreign` and `force`, also locks of the web stack that are named by their
    exact keys. In a `dry_run` the result says what would be done. Raises `RedisError` and `RedisUnreachable`.
    """
    from countercache.foreign_locks import scan  # noqa: PLC0415
    from countercache.store.lock_owner import this_owner  # noqa: PLC0415
    from countercache.store.redis_client import open_store  # noqa: PLC0415

    with open_store(settings) as store:
        request = scan.ClearRequest(_names("names", names), force=force, foreign=foreign, dry_run=dry_run)
        return scan.clear(store, settings.locks.patterns, request, by=this_owner(_caller("clear_locks")))


def _names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise UsageError(f"{argument}: got a text where several are expected", hint=f"write [{names!r}]")
    return tuple(names)


def _seconds(argument: str, value: float) -> float:
    from countercache.model.durations import duration  # noqa: PLC0415

    try:
        return duration(value)
    except UsageError as error:
        raise UsageError(f"{argument}: {error.message}", hint=error.hint) from error


def _caller(function: str) -> str:
    """What stands for the command line in locks and events: which function, and which program called it in which
    process. Its arguments are nobody's business: they may hold secrets.
    """
    return f"countercache.{function}() in process {os.getpid()}: {Path(sys.argv[0]).name}"
