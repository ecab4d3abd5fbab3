"""The blocks of code in a page of the documents, so that tests can run what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[1] / "docs"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block: what language it is in, its text, and where it begins and ends in the page."""

    language: str
    text: str
    start: int
    end: int


def section(page: Path, title: str) -> str:
    """The part of a page under a heading of the second rank."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def blocks(text: str) -> list[Block]:
    """The blocks of a text that have a language."""
    return [Block(match[1], match[2], match.start(), match.end()) for match in _BLOCK.finditer(text)]
