"""Tables as a case describes them, and what the database defines of their columns: equality, order and print.

The section "Keys" of docs/semantics.md: what the database takes for one key is one key. How each type compares is in
the manuals of PostgreSQL, SQLite and MariaDB, and said here again in Python.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Stored(NamedTuple):
    """A value as the database gives it back, and the text that it prints (`None` for NULL)."""

    value: Any
    text: str | None


NULL = Stored(None, None)


@dataclass(frozen=True)
class Column:
    """A column: its name, and its type as it is declared, with its collation."""

    name: str
    type: str

    def key(self, stored: Stored) -> Hashable:
        """The same for values that the database takes for equal."""
        value = stored.value
        if isinstance(value, str):
            return self.text_key(value)
        if isinstance(value, (bytes, memoryview)):
            return ("blob", bytes(value))
        return ("value", value)

    def text_key(self, text: str) -> Hashable:
        """The same for texts that this column's collation takes for equal."""
        declared = self.type.upper()
        if "GENERAL_CI" in declared:
            parts = unicodedata.normalize("NFKD", text.rstrip(" "))
            return ("text", "".join(c.upper() for c in parts if not unicodedata.combining(c)))
        if "UTF8MB4_BIN" in declared:
            return ("text", text.rstrip(" "))
        if "CITEXT" in declared:
            return ("text", text.lower())
        if "NOCASE" in declared:
            return ("text", "".join(c.lower() if c.isascii() else c for c in text))
        if "RTRIM" in declared or declared.startswith("CHAR("):
            return ("text", text.rstrip(" "))
        return ("text", text)

    def place(self, stored: Stored) -> tuple[int, Any]:
        """Where the value stands in the column's order: SQLite puts numbers before texts, and texts before blobs."""
        value = stored.value
        if isinstance(value, str) and self.type.startswith("enum"):
            return (2, self.type.index(f"'{value}'"))  # as declared, whatever the words
        if isinstance(value, str):
            key = self.text_key(value)
            assert isinstance(key, tuple)
            return (2, key[1].encode())
        if isinstance(value, (bytes, memoryview)):
            return (3, bytes(value))
        return (1, value)


Row = Mapping[str, Stored]


@dataclass(frozen=True)
class Table:
    """A table and its rows. `more` is what else stands in its definition, such as a primary key."""

    name: str
    columns: tuple[Column, ...]
    rows: list[Row] = field(default_factory=list)

    def column(self, name: str) -> Column:
        """A column by its name."""
        return next(column for column in self.columns if column.name == name)
