"""`countercache accept`: stores the values of a counter that were held back because they moved too much."""

from __future__ import annotations

import shlex

from countercache.model.results import Accepted, AcceptResult
from countercache.model.states import Reason
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.settings import Settings
from countercache.store import cell_store
from countercache.store.redis_client import Store


def accept(
    store: Store,
    settings: Settings,
    counter: str,
    *,
    by: str,
    command: str,
    commands: Commands = NO_OPTIONS,
) -> AcceptResult:
    """Store the values of a counter that are held back.

    A cell is left where a run has written it in the meantime, or where its configuration has changed since it was
    computed. `by` is the operator, `command` the command line. Raises `RedisError`.
    """
    snapshot = cell_store.read(store, settings, (counter,))
    accepted = []
    for id_, cell in snapshot.cells.items():
        if cell.failure and cell.failure.reason is Reason.HELD:
            with store.translated_errors():
                record = f"{id_.group}, {id_.period}: {cell.failure.text}; {command}"
                args = (cell.fence, counter, by, record, snapshot.definition_of(id_), store.keys.keep)
                answer = store.run("accept", (store.keys.cell(id_), store.keys.events), *args)
            left = _LEFT.get(answer, "").format(commands.to_type(f"warmup {shlex.quote(counter)}"))
            accepted.append(Accepted(id_, accepted=answer == "accepted", why=cell.failure.text, left=left))
    return AcceptResult(counter, tuple(accepted))


_LEFT = {
    "changed": "a run has written it meanwhile",
    "redefined": "the configuration has changed since it was computed; run `{}`",
}
