"""A small web stack's database and a configuration for it, on the disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

FOR_EVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
FIGURES = [
    ("leeds", "long-term", "2018/19", "100.50"),
    ("leeds", "short-term", "2018/19", "-0.50"),
    ("leeds", "long-term", "2019/20", "1000000.25"),
    ("leeds", "short-term", "2019/20", "99.75"),
    ("york", "long-term", "2018/19", "200"),
    ("york", "long-term", "2019/20", "250000"),
    ("york", "short-term", "2019/20", None),
]
SETTINGS = """
namespace = "site"
[redis]
url = "{url}"
[databases.main]
url = "sqlite:///site.db"
[sources.figures]
database = "main"
table = "figure"
entity = "council"
field = "field"
period = "year"
value = "value"
[groups.yorkshire-and-the-humber]
source = "figures"
entities = ["leeds", "york"]
[counters.long-term-borrowing-of-councils]
name = "Long-term borrowing"
source = "figures"
formula = "long-term"
periods = ["latest", "all"]
groups = ["all", "yorkshire-and-the-humber"]
compare = true
format = { currency = "GBP", notation = "compact", precision = 1 }
[counters.users]
database = "main"
sql = "SELECT count(*) FROM user"
"""


def make(directory: Path, url: str, more: str = "") -> Path:
    """Put the database and `countercache.toml` (with `more` at its end) into the directory, which is returned."""
    with sqlite3.connect(directory / "site.db") as connection:
        connection.execute("CREATE TABLE figure (council TEXT, field TEXT, year TEXT, value NUMERIC)")
        connection.executemany("INSERT INTO figure VALUES (?, ?, ?, ?)", FIGURES)
        connection.execute("CREATE TABLE user (id INTEGER)")
        connection.executemany("INSERT INTO user VALUES (?)", [(1,), (2,), (3,)])
    connection.close()
    (directory / "countercache.toml").write_text(SETTINGS.replace("{url}", url) + more, encoding="utf-8")
    return directory


def counter(name: str, sql: str) -> str:
    """The table of one more counter by SQL."""
    return f'[counters.{name}]\ndatabase = "main"\nsql = """{sql}"""\n'
