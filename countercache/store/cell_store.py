"""Cells in Redis: a run writes them under its lease, and anybody reads them.

`write` stores the results of a run, values and failures alike. `read` takes two round trips, however many cells there
are, for all that is needed to derive their states.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from countercache.model.circuit_breaker import Backoff, put_off
from countercache.model.definition import Definitions
from countercache.model.results import CellView, RunView, Skip, StatusResult
from countercache.model.states import (
    EACH,
    Attempt,
    Cell,
    CellId,
    Computed,
    Failure,
    Lock,
    Reason,
    State,
    by_period,
    configured_cells,
    derive,
)
from countercache.settings import Settings
from countercache.store.cell_record import POINTS, decode_attempt, decode_cell
from countercache.store.event_log import truncate
from countercache.store.keys import Keys, cell_of, member
from countercache.store.lease import Lease
from countercache.store.lock_owner import verdict
from countercache.store.lock_record import lock_of
from countercache.store.publishing import Published
from countercache.store.redis_client import Store, script

_CELLS_A_WRITE = 1000
_UNCOUNTED = {Reason.CANCELLED, Reason.CONFIG}
"""Not counted by the circuit breaker: the run was stopped, or the configuration is wrong until somebody corrects it."""

_CELLS_A_READ = 250  # in one script: it blocks the server for a few ms
_FAILURE_FIELDS = ("reason", "error", "failed_at", "failures", "next_attempt")

T = TypeVar("T")


class Hold(msgspec.Struct, frozen=True):
    """The rule for holding values back: more than `share` away from the stored one. `advice` says how to accept one."""

    share: Decimal
    advice: str


class Publication(msgspec.Struct, frozen=True):
    """The result for one cell, ready to be stored, with a value's text, freshness and plain keys.

    `fresh_for` is how many seconds pass until it is stale (`None`: it never is), `outdated` the plain keys that it no
    longer publishes, `definition` a digest of what the configuration says of the cell.
    """

    computed: Computed
    display: str = ""
    fresh_for: float | None = None
    published: tuple[Published, ...] = ()
    hold: Hold | None = None
    outdated: tuple[str, ...] = ()
    definition: str = ""


class Written(msgspec.Struct, frozen=True):
    """The cells that were not stored: a newer run had written them, or they were held back."""

    refused: tuple[CellId, ...] = ()
    held: Mapping[CellId, Failure] = {}


class Vanished(msgspec.Struct, frozen=True):
    """A stored cell of a group or period that has vanished, with the plain keys that no other cell has."""

    cell: CellId
    keys: tuple[str, ...] = ()


class Remark(msgspec.Struct, frozen=True):
    """A remark in the log on a counter that succeeded; `action` is `slow` or `rejected`."""

    counter: str
    action: str
    message: str


class Snapshot(msgspec.Struct, frozen=True):
    """What Redis had at one moment (`now`, by its clock): the configured cells, and what their states derive from.

    `known` is every cell that is stored, also of counters that are no longer configured. `definition_of` gives a digest
    of what the configuration says of a cell. `put_off` are the counters that the circuit breaker skips.
    """

    now: float
    ids: tuple[CellId, ...]
    cells: Mapping[CellId, Cell]
    known: frozenset[CellId]
    locks: tuple[Lock, ...]
    attempts: Mapping[str, Attempt]
    definition_of: Callable[[CellId], str]
    put_off: Mapping[str, Skip]

    def labels(self) -> dict[str, dict[CellId, str]]:
        """The stored cells of each counter, with the labels of their periods."""
        labels: dict[str, dict[CellId, str]] = {}
        for id_ in self.ids:
            if id_ in self.known:
                cell = self.cells.get(id_)
                labels.setdefault(id_.counter, {})[id_] = cell.label if cell else id_.period
        return labels

    def view(self, cell_id: CellId, name: str, *, by_period: bool = False) -> CellView:
        """A cell with its state; `name` is its counter's display name, `by_period` as in `CellView`."""
        cell = self.cells.get(cell_id)
        # Empty where the cell was stored by a version that recorded none.
        definition = cell is not None and cell.value is not None and cell.definition
        redefined = bool(definition) and definition != self.definition_of(cell_id)
        state, failure = derive(cell, cell_id.counter, self.locks, self.attempts, self.now, redefined=redefined)
        age = None if cell is None or cell.computed_at is None else max(0.0, self.now - cell.computed_at)
        skip = self.put_off.get(cell_id.counter) if state is State.ERROR else None
        retry_in = skip.wait if skip else None
        return CellView(cell_id, name, state, failure, cell, age, retry_in, by_period, redefined)


