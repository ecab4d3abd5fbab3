"""An engine made of a dialect of SQLAlchemy's, of which nothing else is known: standard SQL, as little as will do."""

from __future__ import annotations

import sqlalchemy as sa

from countercache.databases.engine import Engine
from countercache.databases.features import Features
from countercache.databases.generic.dialect import GenericDialect
from countercache.databases.generic.field_values import GenericFieldValues


def engine_of(dialect: sa.Dialect, text: sa.types.TypeEngine[str]) -> Engine:
    """The engine of a dialect, with its type for texts."""
    return Engine(
        name=dialect.name,
        dialect=GenericDialect(dialect, text),
        features=Features(reads_rows=True),
        field_values=GenericFieldValues,
    )
