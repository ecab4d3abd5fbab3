"""What a server that speaks PostgreSQL's protocol has of PostgreSQL: found out by asking, where it is not all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from countercache.databases.base import Refused

_BEGINNINGS = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY",
    "BEGIN READ ONLY",
    "BEGIN",
)
"""How a transaction begins: as a snapshot, where there is one."""

_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


class Server(msgspec.Struct, frozen=True):
    """How a transaction begins, which of our settings cannot be made, and whether there are savepoints."""

    begin: str = _BEGINNINGS[0]
    refused: frozenset[str] = frozenset()
    savepoints: bool = True

    def set_local(self, settings: Mapping[str, object]) -> str:
        """The statements that make those of the settings that can be made, for the time of a transaction."""
        made = (f"SET LOCAL {name} = {value}" for name, value in settings.items() if name not in self.refused)
        return ";".join(made)

    def begin_with(self, settings: Mapping[str, object]) -> str:
        """The message that begins a transaction with these settings."""
        # One message: a network that goes silent between two would leave a transaction open without any limit.
        return "; ".join(filter(None, (self.begin, self.set_local(settings))))

    def caveats(self) -> Iterator[str]:
        """What is not promised on it."""
        if self.begin not in _BEGINNINGS[:2]:
            yield "the server has no transaction that is a snapshot: figures may change while a run reads them"
        if limits := [name for name in _LIMITS if name in self.refused]:
            yield f"the server does not take {' and '.join(limits)}: only countercache itself ends what takes too long"
        if not self.savepoints:
            yield "the server has no savepoints: after a query that fails, what follows is of another moment"


def find_out(run: Callable[[str], object], settings: Mapping[str, object]) -> Server:
    """Ask the server for one thing after another; what it refuses ends the transaction, and another one begins."""
    run("ROLLBACK")
    found = Server(_BEGINNINGS[-1], frozenset(settings), savepoints=False)
    for begin in _BEGINNINGS:
        if _takes(run, begin):
            found = msgspec.structs.replace(found, begin=begin)
            break
    for name in settings:
        if _takes(run, Server().set_local({name: settings[name]})):
            found = msgspec.structs.replace(found, refused=found.refused - {name})
        else:
            run(f"ROLLBACK; {found.begin_with(settings)}")
    if _takes(run, "SAVEPOINT countercache_0; RELEASE SAVEPOINT countercache_0"):
        return msgspec.structs.replace(found, savepoints=True)
    run(f"ROLLBACK; {found.begin_with(settings)}")
    return found


def _takes(run: Callable[[str], object], statement: str) -> bool:
    try:
        run(statement)
    except Refused:
        return False
    return True
