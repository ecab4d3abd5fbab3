"""`countercache accept`: stores the values of a counter that were held back because they had moved too much."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from countercache.model.results import Accepted, AcceptResult
from countercache.model.states import Reason
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.settings import Settings
from countercache.store import cell_store, redis_client
from countercache.store.redis_client import Keys, wrapped

if TYPE_CHECKING:
    import redis


def accept(
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    counter: str,
    *,
    by: str,
    command: str,
    commands: Commands = NO_OPTIONS,
) -> AcceptResult:
    """Store what is held back of a counter, each cell only if no run has written it since it was looked at, and if the
    configuration still says of it what it said when it was computed.

    `by` is who does it, `command` what was typed. Raises `RedisError`.
    """
    seen = cell_store.read(client, keys, settings, (counter,))
    accepted = []
    for id_, cell in seen.cells.items():
        if cell.failure and cell.failure.reason is Reason.HELD:
            with wrapped(client):
                record = f"{id_.group}, {id_.period}: {cell.failure.text}; {command}"
                about = (cell.fence, counter, by, record, seen.definition_of(id_), keys.keep)
                answer = redis_client.run(client, "accept", (keys.cell(id_), keys.events), *about)
            left = _LEFT.get(answer, "").format(commands.to_type(f"warmup {shlex.quote(counter)}"))
            accepted.append(Accepted(id_, accepted=answer == "accepted", why=cell.failure.text, left=left))
    return AcceptResult(counter, tuple(accepted))


_LEFT = {
    "changed": "a run has written it meanwhile",
    "redefined": "the configuration has changed since it was computed; run `{}`",
}
