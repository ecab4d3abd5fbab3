"""What SQLAlchemy's inspector says of a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.engine.reflection import Inspector

from countercache.databases.catalog import Catalog
from countercache.databases.dialect import Dialect
from countercache.model.results import Finding, Health
from countercache.model.table import Column, Kind, Table

_MOST_DIGITS: Final = 38


class GenericCatalog(Catalog):
    """The catalogue of a connection; `inspect` asks its inspector. `version` is what the server calls itself."""

    def __init__(
        self,
        rows: Callable[[str], list[tuple[Any, ...]]],
        url: URL,
        dialect: Dialect,
        inspect: Callable[[Callable[[Inspector], Any]], Any],
        version: str,
    ) -> None:
        super().__init__(rows, url, dialect)
        self._inspect = inspect
        self._version = version

    def describe(self, name: Sequence[str]) -> Table | None:
        """A table or view with its columns."""
        schema = name[0] if len(name) > 1 else None
        found: tuple[list[Any], list[frozenset[str]]] | None = self._inspect(
            lambda inspector: _described(inspector, name[-1], schema)
        )
        if found is None:
            return None
        columns, unique = found
        return Table(tuple(name), {each["name"]: _column(each) for each in columns}, unique=tuple(unique))

    def table_names(self) -> list[str]:
        """The tables and views of the default schema."""
        found: list[str] = self._inspect(lambda inspector: [*inspector.get_table_names(), *inspector.get_view_names()])
        return found

    def examine(self, area: str) -> Iterator[Finding]:
        """What answers, and through what."""
        seen = f"{self._version}, through SQLAlchemy's {self.url.drivername}"
        why = "countercache knows nothing of this database but its dialect, and asks it in standard SQL"
        yield Finding(area, "server", Health.OK, seen, why)


def _described(inspector: Inspector, name: str, schema: str | None) -> tuple[list[Any], list[frozenset[str]]] | None:
    """The columns of a table, and which are unique together; `None` where there is no such table."""
    try:
        columns = inspector.get_columns(name, schema)
    except sa.exc.NoSuchTableError:
        return None
    if not columns:
        return None
    unique: list[frozenset[str]] = []
    for ask in (_primary_key, _unique_constraints, _unique_indexes):
        try:
            unique += ask(inspector, name, schema)
        except (NotImplementedError, sa.exc.SQLAlchemyError):  # no dialect has to tell, nor of a view
            continue
    return list(columns), [each for each in unique if each]


def _primary_key(inspector: Inspector, name: str, schema: str | None) -> list[frozenset[str]]:
    return [frozenset(inspector.get_pk_constraint(name, schema).get("constrained_columns") or ())]


def _unique_constraints(inspector: Inspector, name: str, schema: str | None) -> list[frozenset[str]]:
    return [frozenset(each["column_names"]) for each in inspector.get_unique_constraints(name, schema)]


def _unique_indexes(inspector: Inspector, name: str, schema: str | None) -> list[frozenset[str]]:
    return [
        frozenset(filter(None, each["column_names"]))
        for each in inspector.get_indexes(name, schema)
        if each["unique"] and None not in each["column_names"] and not each.get("dialect_options")
    ]


def _column(found: Any) -> Column:  # noqa: ANN401 - the dialect's own dictionary
    type_ = found["type"]
    kind = _kind(type_)
    # How a database compares texts, and whether equal values of other types are written alike, is not known.
    exact = kind is Kind.INTEGER
    nullable = bool(found.get("nullable", True))
    return Column(found["name"], str(type_), kind, nullable, "integer" if exact else "", exact=exact)


def _kind(type_: object) -> Kind:
    """What a column of a type can hold. Decimals of which it is not known how many places they have are as floats."""
    match type_:
        case sa.Integer():
            return Kind.INTEGER
        case sa.Float():
            return Kind.FLOAT
        case sa.Numeric(precision=int(precision), scale=int()) if precision <= _MOST_DIGITS:
            return Kind.NUMERIC
        case sa.Numeric():
            return Kind.FLOAT
        case sa.String() | sa.types.NullType():  # a type that the dialect does not know may be any
            return Kind.TEXT
    return Kind.OTHER
