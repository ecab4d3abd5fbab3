"""How the values of a source's fields are read in SQL: as exact figures, and which of them are rejected. Pure.

In the wide layout each field has a column of its own. In the long one they share a column; there the field `None`
stands for whatever field a row is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from countercache.compute.rejections import Spelling
from countercache.compute.text_numbers import PLAIN
from countercache.databases import expressions
from countercache.databases.expressions import literal, quoted, reference
from countercache.model.table import Key, Kind, Table
from countercache.settings import Layout, Lookup, Numbers, SourceSettings

_SHOWN = 80
"""As much of a rejected value is shown."""


class Facts(msgspec.Struct, frozen=True):
    """What has been read of a source: its tables, and the key (long) or column (wide) of each field."""

    kind: str
    settings: SourceSettings
    table: Table
    fields: Mapping[str, Key]
    entities: Table | None = None

    @property
    def wide(self) -> bool:
        """Whether each field has a column of its own."""
        return self.settings.layout is Layout.WIDE

    @property
    def unique(self) -> bool:
        """Whether an entity has at most one value of a field in a period."""
        keys = {self.settings.entity, self.settings.period, None if self.wide else self.settings.field}
        return self.table.is_unique({key for key in keys if key is not None})

    def spellings(self) -> dict[str, Spelling]:
        """How the fields are spelled whose values are, or may be, texts."""
        default, own = self.settings.numbers or PLAIN, self.settings.field_numbers
        columns = {field: str(key) if self.wide else self.settings.value or "" for field, key in self.fields.items()}
        texts = [field for field, name in columns.items() if self.table.columns[name].kind in {Kind.TEXT, Kind.ANY}]
        # Without a table of its fields a long table may have others than those that were looked for.
        alone = len(texts) == 1 and (self.wide or isinstance(self.settings.fields, Lookup))
        return {field: Spelling(own.get(field, default), field in own or not alone) for field in texts}


class Figures:
    """The values of one source. `guarded` and `limit` are as in `statements.Statements`."""

    def __init__(self, facts: Facts, *, guarded: bool, limit: int) -> None:
        self._facts = facts
        self._guarded = guarded
        self._limit = limit
        self._postgres = facts.kind == "postgresql"

    def column(self, field: str | None) -> str:
        """The name of the column that holds the values of a field."""
        return str(self._facts.fields[field or ""]) if self._facts.wide else self._facts.settings.value or ""

    def kind(self, field: str | None) -> Kind:
        """What that column can hold."""
        return self._facts.table.columns[self.column(field)].kind

    def only(self, field: str | None) -> str:
        """In the long layout, the condition that a row is of this field; empty where there is none."""
        if field is None or self._facts.wide:
            return ""
        column = reference("f", self._facts.settings.field or "")
        return f"{column} = {literal(self._facts.fields[field], self._facts.kind)}"

    def value(self, field: str | None) -> str:
        """The value of a row; NULL where there is none."""
        raw = self._raw(field)
        return self._spelled(field, lambda numbers: expressions.present(raw, self.kind(field), numbers))

    def totals(self, field: str | None) -> list[str]:
        """Three aggregates of the values.

        PostgreSQL: the sum, how many figures, how many values. SQLite: the sum of what are hundredths, how many values,
        and what `countercache_sum` made of the others; if not guarded, such others make the sum a float.
        """
        if not self._postgres:
            return self._sqlite(field, "")
        figure = self._figure(field)
        return [f"sum({figure})", f"count({figure})", f"count({self.value(field)})"]

    def of_entity(self, field: str, *, flat: bool) -> list[str]:
        """The total of an entity in a period, and beside it what SQLite could not add itself, or how many values
        PostgreSQL rejected (if it looks). `flat`: it is in one row.
        """
        only = self.only(field)
        if not self._postgres:
            numbers = self._sqlite(field, only)
            return [numbers[0], numbers[2]]
        value, figure = self.value(field), self._figure(field)
        if flat:
            total = f"CASE WHEN {only} THEN {figure} END::numeric" if only else f"({figure})::numeric"
            rejected = f"({value} IS NOT NULL AND ({figure}) IS NULL{f' AND {only}' if only else ''})::integer"
        else:
            where = f" FILTER (WHERE {only})" if only else ""
            # Of one value min is the sum, and costs less.
            total = f"{'min' if self._facts.unique else 'sum'}({figure}){where}::numeric"
            rejected = f"count({value}){where} - count({figure}){where}"
        return [total, rejected] if self._guarded else [total]

    def rejected(self, field: str | None) -> str:
        """The condition that the value of a row is rejected."""
        value = self.value(field)
        if self._postgres:
            return f"({value} IS NOT NULL AND {self._figure(field, guarded=True)} IS NULL)"
        number = f"countercache_is_number({self._decodable(field)}, {self._spelling(field)})"
        return f"({value} IS NOT NULL AND NOT {number})"

    def example(self, field: str | None) -> str:
        """Whose value it is and how it begins, for `read_example`: in hexadecimal, since an SQLite file may hold text
        that is no UTF-8, with an x before it if it is a blob. The least is that of the longest value, which tells most
        about how numbers are spelled.
        """
        texts = (reference("f", self._facts.settings.entity), self._raw(field))
        if self._postgres:
            whose, value = (f"encode(convert_to(left({text}::text, {_SHOWN}), 'UTF8'), 'hex')" for text in texts)
            rank = f"lpad(({_SHOWN} - length(left({texts[1]}::text, {_SHOWN})))::text, 3, '0')"
        else:
            whose, value = (f"hex(substr(CAST({text} AS BLOB), 1, {_SHOWN}))" for text in texts)
            value = f"CASE typeof({texts[1]}) WHEN 'blob' THEN 'x' ELSE '' END || {value}"
            rank = f"printf('%03d', {_SHOWN} - length(substr(CAST({texts[1]} AS TEXT), 1, {_SHOWN})))"
        return f"{rank} || ' ' || {whose} || ' ' || {value}"

    def _raw(self, field: str | None) -> str:
        return reference("f", self.column(field))

    def _figure(self, field: str | None, *, guarded: bool | None = None) -> str:
        value, kind = self._raw(field), self.kind(field)
        careful = self._guarded if guarded is None else guarded

        def written(numbers: Numbers) -> str:
            return expressions.figure(expressions.present(value, kind, numbers), kind, numbers, guarded=careful)

        return self._spelled(field, written)

    def _sqlite(self, field: str | None, only: str) -> list[str]:
        value = self.value(field)
        where = f" FILTER (WHERE {only})" if only else ""
        if not self._guarded:
            quick = expressions.hundredths(value, self._limit, otherwise="0.0")
            return [f"sum({quick}){where}", f"count({value}){where}", "NULL"]
        exact = expressions.hundredths(value, self._limit)
        rest = f"{value} IS NOT NULL AND {exact} IS NULL" + (f" AND {only}" if only else "")
        added = f"countercache_sum({self._decodable(field)}, {self._spelling(field)}) FILTER (WHERE {rest})"
        return [f"sum({exact}){where}", f"count({value}){where}", added]

    def _decodable(self, field: str | None) -> str:
        value = self.value(field)
        return self._spelled(field, lambda numbers: expressions.decodable(value, numbers))

    def _spelling(self, field: str | None) -> str:
        """The spelling as the functions of `sqlite.connection` take it."""
        return self._spelled(
            field, lambda numbers: "NULL" if numbers == PLAIN else quoted(msgspec.json.encode(numbers).decode())
        )

    def _spelled(self, field: str | None, write: Callable[[Numbers], str]) -> str:
        """What `write` gives for the spelling of the field; where a row may be of any field, for that of its own."""
        settings = self._facts.settings
        default = settings.numbers or PLAIN
        if field is not None or self._facts.wide:
            return write(settings.field_numbers.get(field or "", default))
        own = {name: numbers for name, numbers in settings.field_numbers.items() if name in self._facts.fields}
        cases = " ".join(f"WHEN {self.only(name)} THEN {write(numbers)}" for name, numbers in own.items())
        return f"CASE {cases} ELSE {write(default)} END" if own else write(default)


def read_example(text: str) -> tuple[str, str]:
    """The entity's key and the value of an example; a blob is written as in SQL, such as x'31'."""
    _, whose, value = text.split(" ")
    shown = f"x'{value[1:].lower()}'" if value.startswith("x") else bytes.fromhex(value).decode(errors="replace")
    return bytes.fromhex(whose).decode(errors="replace"), shown
