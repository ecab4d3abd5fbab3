"""What is said of values that were rejected: how many, of which fields, an example, and the cure. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from countercache.compute.spelling_suggestions import is_doubtful, suggestion, unmistakable, written
from countercache.model.redaction import quoted, shown
from countercache.model.states import Failure, Reason
from countercache.settings import Numbers

_LISTED_FIELDS = 3

_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A name that TOML takes without quotes."""

_BLOB = re.compile(r"x'[0-9a-f]*'")
"""A blob as `figures.read_example` writes it."""


class Spelling(msgspec.Struct, frozen=True):
    """How a field whose values are texts is spelled. `own`: what is suggested for it must not touch other fields."""

    numbers: Numbers
    own: bool


class Rejection(msgspec.Struct, frozen=True):
    """Of some values of a field: how many there are, how many were rejected, and one of these with its entity."""

    values: int = 0
    rejected: int = 0
    entity: str = ""
    example: str = ""

    def __add__(self, other: Rejection) -> Rejection:
        # Choose as the database does (see `FieldValues.example`), so that the order of reading makes no difference.
        rejected = [rejection for rejection in (self, other) if rejection.rejected]
        best = min(
            rejected,
            key=lambda rejection: (-len(rejection.example), rejection.entity, rejection.example),
            default=Rejection(),
        )
        return Rejection(self.values + other.values, self.rejected + other.rejected, best.entity, best.example)


def rejected_values(
    rejections: Mapping[str, Rejection], scope: str, spellings: Mapping[str, Spelling], names: Mapping[str, str]
) -> Failure:
    """What to say about the rejected values of some fields in a scope, such as "2019/20" (empty: not said).

    `spellings` are of the fields whose values are texts, `names` those of entities by their keys.
    """
    worst = sorted(rejections, key=lambda field: (-rejections[field].rejected, field))
    where = f" in {scope}" if scope else ""
    parts = [
        f"{rejection.rejected} of {rejection.values} values of {field}{where if field == worst[0] else ''} "
        f"{'is not a number' if rejection.rejected == 1 else 'are not numbers'}, "
        f"such as {_written(rejection.example)} ({names.get(rejection.entity, rejection.entity)})"
        for field, rejection in ((field, rejections[field]) for field in worst[:_LISTED_FIELDS])
    ]
    if len(worst) > _LISTED_FIELDS:
        parts.append(f"and values of {len(worst) - _LISTED_FIELDS} other fields")
    hint = cure(worst[0], rejections[worst[0]].example, spellings.get(worst[0]))
    return Failure(Reason.REJECTED, ", ".join(parts), hint)


def cure(field: str, example: str, spelling: Spelling | None) -> str:
    """What to write into the configuration. `spelling` is the field's, if its values are texts."""
    skip = 'rejected = "skip" leaves such values out'
    if spelling is None or _BLOB.fullmatch(example):
        return skip
    key = f"field_numbers.{field if _BARE.fullmatch(field) else quoted(field)}" if spelling.own else "numbers"
    if likely := suggestion(example, spelling.numbers):
        becomes = "reads it" if likely.null == spelling.numbers.null else "takes it for none"
        return f"{key} = {written(likely)} at the source {becomes}, {skip}"
    if is_doubtful(example, spelling.numbers):
        return f'say in {key} at the source whether "," is its thousands or its decimal, {skip}'
    return skip


def _written(example: str) -> str:
    """An example in quotes; a blob without them."""
    return shown(example).strip('"') if _BLOB.fullmatch(example) else unmistakable(shown(example))
