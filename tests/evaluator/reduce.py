"""A case that differs, made smaller as long as it goes on to differ."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from countercache.errors import CountercacheError
from tests.evaluator.cases import Case

SECONDS = 20.0


def reduced(case: Case, differs: Callable[[Case], bool]) -> Case:
    """The smallest case that is found in a few seconds: rows, counters and groups are left out, many first."""
    until = time.monotonic() + SECONDS
    found = True
    while found:
        found = False
        for smaller in _smaller(case):
            if time.monotonic() > until:
                return case
            try:
                found = differs(smaller)
            except CountercacheError:
                continue  # what is left out was needed: no configuration any more
            if found:
                case = smaller
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    yield from _fewer_rows(case)
    counters = case.settings["counters"]
    for counter in counters:
        if len(counters) > 1 and not any(re.search(rf"\b{counter}\b", mine["formula"]) for mine in counters.values()):
            yield _without(case, "counters", counter)
    used = [group for mine in counters.values() for group in mine.get("groups", ())]
    yield from (_without(case, "groups", group) for group in case.settings["groups"] if group not in used)
    for name, mine in counters.items():
        for key in ("groups", "periods"):
            if isinstance(mine.get(key), list) and len(mine[key]) > 1:
                yield from (_with(case, name, mine, key, each) for each in mine[key])


def _fewer_rows(case: Case) -> Iterator[Case]:
    for place, table in enumerate(case.tables):
        size = len(table.rows)
        while size:
            for start in range(0, len(table.rows), size):
                rows = table.rows[:start] + table.rows[start + size :]
                yield replace(case, tables=(*case.tables[:place], replace(table, rows=rows), *case.tables[place + 1 :]))
            size //= 2


def _without(case: Case, kind: str, name: str) -> Case:
    left = {key: table for key, table in case.settings[kind].items() if key != name}
    return replace(case, settings={**case.settings, kind: left})


def _with(case: Case, name: str, mine: Mapping[str, object], key: str, only: str) -> Case:
    counters = {**case.settings["counters"], name: {**mine, key: [only]}}
    return replace(case, settings={**case.settings, "counters": counters})
