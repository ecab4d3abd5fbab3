"""How PostgreSQL reads figures: everything becomes a decimal, which is exact to any place. Pure."""

from __future__ import annotations

from countercache.compute.text_numbers import is_plain, patterns
from countercache.databases.field_values import SHOWN, FieldValues
from countercache.databases.postgresql.dialect import DIALECT
from countercache.model.table import MAX_DIGITS, Kind
from countercache.settings import Numbers

_SPACES = "E' \\t\\r\\n'"

_NUMBER = r"^[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t\r\n]*$"


class PostgresFieldValues(FieldValues):
    """The values of one source."""

    def totals(self, field: str | None) -> list[str]:
        """The sum, how many figures, how many values."""
        figure = self._exact(field)
        return [f"sum({figure})", f"count({figure})", f"count({self.value(field)})"]

    def of_entity(self, field: str, *, flat: bool) -> list[str]:
        """The total of an entity in a period, and beside it how many values are rejected (if guarded)."""
        only, value, figure = self.only(field), self.value(field), self._exact(field)
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
        return f"({self.value(field)} IS NOT NULL AND {self._exact(field, guarded=True)} IS NULL)"

    def example(self, field: str | None) -> str:
        """As `FieldValues.example` says."""
        texts = (self._dialect.reference("f", self._facts.settings.entity), self.raw(field))
        whose, value = (f"encode(convert_to(left({text}::text, {SHOWN}), 'UTF8'), 'hex')" for text in texts)
        rank = f"lpad(({SHOWN} - length(left({texts[1]}::text, {SHOWN})))::text, 3, '0')"
        return f"{rank} || ' ' || {whose} || ' ' || {value}"

    def present(self, value: str, kind: Kind, numbers: Numbers) -> str:
        """A column without the texts that are no value; they become NULL."""
        if kind is not Kind.TEXT or not numbers.null:
            return value
        texts = ", ".join(map(self._dialect.quoted, numbers.null))
        return f"CASE WHEN btrim({value}::text, {_SPACES}) NOT IN ({texts}) THEN {value} END"

    def _exact(self, field: str | None, *, guarded: bool | None = None) -> str:
        value, kind = self.raw(field), self.kind(field)
        careful = self._guarded if guarded is None else guarded

        def written(numbers: Numbers) -> str:
            return _figure(self.present(value, kind, numbers), kind, numbers, guarded=careful)

        return self.spelled(field, written)


def _figure(value: str, kind: Kind, numbers: Numbers, *, guarded: bool) -> str:
    """A column as exact numbers in PostgreSQL; NULL for what is no finite number (numeric: only if `guarded`)."""
    match kind:
        case Kind.INTEGER:
            return value
        case Kind.FLOAT:
            return f"CASE WHEN {value} - {value} = 0 THEN {value}::text::numeric END"
        case Kind.TEXT:
            return _text_figure(f"{value}::text", numbers)
        case _:
            return f"CASE WHEN {value} - {value} = 0 THEN {value} END" if guarded else value


def _text_figure(value: str, numbers: Numbers) -> str:
    short = f"length({value}) <= {MAX_DIGITS}"
    if is_plain(numbers):
        return f"CASE WHEN {short} AND {value} ~ {DIALECT.quoted(_NUMBER)} THEN {value}::numeric END"
    trimmed, spelling = f"btrim({value}, {_SPACES})", patterns(numbers)

    def number(pattern: str) -> str:
        # The `x` holds the place of the decimal point until the separators are gone, one of which may be a point.
        parts = f"regexp_replace({trimmed}, {DIALECT.quoted(pattern)}, '\\1\\2\\3x\\4\\5\\6')"
        if numbers.thousands:
            parts = f"replace({parts}, {DIALECT.quoted(numbers.thousands)}, '')"
        return f"replace({parts}, 'x', '.')::numeric"

    cases = f"WHEN {trimmed} ~ {DIALECT.quoted(spelling.signed)} THEN {number(spelling.signed)}"
    if spelling.bracketed:
        cases += f" WHEN {trimmed} ~ {DIALECT.quoted(spelling.bracketed)} THEN - {number(spelling.bracketed)}"
    return f"CASE WHEN {short} THEN CASE {cases} END END"
