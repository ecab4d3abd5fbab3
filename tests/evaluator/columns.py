"""What random columns hold: keys of all types and collations in all their spellings, and values as odd as they come."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ENTITIES = ("leeds", "york", "fife", "bath", "hull", "münchen", "kent-east", "st ives", "Ely", "nobody's")
FIELDS = ("debt", "loans", "people", "roads", "parks")
PERIODS = ("2018", "2019", "2020", "2021", "2022")
YEARS = ("2018/19", "FY 2019", "fy-2020", "Q1 2021", "later")


@dataclass(frozen=True)
class Key:
    """A key as SQL literals that the column takes for equal, and the name by which a configuration may call it."""

    literals: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class KeyColumn:
    """A type with its collation, and the keys that such a column holds."""

    type: str
    keys: tuple[Key, ...]


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def _plain(words: Sequence[str]) -> tuple[Key, ...]:
    return tuple(Key((literal(word),), word) for word in words)


def _any_case(words: Sequence[str]) -> tuple[Key, ...]:
    different = {word.lower(): word for word in words}.values()
    return tuple(Key(tuple(map(literal, (w, w.title(), w.swapcase()) if w.isascii() else (w,))), w) for w in different)


def _padded(words: Sequence[str]) -> tuple[Key, ...]:
    return tuple(Key((literal(word), literal(word + " "), literal(word + "   ")), word) for word in words)


def _loose(words: Sequence[str]) -> tuple[Key, ...]:
    """Without regard to case, accents and spaces at the end."""
    different = {word.lower(): word for word in words}.values()
    plain = str.maketrans("ü", "u")
    forms = ("{0}", "{0} ", "{1}", "{2}  ")
    return tuple(
        Key(tuple(literal(form.format(w, w.translate(plain), w.swapcase())) for form in forms), w) for w in different
    )


def _numbered(words: Sequence[str], form: str, *others: str) -> tuple[Key, ...]:
    names = [form.format(n) for n in range(1, len(words) + 1)]
    return tuple(
        Key((name, *(other.format(n) for other in others)), name.strip("'")) for n, name in enumerate(names, 1)
    )


_Make = Callable[[Sequence[str]], tuple[Key, ...]]
_UUID = "'0a000000-0000-4000-8000-00000000000{}'"
TEXTS: Mapping[str, Mapping[str, _Make]] = {
    "clickhouse": {
        "Nullable(String)": _plain,
        "LowCardinality(Nullable(String))": _plain,
        "Nullable(FixedString(12))": _plain,
    },
    "postgresql": {"text": _plain, "varchar(20)": _plain, "char(12)": _padded, "citext": _any_case},
    "duckdb": {"VARCHAR": _plain, "VARCHAR(20)": _plain, "VARCHAR COLLATE NOCASE": _any_case},
    # Without RTRIM: SQLite itself loses such keys in a join, see `places.equal`.
    "generic": {"TEXT": _plain, "VARCHAR(20)": _plain, "TEXT COLLATE NOCASE": _any_case},
    "sqlite": {
        "TEXT": _plain,
        "VARCHAR(20)": _plain,
        "TEXT COLLATE NOCASE": _any_case,
        "TEXT COLLATE RTRIM": _padded,
        "STRING": _plain,
        "STRING COLLATE NOCASE": _any_case,
        "UUID COLLATE NOCASE": _any_case,
        "": _plain,
    },
    "mariadb": {
        "varchar(20) COLLATE utf8mb4_general_ci": _loose,
        "char(12) COLLATE utf8mb4_general_ci": _loose,
        "varchar(20) COLLATE utf8mb4_bin": _padded,
        "varchar(20) COLLATE utf8mb4_nopad_bin": _plain,
    },
}
OTHERS: Mapping[str, Mapping[str, _Make]] = {
    "clickhouse": {
        "Nullable(Int32)": lambda words: _numbered(words, "{}"),
        "Nullable(UInt8)": lambda words: _numbered(words, "{}"),
        "Nullable(Int64)": lambda words: _numbered(words, "-90000000000{}"),
        "Nullable(UInt256)": lambda words: _numbered(words, "9000000000000000000000000000000000{}"),
        "Nullable(Decimal(20, 3))": lambda words: _numbered(words, "{}.5", "{}.50", "{}.500"),
        "Nullable(Float64)": lambda words: _numbered(words, "{}.25"),
        "LowCardinality(Nullable(String))": lambda words: _numbered(words, "'{}'"),
        "Nullable(UUID)": lambda words: _numbered(words[:9], _UUID),
        "Nullable(Date)": lambda words: _numbered(words[:9], "'202{}-04-01'"),
        "Nullable(DateTime('UTC'))": lambda words: _numbered(words[:9], "'202{}-04-01 00:00:00'"),
    },
    "postgresql": {
        "integer": lambda words: _numbered(words, "{}"),
        "bigint": lambda words: _numbered(words, "90000000000{}"),
        "numeric": lambda words: _numbered(words, "{}.5", "{}.50", "{}.500"),
        "double precision": lambda words: _numbered(words, "{}.25"),
        "uuid": lambda words: _numbered(words[:9], _UUID),
        "date": lambda words: _numbered(words[:9], "'202{}-04-01'"),
        "timestamptz": lambda words: _numbered(words[:9], "'202{}-04-01 00:00:00+00'", "'202{}-04-01 02:00:00+02'"),
    },
    "duckdb": {
        "INTEGER": lambda words: _numbered(words, "{}"),
        "HUGEINT": lambda words: _numbered(words, "90000000000000000000{}"),
        "DECIMAL(9,3)": lambda words: _numbered(words, "{}.500", "{}.5"),
        "DOUBLE": lambda words: _numbered(words, "{}.25"),
        "UUID": lambda words: _numbered(words[:9], _UUID),
        "DATE": lambda words: _numbered(words[:9], "'202{}-04-01'"),
        "TIMESTAMPTZ": lambda words: _numbered(words[:9], "'202{}-04-01 00:00:00+00'", "'202{}-04-01 02:00:00+02'"),
    },
    "generic": {
        "INTEGER": lambda words: _numbered(words, "{}"),
        "NUMERIC": lambda words: _numbered(words, "{}.5", "'{}.50'"),
        "REAL": lambda words: _numbered(words, "{}.0", "{}"),
        "DATE": lambda words: _numbered(words[:9], "'202{}-04-01'"),
    },
    "sqlite": {
        "INTEGER": lambda words: _numbered(words, "{}", "{}.0", "'{}'"),
        "NUMERIC": lambda words: _numbered(words, "{}.5", "'{}.50'"),
        "REAL": lambda words: _numbered(words, "{}.0", "{}"),
        "UUID": lambda words: _numbered(words[:9], "'a000{}'"),
        "BLOB": lambda words: _numbered(words, "'b{}'"),
        "DATE": lambda words: _numbered(words[:9], "'202{}-04-01'"),
    },
    "mariadb": {
        "int": lambda words: _numbered(words, "{}"),
        "bigint unsigned": lambda words: _numbered(words[:9], "1844674407370955160{}"),
        "decimal(10,2)": lambda words: _numbered(words, "{}.5", "{}.50"),
        "double": lambda words: _numbered(words, "{}.25"),
        "year": lambda words: _numbered(words[:9], "201{}"),
        "date": lambda words: _numbered(words[:9], "'202{}-04-01'"),
        "datetime": lambda words: _numbered(words[:9], "'202{}-04-01 00:00:00'"),
        "enum('e9','e8','e7','e6','e5','e4','e3','e2','e1')": lambda words: _numbered(words[:9], "'e{}'"),
        "varbinary(20)": lambda words: _numbered(words[:9], "'b{}'"),
    },
}


def text_column(rng: random.Random, kind: str, words: Sequence[str]) -> KeyColumn:
    """A column of names."""
    declared = rng.choice(list(TEXTS[kind]))
    return KeyColumn(declared, TEXTS[kind][declared](words))


def key_column(rng: random.Random, kind: str, words: Sequence[str]) -> KeyColumn:
    """A column of keys of any type."""
    if rng.random() < 0.5:
        return text_column(rng, kind, words)
    declared = rng.choice(list(OTHERS[kind]))
    return KeyColumn(declared, OTHERS[kind][declared](words))


# Values

_GENERIC_NUMBERS = ("INTEGER", "BIGINT", "REAL", "NUMERIC", "DECIMAL(12,2)")
VALUE_TYPES = {
    "generic": (*_GENERIC_NUMBERS, "TEXT", "VARCHAR(60)", "TEXT COLLATE NOCASE"),
    "clickhouse": (
        "Nullable(Int32)",
        "Nullable(Int64)",
        "Nullable(UInt64)",
        "Nullable(Int256)",
        "Nullable(Decimal(12, 2))",
        "Nullable(Decimal(38, 10))",
        "Nullable(Decimal(76, 30))",
        "Nullable(Float32)",
        "Nullable(Float64)",
        "Nullable(String)",
        "LowCardinality(Nullable(String))",
        "Nullable(FixedString(60))",
    ),
    "postgresql": (
        "integer",
        "bigint",
        "numeric",
        "numeric(12,2)",
        "real",
        "double precision",
        "text",
        "varchar(60)",
        "citext",
    ),
    "duckdb": (
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UBIGINT",
        "DECIMAL(12,2)",
        "DECIMAL(38,10)",
        "FLOAT",
        "DOUBLE",
        "VARCHAR",
        "VARCHAR(60)",
        "VARCHAR COLLATE NOCASE",
    ),
    "sqlite": ("INTEGER", "REAL", "NUMERIC", "TEXT", "TEXT COLLATE NOCASE", "STRING", "BLOB", "", "DECIMAL(12,2)"),
    "mariadb": (
        "int",
        "bigint",
        "decimal(12,2)",
        "decimal(65,30)",
        "float",
        "double",
        "text",
        "varchar(60) COLLATE utf8mb4_bin",
    ),
}
NUMERIC_TYPES = {
    "clickhouse": VALUE_TYPES["clickhouse"][:9],
    "duckdb": VALUE_TYPES["duckdb"][:8],
    "generic": _GENERIC_NUMBERS,
    "postgresql": VALUE_TYPES["postgresql"][:6],
    "sqlite": ("INTEGER", "REAL", "NUMERIC", "DECIMAL(12,2)"),
    "mariadb": VALUE_TYPES["mariadb"][:6],
}
_WHOLE = ("0", "1", "-1", "3", "7", "12", "350", "-20", "1000000")
_DECIMAL = ("0.1", "0.2", "-0.3", "2.50", "1234.56", "-99.99", "0.001", "33.333")
_LARGE = ("9000000000000000000", "-9000000000000000000", "123456789012345")
_JUNK = (
    "'n/a'",
    "'#N/A'",
    "'-'",
    "''",
    "' '",
    "'1,234'",
    "'12,5'",
    "'£12'",
    "'12 %'",
    "'(12)'",
    "'NaN'",
    "'0x10'",
    "'1_0'",
)
_BLANK = ("' 12'", "'12 '", "'\t7\n'")
_TEXT = ("'12'", "'+12'", "'-12'", "'00012'", "'12.'", "'.5'", "'1.2e3'", "'5E-2'", "'1e30'", "'-1e-25'", "'0'", "'-0'")


_TYPED = {
    (kind, declared) for kind in ("clickhouse", "duckdb", "mariadb", "postgresql") for declared in NUMERIC_TYPES[kind]
}
"""The types that hold nothing but numbers."""


def value(rng: random.Random, kind: str, declared: str, spelling: Mapping[str, Any] | None, junk: float) -> str:
    """A value of a column as an SQL literal; every so often (`junk`) one that is no number."""
    if rng.random() < 0.12:
        return "NULL"
    odd = rng.random() < junk
    if (kind, declared) in _TYPED:
        number = _NUMBERS.get(kind, _postgresql_number)
        return number(rng, declared, odd=odd)
    kind = "sqlite" if kind == "generic" else kind
    if kind == "sqlite" and odd and rng.random() < 0.3:
        return rng.choice(("9e999", "-9e999", "x'31'", "x'00ff'"))
    if spelling and not odd and rng.random() < 0.8:
        return literal(spelled(rng, spelling))
    if kind == "sqlite" and not odd and rng.random() < 0.6:
        return rng.choice((*_WHOLE, *_DECIMAL, _LARGE[2], "1e20", "-0.0"))
    return rng.choice(_JUNK if odd else (*_TEXT, *_BLANK))


def _postgresql_number(rng: random.Random, declared: str, *, odd: bool) -> str:
    if declared in {"integer", "bigint"}:
        return rng.choice(_WHOLE if declared == "integer" else (*_WHOLE, *_LARGE))
    if declared.startswith("numeric("):
        return "'NaN'" if odd else rng.choice((*_WHOLE, *_DECIMAL[:6]))
    if odd:
        return rng.choice(("'NaN'", "'Infinity'", "'-Infinity'"))
    if declared == "numeric":
        return rng.choice((*_WHOLE, *_DECIMAL, *_LARGE, "1e30", "1e-25", "-1e-29"))
    return rng.choice((*_WHOLE, *_DECIMAL, "1e20", "1e-20", "'-0'"))


def _duckdb_number(rng: random.Random, declared: str, *, odd: bool) -> str:
    if declared in {"FLOAT", "DOUBLE"}:
        odd_ones = ("'NaN'", "'Infinity'", "'-Infinity'")
        return rng.choice(
            odd_ones
            if odd
            else (*_WHOLE, *_DECIMAL, "1e20", "1e-20", "'-0'", "1e11", "1e30" if declared == "FLOAT" else "1e300")
        )
    if declared == "UBIGINT":
        return rng.choice(("0", "7", "350", "18446744073709551615"))
    whole = {"INTEGER": _WHOLE, "BIGINT": (*_WHOLE, *_LARGE), "HUGEINT": (*_WHOLE, *_LARGE, "1" + "6" * 38)}
    if declared in whole:
        return rng.choice(whole[declared])
    return rng.choice(
        (*_WHOLE, *_DECIMAL[:6]) if "12" in declared else (*_WHOLE, *_DECIMAL, _LARGE[2], "9" * 27 + ".5")
    )


def _clickhouse_number(rng: random.Random, declared: str, *, odd: bool) -> str:
    if "Float" in declared:
        found = ("nan", "inf", "-inf") if odd else (*_WHOLE, *_DECIMAL, "1e20", "1e-20", "1e30", "16777217", "-0.0")
        return rng.choice(found)
    # A literal with decimals would be a float first, and a large one wrap around.
    return literal(rng.choice(next(numbers for name, numbers in _CLICKHOUSE.items() if name in declared)))


_CLICKHOUSE: Mapping[str, Sequence[str]] = {
    "Decimal(12, 2)": (*_WHOLE, *_DECIMAL[:6]),
    "Decimal(38, 10)": (*_WHOLE, *_DECIMAL, *_LARGE, "9" * 28),
    "Decimal(76, 30)": (*_WHOLE, *_DECIMAL, *_LARGE, "1" * 46, f"-{'9' * 46}", f"0.{'0' * 28}1"),
    "UInt64": ("0", "1", "12", str(2**64 - 1)),
    "Int256": (*_WHOLE, str(-(2**255)), str(2**255 - 1), str(10**55)),
    "Int32": _WHOLE,
    "Int64": (*_WHOLE, str(2**63 - 1), str(-(2**63))),
}


def _mariadb_number(rng: random.Random, declared: str, *, odd: bool) -> str:
    """There are none that are not finite, however odd."""
    if declared in {"int", "bigint"}:
        return rng.choice(_WHOLE if declared == "int" else (*_WHOLE, *_LARGE))
    if declared == "decimal(12,2)":
        return rng.choice((*_WHOLE, *_DECIMAL[:6]))
    if declared == "decimal(65,30)":
        return rng.choice((*_WHOLE, *_DECIMAL, *_LARGE, "1e30", "1e-25", "-1e-29"))
    return rng.choice((*_WHOLE, *_DECIMAL, "1e20", "1e-20", "'-0'"))


_NUMBERS = {"clickhouse": _clickhouse_number, "duckdb": _duckdb_number, "mariadb": _mariadb_number}


# `numbers`

SPELLINGS: tuple[dict[str, Any], ...] = (
    {"thousands": ","},
    {"thousands": ".", "decimal": ","},
    {"thousands": " ", "decimal": ","},
    {"thousands": "'"},
    {"decimal": ","},
    {"prefix": "£", "thousands": ","},
    {"suffix": "%"},
    {"prefix": "EUR", "suffix": "k", "negative": "parentheses"},
    {"null": ["#N/A", "-", ""]},
    {"null": ["n/a"], "negative": "parentheses", "thousands": ",", "prefix": "£"},
)
_GROUPED = (
    "1234567",
    "1234",
    "12,34,567",
    "1,234",
    "1,234,567",
    "999",
    "1,5",
    "1234,567",
    "1,234,56",
    "12",
    "0",
    "00,012",
)


def spelled(rng: random.Random, spelling: Mapping[str, Any]) -> str:
    """A text more or less as the settings say that numbers are spelled."""
    thousands, point = spelling.get("thousands"), spelling.get("decimal", ".")
    grouped = rng.choice(_GROUPED) if thousands and rng.random() < 0.9 else rng.choice(("12", "7", "1234", "0"))
    number = grouped.replace(",", thousands or "")
    if rng.random() < 0.3:
        number += point + rng.choice(("5", "25", "", "001"))
    prefix, suffix = spelling.get("prefix", ""), spelling.get("suffix", "")
    sign = rng.choice(("", "", "", "-", "+"))
    if prefix and rng.random() < 0.7:
        gap = rng.choice(("", "", " ", "\t"))
        forms = (f"{sign}{prefix}{gap}{number}", f"{prefix}{gap}{sign}{number}", f"{sign}{gap}{prefix}{number}")
        number = rng.choice(forms)
    else:
        number = sign + number
    if suffix and rng.random() < 0.7:
        number += rng.choice(("", " ")) + suffix
    if spelling.get("negative") and (not sign or rng.random() < 0.1) and rng.random() < 0.4:
        number = rng.choice((f"({number})", f"({number})", f"( {number} )"))
    if spelling.get("null") and rng.random() < 0.2:
        number = rng.choice((*spelling["null"], spelling["null"][0].upper()))
    return rng.choice(("", "", " ")) + number + rng.choice(("", "", " ", "\n"))
