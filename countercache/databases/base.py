"""A connection to a web stack's database: read-only, on one snapshot, never beyond the time it was given.

`registry.prepare` makes a `Target` of a URL; `Target.open` connects and gives a `Database`. Drivers' errors leave an
engine as ours: `DatabaseUnreachable`, `DeadlineExceeded`, `Lost`, and `Refused` for what concerns one statement only.
No message holds a password.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import URL

from countercache.databases.catalog import Catalog
from countercache.databases.dialect import Dialect
from countercache.databases.engine import Engine
from countercache.databases.features import Features
from countercache.errors import DatabaseError, DeadlineExceeded
from countercache.model.redaction import MASK, redact
from countercache.model.states import Reason
from countercache.model.table import Key
from countercache.settings import DatabaseSettings

Row = tuple[Any, ...]


class Refused(DatabaseError):  # noqa: N818 - named for what happened
    """The database refused one statement; others may still succeed. `reason` is the one to report."""

    def __init__(self, reason: Reason, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class Overflow(Refused):
    """A sum was larger than the database's own numbers."""


class Lost(DatabaseError):  # noqa: N818 - named for what happened
    """The connection is gone: nothing more can be read."""


class Target(ABC):
    """A database that a URL names, with its driver loaded and nothing opened yet."""

    def __init__(self, name: str, url: URL, settings: DatabaseSettings) -> None:
        self.name = name
        self.url = url
        self.settings = settings

    @abstractmethod
    def open(self, deadline: float) -> Database:
        """Connect and take the snapshot. Raises `DatabaseUnreachable`, `ConfigError` and `DeadlineExceeded`."""

    def clean(self, text: str) -> str:
        """A driver's message in one line, without secrets."""
        password = self.url.password
        if password:
            text = text.replace(str(password), MASK)
        return " ".join(redact(text).split())


class Database(ABC):
    """An open connection within its read-only transaction. `deadline` is a moment of `time.monotonic()`."""

    engine: Engine
    """What sets it apart from others."""

    catalog: Catalog
    """What is in it."""

    caveats: tuple[str, ...] = ()
    """What is not promised on this connection and holds on others, each in a sentence without its full stop."""

    def __init__(self, target: Target, deadline: float) -> None:
        self.target = target
        self.deadline = deadline

    @property
    def dialect(self) -> Dialect:
        """How its SQL is written."""
        return self.engine.dialect

    @property
    def features(self) -> Features:
        """What it can do."""
        return self.engine.features

    def left(self) -> float:
        """Seconds until the deadline. Raises `DeadlineExceeded` when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"the time for database {self.target.name} is over")
        return left

    @abstractmethod
    def rows(self, statement: str) -> list[Row]:
        """All rows of a statement. It runs as it is written: no parameters, no escapes."""

    def rows_by_hash(self, statement: str) -> list[Row]:
        """The same of a statement with very many rows in many groups: not sorted, where the database can hash them."""
        return self.rows(statement)

    def side_by_side(self, statements: Sequence[str]) -> list[Row]:
        """The rows of several statements that return few, at the same time where that can be done."""
        return [row for statement in statements for row in self.rows(statement)]

    def attempt(self, statement: str) -> list[Row] | None:
        """The rows of a statement; `None` where the database refuses it, after which it can be read on."""
        try:
            with self.savepoint():
                return self.rows(statement)
        except Refused:
            return None

    @abstractmethod
    def stream(self, statement: str) -> Iterator[Row]:
        """The rows of a statement one after another, in little memory."""

    @abstractmethod
    def savepoint(self) -> AbstractContextManager[None]:
        """A part of the transaction that may fail by itself: a `Refused` within leaves the rest usable."""

    @abstractmethod
    def number(self, statement: str, limit: float | None) -> Decimal:
        """The one number that somebody's own SQL gives, within `limit` seconds. Raises `Refused` for anything else."""

    @abstractmethod
    def parse(self, statement: str) -> None:
        """Let the database look at somebody's own SQL without running it. Raises `Refused`."""

    def scratch(self, statements: Sequence[str]) -> None:
        """Run statements that make temporary tables, where the engine's `Masks.preparation` asks for some."""
        raise NotImplementedError

    def read_final(self, *, final: bool) -> None:  # noqa: B027 - most engines have no use for it
        """Leave out, from now on or no more, what waits to be replaced; see `Features.reads_final`."""

    @abstractmethod
    def cancel(self) -> None:
        """Stop the running statement; for another thread, soon before the process ends."""

    @abstractmethod
    def close(self) -> None:
        """Give the connection back."""


def describe_number(values: Sequence[object], columns: int, types: Sequence[str]) -> str:
    """What is wrong with a result that is not one number, in words."""
    if not values:
        return "the query gives no row, not one"
    if columns != 1:
        return f"the query gives {columns} columns, not one"
    if len(values) > 1:
        return "the query gives more than one row"
    if values[0] is None:
        return "the query gives NULL, not a number"
    return f"the query gives {types[0]}, not a number"


__all__ = ["Database", "Key", "Lost", "Overflow", "Refused", "Row", "Target", "describe_number"]
