"""A cell, and an attempt at its counter, as Redis has them: hashes and texts to our values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from countercache.model.states import MOST_DIGITS, Attempt, Cell, CellId, Coverage, Failure, Reason, digits
from countercache.store.event_log import short
from countercache.store.redis_client import integer, seconds

POINTS = "points"  # the `change_unit` of a change in percentage points; without one it is in percent


def decode_cell(id_: CellId, fields: Mapping[str, str]) -> Cell:
    """A cell from its hash. What is no number (nobody but us should write there) is a failure of the cell; a text that
    is longer than we write it is cut.
    """
    value = _decimal(fields.get("value"))
    failure = None
    if "reason" in fields:
        failure = Failure(_reason(fields["reason"]), short(fields.get("error", "")))
    elif value is None:
        failure = Failure(Reason.REDIS, f"the stored value is no number: {fields.get('value', '')!r:.60}")
    return Cell(
        id=id_,
        label=short(fields.get("label", "")),
        fence=integer(fields.get("fence")),
        value=value,
        display=short(fields.get("display", "")),
        previous=_decimal(fields.get("previous")),
        change=_decimal(fields.get("change")),
        points=fields.get("change_unit") == POINTS,
        coverage=Coverage(integer(fields["reported"]), integer(fields.get("entities")))
        if "reported" in fields
        else None,
        rejected=integer(fields.get("rejected")),
        note=short(fields.get("note", "")),
        computed_at=_moment(fields.get("computed_at")),
        fresh_until=_moment(fields.get("fresh_until")),
        duration=float(_decimal(fields.get("duration")) or 0),
        run=short(fields.get("run", "")),
        failure=failure,
        failed_at=_moment(fields.get("failed_at")),
        failures=integer(fields.get("failures")),
        next_attempt=_moment(fields.get("next_attempt")),
        definition=fields.get("definition", ""),
    )


def _moment(text: str | None) -> float | None:
    return seconds(text) if text else None


def _decimal(text: str | None) -> Decimal | None:
    """The number that is stored; none where it is no number, or an absurdly long one."""
    if not text or len(text) > MOST_DIGITS + len("-."):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and digits(number) <= MOST_DIGITS else None


def decode_attempt(text: str) -> Attempt:
    """An attempt from its text: the fence, and why it will not end, where that is known."""
    record, _, message = text.partition("\n")
    fence, _, reason = record.partition(" ")
    return Attempt(integer(fence), _reason(reason) if reason else Reason.ABANDONED, short(message))


def _reason(text: str) -> Reason:
    """A reason as stored; one that this version does not know is Redis's."""
    return Reason(text) if text in _REASONS else Reason.REDIS


_REASONS = frozenset(Reason)
