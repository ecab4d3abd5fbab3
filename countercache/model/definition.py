"""What a cell's number means: a digest of all that the configuration says of it. Pure.

It is stored with each value, so that a value can be told from that of another formula. What only says how a value is
shown, how long it is fresh or how long computing it may take is no part of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from functools import cache

import msgspec

from countercache.model.states import ALL, CellId
from countercache.settings import Settings

_OF_GROUPS = ("where", "entities", "group_by")
_OF_COUNTERS = ("database", "formula", "sql", "over", "aggregate", "missing", "rejected", "complete", "min_coverage")
# What may be a name in a formula. More than is one does no harm: it only has to be a counter's.
_NAME = re.compile(r'"((?:[^"]|"")+)"|([\w.]+(?:-+[\w.]+)*)')
_DIGITS = 16


class Definitions:
    """The digests of what `settings` say of cells."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counter = cache(lambda name: _plain(settings.counters[name], _OF_COUNTERS))
        self._names = cache(lambda name: _names(settings.counters[name].formula or "") & settings.counters.keys())
        self._source = cache(lambda name: _digest(_plain(settings.sources[name])))
        self._of = cache(self._definition)

    def of(self, cell: CellId) -> str:
        """The digest for a cell of a configured counter: of this one, those that it uses, its source and its group.

        A group that is not configured was made by `group_by`, and has the definition of those of its counter.
        """
        configured = cell.group == ALL or cell.group in self._settings.groups
        return self._of(cell.counter, cell.group if configured else None)

    def _definition(self, name: str, group: str | None) -> str:
        counter, groups = self._settings.counters[name], self._settings.groups
        of = [group] if group else [each for each in counter.groups if each in groups and groups[each].group_by]
        return _digest(
            (
                self._counter(name),
                [(used, self._counter(used)) for used in self._used(name, counter.source)],
                counter.source and self._source(counter.source),
                [_plain(groups[each], _OF_GROUPS) for each in of if each in groups],
            )
        )

    def _used(self, counter: str, source: str | None) -> list[str]:
        """The counters of the source whose names occur in the formula of a counter, and in theirs."""
        found: set[str] = set()
        todo = [counter]
        while todo:
            new = {name for name in self._names(todo.pop()) if self._settings.counters[name].source == source}
            todo += new - found - {counter}
            found |= new - {counter}
        return sorted(found)


def _digest(data: object) -> str:
    return hashlib.sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()[:_DIGITS]


def _names(formula: str) -> set[str]:
    return {quoted.replace('""', '"') or name for quoted, name in _NAME.findall(formula)}


def _plain(value: object, keys: Collection[str] = ()) -> object:
    """A table (of it these keys; none given: all) as plain data, without those that are as if they were not there: a
    version that has more keys gives the same digest.
    """
    if isinstance(value, msgspec.Struct):
        return {
            key: _plain(given)
            for key, default in _defaults(type(value)).items()
            if (not keys or key in keys) and (given := getattr(value, key)) != default
        }
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, Mapping) else value


@cache
def _defaults(table: type[msgspec.Struct]) -> dict[str, object]:
    """The keys of a table with what each is without being given."""
    return {
        field.name: field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        for field in msgspec.structs.fields(table)
    }
