"""ClickHouse's catalogue: what its tables are, and what its server allows its user."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from sqlalchemy.engine import URL

from countercache.databases.catalog import Catalog
from countercache.databases.clickhouse.dialect import inner_type
from countercache.databases.dialect import Dialect
from countercache.errors import ConfigError
from countercache.model.results import Finding, Health
from countercache.model.table import Column, Kind, Table

_NAME = re.compile(r"(Int|UInt|Decimal|Float|BFloat|String|FixedString)(\d*)(?:\(.*)?")
_KINDS = {
    **dict.fromkeys(("Int", "UInt"), Kind.INTEGER),
    "Decimal": Kind.NUMERIC,
    **dict.fromkeys(("Float", "BFloat"), Kind.FLOAT),
    **dict.fromkeys(("String", "FixedString"), Kind.TEXT),
}
_INEXACT = ("Float", "BFloat", "FixedString")
"""Types of which values that are equal may be written in several ways."""

_MERGED = re.compile(
    r"(?:Replicated|Shared)?(?:Replacing|Collapsing|VersionedCollapsing|Summing|Aggregating|Coalescing)"
)
"""Engines that bring rows of one key together some time after they were written."""


class ClickHouseCatalog(Catalog):
    """The catalogue of a connection. `is_final`: each row of a key that was replaced is left out; `unset` are the
    settings that the user may not change, though they should be something else.
    """

    slow_query: ClassVar[str] = "SELECT sum(sipHash64(number)) FROM numbers(3000000000)"

    def __init__(
        self,
        rows: Callable[[str], list[tuple[Any, ...]]],
        url: URL,
        dialect: Dialect,
        unset: Sequence[str],
        is_final: Callable[[], bool],
    ) -> None:
        super().__init__(rows, url, dialect)
        self._unset = unset
        self._is_final = is_final
        self._merged: dict[tuple[str, ...], str] = {}

    def describe(self, name: Sequence[str]) -> Table | None:
        """A table, a view or a dictionary by the parts of its name."""
        database = self.dialect.quoted(name[0]) if len(name) > 1 else "currentDatabase()"
        place = (
            f"database = {database} AND {{}} = {self.dialect.quoted(name[-1]).replace('{', '{{').replace('}', '}}')}"
        )
        found = self.rows(_TABLE + place.format("name"))
        if not found:
            return None
        ((engine, rows, key),) = found
        described = self.rows(f"{_COLUMNS}{place.format('table')} ORDER BY position")
        columns = {column: _column(column, type_) for column, type_ in described}
        self._check_names(name, columns)
        sorted_by = [each.strip().strip("`") for each in (key or "").split(",") if each]
        merged = bool(_MERGED.match(engine)) and set(sorted_by) <= columns.keys()
        # Only FINAL makes sure that no key is there twice.
        unique = (frozenset(sorted_by),) if merged and self._is_final() else ()
        self._merged[tuple(name)] = engine if merged else ""
        leading = frozenset(sorted_by[:1]) & columns.keys()
        return Table(tuple(name), columns, rows, unique=unique, leading=leading, sorted=leading)

    def _check_names(self, name: Sequence[str], columns: Iterable[str]) -> None:
        """Raise `ConfigError` where a condition over a table could mean what our queries call otherwise."""
        confused = [column for column in columns if _OURS.fullmatch(column)]
        if confused and _PREFERRED in self._unset:
            problem = f'column "{confused[0]}" of table "{name[-1]}" has a name that needs the setting {_PREFERRED}'
            raise ConfigError(f"{problem}, which the user may not set", hint=_READONLY.format(user=_user(self.url)))

    def notes(self, table: Table) -> Iterator[str]:
        """Without FINAL, rows that are to be replaced count too."""
        if (engine := self._merged.get(table.name)) and not self._is_final():
            yield f"its table is a {engine}, whose replaced rows count until they are merged: set final = true"

    def table_names(self) -> list[str]:
        """The tables and views of the database, and of others with their names."""
        return [name for (name,) in self.rows(_NAMES)]

    def examine(self, area: str) -> Iterator[Finding]:
        """The server, its user, and what that one may not set."""
        ((version, user),) = self.rows("SELECT version(), currentUser()")
        url = self.url
        seen = f"ClickHouse {version} at {url.host or 'localhost'}:{url.port}, as {user}"
        why = "each query is a snapshot of its own, since ClickHouse has none of several"
        yield Finding(area, "server", Health.OK, seen, why)
        why = "they limit a query's time, and end it when countercache dies"
        if self._unset:
            seen = f"user {user} may not set {', '.join(self._unset)}"
            cure = _READONLY.format(user=user)
            yield Finding(area, "settings", Health.WARNING, seen, why, cure)
        else:
            yield Finding(area, "settings", Health.OK, f"user {user} may set what a run needs", why)

    def create_index(self, table: Table, column: str) -> str:
        """There are none: what is read is decided by the order in which a table is kept."""
        return f"keep {'.'.join(table.name)} with ORDER BY ({self.dialect.short(column)}, …)"


def _column(name: str, type_: str) -> Column:
    inner = inner_type(type_)
    found = _NAME.fullmatch(inner)
    kind = _KINDS[found[1]] if found else Kind.OTHER
    nullable = "Nullable(" in type_
    exact = not inner.startswith(_INEXACT)
    return Column(name, inner, kind, nullable, "integer" if kind is Kind.INTEGER else inner, exact=exact)


_OURS = re.compile(r"key|k|flag|m\d+")
"""Names that a condition may meet in our queries: ClickHouse takes them for columns, unless it is told not to."""
_PREFERRED = "prefer_column_name_to_alias"
_READONLY = "run: ALTER USER {user} SETTINGS readonly = 2"


def _user(url: URL) -> str:
    return url.username or "default"


_TABLE = "SELECT engine, total_rows, sorting_key FROM system.tables WHERE "
_COLUMNS = "SELECT name, type FROM system.columns WHERE "
_NAMES = """
SELECT if(database = currentDatabase(), name, concat(database, '.', name)) FROM system.tables
WHERE database NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA') AND NOT startsWith(name, '.inner')
ORDER BY database <> currentDatabase(), name LIMIT 10000
"""
