"""What the database says of its tables: values that each engine reads, and that plans and SQL are made of."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from countercache.errors import ConfigError

Key = str | int | float | bytes
"""What a column holds that names an entity, a field or a period. From PostgreSQL always the text of it."""


MAX_DIGITS = 1000
"""Characters of a text that is still taken for a number."""


class Kind(StrEnum):
    """What figures a column can hold, and so how they are read."""

    INTEGER = "integer"
    NUMERIC = "numeric"
    FLOAT = "float"
    TEXT = "text"
    ANY = "any"
    OTHER = "other"


class Column(msgspec.Struct, frozen=True):
    """A column: `type` is the database's own name for what it holds. Two of one `order` sort and compare alike; of an
    empty one that is not known. `collation` is SQLite's. `exact`: values that are equal are written alike. Where it
    may hold anything, `meant_for_figures` tells whether its type is that of numbers.
    """

    name: str
    type: str
    kind: Kind
    nullable: bool = True
    order: str = ""
    collation: str = ""
    exact: bool = False
    meant_for_figures: bool = True


class Table(msgspec.Struct, frozen=True):
    """A table or view. `rows` is an estimate (`None`: unknown); `unique` the sets of columns that are unique together;
    `leading` the columns that an index begins with, `sorted` those in whose order the rows lie, more or less.

    `blocks` is given where the table can be read in blocks by where the rows lie, which needs no index: how many pages
    it has (PostgreSQL), or its largest rowid (SQLite). `rowid` is the column of SQLite that is another name for it.

    `references` are the foreign keys of one column that the database enforces: the column, the other table's `identity`
    and its column.
    """

    name: tuple[str, ...]
    columns: dict[str, Column]
    rows: int | None = None
    blocks: int | None = None
    unique: tuple[frozenset[str], ...] = ()
    leading: frozenset[str] = frozenset()
    sorted: frozenset[str] = frozenset()
    rowid: str | None = None
    identity: str = ""
    references: frozenset[tuple[str, str, str]] = frozenset()

    def is_unique(self, columns: set[str]) -> bool:
        """Whether no two rows agree in all these columns (rows with a NULL in them apart)."""
        return any(each <= columns for each in self.unique)


def split_name(text: str) -> tuple[str, ...]:
    """The parts of `table` or `schema.table`; a part in double quotes may hold anything (`""` in it is one quote).

    Raises `ConfigError` for a text that is neither.
    """
    parts: list[str] = []
    rest = text
    while True:
        part, rest = _first_part(text, rest)
        parts.append(part)
        if not rest:
            break
        rest = rest[1:]
    if len(parts) > 2:
        hint = 'put double quotes around a name that holds a dot: "a.b"'
        raise ConfigError(f"{text!r} names no table: it has {len(parts)} parts", hint=hint)
    return tuple(parts)


def _first_part(text: str, rest: str) -> tuple[str, str]:
    """The first part, and what follows it: nothing, or a dot and more."""
    if not rest.startswith('"'):
        part, dot, more = rest.partition(".")
        rest = dot + more
    else:
        part, at = "", 1
        while True:
            end = rest.find('"', at)
            if end < 0:
                raise ConfigError(f"{text!r} names no table: a double quote is never closed")
            part += rest[at:end]
            if rest[end + 1 : end + 2] != '"':
                break
            part += '"'
            at = end + 2
        rest = rest[end + 1 :]
        if rest and rest[0] != ".":
            raise ConfigError(f"{text!r} names no table: after a quoted part comes a dot or the end")
    if not part:
        raise ConfigError(f"{text!r} names no table: a part of it is empty")
    return part, rest
