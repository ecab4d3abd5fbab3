"""The commands to type next after a result, each with what it does; none where all is well."""

from __future__ import annotations

from functools import singledispatch

from countercache.model import results
from countercache.model.states import State, Verdict
from countercache.model.suggested_commands import clear_foreign

Step = tuple[str, str]


@singledispatch
def next_commands(result: object) -> list[Step]:
    """The commands, without the options that `Commands` adds."""
    del result
    return []


@next_commands.register
def _(result: results.StatusResult) -> list[Step]:
    states = {view.state for view in result.cells}
    commands = []
    if State.CALCULATING in states:
        commands.append(("locks list", "shows who computes, and until when"))
    failure_commands = {view.failure.reason.cure for view in result.cells if view.failure}
    dead = any(run.dead for run in result.runs)
    if dead or "recover" in failure_commands:
        commands.append(("recover", "clears the locks of dead runs and computes again what failed"))
    if "config check" in failure_commands:
        commands.append(("config check", "shows what in the configuration does not fit the database"))
    if failure_commands or dead:
        commands.append(("events --level warning", "shows what went wrong before"))
    elif states & {State.STALE, State.PENDING} and not commands:
        commands.append(("warmup --due", "computes what is stale, failed or not calculated yet"))
    return commands


@next_commands.register
def _(result: results.LocksResult) -> list[Step]:
    commands = []
    if any(view.verdict is Verdict.DEAD for view in result.locks):
        commands.append(("locks clear", "removes the locks whose holder is gone"))
    if endless := [lock for lock in result.foreign if lock.ttl is None]:
        does = "removes it, if nobody holds it any more" if len(endless) == 1 else "removes the first"
        commands.append((clear_foreign(endless[0].key), does))
    return commands


@next_commands.register
def _(result: results.RecoverResult) -> list[Step]:
    return [("recover", "does it")] if result.dry_run and result.broken else []


@next_commands.register
def _(result: results.PruneResult) -> list[Step]:
    return [("prune", "removes them")] if result.dry_run and (result.cells or result.attempts) else []
