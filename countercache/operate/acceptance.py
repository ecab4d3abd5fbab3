"""`countercache accept`: stores the values of a counter that were held back because they had moved too much."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from countercache.model.results import Accepted, AcceptResult
from countercache.model.states import Reason
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.settings import Settings
from countercache.store import cell_store
from countercache.store.redis_client import Store

if TYPE_CHECKING:
    pass


def accept(
    store: Store,
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
    seen = cell_store.read(store, settings, (counter,))
    accepted = []
    for id_, cell in seen.cells.items():
        if cell.failure and cell.failure.reason is Reason.HELD:
            with store.wrapped():
                record = f"{id_.group}, {id_.period}: {cell.failure.text}; {command}"
                about = (cell.fence, counter, by, record, seen.definition_of(id_), store.keys.keep)
                answer = store.run("accept", (store.keys.cell(id_), store.keys.events), *about)
            left = _LEFT.get(answer, "").format(commands.to_type(f"warmup {shlex.quote(counter)}"))
            accepted.append(Accepted(id_, accepted=answer == "accepted", why=cell.failure.text, left=left))
    return AcceptResult(counter, tuple(accepted))


_LEFT = {
    "changed": "a run has written it meanwhile",
    "redefined": "the configuration has changed since it was computed; run `{}`",
}
