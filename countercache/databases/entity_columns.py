"""What each counter over entities needs of its entities, where the database computes it: columns of one query. Pure.

The query groups a pivot `p`, in which a row is an entity in a period and `c0`, `c1`… are its figures of each field
(`x0`, `x1`… how many were rejected, where that is counted). The columns stand after period and masks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from countercache.compute.formula import Chain, Name, Negate, Node
from countercache.compute.plan import Spec
from countercache.settings import Aggregate

_FUNCTIONS = {
    Aggregate.SUM: ("total", "sum"),
    Aggregate.AVG: ("total", "sum"),
    Aggregate.MIN: ("low", "min"),
    Aggregate.MAX: ("high", "max"),
}
"""Of each aggregate what it needs beside the number of results: the field of `EntityStats`, and the SQL function."""


class EntityColumns(ABC):
    """The columns of some counters over entities, each text once.

    `at` tells where they are in a row, by counter and by what they hold; of the counter "" it is `present`, whether
    there is any value. The first one is at `first`. `guarded` as in `FieldValues`.
    """

    reads_guarded: ClassVar[bool] = True
    """Whether it can be done for values any of which may be no number."""

    def __init__(self, specs: Sequence[Spec], fields: Sequence[str], first: int, *, guarded: bool) -> None:
        self._fields = fields
        self._first = first
        self._guarded = guarded
        self._texts: dict[str, int] = {}
        self.at = {spec.name: self._of_spec(spec) for spec in specs}
        rejected = [f"p.x{i} > 0" for i in range(len(fields)) if guarded]
        self.at[""] = {"present": self._add(self.any_true(" OR ".join([_any(range(len(fields))), *rejected])))}
        self._sums: list[int] = []

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns to select."""
        return tuple(self._texts)

    def check_sums(self, fields: Iterable[str]) -> None:
        """Have the sums of these fields tell whether all their values could be added exactly."""
        self._sums = [self._add(f"sum(p.c{self._fields.index(field)})") for field in fields]

    def check(self, row: Sequence[Any]) -> None:
        """Raise `InexactError` where a sum is no exact number."""
        for at in self._sums:
            if row[at] is not None:
                self.number(row[at], "")

    @abstractmethod
    def number(self, value: Any, counter: str) -> Decimal:  # noqa: ANN401 - whatever the driver gives
        """A result of a counter (of "": a sum of figures) as a decimal. Raises `InexactError` for what is none."""

    @abstractmethod
    def results(self, function: str, spec: Spec, complete: str) -> str:
        """An aggregate of what the formula gives for each entity that is `complete`."""

    @abstractmethod
    def count(self, spec: Spec, complete: str) -> str:
        """How many results there are: as many as entities that are `complete`, but for divisions by zero."""

    @abstractmethod
    def rejected(self, places: Sequence[int]) -> str:
        """How many values of these fields were rejected."""

    def any_true(self, condition: str) -> str:
        """Whether any row meets a condition."""
        return f"max({condition})"

    def entity(self) -> str:
        """The key of the entity, as it is compared."""
        return "p.entity"

    def operand(self, name: Name) -> str:
        """The figure of an entity, or zero where the formula takes a missing one for that."""
        column = f"p.c{self._fields.index(name.name)}"
        return f"coalesce({column}, 0)" if name.zero else column

    def _add(self, text: str) -> int:
        """The position of a column."""
        return self._texts.setdefault(text, self._first + len(self._texts))

    def _of_spec(self, spec: Spec) -> dict[str, int]:
        """The columns that one counter needs, and where they are."""
        places = [self._fields.index(field) for field in spec.fields]
        required = [self._fields.index(field) for field in spec.fields if field not in spec.optional]
        # Without any of its fields an entity is as one without rows, of which the counter's rule says what to do.
        complete = _every(required) if required else f"({_any(places)})"
        at = {"complete": self._add(count_where(complete))}
        if spec.complete:
            for i in places:
                at[f"total {self._fields[i]}"] = self._add(f"sum(p.c{i}) FILTER (WHERE {complete})")
        else:
            at["count"] = self._add(self.count(spec, complete))
            if spec.aggregate in _FUNCTIONS:
                name, function = _FUNCTIONS[spec.aggregate]
                at[name] = self._add(self.results(function, spec, complete))
            if spec.optional == frozenset(spec.fields) or spec.strict:
                at["rows"] = self._add(count_where(_any(places)))
        if self._guarded:
            at["rejected"] = self._add(self.rejected(places))
        if spec.strict:
            missing = " OR ".join(f"p.c{self._fields.index(field)} IS NULL" for field in sorted(spec.strict))
            lacking = f"({_any(places)}) AND ({missing})"
            at["lacking"] = self._add(count_where(lacking))
            at["example"] = self._add(f"min({self.entity()}) FILTER (WHERE {lacking})")
        return at


def divisors(node: Node) -> Iterator[Node]:
    """Everything that a formula divides by."""
    match node:
        case Negate(operand):
            yield from divisors(operand)
        case Chain(first, rest):
            yield from divisors(first)
            for sign, operand in rest:
                yield from divisors(operand)
                if sign == "/":
                    yield operand


def count_where(condition: str, *conditions: str) -> str:
    """How many rows meet the conditions."""
    every = " AND ".join([f"({condition})", *conditions]) if conditions else condition
    return f"count(*) FILTER (WHERE {every})"


def _any(places: Iterable[int]) -> str:
    return " OR ".join(f"p.c{i} IS NOT NULL" for i in places)


def _every(places: Iterable[int]) -> str:
    return " AND ".join(f"p.c{i} IS NOT NULL" for i in places)
