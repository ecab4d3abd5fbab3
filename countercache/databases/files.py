"""Databases that are files."""

from __future__ import annotations

from pathlib import Path

from countercache.errors import DatabaseUnreachable


def check_file(name: str, file: Path) -> None:
    """Raise `DatabaseUnreachable` where the file of the database `name` is not there, or cannot be looked for."""
    try:
        there = file.is_file()
    except OSError as error:  # a directory on the way may not be entered
        problem = f"database {name}: the file {str(file)!r} cannot be read: {error.strerror}"
        raise DatabaseUnreachable(problem, hint="check the rights of its directories") from error
    if not there:
        hint = "check the path in its url: three slashes begin a relative one, four an absolute one"
        raise DatabaseUnreachable(f"database {name}: there is no file {str(file)!r}", hint=hint)
