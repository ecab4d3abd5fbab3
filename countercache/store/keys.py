"""The names of a namespace's keys in Redis."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from countercache.model.states import CellId


class Keys(msgspec.Struct, frozen=True):
    """The names of all keys of a namespace. They share a hash tag, so that a script may touch several on a cluster.

    `keep` is how many events its log keeps.
    """

    namespace: str
    keep: int = 1000

    @property
    def prefix(self) -> str:
        """What all keys begin with."""
        return f"countercache:{{{self.namespace}}}:"

    @property
    def fence(self) -> str:
        """The last fence that was issued."""
        return self.prefix + "fence"

    @property
    def index(self) -> str:
        """The set of all cells, as `member` writes them."""
        return self.prefix + "index"

    @property
    def began(self) -> str:
        """The hash from counter to its attempt that has not ended: `FENCE`, or `FENCE REASON` where it will not end any
        more, with a message in a second line where there is one.
        """
        return self.prefix + "began"

    @property
    def events(self) -> str:
        """The stream of events."""
        return self.prefix + "events"

    def cleared(self, id_: str) -> str:
        """Who cleared the lock of a run; kept for a day, so that the run can tell."""
        return f"{self.prefix}cleared:{id_}"

    def lock(self, name: str) -> str:
        """The hash of a lock."""
        return f"{self.prefix}lock:{name}"

    @property
    def locks(self) -> str:
        """The SCAN pattern of all locks."""
        return re.sub(r"([*?\[\]^\\])", r"\\\1", self.lock("")) + "*"

    def cell(self, cell: CellId) -> str:
        """The hash of a cell."""
        return f"{self.prefix}cell:{member(cell)}"


def member(cell: CellId) -> str:
    """A cell in the index: `COUNTER:GROUP:PERIOD`, where `:` and `%` in a part are percent-encoded."""
    return ":".join(_escape(part) for part in (cell.counter, cell.group, cell.period))


def cell_of(text: str) -> CellId | None:
    """The cell of a member of the index; `None` where it is not one that `member` wrote."""
    parts = text.split(":")
    return CellId(*map(unquote, parts)) if len(parts) == 3 else None


def _escape(part: str) -> str:
    return part.replace("%", "%25").replace(":", "%3A")