def write(
    lease: Lease,
    entries: Sequence[Publication],
    completed: Sequence[str] = (),
    *,
    vanished: Sequence[Vanished] = (),
    remarks: Sequence[Remark] = (),
    backoff: Backoff | None = None,
) -> Written:
    """Store the results of cells, end the attempts of the counters `completed`, and remove the cells that `vanished`.

    A value replaces all that was stored of its cell. A failure is stored beside the last value, and with `backoff` it
    delays the next attempt after many failures in a row. `remarks` are for the log. It is safe to write the same
    entries again after a lost reply. Returns the cells that were not stored: a newer run has written them (under
    another lock, where a counter has moved to another database), or they were held back. Takes one round trip for each
    1,000 cells.

    Raises `LockLost` where this run no longer has the lock (nothing of that round trip is stored), and
    `RedisUnreachable`.
    """
    refused: list[CellId] = []
    held: dict[CellId, Failure] = {}
    keys = lease.store.keys
    for position in range(0, max(1, len(entries)), _CELLS_A_WRITE):
        chunk = entries[position : position + _CELLS_A_WRITE]
        last = position + _CELLS_A_WRITE >= len(entries)
        answer = lease.store.run(
            "write",
            (lease.key, keys.cleared(lease.id), keys.began, keys.index, keys.events),
            lease.id,
            lease.fence,
            lease.name,
            lease.who,
            msgspec.json.encode(
                _write_document(keys, chunk, completed if last else (), vanished if last else (), remarks, backoff)
            ).decode(),
            keys.keep,
        )
        if answer[0] != "written":
            raise lease.lost(answer[0])
        lease.log_events(answer[2])
        refused += filter(None, map(cell_of, answer[1]))
        held |= {cell: Failure(Reason.HELD, message) for member_, message, _ in answer[3] if (cell := cell_of(member_))}
    return Written(tuple(refused), held)


def read(store: Store, settings: Settings, counters: Iterable[str] = ()) -> Snapshot:
    """Read the configured cells of `counters`, or of all, and what their states derive from, in two round trips."""
    with store.translated_errors():
        # In a transaction, so that no lock ends after its attempts were read and before it is.
        pipe = store.client.pipeline(transaction=True)
        pipe.time()
        pipe.hgetall(store.keys.began)
        pipe.smembers(store.keys.index)
        for name in settings.databases:
            pipe.hgetall(store.keys.lock(name))
            pipe.pttl(store.keys.lock(name))
        clock, began, index, *rest = pipe.execute()
    locks = tuple(
        lock_of(store.keys, name, fields, ttl)
        for name, fields, ttl in zip(settings.databases, rest[::2], rest[1::2], strict=True)
        if fields
    )
    known = frozenset(filter(None, map(cell_of, index)))
    ids = tuple(configured_cells(settings, known, counters))
    now, stored = clock[0] + clock[1] / 1e6, cells(store, ids)
    return Snapshot(
        now=now,
        ids=ids,
        cells=stored,
        known=known,
        locks=locks,
        attempts={counter: decode_attempt(text) for counter, text in began.items()},
        definition_of=Definitions(settings).of,
        put_off=put_off(ids, stored, now),
    )


def status(store: Store, settings: Settings, counters: Iterable[str] = ()) -> StatusResult:
    """Return the states of the configured cells of `counters`, or of all, and the runs in progress."""
    snapshot = read(store, settings, counters)
    views = (
        snapshot.view(id_, settings.counters[id_.counter].name or id_.counter, by_period=by_period(settings, id_))
        for id_ in snapshot.ids
    )
    runs = (
        RunView(
            lock.name,
            lock.progress,
            max(0.0, snapshot.now - lock.acquired),
            max(0.0, lock.deadline - snapshot.now),
            verdict(lock)[0],
        )
        for lock in snapshot.locks
        if lock.lives(snapshot.now)
    )
    return StatusResult(settings.namespace, tuple(views), tuple(runs))


def _write_document(
    keys: Keys,
    entries: Sequence[Publication],
    completed: Sequence[str],
    vanished: Sequence[Vanished],
    remarks: Sequence[Remark],
    backoff: Backoff | None,
) -> dict[str, Any]:
    """The argument of the script `write`.

    The cell of the period `EACH` stands for all periods while they are not known; the first real cell replaces it.
    """
    cells = (entry.computed.cell for entry in entries if entry.computed.cell.period != EACH)
    replaced = [Vanished(cell) for cell in dict.fromkeys(CellId(cell.counter, cell.group, EACH) for cell in cells)]
    document = {
        "cells": [
            _failure_document(keys, entry, failure)
            if (failure := entry.computed.failure)
            else _value_document(keys, entry)
            for entry in entries
        ],
        "drop": [(keys.cell(gone.cell), member(gone.cell), gone.keys) for gone in (*replaced, *vanished)],
        "done": completed,
        "failed": _failure_events(entries),
        "remarks": [
            (*text, counters)
            for text, counters in _grouped(((remark.action, remark.message), remark.counter) for remark in remarks)
        ],
    }
    if backoff:
        document["breaker"] = {"failures": backoff.failures, "waits": [int(wait * 1e6) for wait in backoff.waits]}
    return document


