"""Masks in SQLite: in a temporary table, since it would work them out anew for each figure. Pure."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import FromClause

from countercache.databases.group_masks import Masks, words_of

_TABLE = "countercache_masks"


class SQLiteMasks(Masks, frozen=True):
    """The masks of a source's entities."""

    def preparation(self) -> list[str]:
        """The statements that make the temporary table."""
        if not self.groups:
            return []
        made = f"temp.{_TABLE}"
        columns = ", ".join(f"m{word}" for word in range(words_of(self.groups)))
        filled = self.dialect.text(self.select(self.groups))
        insert, index = f"INSERT INTO {made} {filled}", f"CREATE INDEX {made}_key ON {_TABLE} (key, {columns})"
        if self._key_is_rowid():
            create = [f"CREATE TABLE {made} (key INTEGER PRIMARY KEY, {columns})", insert]
        elif order := self.key_column().order:
            kept, collation = order.split()
            create = [f"CREATE TABLE {made} (key {kept} COLLATE {collation}, {columns})", insert, index]
        else:
            create = [f"CREATE TABLE {made} AS {filled}", index]
        return [f"DROP TABLE IF EXISTS {made}", *create]

    def source(self, alias: str) -> FromClause:
        """Where keys and masks are read from."""
        if self.groups:
            return sa.table(_TABLE, schema="temp").alias(alias)
        return Masks.source(self, alias)

    def _key_is_rowid(self) -> bool:
        lookup = self.settings.entities
        return bool(lookup and self.entities and lookup.key == self.entities.rowid)
