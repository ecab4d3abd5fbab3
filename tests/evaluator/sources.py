"""A source as docs/semantics.md describes it: its figures, entities, fields, groups and periods.

The sections "Figures", "Groups", "Periods" (but for the latest one, which is a counter's) and "Keys".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.evaluator.formulas import NoValue
from tests.evaluator.numerals import NoFigure, read
from tests.evaluator.places import Declared, Place, chosen, equal, read_table
from tests.evaluator.tables import NULL, Column, Row, Stored, Table

ALL = "all"
_NUMERIC = ("INT", "REAL", "DOUB", "FLOA", "NUM", "DEC")


@dataclass(frozen=True)
class Figure:
    """A value that belongs: to an entity, a field and a period. `value` may also be that it is none."""

    entity: Hashable
    field: Hashable
    period: Hashable
    value: Fraction | NoFigure


@dataclass(frozen=True)
class Period:
    """A period and its label."""

    id: Hashable
    label: str


class Source:
    """The rows of a source's table and of its lookup tables."""

    def __init__(self, place: Place, declared: Declared, settings: Mapping[str, Any]) -> None:
        self._place = place
        self._settings = settings
        self._table = read_table(place, settings["table"], declared)
        self._lookups: dict[str, Table] = {}
        for part in ("entities", "fields", "periods"):
            if isinstance(settings.get(part), Mapping) and "table" in settings[part]:
                given = settings[part]
                self._lookups[part] = read_table(place, given["table"], declared, given.get("where", ""))
        self._names: dict[str, Hashable | None] = {}
        self.names_used_twice = self._names_used_twice("fields")
        if self._names_used_twice("periods"):
            # "Two periods of one name are an error of every counter too."
            raise NoValue("config")
        self._entity_of = self._keys("entities", settings["entity"])
        period = settings.get("period")
        self._period_key = self._keys("periods", period) if period else lambda _: ALL
        if "fields" in self._lookups:
            self._field_key = self._keys("fields", settings["field"])
        self.entities = frozenset(self._all_entities())
        self.figures = [figure for row in self._table.rows for figure in self._figures_of(row)]
        self.with_values = {figure.period for figure in self.figures if figure.value is not NoFigure.MISSING}
        self.periods = self._all_periods()

    # Keys and lookup tables

    def _named(self, part: str, found: Hashable) -> str | None:
        """The name that a lookup table gives to a key; `None` where it is NULL."""
        table, key, name = self._lookup(part)
        return next(
            row[name.name].text for row in table.rows if row[key.name] != NULL and key.key(row[key.name]) == found
        )

    def _lookup(self, part: str) -> tuple[Table, Column, Column]:
        """A lookup table, its column of keys and its column of names."""
        table, settings = self._lookups[part], self._settings[part]
        return table, table.column(settings.get("key", "id")), table.column(settings.get("name", "name"))

    def _keys(self, part: str, name: str) -> Callable[[Stored], Hashable | None]:
        """What tells the key of a value of the column `name`: `None` where it is NULL or the lookup table lacks it."""
        column = self._table.column(name)
        if part not in self._lookups:
            return lambda stored: None if stored.value is None else column.key(stored)
        table, key, _ = self._lookup(part)
        keys = [key.key(row[key.name]) for row in table.rows if row[key.name].value is not None]
        if len(set(keys)) < len(keys):
            # "A lookup table must have each key once; a key that occurs in two rows is an error."
            raise NoValue("config")
        pairs = equal(self._place, self._table.name, name, table.name, key.name)
        known = {column.key(Stored(left, None)): key.key(Stored(right, None)) for left, right in pairs}
        known = {left: right for left, right in known.items() if right in keys}
        return lambda stored: None if stored.value is None else known.get(column.key(stored))

    def _names_used_twice(self, part: str) -> set[str]:
        """The names that a lookup table gives to more than one key."""
        if part not in self._lookups:
            return set()
        table, key, name = self._lookup(part)
        counts = Counter(row[name.name].text or "" for row in table.rows if NULL not in (row[key.name], row[name.name]))
        return {text for text, count in counts.items() if count > 1}

    # Figures

    def _figures_of(self, row: Row) -> Iterable[Figure]:
        """The figures in one row: those that count, whose entity, field and period are known."""
        entity = self._entity_of(row[self._settings["entity"]])
        period = self._period_of(row)
        if entity is None or period is None:
            return
        for field, stored in self._values_of(row):
            yield Figure(entity, field, period, read(stored.value, stored.text, self._spelling(field)))

    def _values_of(self, row: Row) -> Iterable[tuple[Hashable, Stored]]:
        if self._settings.get("layout", "long") == "wide":
            for name, column in self._wide().items():
                yield ("text", name), row[column]
            return
        field = self._field_of(row)
        if field is not None:
            yield field, row[self._settings["value"]]

    def _wide(self) -> dict[str, str]:
        """The fields of a wide table and their columns: those given, else every numeric column but the keys."""
        given = self._settings.get("fields")
        if isinstance(given, Mapping):
            return dict(given)
        if given is not None:
            return {name: name for name in given}
        keys = (self._settings["entity"], self._settings.get("period"))
        return {
            column.name: column.name
            for column in self._table.columns
            if column.name not in keys and any(part in column.type.upper() for part in _NUMERIC)
        }

    def _spelling(self, field: Hashable) -> Mapping[str, Any]:
        """How the texts of a field spell numbers: as `field_numbers` says, else as `numbers` does."""
        for name, spelling in self._settings.get("field_numbers", {}).items():
            if self.field(name) == field:
                return dict(spelling)
        return dict(self._settings.get("numbers", {}))

    # Fields. One is known by its name, so that two keys of one name are one field.

    def _field_names(self) -> tuple[Column, list[Stored]]:
        if "fields" in self._lookups:
            table, _, name = self._lookup("fields")
            return name, [row[name.name] for row in table.rows]
        column = self._table.column(self._settings["field"])
        return column, [row[column.name] for row in self._table.rows]

    def _field_of(self, row: Row) -> Hashable | None:
        name = self._settings["field"]
        if "fields" not in self._lookups:
            column = self._table.column(name)
            return None if row[name].value is None else column.key(row[name])
        found = self._field_key(row[name])
        if found is None:
            return None
        listed = self._named("fields", found)
        # "Of two fields of one name neither counts."
        return None if listed is None or listed in self.names_used_twice else ("named", listed)

    @property
    def without_fields(self) -> bool:
        """Whether nothing says which fields there are: a long table that names none yet, and no list of them."""
        if self._settings.get("layout", "long") == "wide" or "fields" in self._lookups:
            return False
        return all(stored == NULL for stored in self._field_names()[1])

    def field(self, name: str) -> Hashable | None:
        """The field that a name in a formula stands for, `None` if there is none."""
        if name not in self._names:
            self._names[name] = self._find_field(name)
        return self._names[name]

    def _find_field(self, name: str) -> Hashable | None:
        if self._settings.get("layout", "long") == "wide":
            return ("text", name) if name in self._wide() else None
        column, stored = self._field_names()
        if "fields" in self._lookups:
            # "The names that a lookup table gives are texts of people's": they are compared exactly.
            return ("named", name) if any(each.text == name for each in stored) else None
        return next(
            (column.key(each) for each in stored if is_called(column, each, name) or _is_number(each, name)), None
        )

    # Entities and groups

    def _all_entities(self) -> Iterable[Hashable]:
        """Those that the entities table lists; without such a table, those that have a row in the source's table."""
        if "entities" in self._lookups:
            table, key, _ = self._lookup("entities")
            return [key.key(row[key.name]) for row in table.rows if row[key.name].value is not None]
        column = self._table.column(self._settings["entity"])
        return [column.key(row[column.name]) for row in self._table.rows if row[column.name].value is not None]

    def by_value(self, name: str) -> dict[str, frozenset[Hashable]]:
        """The entities by their values in a column, each value by the first of its spellings."""
        if "entities" in self._lookups:
            table, key, _ = self._lookup("entities")
        else:
            table, key = self._table, self._table.column(self._settings["entity"])
        column = table.column(name)
        spellings: dict[Hashable, list[str]] = {}
        members: dict[Hashable, set[Hashable]] = {}
        for row in table.rows:
            if row[name].text and row[key.name] != NULL:
                value = column.key(row[name])
                spellings.setdefault(value, []).append(row[name].text or "")
                members.setdefault(value, set()).add(key.key(row[key.name]))
        return {min(spellings[value]): frozenset(found) for value, found in members.items()}

    def members(self, group: str, settings: Mapping[str, Any]) -> frozenset[Hashable]:
        """The entities of a group. One that selects nobody, or names an entity that does not exist, fails its cells."""
        if group == ALL:
            return self.entities
        if "group_by" in settings:
            return self.by_value(settings["group_by"])[group] & self.entities
        if "entities" in self._lookups:
            table, key, names = self._lookup("entities")
        else:
            table = self._table
            key = names = table.column(self._settings["entity"])
        if "where" in settings:
            narrowed = self._settings["entities"].get("where", "1 = 1") if "entities" in self._lookups else "1 = 1"
            values = chosen(self._place, table.name, key.name, f"({settings['where']}) AND ({narrowed})")
            found = {key.key(Stored(value, None)) for value in values if value is not None}
        else:
            found = set()
            for name in settings["entities"]:
                called = {key.key(row[key.name]) for row in table.rows if is_called(names, row[names.name], name)}
                if not called & self.entities:
                    raise NoValue("config")
                found |= called & self.entities
        if not found:
            raise NoValue("config")
        return frozenset(found)

    # Periods

    def _period_of(self, row: Row) -> Hashable | None:
        if "period" not in self._settings:
            return ALL
        found = self._period_key(row[self._settings["period"]])
        if found is None or "periods" not in self._lookups:
            return found
        return self._named("periods", found)

    def _all_periods(self) -> list[Period]:
        """All periods, the oldest first."""
        if "period" not in self._settings:
            return [Period(ALL, ALL)]
        if "periods" in self._lookups:
            table, key, name = self._lookup("periods")
            order = self._settings["periods"].get("order", name.name)
            rows = [row for row in table.rows if NULL not in (row[key.name], row[name.name])]
            by = table.column(order)
            rows.sort(key=lambda row: key.place(row[key.name]))
        else:
            name = by = self._table.column(self._settings["period"])
            rows = [
                row
                for row in self._table.rows
                if row[name.name] != NULL and name.key(row[name.name]) in self.with_values
            ]

        def place(row: Row) -> tuple[Any, ...]:
            # "A row without an order comes first"; where two have the same one, the names decide.
            first = (0, 0) if row[by.name].value is None else by.place(row[by.name])
            return (first, name.place(row[name.name]))

        rows.sort(key=place)
        if "periods" in self._lookups:
            return [Period(label, label) for row in rows if (label := row[name.name].text)]
        spellings: dict[Hashable, set[str]] = {}
        for row in rows:
            spellings.setdefault(name.key(row[name.name]), set()).add(row[name.name].text or "")
        # "Its label is the one that comes first byte by byte", which is the order of code points.
        return [Period(id_, min(texts)) for id_, texts in spellings.items()]

    def period(self, label: str) -> Period | None:
        """The period of that label, spelled exactly so."""
        return next((period for period in self.periods if period.label == label), None)


def _is_number(stored: Stored, name: str) -> bool:
    """Whether a name is another way to write the number that is stored: 4.5 for 4.50."""
    return isinstance(stored.value, Decimal) and bool(re.fullmatch(r"[0-9.]+", name)) and Decimal(name) == stored.value


def is_called(column: Column, stored: Stored, name: str) -> bool:
    """Whether a name in the configuration means this value, by the column's own equality."""
    if stored == NULL:
        return False
    return stored.text == name or (isinstance(stored.value, str) and column.key(stored) == column.text_key(name))
