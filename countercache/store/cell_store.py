"""Cells in Redis: written under a lease, read for everybody.

A run's results go out with `write`, values and failures alike; `read` takes what is needed to tell the state of any
cell, in two round trips however many there are.
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
from countercache.store.event_log import short
from countercache.store.keys import Keys, cell_of, member
from countercache.store.lease import Lease
from countercache.store.lock_owner import verdict
from countercache.store.lock_record import lock_of
from countercache.store.publishing import Published
from countercache.store.redis_client import Store, script

_CELLS_A_WRITE = 1000
_CELLS_A_READ = 250  # in one script: a few ms during which the server serves nobody else
_OF_FAILURES = ("reason", "error", "failed_at", "failures", "next_attempt")


Said = TypeVar("Said")


class Hold(msgspec.Struct, frozen=True):
    """A value that differs from the stored one by more than this share of it is held back, with this `advice`."""

    share: Decimal
    advice: str


class Publication(msgspec.Struct, frozen=True):
    """How one cell ended, ready to be stored: what was computed, and for a value its text, freshness and plain keys.

    `fresh_for`: seconds until it is stale; none: never. `outdated`: plain keys that it publishes no more. `definition`:
    what the configuration says of it, as a digest.
    """

    computed: Computed
    display: str = ""
    fresh_for: float | None = None
    published: tuple[Published, ...] = ()
    hold: Hold | None = None
    outdated: tuple[str, ...] = ()
    definition: str = ""


class Written(msgspec.Struct, frozen=True):
    """Which cells were not stored: those that a newer run had written, and those that were held back."""

    refused: tuple[CellId, ...] = ()
    held: Mapping[CellId, Failure] = {}


class Vanished(msgspec.Struct, frozen=True):
    """A stored cell of a group or period that the database no longer has, and the plain keys that only it publishes."""

    cell: CellId
    keys: tuple[str, ...] = ()


class Remark(msgspec.Struct, frozen=True):
    """What somebody should know of a counter that succeeded: `slow`, or values that were `rejected`, in words."""

    counter: str
    action: str
    message: str


class Snapshot(msgspec.Struct, frozen=True):
    """What Redis had at one moment (`now`, by its clock): the configured cells, and what tells their state.

    `known` is every cell that is stored, also of counters that are no longer configured. `definition_of` is what
    the configuration says of a cell now, as a digest. `put_off` are the counters that the circuit breaker leaves alone.
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
        """The cells that are stored, by counter, with their periods' own names."""
        found: dict[str, dict[CellId, str]] = {}
        for id_ in self.ids:
            if id_ in self.known:
                cell = self.cells.get(id_)
                found.setdefault(id_.counter, {})[id_] = cell.label if cell else id_.period
        return found

    def view(self, cell_id: CellId, name: str, *, by_period: bool = False) -> CellView:
        """A cell with its state; `name` is what people call its counter, `by_period` as in `CellView`."""
        cell = self.cells.get(cell_id)
        # A version that recorded no definition may have stored it.
        known = cell is not None and cell.value is not None and cell.definition
        redefined = bool(known) and known != self.definition_of(cell_id)
        state, failure = derive(cell, cell_id.counter, self.locks, self.attempts, self.now, redefined=redefined)
        age = None if cell is None or cell.computed_at is None else max(0.0, self.now - cell.computed_at)
        skip = self.put_off.get(cell_id.counter) if state is State.ERROR else None
        retry_in = skip.wait if skip else None
        return CellView(cell_id, name, state, failure, cell, age, retry_in, by_period, redefined)


