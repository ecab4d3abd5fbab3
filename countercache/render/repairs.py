"""What `recover`, `accept` and `prune` did, as lines, documents and a screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from countercache.model.results import Accepted, AcceptResult, Broken, Pruned, PruneResult, RecoverResult
from countercache.model.wording import count
from countercache.render import text
from countercache.render.document_parts import Document, cleared_lock, failure

if TYPE_CHECKING:
    pass

OUTCOMES = {
    "computed": ("✓", "green", "computed"),
    "partial": ("✗", "yellow", "computed in part"),
    "failed": ("✗", "red", "failed again"),
    "left": ("•", "yellow", "left"),
    "planned": ("○", "cyan", "to be computed"),
}
"""What became of a counter: its sign, the colour of that, and in words."""


def outcome(result: RecoverResult, broken: Broken) -> str:
    """What became of a counter, in one word."""
    if broken.left:
        return "left"
    jobs = result.warmup.jobs if result.warmup else ()
    ended = {each.counter: each.outcome for job in jobs for each in job.counters}
    return ended.get(broken.counter, "planned" if result.dry_run else "failed")


def found(broken: Broken) -> str:
    """What was found to be wrong with a counter."""
    return text.failure(broken.failure) if broken.failure else "never computed"


def recover_lines(result: RecoverResult) -> Iterator[list[str]]:
    """The columns of each row: of locks, then of counters."""
    for lock in result.locks:
        done = "cleared" if lock.cleared else "left"
        why = text.escape(lock.why, 1000)
        yield ["lock", text.escape(lock.lock.name), done, lock.verdict, text.owner(lock.lock), why]
    for each in result.broken:
        cells = count(each.cells, "cell")
        why = text.escape(each.left, 1000) or found(each)
        yield ["counter", text.escape(each.counter), outcome(result, each), text.escape(each.database), cells, why]


def recover_problems(result: RecoverResult) -> Iterator[str]:
    """What was left alone."""
    for lock in result.locks:
        if not lock.cleared:
            yield f"lock {text.escape(lock.lock.name)}: {text.escape(lock.why, 1000)}"
    for why in dict.fromkeys(each.left for each in result.broken if each.left):
        names = text.listed(each.counter for each in result.broken if each.left == why)
        yield f"{names}: {text.escape(why, 1000)}"


def recover_document(result: RecoverResult) -> Document:
    """All of it but what the run has to say."""
    return {
        "schema": "countercache.recover/1",
        "exit_code": result.exit_code,
        "dry_run": result.dry_run,
        "locks": [cleared_lock(each) for each in result.locks],
        "counters": [
            {
                "slug": each.counter,
                "database": each.database,
                "cells": each.cells,
                "error": failure(each.failure),
                "outcome": outcome(result, each),
                "why": each.left or None,
            }
            for each in result.broken
        ],
        "notes": list(result.notes),
    }


def pruned_state(result: PruneResult, each: Pruned) -> str:
    """What became of a cell, in one word."""
    return "left" if not each.removed else "orphaned" if result.dry_run else "removed"


def prune_lines(result: PruneResult) -> Iterator[list[str]]:
    """The columns of each row: of cells, then of attempts."""
    for each in result.cells:
        keys = text.listed(each.keys, len(each.keys))
        yield [pruned_state(result, each), *_parts(each), keys, text.escape(each.why)]
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
    """What was left alone."""
    for why in dict.fromkeys(each.why for each in result.cells if not each.removed):
        names = sorted({each.cell.counter for each in result.cells if each.why == why})
        yield f"{text.listed(names)}: left; {text.escape(why)}"


def prune_document(result: PruneResult) -> Document:
    """All of it."""
    return {
        "schema": "countercache.prune/1",
        "exit_code": result.exit_code,
        "dry_run": result.dry_run,
        "cells": [
            {
                "slug": each.cell.counter,
                "group": each.cell.group,
                "period": each.cell.period,
                "removed": each.removed and not result.dry_run,
                "published_keys": list(each.keys),
                "why": each.why or None,
            }
            for each in result.cells
        ],
        "attempts": list(result.attempts),
    }


def prune_summary(result: PruneResult) -> str:
    """How much, in one sentence."""
    removed = [each for each in result.cells if each.removed]
    cells, keys = count(len(removed), "cell"), count(sum(len(each.keys) for each in removed), "published key")
    what = f"{cells} and {keys}" + (f", {count(len(result.attempts), 'attempt')}" if result.attempts else "")
    return f"{what} would be removed; nothing was." if result.dry_run else f"Removed {what}."


def accept_lines(result: AcceptResult) -> Iterator[list[str]]:
    """The columns of each row."""
    for each in result.cells:
        yield [*_parts(each), "accepted" if each.accepted else "left", text.escape(each.why, 1000)]


def accept_problems(result: AcceptResult) -> Iterator[str]:
    """What was left alone."""
    for left in dict.fromkeys(each.left for each in result.cells if not each.accepted):
        cells = (f"{each.cell.group} {each.cell.period}" for each in result.cells if each.left == left)
        yield f"{text.escape(result.counter)} ({text.listed(cells, 3)}): left, since {text.escape(left, 1000)}"


def accept_document(result: AcceptResult) -> Document:
    """All of it."""
    return {
        "schema": "countercache.accept/1",
        "exit_code": result.exit_code,
        "cells": [
            {
                "slug": each.cell.counter,
                "group": each.cell.group,
                "period": each.cell.period,
                "accepted": each.accepted,
                "why": each.why,
            }
            for each in result.cells
        ],
    }


def _parts(each: Pruned | Accepted) -> list[str]:
    return [text.escape(part, text.LIMIT) for part in (each.cell.counter, each.cell.group, each.cell.period)]
