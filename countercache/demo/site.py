"""The demo's files: real figures in an SQLite database shaped as a web stack's, and a configuration to copy from."""

from __future__ import annotations

import contextlib
import csv
import gzip
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from countercache.config.document import FILE_NAME
from countercache.errors import UsageError
from countercache.model.results import DemoResult

DATABASE_NAME = "councils.sqlite3"

# As an ORM of a web stack makes them: integer keys everywhere, names in tables of their own.
_SCHEMA = """
CREATE TABLE council (
    id INTEGER PRIMARY KEY,
    slug VARCHAR(100) NOT NULL UNIQUE,
    name VARCHAR(200) NOT NULL,
    class VARCHAR(50) NOT NULL,
    country VARCHAR(50) NOT NULL,
    code VARCHAR(10) NOT NULL UNIQUE,
    ons_code VARCHAR(10)
);
CREATE TABLE data_field (
    id INTEGER PRIMARY KEY,
    slug VARCHAR(100) NOT NULL UNIQUE,
    name VARCHAR(200) NOT NULL,
    kind VARCHAR(20) NOT NULL
);
CREATE TABLE financial_year (
    id INTEGER PRIMARY KEY,
    label VARCHAR(10) NOT NULL UNIQUE
);
CREATE TABLE financial_figure (
    id INTEGER PRIMARY KEY,
    council_id INTEGER NOT NULL REFERENCES council (id),
    field_id INTEGER NOT NULL REFERENCES data_field (id),
    year_id INTEGER NOT NULL REFERENCES financial_year (id),
    value NUMERIC(18, 2),
    UNIQUE (council_id, field_id, year_id)
);
"""


def create(directory: Path) -> DemoResult:
    """Put the demo's database and configuration into `directory`, which is made if need be.

    May be repeated: the database is built anew and put in place at once, so that no reader sees half of it; a
    configuration of it that somebody has edited is left as it is. Raises `UsageError` when the files cannot be written,
    and where there is a configuration of something else.
    """
    data = files("countercache.demo") / "data"
    config, database = directory / FILE_NAME, directory / DATABASE_NAME
    configuration(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        kept = not _write_new(config, (data / FILE_NAME).read_bytes())
        with _replacing(database) as path:
            counts = _build(path, data)
    except (OSError, sqlite3.Error) as error:
        raise _cannot(directory, error) from error
    return DemoResult(directory=str(directory), config=str(config), database=str(database), config_kept=kept, **counts)


def configuration(directory: Path) -> Path:
    """The configuration that the demo has in `directory`, or the one that `create` puts there.

    Raises `UsageError` where there is one of something else.
    """
    there = directory / FILE_NAME
    try:
        if not there.exists():
            return Path(str(files("countercache.demo") / "data" / FILE_NAME))
        if DATABASE_NAME.encode() in there.read_bytes():
            return there
    except OSError as error:
        raise _cannot(directory, error) from error
    hint = "name another directory: countercache demo DIRECTORY"
    raise UsageError(f"{directory} has a configuration of its own", hint=hint)


def _cannot(directory: Path, error: OSError | sqlite3.Error) -> UsageError:
    problem = error.strerror if isinstance(error, OSError) else error
    hint = "name a directory that you may write to: countercache demo DIRECTORY"
    return UsageError(f"the demo cannot be put into {directory}: {problem}", hint=hint)


def _write_new(path: Path, content: bytes) -> bool:
    """Write the file unless there is one; whether it now has this content."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return path.read_bytes() == content
    return True


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place at the end, or goes if anything fails."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        # As any new file: private ones are mkstemp's habit, and the web stack may be another user.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _build(path: Path, data: Traversable) -> dict[str, int]:
    """Fill the database at `path`; returns how many of each there are."""
    councils = _rows(data / "authorities.csv")
    fields = _rows(data / "fields.csv")
    figures = _rows(data / "figures.csv.gz")
    years = sorted({row["period"] for row in figures})
    council_ids = {row["code"]: number for number, row in enumerate(councils, 1)}
    field_ids = {row["slug"]: number for number, row in enumerate(fields, 1)}
    year_ids = {label: number for number, label in enumerate(years, 1)}
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        _insert(connection, "council (slug, name, class, country, code, ons_code)", _council_values(councils))
        _insert(
            connection, "data_field (slug, name, kind)", ((row["slug"], row["name"], row["kind"]) for row in fields)
        )
        _insert(connection, "financial_year (label)", ((label,) for label in years))
        _insert(
            connection,
            "financial_figure (council_id, field_id, year_id, value)",
            (
                (council_ids[row["authority"]], field_ids[row["field"]], year_ids[row["period"]], row["value"])
                for row in figures
            ),
        )
        connection.execute("ANALYZE")
    return {"entities": len(councils), "fields": len(fields), "periods": len(years), "figures": len(figures)}


def _council_values(councils: Iterable[dict[str, str]]) -> Iterator[tuple[str | None, ...]]:
    for row in councils:
        yield row["slug"], row["name"], row["class"], row["country"], row["code"], row["ons_code"] or None


def _insert(connection: sqlite3.Connection, into: str, rows: Iterable[tuple[object, ...]]) -> None:
    marks = ", ".join("?" * (into.count(",") + 1))
    connection.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)  # noqa: S608 - our own words only


def _rows(file: Traversable) -> list[dict[str, str]]:
    """The rows of a CSV file, or of a compressed one."""
    content = file.read_bytes()
    text = (gzip.decompress(content) if file.name.endswith(".gz") else content).decode()
    return list(csv.DictReader(text.splitlines()))
