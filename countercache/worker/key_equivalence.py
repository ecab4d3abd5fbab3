"""Keys that a database takes for equal though they are not written alike, each as one.

A column may make no difference between `Debt` and `debt`, 2019 and 2019.0 or, where it is compared with a column of
another type, 7 and '7'. What is grouped by it comes back in one of these spellings, not always in the same.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from countercache.databases.base import Database
from countercache.databases.field_values import Facts
from countercache.databases.lookup_queries import equal_sql
from countercache.errors import ConfigError
from countercache.model.table import Key, Kind

_COLUMNS = 500
"""How many keys are compared in one query, each in a column of its own."""


class KeyEquivalence:
    """The keys of one column of the figures. Several spellings stand for each other; only the database knows which."""

    def __init__(self, database: Database, facts: Facts, column: str, known: Iterable[Key] = ()) -> None:
        self._database = database
        self._facts = facts
        self._column = column
        self._found: dict[Key, tuple[Key, ...]] = {}
        self._known: defaultdict[str, list[Key]] = defaultdict(list)
        for key in known:
            self._known[self._fold(key)].append(key)

    def all(self, key: Key) -> tuple[Key, ...]:
        """The known keys that a key of the column is equal to. A key that is equal to none becomes known itself."""
        if key not in self._found:
            known = self._known[self._fold(key)]
            others = [other for other in known if other != key]
            equal = [key][: len(known) - len(others)] + self._equal(key, others)
            if not equal:
                known.append(key)
            self._found[key] = tuple(equal) or (key,)
        return self._found[key]

    def one(self, key: Key) -> Key:
        """The known key that stands for this one. Raises `ConfigError` where there are two."""
        equal = self.all(key)
        if len(equal) > 1:
            settings = self._facts.settings
            message = (
                f'column "{self._column}" of table "{settings.table}" takes {equal[0]!r} and {equal[1]!r} for one key'
            )
            raise ConfigError(message, hint="leave one of them in the lookup table")
        return equal[0]

    def _equal(self, key: Key, likely: list[Key]) -> list[Key]:
        equal: list[Key] = []
        for at in range(0, len(likely), _COLUMNS):
            compared = likely[at : at + _COLUMNS]
            query = equal_sql(self._database.dialect, self._facts.settings.table, self._column, key, compared)
            for row in self._database.rows(query):
                equal += [other for other, is_equal in zip(compared, row, strict=True) if is_equal]
        return equal

    def _fold(self, key: Key) -> str:
        """What is the same for keys that may be equal, and seldom for others: only those are asked for."""
        column = self._facts.table.columns.get(self._column)  # a source without periods has no column of them
        typed = self._database.features.has_typed_columns
        if column and typed and not column.exact and column.kind not in {Kind.NUMERIC, Kind.FLOAT}:
            # There are types and collations of which one cannot tell what they take for equal.
            return ""
        return _fold(key)


def _fold(key: Key) -> str:
    """What is the same for numbers that are equal, and for texts but for case, accents and spaces at their end."""
    text = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
    try:
        number = Decimal(text)
    except InvalidOperation:
        parts = unicodedata.normalize("NFKD", text.rstrip())
        return "".join(character for character in parts if not unicodedata.combining(character)).casefold()
    return str(number.normalize()) if number.is_finite() else text
