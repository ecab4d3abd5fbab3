"""What countercache is compared with: how one would compute such totals without it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal

from bench.data import FIRST_YEAR, PERIODS, TOTALS, Counter
from bench.databases import Ask

BARE_SUM = "SELECT sum(value) FROM figure"


def by_query(ask: Ask, where: str = "") -> dict[tuple[str, str], Decimal]:
    """One query for each counter and period, of all entities only: no groups, no changes. The values by both names."""
    found: dict[tuple[str, str], Decimal] = {}
    for counter in TOTALS:
        for period in range(1, PERIODS + 1):
            ((value,),) = ask(query(counter, period) + where)
            if value is not None:
                found[counter.name, str(FIRST_YEAR + period)] = Decimal(value)
    return found


def query(counter: Counter, period: int) -> str:
    """The query of one counter and period."""
    sums = {f"f{n}": f"sum(CASE WHEN topic_id = {n} THEN value END)" for n in counter.fields}
    expression = "sum(value)" if counter.plain else counter.sql.format(**sums)
    topics = ", ".join(map(str, counter.fields))
    return f"SELECT {expression} FROM figure WHERE topic_id IN ({topics}) AND year_id = {period}"  # noqa: S608 - numbers


def by_entity(ask: Ask, entities: Iterable[int]) -> float:
    """The same for each entity by itself, as a loop over objects does it; seconds an entity, over this sample."""
    sample = list(entities)
    began = time.perf_counter()
    for entity in sample:
        by_query(ask, f" AND area_id = {entity}")
    return (time.perf_counter() - began) / len(sample)
