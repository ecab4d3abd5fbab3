"""Masks in DuckDB: joined to the figures of those who have one, three times as fast as to all figures. Pure.

Nobody has none whose figures count: a table of entities lists all of these, and without one the masks are made from the
figures themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select

from countercache.databases.expressions import column
from countercache.databases.group_masks import Masks, words_of


class DuckDBMasks(Masks, frozen=True):
    """The masks of a source's entities."""

    def beside(
        self,
        figures: FromClause,
        alias: str,
        entity: str,
        used: Sequence[str] = (),
        conditions: Sequence[ColumnElement[bool]] = (),
    ) -> tuple[Select[Any], list[ColumnElement[Any]]]:
        """As `Masks.beside`, by an inner join."""
        words = words_of(self.groups)
        if not words:
            return Masks.beside(self, figures, alias, entity, used, conditions)
        joined = figures.join(self.source("m"), column("m", "key") == column(alias, entity))
        nothing: Select[Any] = sa.select()
        return nothing.select_from(joined).where(*conditions), [column("m", f"m{word}") for word in range(words)]
