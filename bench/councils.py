"""The demo's real figures in PostgreSQL: what UK councils borrowed and invested in seven years, by 20 counters."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import psycopg

from bench.data import Names, document
from countercache.demo import site

COUNTRIES = {
    "england": "England",
    "scotland": "Scotland",
    "wales": "Wales",
    "northern-ireland": "Northern Ireland",
}
SHORT = ("banks", "building-societies", "central-government", "households-sector", "local-authorities")
LONG = (*SHORT, "pwlb")
INVESTED = ("deposits-banks", "deposits-building-societies", "money-market-funds", "treasury-bills")

BARE_SUM = "SELECT sum(value) FROM financial_figure"

_SHORT_TERM = [f"short-term-{name}" for name in SHORT]
_LONG_TERM = [f"long-term-{name}" for name in LONG]
_INVESTED = [f"invested-{name}" for name in INVESTED]
FORMULAS = {
    **{f"total-{field}": field for field in (*_SHORT_TERM, *_LONG_TERM, *_INVESTED)},
    "short-term": " + ".join(_SHORT_TERM),
    "long-term": " + ".join(_LONG_TERM),
    "borrowed": "short-term + long-term",
    "net": f"borrowed - ({' + '.join(_INVESTED)})",
    "pwlb-share": "100 * long-term-pwlb / borrowed",
}
"""Twenty counters over totals; one may use others."""


def fill_postgres(url: str) -> None:
    """Copy the demo's tables into an empty PostgreSQL database, and let it look at them."""
    with tempfile.TemporaryDirectory() as directory:
        made = site.create(Path(directory))
        with closing(sqlite3.connect(made.database)) as source, psycopg.connect(url, autocommit=True) as target:
            made_of = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            for name, statement in source.execute(made_of).fetchall():
                target.execute(statement)
                with target.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
                    for row in source.execute(f"SELECT * FROM {name}"):  # noqa: S608 - the demo's own names
                        copy.write_row(row)
            target.execute("VACUUM ANALYZE")


def config(database: str, redis: str, namespace: str) -> str:
    """A configuration: each counter in every period with its change, for everybody and for each country."""
    names = Names("financial_figure", "council_id", "field_id", "year_id", "council", "data_field", "financial_year")
    groups = {slug: f"country = '{name}'" for slug, name in COUNTRIES.items()}
    counters = [(name, f'formula = "{formula}"') for name, formula in FORMULAS.items()]
    return document(database, redis, namespace, names, groups, counters)
