"""What a database says of itself and of its tables."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from sqlalchemy.engine import URL

from countercache.databases.dialect import Dialect
from countercache.model.results import Finding
from countercache.model.table import Table

SNAPSHOT = "a run reads everything in one read-only transaction"


class Catalog(ABC):
    """What is asked of a connection. `rows` runs a query on it, which `dialect` writes."""

    slow_query: ClassVar[str] = ""
    """A query that takes some seconds, to see whether limits hold; empty where the engine has none."""

    def __init__(self, rows: Callable[[str], list[tuple[Any, ...]]], url: URL, dialect: Dialect) -> None:
        self.rows = rows
        self.url = url
        self.dialect = dialect

    @abstractmethod
    def describe(self, name: Sequence[str]) -> Table | None:
        """A table or view with its columns and indexes; `None` where there is none."""

    @abstractmethod
    def table_names(self) -> list[str]:
        """The tables and views that can be named, for hints."""

    def examine(self, area: str) -> Iterator[Finding]:  # noqa: ARG002
        """What `doctor` reports of the server."""
        yield from ()

    def notes(self, table: Table) -> Iterator[str]:  # noqa: ARG002
        """What `config check` warns of, for a source, since its table is of this kind."""
        yield from ()

    def cost(self, statement: str) -> float:  # noqa: ARG002
        """What the database thinks that a query costs, by a measure of its own; 0 where it does not tell."""
        return 0.0

    def create_index(self, table: Table, column: str) -> str:
        """The command that makes an index on a column, with where to run it."""
        name = re.sub(r"\W", "_", f"{table.name[-1]}_{column}")
        return f"run: CREATE INDEX {name} ON {self.indexed(table, column)}"

    def indexed(self, table: Table, column: str) -> str:
        """A table and its column as a person writes them: in quotes only where that is needed."""
        return f"{'.'.join(map(self.dialect.short, table.name))} ({self.dialect.short(column)})"
