"""How the values of a source's fields are read in SQL: as exact figures, and which of them are rejected. Pure.

In the wide layout each field has a column of its own. In the long one they share a column; there the field `None`
stands for whatever field a row is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from countercache.compute.partial_sums import Totals
from countercache.compute.rejections import Spelling
from countercache.compute.text_numbers import PLAIN
from countercache.databases.dialect import Dialect
from countercache.errors import ConfigError
from countercache.model.table import Key, Kind, Table
from countercache.settings import Layout, Lookup, Numbers, SourceSettings

SHOWN = 80
"""How many characters of a rejected value are shown."""

_EXACT = {Kind.INTEGER, Kind.NUMERIC}


class InexactError(Exception):
    """A sum is no finite number, or the database cannot add all of it: some value needs a closer look."""


class Facts(msgspec.Struct, frozen=True):
    """What has been read of a source: its tables, and the key (long) or column (wide) of each field."""

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


class FieldValues:
    """The values of one source, as standard SQL adds them: whole numbers and decimals, which are all finite.

    `guarded`: values that are no finite number, or that the database cannot add itself, are sorted out. `rows` are as
    many as one query may add up (`None`: not known).
    """

    def __init__(self, facts: Facts, dialect: Dialect, *, guarded: bool, rows: int | None) -> None:
        self._facts = facts
        self._dialect = dialect
        self._guarded = guarded
        self._rows = rows

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
        column = self._dialect.reference("f", self._facts.settings.field or "")
        return f"{column} = {self._dialect.literal(self._facts.fields[field])}"

    def value(self, field: str | None) -> str:
        """The value of a row; NULL where there is none."""
        return self.spelled(field, lambda numbers: self.present(self.raw(field), self.kind(field), numbers))

    def totals(self, field: str | None) -> list[str]:
        """Three aggregates of the values, for `read_totals`."""
        figure = self._figure(field)
        return [f"sum({figure})", f"count({figure})", f"count({self.value(field)})"]

    def of_entity(self, field: str, *, flat: bool) -> list[str]:
        """What `read_entity` makes the total of an entity in a period of. `flat`: it is in one row."""
        only, figure = self.only(field), self._figure(field)
        if only:
            figure = f"CASE WHEN {only} THEN {figure} END"
        return (
            [figure, f"CASE WHEN {figure} IS NULL THEN 0 ELSE 1 END"]
            if flat
            else [f"sum({figure})", f"count({figure})"]
        )

    def rejected(self, field: str | None) -> str:  # noqa: ARG002 - standard SQL has no values that are no numbers
        """The condition that the value of a row is rejected."""
        return "1 = 0"

    def example(self, field: str | None) -> str:  # noqa: ARG002
        """Whose value it is and how it begins, for `read_example`: in hexadecimal, since a file may hold text that is
        no UTF-8, with an x before it if it is a blob. The least is that of the longest value, which tells most about
        how numbers are spelled.
        """
        return "NULL"

    @staticmethod
    def read_totals(columns: Sequence[Any]) -> Totals:
        """What `totals` gave. Raises `InexactError`."""
        total, figures, values = columns
        return Totals(Decimal(0) if total is None else finite(total), figures, values - figures)

    @staticmethod
    def read_entity(columns: Sequence[Any]) -> Totals:
        """What `of_entity` gave, where formulas are computed outside of the database. Raises `InexactError`."""
        total, figures = columns
        return Totals(Decimal(0) if total is None else finite(total), figures)

    def present(self, value: str, kind: Kind, numbers: Numbers) -> str:  # noqa: ARG002
        """A column without the texts that are no value; they become NULL."""
        return value

    def raw(self, field: str | None) -> str:
        """The column of a field's values."""
        return self._dialect.reference("f", self.column(field))

    def spelled(self, field: str | None, write: Callable[[Numbers], str]) -> str:
        """What `write` gives for the spelling of the field; where a row may be of any field, for that of its own."""
        settings = self._facts.settings
        default = settings.numbers or PLAIN
        if field is not None or self._facts.wide:
            return write(settings.field_numbers.get(field or "", default))
        own = {name: numbers for name, numbers in settings.field_numbers.items() if name in self._facts.fields}
        cases = " ".join(f"WHEN {self.only(name)} THEN {write(numbers)}" for name, numbers in own.items())
        return f"CASE {cases} ELSE {write(default)} END" if own else write(default)

    def _figure(self, field: str | None) -> str:
        column = self._facts.table.columns[self.column(field)]
        if column.kind not in _EXACT:
            hint = "name columns of whole numbers or decimals"
            table = self._facts.settings.table
            raise ConfigError(
                f'column "{column.name}" of table "{table}" is of type {column.type}, of which this '
                f"database gives no exact sum",
                hint=hint,
            )
        return self.raw(field)


def finite(value: Decimal | float) -> Decimal:
    """A number. Raises `InexactError` where it is none, or is a float, which may be rounded."""
    if isinstance(value, float):
        raise InexactError
    number = Decimal(value)
    if not number.is_finite():
        raise InexactError
    return number


def read_example(text: str) -> tuple[str, str]:
    """The entity's key and the value of an example; a blob is written as in SQL, such as x'31'."""
    _, whose, value = text.split(" ")
    shown = f"x'{value[1:].lower()}'" if value.startswith("x") else bytes.fromhex(value).decode(errors="replace")
    return bytes.fromhex(whose).decode(errors="replace"), shown
