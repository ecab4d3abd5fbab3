"""docs/glossary.md has each term once, of those that are used, with a link to where it is explained."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ROWS = [
    [column.strip() for column in line.strip("|").split("|")]
    for line in (DOCS / "glossary.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| term", "| ---"))
]
TERMS = [row[0] for row in ROWS]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_term_stands_once_in_order() -> None:
    """A reader finds a term by the alphabet."""
    assert sorted(set(TERMS)) == TERMS
    assert all(len(row) == 4 for row in ROWS)


def test_every_term_is_used() -> None:
    """Another page or the package has it; a term that nobody uses any more goes."""
    pages = [path for path in [ROOT / "README.md", *DOCS.glob("*.md")] if path.name != "glossary.md"]
    texts = [path.read_text(encoding="utf-8") for path in [*pages, *(ROOT / "countercache").rglob("*.py")]]
    text = "\n".join(texts).lower()
    assert [term for term in TERMS if not re.search(rf"\b{term}s?\b", text)] == []


def test_every_term_is_explained_where_it_says() -> None:
    """The page has the heading."""
    links = {row[0]: re.fullmatch(r"\[[\w ]+\]\(([\w-]+\.md)#([\w-]+)\)", row[3]) for row in ROWS}
    assert [term for term, link in links.items() if not link] == []
    assert [term for term, link in links.items() if link and link[2] not in anchors(DOCS / link[1])] == []
