"""Keys that a database takes for equal though they are not written alike, each as one.

A column may make no difference between `Debt` and `debt`, 2019 and 2019.0 or, where SQLite compares it with a column of
another type, 7 and '7'. What is grouped by it comes back in one of these spellings, not always in the same.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from countercache.database import Database
from countercache.figures import Facts
from countercache.lookups import equals_sql
from countercache.tables import Key


class Alike:
    """The keys of one column of the figures. Of several spellings the known or the first stands for all."""

    def __init__(self, database: Database, facts: Facts, column: str, known: Iterable[Key] = ()) -> None:
        self._database = database
        self._facts = facts
        self._column = column
        self._found: dict[Key, Key] = {}
        self._likely: defaultdict[str, list[Key]] = defaultdict(list)
        for key in known:
            self._found[key] = key
            self._likely[_fold(key)].append(key)

    def one(self, key: Key) -> Key:
        """The key that stands for this one."""
        if key not in self._found:
            likely = self._likely[_fold(key)]
            self._found[key] = next((each for each in likely if self._equal(each, key)), key)
            if self._found[key] == key:
                likely.append(key)
        return self._found[key]

    def _equal(self, one: Key, other: Key) -> bool:
        """Whether some row's key is equal to both: only those that may be are asked for, so that it is seldom done."""
        query = equals_sql(self._facts.kind, self._facts.settings.table, self._column, one, other)
        return bool(self._database.rows(query))


def _fold(key: Key) -> str:
    """What is the same for all spellings that any database may take for equal, and seldom for others."""
    text = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
    try:
        number = Decimal(text)
    except InvalidOperation:
        parts = unicodedata.normalize("NFKD", text.rstrip())
        return "".join(each for each in parts if not unicodedata.combining(each)).casefold()
    return str(number.normalize()) if number.is_finite() else text
