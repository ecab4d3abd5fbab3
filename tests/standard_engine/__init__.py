"""An engine from outside of the package: a database file that is read in standard SQL.

As short as an engine can be; CONTRIBUTING.md says what another one may add.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal

from countercache.databases.base import Database, Refused, Row, Target
from countercache.databases.catalog import Catalog
from countercache.databases.dialect import Dialect
from countercache.databases.engine import Engine
from countercache.model.states import Reason
from countercache.model.table import Column, Kind, Table

KINDS = {"INTEGER": Kind.INTEGER, "DECIMAL": Kind.NUMERIC}


class StandardCatalog(Catalog):
    """What the tables are."""

    def describe(self, name: Sequence[str]) -> Table | None:
        """Each column has the type that it was declared with."""
        columns = {
            column: Column(column, type_, KINDS.get(type_, Kind.TEXT), nullable=not required, order=type_, exact=True)
            for _, column, type_, required, _, _ in self.rows(f"PRAGMA table_info('{name[-1]}')")
        }
        return Table(tuple(name), columns) if columns else None

    def table_names(self) -> list[str]:
        """The tables of the file."""
        return [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]


class Standard(Database):
    """A connection."""

    engine = Engine(name="Standard SQL", dialect=Dialect())

    def __init__(self, target: Target, deadline: float) -> None:
        super().__init__(target, deadline)
        file = f"file:{target.url.database}?mode=ro"
        self._connection = sqlite3.connect(file, uri=True, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN")
        self.catalog = StandardCatalog(self.rows, target.url, self.dialect)

    def rows(self, statement: str) -> list[Row]:
        """All rows of a statement."""
        return list(self.stream(statement))

    def stream(self, statement: str) -> Iterator[Row]:
        """The rows of a statement."""
        self.left()
        try:
            yield from self._connection.execute(statement)
        except sqlite3.Error as error:
            raise Refused(Reason.SQL, self.target.clean(str(error))) from error

    def savepoint(self) -> contextlib.nullcontext[None]:
        """A statement that fails leaves the transaction as it was."""
        return contextlib.nullcontext()

    def number(self, statement: str, limit: float | None) -> Decimal:
        """The one number of a query."""
        ((value,),) = self.rows(statement)
        return Decimal(value)

    def parse(self, statement: str) -> None:
        """EXPLAIN the query."""
        self.rows(f"EXPLAIN {statement}")

    def cancel(self) -> None:
        """Interrupt what is running."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class StandardTarget(Target):
    """A file that can be read: what the entry point names."""

    def open(self, deadline: float) -> Database:
        """Connect, and begin the transaction."""
        return Standard(self, deadline)
