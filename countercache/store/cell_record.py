"""Decodes cells, and the attempts at their counters, from the hashes and texts that Redis stores."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from countercache.model.states import MOST_DIGITS, Attempt, Cell, CellId, Coverage, Failure, Reason, digits
from countercache.store.event_log import truncate
from countercache.store.redis_client import integer, seconds

POINTS = "points"  # the `change_unit` of a change in percentage points; without it the change is in percent


def decode_cell(id_: CellId, fields: Mapping[str, str]) -> Cell:
    """Decode a cell from its hash.

    Another program may have written there: a value that is not a number becomes the cell's failure, and text that is
    longer than countercache writes it is truncated.
    """
    value = _decimal(fields.get("value"))
    failure = None
    if "reason" in fields:
        failure = Failure(_reason(fields["reason"]), truncate(fields.get("error", "")))
    elif value is None:
        failure = Failure(Reason.REDIS, f"the stored value is not a number: {fields.get('value', '')!r:.60}")
    return Cell(
        id=id_,
        label=truncate(fields.get("label", "")),
        fence=integer(fields.get("fence")),
        value=value,
        display=truncate(fields.get("display", "")),
        previous=_decimal(fields.get("previous")),
        change=_decimal(fields.get("change")),
        points=fields.get("change_unit") == POINTS,
        coverage=Coverage(integer(fields["reported"]), integer(fields.get("entities")))
        if "reported" in fields
        else None,
        rejected=integer(fields.get("rejected")),
        note=truncate(fields.get("note", "")),
        computed_at=_moment(fields.get("computed_at")),
        fresh_until=_moment(fields.get("fresh_until")),
        duration=float(_decimal(fields.get("duration")) or 0),
        run=truncate(fields.get("run", "")),
        failure=failure,
        failed_at=_moment(fields.get("failed_at")),
        failures=integer(fields.get("failures")),
        next_attempt=_moment(fields.get("next_attempt")),
        definition=fields.get("definition", ""),
    )


def _moment(text: str | None) -> float | None:
    return seconds(text) if text else None


def _decimal(text: str | None) -> Decimal | None:
    """A stored number; `None` where it is not one, or has more digits than countercache stores."""
    if not text or len(text) > MOST_DIGITS + len("-."):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and digits(number) <= MOST_DIGITS else None


def decode_attempt(text: str) -> Attempt:
    """Decode an attempt: its fence and, where it is known, why it will not end."""
    record, _, message = text.partition("\n")
    fence, _, reason = record.partition(" ")
    return Attempt(integer(fence), _reason(reason) if reason else Reason.ABANDONED, truncate(message))


def _reason(text: str) -> Reason:
    """A stored reason; one that this version does not know becomes `Reason.REDIS`."""
    return Reason(text) if text in _REASONS else Reason.REDIS


_REASONS = frozenset(Reason)