def _failure_events(entries: Sequence[Publication]) -> list[tuple[str, str, str, list[str]]]:
    """The events of the first failure of each counter: one event for all counters with the same failure.

    A counter whose run was cancelled has none, since the run has an event of its own.
    """
    first: dict[str, Failure] = {}
    for entry in entries:
        if failure := entry.computed.failure:
            first.setdefault(entry.computed.cell.counter, failure)
    failures = ((failure, counter) for counter, failure in first.items() if failure.reason is not Reason.CANCELLED)
    return [
        (*_EVENTS.get(failure.reason, ("counter", "failed")), f"{failure.reason}: {truncate(failure.text)}", counters)
        for failure, counters in _grouped(failures)
    ]


_EVENTS = {Reason.TIMEOUT: ("timeout", "fired")}


def _grouped(pairs: Iterable[tuple[T, str]]) -> list[tuple[T, list[str]]]:
    """Each key once, with all counters that are paired with it."""
    groups: dict[T, list[str]] = {}
    for key, counter in pairs:
        groups.setdefault(key, []).append(counter)
    return list(groups.items())


def _value_document(keys: Keys, entry: Publication) -> dict[str, Any]:
    computed = entry.computed
    coverage = computed.coverage
    fields = {
        "value": _decimal_text(computed.value),
        "display": entry.display,
        "previous": _decimal_text(computed.previous),
        "change": _decimal_text(computed.change),
        "change_unit": POINTS if computed.points and computed.change is not None else None,
        "reported": coverage and str(coverage.reported),
        "entities": coverage and str(coverage.entities),
        "rejected": str(computed.rejected),
        "label": computed.label,
        "note": truncate(computed.note) or None,
        "duration": f"{computed.duration:.6f}",
        "definition": entry.definition or None,
    }
    document: dict[str, Any] = {
        "key": keys.cell(computed.cell),
        "member": member(computed.cell),
        "counter": computed.cell.counter,
        "fields": [part for name, text in fields.items() if text is not None for part in (name, text)],
        "absent": [*_FAILURE_FIELDS, "held", "fresh_until", *(name for name, text in fields.items() if text is None)],
    }
    if entry.hold is not None:
        value = {"value": fields["value"], "display": entry.display, "label": computed.label}
        document["hold"] = {"share": str(entry.hold.share), "advice": entry.hold.advice} | value
    if entry.fresh_for is not None:
        document["fresh"] = int(entry.fresh_for * 1e6)
    document["publish"] = [
        (plain.key, plain.value, 0 if plain.ttl is None else max(1, int(plain.ttl * 1000))) for plain in entry.published
    ]
    document["outdated"] = entry.outdated
    return document


def _failure_document(keys: Keys, entry: Publication, failure: Failure) -> dict[str, Any]:
    computed = entry.computed
    return {
        "key": keys.cell(computed.cell),
        "member": member(computed.cell),
        "counter": computed.cell.counter,
        "label": computed.label,
        "reason": failure.reason,
        "error": truncate(failure.text),
        "counts": failure.reason not in _UNCOUNTED,
    }


def _decimal_text(number: Decimal | None) -> str | None:
    """A number without an exponent, which every language can parse."""
    return None if number is None else format(number, "f")


def cells(store: Store, ids: Sequence[CellId]) -> dict[CellId, Cell]:
    """Read the cells of `ids` that are stored."""
    if not ids:
        return {}
    text = script("cells").text
    with store.translated_errors():
        pipe = store.client.pipeline(transaction=False)
        for position in range(0, len(ids), _CELLS_A_READ):
            chunk = [store.keys.cell(id_) for id_ in ids[position : position + _CELLS_A_READ]]
            pipe.eval(text, len(chunk), *chunk)
        answers = pipe.execute()
    hashes = zip(ids, (fields for answer in answers for fields in _hashes(answer)), strict=True)
    return {id_: decode_cell(id_, fields) for id_, fields in hashes if fields}


def _hashes(answer: str) -> Iterator[dict[str, str]]:
    """Decode a reply of the script `cells`."""
    try:
        return iter(_decode(answer))
    except msgspec.DecodeError:
        # Bytes that are not UTF-8: the client has escaped them as `\\xNN`, which is not JSON.
        return iter(_decode(re.sub(r"\\(.)", lambda match: match[0] if match[1] != "x" else r"\\x", answer)))


_decode = msgspec.json.Decoder(list[dict[str, str]]).decode
