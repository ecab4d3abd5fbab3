"""Results of `recover`, `accept` and `prune` as lines and documents."""

from __future__ import annotations

from collections.abc import Iterator

from countercache.model.results import Accepted, AcceptResult, Broken, Pruned, PruneResult, RecoverResult
from countercache.model.wording import count
from countercache.render import text
from countercache.render.document_parts import Document, cleared_lock, failure

OUTCOMES = {
    "computed": ("✓", "green", "computed"),
    "partial": ("✗", "yellow", "computed in part"),
    "failed": ("✗", "red", "failed again"),
    "left": ("•", "yellow", "left"),
    "planned": ("○", "cyan", "to be computed"),
}
"""The outcomes of a counter, each with its symbol, colour and text."""


def outcome(result: RecoverResult, broken: Broken) -> str:
    """The outcome of a counter: a key of `OUTCOMES`."""
    if broken.left:
        return "left"
    jobs = result.warmup.jobs if result.warmup else ()
    outcomes = {counter.counter: counter.outcome for job in jobs for counter in job.counters}
    return outcomes.get(broken.counter, "planned" if result.dry_run else "failed")


def problem(broken: Broken) -> str:
    """What was wrong with a counter."""
    return text.failure(broken.failure) if broken.failure else "never computed"


def recover_lines(result: RecoverResult) -> Iterator[list[str]]:
    """The columns of each row: of locks, then of counters."""
    for lock in result.locks:
        cleared = "cleared" if lock.cleared else "left"
        why = text.escape(lock.why, 1000)
        yield ["lock", text.escape(lock.lock.name), cleared, lock.verdict, text.owner(lock.lock), why]
    for broken in result.broken:
        cells = count(broken.cells, "cell")
        why = text.escape(broken.left, 1000) or problem(broken)
        name, database = text.escape(broken.counter), text.escape(broken.database)
        yield ["counter", name, outcome(result, broken), database, cells, why]


def recover_problems(result: RecoverResult) -> Iterator[str]:
    """What was left, one line for each reason."""
    for lock in result.locks:
        if not lock.cleared:
            yield f"lock {text.escape(lock.lock.name)}: {text.escape(lock.why, 1000)}"
    for why in dict.fromkeys(broken.left for broken in result.broken if broken.left):
        names = text.listed(broken.counter for broken in result.broken if broken.left == why)
        yield f"{names}: {text.escape(why, 1000)}"


def recover_document(result: RecoverResult) -> Document:
    """The document of `recover`, without that of its run."""
    return {
        "schema": "countercache.recover/1",
        "exit_code": result.exit_code,
        "dry_run": result.dry_run,
        "locks": [cleared_lock(lock) for lock in result.locks],
        "counters": [
            {
                "slug": broken.counter,
                "database": broken.database,
                "cells": broken.cells,
                "error": failure(broken.failure),
                "outcome": outcome(result, broken),
                "why": broken.left or None,
            }
            for broken in result.broken
        ],
        "notes": list(result.notes),
    }


def pruned_state(result: PruneResult, cell: Pruned) -> str:
    """What happened to a cell, in one word."""
    return "left" if not cell.removed else "orphaned" if result.dry_run else "removed"


def prune_lines(result: PruneResult) -> Iterator[list[str]]:
    """The columns of each row: of cells, then of attempts."""
    for cell in result.cells:
        keys = text.listed(cell.keys, len(cell.keys))
        yield [pruned_state(result, cell), *_parts(cell), keys, text.escape(cell.why)]
    for counter in result.attempts:
        yield [
            "orphaned" if result.dry_run else "removed",
            text.escape(counter),
            "",
            "",
            "",
            "the record of an attempt",
        ]


def prune_problems(result: PruneResult) -> Iterator[str]:
    """What was left, one line for each reason."""
    for why in dict.fromkeys(cell.why for cell in result.cells if not cell.removed):
        names = sorted({cell.cell.counter for cell in result.cells if cell.why == why})
        yield f"{text.listed(names)}: left; {text.escape(why)}"


def prune_document(result: PruneResult) -> Document:
    """The document of `prune`."""
    return {
        "schema": "countercache.prune/1",
        "exit_code": result.exit_code,
        "dry_run": result.dry_run,
        "cells": [
            {
                "slug": cell.cell.counter,
                "group": cell.cell.group,
                "period": cell.cell.period,
                "removed": cell.removed and not result.dry_run,
                "published_keys": list(cell.keys),
                "why": cell.why or None,
            }
            for cell in result.cells
        ],
        "attempts": list(result.attempts),
    }


def prune_summary(result: PruneResult) -> str:
    """How much, in one sentence."""
    removed = [cell for cell in result.cells if cell.removed]
    cells, keys = count(len(removed), "cell"), count(sum(len(cell.keys) for cell in removed), "published key")
    amounts = f"{cells} and {keys}" + (f", {count(len(result.attempts), 'attempt')}" if result.attempts else "")
    return f"{amounts} would be removed; nothing was." if result.dry_run else f"Removed {amounts}."


def accept_lines(result: AcceptResult) -> Iterator[list[str]]:
    """The columns of each row."""
    for cell in result.cells:
        yield [*_parts(cell), "accepted" if cell.accepted else "left", text.escape(cell.why, 1000)]


def accept_problems(result: AcceptResult) -> Iterator[str]:
    """What was left, one line for each reason."""
    for left in dict.fromkeys(cell.left for cell in result.cells if not cell.accepted):
        cells = (f"{cell.cell.group} {cell.cell.period}" for cell in result.cells if cell.left == left)
        yield f"{text.escape(result.counter)} ({text.listed(cells, 3)}): left, since {text.escape(left, 1000)}"


def accept_document(result: AcceptResult) -> Document:
    """The document of `accept`."""
    return {
        "schema": "countercache.accept/1",
        "exit_code": result.exit_code,
        "cells": [
            {
                "slug": cell.cell.counter,
                "group": cell.cell.group,
                "period": cell.cell.period,
                "accepted": cell.accepted,
                "why": cell.why,
            }
            for cell in result.cells
        ],
    }


def _parts(cell: Pruned | Accepted) -> list[str]:
    return [text.escape(part, text.LIMIT) for part in (cell.cell.counter, cell.cell.group, cell.cell.period)]
