"""What ClickHouse answers, in its format TabSeparatedWithNamesAndTypes, as values. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from countercache.databases.clickhouse.dialect import inner_type

FORMAT = "TabSeparatedWithNamesAndTypes"

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "0": "\0"}


class Answer:
    """The columns' names and types, and the rows, each once. Raises `ValueError` for anything else."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.names = self._texts()
        self.types = self._texts()
        if len(self.names) != len(self.types):
            raise ValueError("it is not in the format that was asked for")

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows."""
        readers = [reader(type_) for type_ in self.types]
        for line in self._lines:
            texts = _decoded(line).split("\t")
            if len(texts) != len(readers):
                # What fails after rows have been sent is told behind them, in a few lines.
                rest = b" ".join((line, *itertools.islice(self._lines, 5)))
                raise ValueError(_decoded(rest).strip() or "it ends in the middle")
            yield tuple(None if text == "\\N" else read(text) for read, text in zip(readers, texts, strict=True))

    def _texts(self) -> list[str]:
        line = next(self._lines, None)
        if line is None:
            raise ValueError("it is empty")
        return [_text(text) for text in _decoded(line).split("\t")]


@lru_cache
def reader(type_: str) -> Callable[[str], Any]:
    """What makes a value of such a column of its text. Numbers become such, all else stays text."""
    name = re.match(r"(?:U?Int|Decimal|Float|BFloat)(?=\d|\()", inner_type(type_))
    if not name:
        return _text
    return {"Int": int, "UInt": int, "Decimal": Decimal}.get(name[0], float)


def _decoded(line: bytes) -> str:
    # Texts may be any bytes. Those that are none of UTF-8 stay different from each other.
    return line.decode(errors="backslashreplace")


def _text(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text) if "\\" in text else text
