"""Random cases: tables of all shapes with odd keys and values, and configurations that use all that counters have."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.evaluator.cases import Case, Drawn
from tests.evaluator.columns import (
    ENTITIES,
    FIELDS,
    NUMERIC_TYPES,
    PERIODS,
    SPELLINGS,
    VALUE_TYPES,
    YEARS,
    Key,
    KeyColumn,
    key_column,
    literal,
    text_column,
    value,
)
from tests.evaluator.places import quoted

UNKNOWN = "no such name"
WHERE = 0.15
TWINS = 0.1
COUNTRIES = ("England", "Scotland", "Wales")


@dataclass(frozen=True)
class Part:
    """The entities, fields or periods of a case: the keys in the source's column, and what they are called."""

    column: KeyColumn
    keys: Sequence[Key]
    names: Sequence[str]


class Draw:
    """One case in the making."""

    def __init__(self, seed: int, kind: str) -> None:
        self.rng, self.kind, self.seed = random.Random(f"{kind} {seed}"), kind, seed
        self.tables: list[Drawn] = []
        self.source: dict[str, Any] = {"database": "main"}
        self.groups: dict[str, dict[str, Any]] = {}
        self.counters: dict[str, dict[str, Any]] = {}
        self.junk = self.rng.choice((0.0, 0.0, 0.03, 0.15))
        self.nulls = self.rng.choice((0.0, 0.05))

    def chance(self, of: float) -> bool:
        """True so often."""
        return self.rng.random() < of

    def case(self) -> Case:
        """Draw all of it."""
        self.entities = self.part("entities", ENTITIES[: self.rng.randint(1, 9)])
        words = PERIODS if self.chance(0.6) else YEARS
        self.periods = self.part("periods", words[: self.rng.randint(1, 5)]) if self.chance(0.9) else None
        wide = self.chance(0.35)
        self.field_words = [*FIELDS[: self.rng.randint(1, 5)]]
        self.fields = None if wide else self.part("fields", self.field_words)
        spellings = self.rng.choices(SPELLINGS, k=2)
        self.spellings: list[Mapping[str, Any] | None] = [*spellings] if self.chance(0.4) else [None, None]
        (self.wide if wide else self.long)()
        self.settings()
        self.draw_groups()
        for number in range(1, self.rng.randint(1, 6) + 1):
            self.counter(f"c{number}")
        settings = {"sources": {"figures": self.source}, "groups": self.groups, "counters": self.counters}
        return Case(self.seed, self.kind, tuple(self.tables), settings)

    # Tables

    def part(self, part: str, words: Sequence[str]) -> Part:
        """Entities, fields or periods, with a lookup table or without."""
        single = {"entities": "entity", "fields": "field", "periods": "period"}[part]
        if not self.chance(0.5):
            text = part == "fields" and self.chance(0.7)
            column = (text_column if text else key_column)(self.rng, self.kind, words)
            return Part(column, column.keys, [key.name for key in column.keys])
        column, names = key_column(self.rng, self.kind, words), text_column(self.rng, self.kind, words)
        table = Drawn(f"{single}_list", {"id": column.type, "name": names.type})
        self.source[part] = {"table": table.name, "key": "id", "name": "name"}
        if part == "entities":
            table.columns |= {"country": "text", "size": "integer"}
        elif part == "periods" and self.chance(0.6):
            table.columns["starts"] = self.rng.choice(("integer", "text", "date"))
            self.source[part]["order"] = "starts"
        rows = [(self.spelling(key), self.spelling(name)) for key, name in zip(column.keys, names.keys, strict=False)]
        if self.chance(TWINS):
            rows[-1] = (rows[-1][0], rows[0][1])
        self.list_keys(table, rows)
        if self.chance(WHERE):
            self.source[part]["where"] = "language = 'en'"
            self.translate(table)
        self.rng.shuffle(table.rows)
        self.tables.append(table)
        called = [key.name for key in names.keys]
        if part != "entities":
            # The configuration has to spell these names as the table does; now and then it does not.
            called = [called[n] if self.chance(0.03) else written(names, name) for n, (_, name) in enumerate(rows)]
        return Part(column, column.keys[: len(rows)], called)

    def list_keys(self, table: Drawn, rows: list[tuple[str, str]]) -> None:
        """The rows of a lookup table. Some keys of the source's column are orphans: they are not listed."""
        listed = [row for row in rows if not self.chance(0.15)] or rows[:1]
        places = self.rng.choices(range(1, 10), k=len(listed))  # two may have the same order
        for (key, name), at in zip(listed, places, strict=True):
            others = {
                "country": self.maybe_null(literal(self.rng.choice(COUNTRIES))),
                "size": self.maybe_null(str(at)),
                "starts": self.maybe_null(f"'20{at:02}-04-01'" if table.columns.get("starts") == "date" else f"'{at}'"),
            }
            table.rows.append(
                [key, "NULL" if self.chance(0.02) else name, *(others[column] for column in list(table.columns)[2:])]
            )
        if self.chance(0.1):
            table.rows.append(["NULL", literal("nobody"), *["NULL"] * (len(table.columns) - 2)])
        if self.chance(0.03):
            table.rows.append(list(self.rng.choice(table.rows)))
        elif self.chance(0.3) and all(row[0] != "NULL" for row in table.rows):
            table.more = 'PRIMARY KEY ("id")'

    def translate(self, table: Drawn) -> None:
        """Make a lookup table one of translations, which has its keys once in each language."""
        table.columns["language"], table.more = "text", ""
        others = [[row[0], literal(f"autre {n}"), *row[2:], "'fr'"] for n, row in enumerate(table.rows)]
        table.rows = [[*row, "'en'"] for row in table.rows] + others

    def spelling(self, key: Key) -> str:
        """One of the literals of a key."""
        return self.rng.choice(key.literals)

    def maybe_null(self, sql: str) -> str:
        """Now and then NULL in its place."""
        return "NULL" if self.chance(max(self.nulls, 0.02)) else sql

    def drawn_key(self, part: Part) -> str:
        """A key for a row."""
        return "NULL" if self.chance(self.nulls) else self.spelling(self.rng.choice(part.keys))

    def long(self) -> None:
        """A row a figure."""
        entity, field_, period, value_ = self.rng.choice(
            (("entity", "field", "period", "value"), ("council id", "Field", "order", "select"), ("e", "f", "p", "v"))
        )
        declared = self.rng.choice(VALUE_TYPES[self.kind])
        assert self.fields
        parts = {entity: self.entities, field_: self.fields} | ({period: self.periods} if self.periods else {})
        table = Drawn(
            "figure", {name: part.column.type for name, part in parts.items()} | {value_: declared, "kind": "text"}
        )
        self.source |= {"table": "figure", "entity": entity, "field": field_, "value": value_}
        self.source |= {"period": period} if self.periods else {}
        self.fill(table, list(parts.values()), [declared])

    def wide(self) -> None:
        """A column a field."""
        entity, period = self.rng.choice((("entity", "period"), ("council id", "order")))
        self.source |= {"layout": "wide", "table": "figure", "entity": entity}
        self.source |= {"period": period} if self.periods else {}
        parts = {entity: self.entities} | ({period: self.periods} if self.periods else {})
        named = self.chance(0.7)
        types = (VALUE_TYPES if named else NUMERIC_TYPES)[self.kind]
        columns = {f"v {word}" if named else word: self.rng.choice(types) for word in self.field_words}
        if named:
            self.source["fields"] = {word: f"v {word}" for word in self.field_words}
        elif self.chance(0.5):
            self.source["fields"] = list(columns)
        table = Drawn("figure", {name: part.column.type for name, part in parts.items()} | columns | {"kind": "text"})
        self.fill(table, list(parts.values()), list(columns.values()))

    def fill(self, table: Drawn, parts: list[Part], values: list[str]) -> None:
        """The rows of the source's table."""
        unique = self.chance(0.4)
        seen = set()
        for _ in range(0 if self.chance(0.03) else self.rng.randint(1, self.rng.choice((5, 12, 45)))):
            chosen = [self.rng.choice(part.keys) for part in parts]
            if unique and tuple(chosen) in seen:
                continue
            seen.add(tuple(chosen))
            keys = [self.spelling(key) if unique or not self.chance(self.nulls) else "NULL" for key in chosen]
            figures = [
                value(self.rng, self.kind, declared, self.rng.choice(self.spellings), self.junk) for declared in values
            ]
            table.rows.append([*keys, *figures, self.rng.choice(("'a'", "'b'", "NULL"))])
        if unique:
            table.more = f"UNIQUE ({', '.join(quoted(name) for name in list(table.columns)[: len(parts)])})"
        if self.periods and "periods" not in self.source:
            self.periods = as_labels(self.periods, [row[len(parts) - 1] for row in table.rows])
        self.tables.append(table)

    # Configuration

    def settings(self) -> None:
        """What stands at the source beside its columns."""
        if self.spellings[0]:
            self.source["numbers"] = dict(self.spellings[0])
            if self.chance(0.5):
                assert self.spellings[1]
                self.source["field_numbers"] = {self.rng.choice(self.field_names()): dict(self.spellings[1])}
        if self.chance(0.5):
            self.source["rejected"] = self.rng.choice(("fail", "skip", "skip"))
        if self.chance(0.3) and self.periods:
            self.source["min_coverage"] = self.rng.choice(("0%", "10%", "100%", "33.3%"))

    def field_names(self) -> list[str]:
        """How formulas call the fields."""
        return list(self.fields.names) if self.fields else self.field_words

    def draw_groups(self) -> None:
        """Groups by conditions, over the entities table or the source's own, and by names."""
        listed = "entities" in self.source
        conditions = (
            ("country = 'England'", "country <> 'Wales' OR size > 3", "size IS NULL", "name IS NOT NULL", "1 = 0")
            if listed
            else ("kind = 'a'", "kind IS NULL", "kind = 'a' OR kind = 'b'", "1 = 1", "kind = 'z'")
        )
        for number in range(1, self.rng.randint(0, 3) + 1):
            group: dict[str, Any] = {"source": "figures"}
            if self.chance(0.2):
                group["group_by"] = self.rng.choice(("country", "size") if listed else ("kind",))
            elif self.chance(0.6):
                group["where"] = self.rng.choice(conditions)
            else:
                known = list(self.entities.names)
                group["entities"] = self.rng.sample(known, self.rng.randint(1, len(known)))
                if self.chance(0.1):
                    group["entities"].append(UNKNOWN)
            self.groups[f"g{number}"] = group

    def counter(self, name: str) -> None:
        """A counter."""
        rng = self.rng
        mine: dict[str, Any] = {"source": "figures"}
        over = self.chance(0.45)
        if over:
            mine |= {"over": "entities", "aggregate": rng.choice(("sum", "avg", "min", "max", "count"))}
        missing = rng.choice(("skip", "skip", "zero", "fail"))
        if missing != "skip":
            mine["missing"] = missing
        # Complete ones may use others over totals only.
        others = list(self.counters)
        if not over and missing == "skip" and self.chance(0.3):
            mine["complete"] = True
            others = [other for other in others if not self.over_entities(other)]
        mine["formula"] = self.formula(others, 2)
        if self.chance(0.3):
            mine["rejected"] = rng.choice(("fail", "skip"))
        if self.periods:
            if self.chance(0.25):
                mine["min_coverage"] = rng.choice(("0%", "50%", "80%", "100%"))
            mine |= self.drawn_periods()
            if self.chance(0.4):
                mine["compare"] = True
            if self.chance(0.2):
                mine["format"] = {"percent": True}
        mine["groups"] = rng.sample(["all", *self.groups], rng.randint(1, 1 + len(self.groups)))
        self.counters[name] = mine

    def over_entities(self, counter: str) -> bool:
        """Whether a counter, or one that it uses, is over entities."""
        mine = self.counters[counter]
        used = [name for name in re.findall(r"\bc\d\b", mine["formula"]) if name in self.counters]
        return mine.get("over") == "entities" or any(self.over_entities(other) for other in used)

    def drawn_periods(self) -> dict[str, Any]:
        """The periods of a counter."""
        assert self.periods
        if self.chance(0.3):
            return {"periods": "each"}
        if self.chance(0.2):
            return {}
        labels = [*dict.fromkeys(self.periods.names), *([UNKNOWN] if self.chance(0.1) else [])]
        chosen = self.rng.sample(["latest", "all", *labels], self.rng.randint(1, 3))
        return {"periods": chosen}

    def formula(self, others: Sequence[str], depth: int) -> str:
        """A formula of fields and other counters."""
        rng = self.rng
        if depth == 0 or self.chance(0.35):
            if others and self.chance(0.35):
                return rng.choice(others)
            return _named(UNKNOWN if self.fields and self.chance(0.01) else rng.choice(self.field_names()))
        if self.chance(0.1):
            return f"-{self.formula(others, 0)}"
        left, sign = self.formula(others, depth - 1), rng.choice("+-*/+-")
        right = rng.choice(("2", "0.5", "100", "0")) if self.chance(0.15) else self.formula(others, depth - 1)
        return f"({left}) {sign} ({right})" if self.chance(0.5) else f"{left} {sign} {right}"


def written(column: KeyColumn, sql: str) -> str:
    """The text that a column of texts has for a literal."""
    text = sql.removeprefix("'").removesuffix("'").replace("''", "'")
    return text.rstrip() if column.type.startswith("char(") else text


def as_labels(periods: Part, rows: Sequence[str]) -> Part:
    """Periods that no table lists, called by the first of the spellings that occur."""
    texts = all(
        sql.startswith("'") and written(periods.column, sql).strip().lower() == key.name.lower()
        for key in periods.keys
        for sql in key.literals
    )
    if not texts:
        return periods
    found = [sorted(written(periods.column, sql) for sql in key.literals if sql in rows) for key in periods.keys]
    return replace(periods, names=[of[0] if of else key.name for of, key in zip(found, periods.keys, strict=True)])


def _named(name: str) -> str:
    """A name as a formula spells it."""
    return name if re.fullmatch(r"[a-z][a-z0-9-]*", name) else f'"{name}"'


def draw(seed: int, kind: str) -> Case:
    """The case of a seed, on `postgresql`, `sqlite` or `mariadb`."""
    return Draw(seed, kind).case()