def write(
    lease: Lease,
    entries: Sequence[Publication],
    done: Sequence[str] = (),
    *,
    vanished: Sequence[Vanished] = (),
    remarks: Sequence[Remark] = (),
    backoff: Backoff | None = None,
) -> Written:
    """Stores how cells ended, values and failures, and that the counters `done` have ended with them; the cells that
    `vanished` are removed.

    A value replaces all that was stored of its cell; a failure stays beside the last value, and with `backoff` puts the
    next attempt off where it is one of many in a row. `remarks` are for the log. The same entries may be written again
    after a lost reply. Returns the cells that were left alone because a newer run has written them (one of another
    lock, when a counter has moved to another database), and those that were held back. One round trip for each 1,000
    cells.

    Raises `LockLost` when the lock is no longer ours (nothing of that round trip is stored) and `RedisUnreachable`.
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
                _document(keys, chunk, done if last else (), vanished if last else (), remarks, backoff)
            ).decode(),
            keys.keep,
        )
        if answer[0] != "written":
            raise lease.lost(answer[0])
        lease.tell(answer[2])
        refused += filter(None, map(cell_of, answer[1]))
        held |= {cell: Failure(Reason.HELD, why) for member_, why, _ in answer[3] if (cell := cell_of(member_))}
    return Written(tuple(refused), held)


def read(store: Store, settings: Settings, counters: Iterable[str] = ()) -> Snapshot:
    """The configured cells of `counters` (none given: of all) and what tells their state, in two round trips."""
    with store.wrapped():
        # A transaction, so that no lock ends between its reading and that of its attempts.
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
    """The state of the configured cells of `counters` (none given: of all), and every run in flight."""
    seen = read(store, settings, counters)
    views = (
        seen.view(id_, settings.counters[id_.counter].name or id_.counter, by_period=by_period(settings, id_))
        for id_ in seen.ids
    )
    runs = (
        RunView(
            lock.name,
            lock.progress,
            max(0.0, seen.now - lock.acquired),
            max(0.0, lock.deadline - seen.now),
            verdict(lock)[0],
        )
        for lock in seen.locks
        if lock.lives(seen.now)
    )
    return StatusResult(settings.namespace, tuple(views), tuple(runs))


def _document(
    keys: Keys,
    entries: Sequence[Publication],
    done: Sequence[str],
    vanished: Sequence[Vanished],
    remarks: Sequence[Remark],
    backoff: Backoff | None,
) -> dict[str, Any]:
    """What the script `write` is given."""
    real = (entry.computed.cell for entry in entries if entry.computed.cell.period != EACH)
    replaced = [Vanished(cell) for cell in dict.fromkeys(CellId(cell.counter, cell.group, EACH) for cell in real)]
    document = {
        "cells": [
            _failure(keys, entry, failure) if (failure := entry.computed.failure) else _value(keys, entry)
            for entry in entries
        ],
        "drop": [(keys.cell(each.cell), member(each.cell), each.keys) for each in (*replaced, *vanished)],
        "done": done,
        "failed": _told(entries),
        "remarks": [
            (*said, counters)
            for said, counters in _grouped(((each.action, each.message), each.counter) for each in remarks)
        ],
    }
    if backoff:
        document["breaker"] = {"failures": backoff.failures, "waits": [int(wait * 1e6) for wait in backoff.waits]}
    return document


def _told(entries: Sequence[Publication]) -> list[tuple[str, str, str, list[str]]]:
    """What is said of failures in the log: each once with all the counters that it hit, of a counter its first one.

    That the run was told to stop is said of the run.
    """
    first: dict[str, Failure] = {}
    for entry in entries:
        if failure := entry.computed.failure:
            first.setdefault(entry.computed.cell.counter, failure)
    told = _grouped((failure, counter) for counter, failure in first.items() if failure.reason is not Reason.CANCELLED)
    return [
        (*_EVENTS.get(failure.reason, ("counter", "failed")), f"{failure.reason}: {short(failure.text)}", counters)
        for failure, counters in told
    ]


_EVENTS = {Reason.TIMEOUT: ("timeout", "fired")}


def _grouped(pairs: Iterable[tuple[Said, str]]) -> list[tuple[Said, list[str]]]:
    """What is said, each once, with all the counters of which it is said."""
    groups: dict[Said, list[str]] = {}
    for said, counter in pairs:
        groups.setdefault(said, []).append(counter)
    return list(groups.items())


def _value(keys: Keys, entry: Publication) -> dict[str, Any]:
    found = entry.computed
    coverage = found.coverage
    fields = {
        "value": _plain(found.value),
        "display": entry.display,
        "previous": _plain(found.previous),
        "change": _plain(found.change),
        "change_unit": POINTS if found.points and found.change is not None else None,
        "reported": coverage and str(coverage.reported),
        "entities": coverage and str(coverage.entities),
        "rejected": str(found.rejected),
        "label": found.label,
        "note": short(found.note) or None,
        "duration": f"{found.duration:.6f}",
        "definition": entry.definition or None,
    }
    document: dict[str, Any] = {
        "key": keys.cell(found.cell),
        "member": member(found.cell),
        "counter": found.cell.counter,
        "fields": [part for name, text in fields.items() if text is not None for part in (name, text)],
        "absent": [*_OF_FAILURES, "held", "fresh_until", *(name for name, text in fields.items() if text is None)],
    }
    if entry.hold is not None:
        value = {"value": fields["value"], "display": entry.display, "label": found.label}
        document["hold"] = {"share": str(entry.hold.share), "advice": entry.hold.advice} | value
    if entry.fresh_for is not None:
        document["fresh"] = int(entry.fresh_for * 1e6)
    document["publish"] = [
        (plain.key, plain.value, 0 if plain.ttl is None else max(1, int(plain.ttl * 1000))) for plain in entry.published
    ]
    document["outdated"] = entry.outdated
    return document


def _failure(keys: Keys, entry: Publication, failure: Failure) -> dict[str, Any]:
    found = entry.computed
    return {
        "key": keys.cell(found.cell),
        "member": member(found.cell),
        "counter": found.cell.counter,
        "label": found.label,
        "reason": failure.reason,
        "error": short(failure.text),
        "counts": failure.reason is not Reason.CANCELLED,
    }


def _plain(number: Decimal | None) -> str | None:
    """A number without an exponent, which every language reads."""
    return None if number is None else format(number, "f")


def cells(store: Store, ids: Sequence[CellId]) -> dict[CellId, Cell]:
    """The cells of `ids` that are stored."""
    if not ids:
        return {}
    text = script("cells").text
    with store.wrapped():
        pipe = store.client.pipeline(transaction=False)
        for position in range(0, len(ids), _CELLS_A_READ):
            chunk = [store.keys.cell(id_) for id_ in ids[position : position + _CELLS_A_READ]]
            pipe.eval(text, len(chunk), *chunk)
        answers = pipe.execute()
    found = zip(ids, (fields for answer in answers for fields in _hashes(answer)), strict=True)
    return {id_: decode_cell(id_, fields) for id_, fields in found if fields}


def _hashes(answer: str) -> Iterator[dict[str, str]]:
    """The objects of an answer of the script `cells`."""
    try:
        return iter(_decode(answer))
    except msgspec.DecodeError:
        # Bytes that are no UTF-8, which the client has turned into `\\xNN`: which JSON does not know.
        return iter(_decode(re.sub(r"\\(.)", lambda match: match[0] if match[1] != "x" else r"\\x", answer)))


_decode = msgspec.json.Decoder(list[dict[str, str]]).decode
