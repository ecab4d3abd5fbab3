"""`countercache accept`: stores the values of a counter that were held back because they had moved too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from countercache import connection, store
from countercache.connection import Keys, wrapped
from countercache.results import Accepted, AcceptResult
from countercache.settings import Settings
from countercache.states import Reason

if TYPE_CHECKING:
    import redis


def accept(client: redis.Redis, keys: Keys, settings: Settings, counter: str, *, by: str, command: str) -> AcceptResult:
    """Store what is held back of a counter, each cell only if no run has written it since it was looked at.

    `by` is who does it, `command` what was typed. Raises `RedisError`.
    """
    seen = store.read(client, keys, settings, (counter,))
    accepted = []
    for id_, cell in seen.cells.items():
        if cell.failure and cell.failure.reason is Reason.HELD:
            with wrapped(client):
                about = (cell.fence, counter, by, f"{id_.group}, {id_.period}: {cell.failure.message}; {command}")
                answer = connection.run(client, "accept", (keys.cell(id_), keys.events), *about, keys.keep)
            accepted.append(Accepted(id_, accepted=answer == "accepted", why=cell.failure.message))
    return AcceptResult(counter, tuple(accepted))
