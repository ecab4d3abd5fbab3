"""A result → its JSON document. The key sets are a contract: `tests/unit/test_render.py` pins them.

A key may be added under the same schema version; one that is removed or changes its meaning needs a new version. The
documents are plain data; `encode` writes one so that a terminal shows it safely and a parser reads it without loss.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import singledispatch
from typing import TYPE_CHECKING

from countercache.model import results
from countercache.model.states import LATEST, State
from countercache.render import foreign, repairs, text
from countercache.render.document_parts import Document, cleared_lock, failure, lock, progress, said, seconds, short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from countercache.errors import CountercacheError
    from countercache.model.states import Cell, CellId, Event

_NOT_ASCII = re.compile(r"[^\x00-\x7e]")


def encode(document: Document, *, indent: bool) -> str:
    r"""The document as JSON; characters that a terminal might obey are written as `\uXXXX`, so nothing is lost."""
    written = json.dumps(document, ensure_ascii=False, indent=2 if indent else None)
    if written.isascii() and "\x7f" not in written:
        return written
    # What is ASCII and unsafe, json.dumps has escaped already, but for DEL; a line break is the indentation's own.
    return _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1] if text.is_unsafe(match[0]) else match[0], written)


@singledispatch
def document(result: object) -> Document:
    """The document of a result, beginning with its `schema`."""
    raise TypeError(f"no document for {type(result).__name__}")


@document.register
def _(result: results.StatusResult) -> Document:
    return {
        "schema": "countercache.status/1",
        "namespace": result.namespace,
        "counter_states": [cell(view) for view in result.cells],
        "runs": [
            {"lock": run.lock}
            | progress(run.progress)
            | {"elapsed_seconds": seconds(run.elapsed), "deadline_in_seconds": seconds(run.deadline_in)}
            | {"verdict": run.verdict}
            for run in result.runs
        ],
    } | counts(result.cells)


@document.register
def _(result: results.WarmupResult) -> Document:
    views = [view for job in result.jobs for outcome in job.counters for view in outcome.cells]
    return {
        "schema": "countercache.warmup/1",
        "exit_code": result.exit_code,
        "jobs": [
            {
                "database": job.database,
                "run": job.run,
                "exit_code": job.exit_code,
                "duration_seconds": seconds(job.duration),
                "error": failure(job.failure),
                "counters": [
                    {
                        "slug": outcome.counter,
                        "cells": len(outcome.cells),
                        "outcome": outcome.outcome,
                        "values": outcome.values,
                        "errors": [failure(item) for item in dict.fromkeys(outcome.failures)],
                        "skipped": _skip(outcome.skipped),
                    }
                    for outcome in job.counters
                ],
            }
            for job in result.jobs
        ],
        "counter_states": [cell(view) for view in views],
        "notes": list(result.notes),
    } | counts(views)


@document.register
def _(result: results.LocksResult) -> Document:
    return {
        "schema": "countercache.locks/1",
        "locks": [
            *(
                lock(view.lock, view.lock.acquired + view.age)
                | {"kind": view.kind, "verdict": view.verdict, "why": view.why, "age_seconds": seconds(view.age)}
                | {"type": "hash", "size": None, "preview": None, "idle_seconds": None}
                for view in result.locks
            ),
            *map(foreign.document, result.foreign),
        ],
        "notes": list(result.notes),
    }


@document.register
def _(result: results.ClearResult) -> Document:
    return {
        "schema": "countercache.clear/1",
        "exit_code": result.exit_code,
        "dry_run": result.dry_run,
        "locks": [
            *(cleared_lock(lock) | {"kind": "own"} for lock in result.locks),
            *map(foreign.cleared_document, result.foreign),
        ],
        "unknown": list(result.unknown),
    }


@document.register
def _(result: results.CheckResult) -> Document:
    checks = [
        {"subject": check.subject, "ok": check.ok, "warning": check.warning, "message": check.text}
        | {"fields": [*map(short, check.fields)]}
        for check in result.checks
    ]
    return {"schema": "countercache.check/1", "exit_code": result.exit_code, "checks": checks}


@document.register
def _(result: results.DoctorResult) -> Document:
    found = Counter(finding.health for finding in result.findings)
    return {
        "schema": "countercache.doctor/1",
        "exit_code": result.exit_code,
        "findings": [
            {
                "area": finding.area,
                "subject": finding.subject,
                "health": finding.health,
                "seen": said(finding.seen),
                "why": finding.why,
                "cure": said(finding.cure) or None,
            }
            for finding in result.findings
        ],
    } | {health.value: found[health] for health in results.Health}


@document.register
def _(result: results.PlanResult) -> Document:
    return {
        "schema": "countercache.plan/1",
        "exit_code": result.exit_code,
        "cells": [_cell_id(cell) for cell in result.cells],
        "steps": [{"database": step.database, "purpose": step.purpose, "sql": step.sql} for step in result.steps],
        "errors": [{"slug": counter, "error": failure(each)} for counter, each in result.failures],
    }


@document.register
def _(result: results.ConfigResult) -> Document:
    return {"schema": "countercache.config/1", "path": result.path, "settings": result.settings}


@document.register
def _(result: results.EmbeddedStatus) -> Document:
    return {
        "schema": "countercache.embedded/1",
        "running": result.running,
        "socket": result.socket,
        "directory": result.directory,
        "pid": result.pid,
        "version": result.version,
        "memory_bytes": result.memory,
        "keys": result.keys,
    }


@document.register
def _(result: results.EmbeddedStopped) -> Document:
    schema = "countercache.embedded-stop/1"
    return {"schema": schema, "stopped": result.pid is not None, "pid": result.pid, "directory": result.directory}


@document.register
def _(result: results.DemoRun) -> Document:
    made = result.made
    return {
        "schema": "countercache.demo/1",
        "exit_code": result.exit_code,
        "directory": made.directory,
        "config": made.config,
        "config_kept": made.config_kept,
        "database": made.database,
        "entities": made.entities,
        "fields": made.fields,
        "periods": made.periods,
        "figures": made.figures,
        "redis": said(result.redis),
        "warmup": document(result.warmup),
        "status": document(result.status),
    }


@document.register
def _(result: results.EventsResult) -> Document:
    return {"schema": "countercache.events/1", "events": [event(item) for item in result.events]}


@document.register
def _(result: results.RecoverResult) -> Document:
    return repairs.recover_document(result) | {"warmup": document(result.warmup) if result.warmup else None}


@document.register
def _(result: results.AcceptResult) -> Document:
    return repairs.accept_document(result)


@document.register
def _(result: results.PruneResult) -> Document:
    return repairs.prune_document(result)


def event(each: Event) -> Document:
    """One event of the log."""
    return {
        "id": short(each.id),
        "time": text.moment(each.at) if each.at else None,
        "level": short(each.level),
        "category": short(each.category),
        "action": short(each.action),
        "message": said(each.message),
        "counters": [short(counter) for counter in each.counters],
        "lock": short(each.lock),
        "run": short(each.run),
        "by": short(each.by),
    }


def event_line(each: Event) -> Document:
    """An event as a document of its own: a line of a log."""
    return {"schema": "countercache.event/1"} | event(each)


def error(problem: CountercacheError, exit_code: int) -> Document:
    """The document of a command that failed."""
    return {
        "schema": "countercache.error/1",
        "exit_code": exit_code,
        "error": {"type": type(problem).__name__, "message": said(problem.message), "hint": said(problem.hint)},
    }


def cell(view: results.CellView) -> Document:
    """A cell: what the web stack polled, and all that is known of it besides."""
    stored = view.cell
    return {
        "slug": view.id.counter,
        "name": view.name,
        "group": view.id.group,
        "period": short(text.period(view)),
        "latest": view.id.period == LATEST,
        "state": view.state,
        "value": text.number(stored.value) if stored and stored.value is not None else None,
        "display_value": short(text.display_value(view)),
        "previous": text.number(stored.previous) if stored and stored.previous is not None else None,
        "change_percent": _change(stored, points=False),
        "change_points": _change(stored, points=True),
        "coverage": (
            {"reported": stored.coverage.reported, "entities": stored.coverage.entities}
            if stored and stored.coverage
            else None
        ),
        "rejected": stored.rejected if stored else 0,
        "note": short(text.note(view)) or None,
        "computed_at": text.moment(stored.computed_at) if stored else None,
        "age_seconds": seconds(view.age),
        "fresh_until": text.moment(stored.fresh_until) if stored else None,
        "duration_seconds": seconds(stored.duration) if stored and stored.computed_at is not None else None,
        "run": stored.run if stored else None,
        "error": failure(view.failure),
        "failures": stored.failures if stored else 0,
        "failed_at": text.moment(stored.failed_at) if stored else None,
        "next_attempt": text.moment(stored.next_attempt) if stored and view.retry_in is not None else None,
    }


def _change(stored: Cell | None, *, points: bool) -> str | None:
    if stored is None or stored.change is None or stored.points is not points:
        return None
    return text.number(text.rounded_change(stored.change))


def counts(views: Iterable[results.CellView]) -> Document:
    """How many cells are in each state."""
    found = Counter(view.state for view in views)
    return {state.value: found[state] for state in State}


def _skip(value: results.Skip | None) -> Document | None:
    if value is None:
        return None
    return {
        "failures": value.failures,
        "until": text.moment(value.until),
        "wait_seconds": seconds(value.wait),
        "error": failure(value.failure),
    }


def _cell_id(cell_id: CellId) -> Document:
    return {"slug": cell_id.counter, "group": cell_id.group, "period": cell_id.period}
