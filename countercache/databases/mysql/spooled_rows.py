"""The rows of a query as they come, for as long as nothing else is asked on its connection: then the rest is put aside.

The protocol has one answer at a time. What is put aside goes into a file, since it may be more than memory holds.
"""

from __future__ import annotations

import marshal
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from pymysql.cursors import SSCursor

_BLOCK = 1000
"""Rows that are read and written together."""


class SpooledRows:
    """An iterator over the rows of a cursor that has just executed."""

    def __init__(self, cursor: SSCursor) -> None:
        self._cursor = cursor
        self._file: IO[bytes] | None = None
        self._blocks = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while self._file is None and (rows := self._cursor.fetchmany(_BLOCK)):
            yield from rows
        if self._file is not None:
            self._file.seek(0)
            for _ in range(self._blocks):
                yield from marshal.load(self._file)  # noqa: S302 - it is our own

    def spool(self) -> None:
        """Read the rest, so that the connection is free."""
        if self._file is not None:
            return
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the rows
        while rows := self._cursor.fetchmany(_BLOCK):
            marshal.dump(rows, self._file)
            self._blocks += 1

    def close(self) -> None:
        """Leave out what is still to come."""
        self._cursor.close()
        if self._file is not None:
            self._file.close()
