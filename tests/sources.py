"""Counters over the table f(e, k, p, v), as settings, and what they gave."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from countercache.settings import (
    Aggregate,
    CounterSettings,
    DatabaseSettings,
    GroupSettings,
    Over,
    Settings,
    SourceSettings,
)
from tests.computing import Results


def counter(formula: str = "d", **changes: Any) -> CounterSettings:
    """A counter, in all periods together unless told otherwise."""
    return CounterSettings(source="figures", formula=formula, **({"periods": ("all",)} | changes))


def settings(
    url: str,
    counters: dict[str, CounterSettings],
    groups: dict[str, str] | None = None,
    **source: Any,
) -> Settings:
    """Counters over the table f(e, k, p, v)."""
    mine = {"database": "main", "table": "f", "entity": "e", "field": "k", "period": "p", "value": "v"} | source
    return Settings(
        databases={"main": DatabaseSettings(url=url)},
        sources={"figures": SourceSettings(**mine)},
        groups={name: GroupSettings(source="figures", where=where) for name, where in (groups or {}).items()},
        counters=counters,
    )


def both(**changes: Any) -> dict[str, CounterSettings]:
    """The same sum over totals and over entities, which cannot differ."""
    return {
        "totals": counter(**changes),
        "entities": counter(over=Over.ENTITIES, aggregate=Aggregate.SUM, **changes),
    }


def values(results: Results, period: str = "all", group: str = "all") -> tuple[int, int]:
    """What `both` gave."""
    return whole(results.value("totals", group, period)), whole(results.value("entities", group, period))


def whole(value: Decimal | None) -> int:
    """A value that is a whole number, as all are here."""
    assert value is not None
    assert value == int(value)
    return int(value)
