"""Groups by a column's values: each group with `group_by` becomes one group for each value that the database has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from countercache.compute.plan import Group, Plan
from countercache.databases.base import Database, Refused
from countercache.databases.lookup_queries import distinct_sql, spellings_sql
from countercache.errors import ConfigError
from countercache.model.states import ALL, Failure, Reason
from countercache.settings import Settings
from countercache.worker.names import Names, find_column, text_of

MOST_VALUES = 1000
"""The most values of a column that become groups; a column with more was hardly meant."""


def with_value_groups(
    database: Database, settings: Settings, names: Names, plan: Plan
) -> tuple[Plan, dict[str, Failure]]:
    """The plan with the groups of all values, also in the counters that it wants.

    Returns beside it what is wrong with a group that has a `group_by`; it fails the counters that have the group.
    """
    groups: list[Group] = []
    members: dict[str, tuple[str, ...]] = {}
    wrong: dict[str, Failure] = {}
    for group in plan.groups:
        if group.group_by is None:
            groups.append(group)
            continue
        try:
            conditions = _conditions(database, names, group.group_by)
            _check_names(conditions, {ALL, *settings.groups}, groups)
        except (ConfigError, Refused) as error:
            wrong[group.name] = Failure(Reason.CONFIG, f'group "{group.name}": {error.message}', error.hint)
            continue
        members[group.name] = tuple(conditions)
        known = {other.name for other in groups}
        groups += [Group(name, 0, where=condition) for name, condition in conditions.items() if name not in known]
    numbered = tuple(msgspec.structs.replace(group, bit=bit) for bit, group in enumerate(groups))
    return _without(msgspec.structs.replace(plan, groups=numbered), members, wrong), wrong


def _conditions(database: Database, names: Names, name: str) -> dict[str, str]:
    """The names of a column's groups, in its order, each with its condition. Raises `ConfigError` and `Refused`."""
    facts = names.facts
    lookup = facts.settings.entities
    called = lookup.table if lookup else facts.settings.table
    column = find_column(facts.entities or facts.table, name, called)
    where_it_is = f'column "{name}" of table "{called}"'
    # The value of a row that is nobody's makes no group.
    where = f"{database.dialect.reference(None, lookup.key if lookup else facts.settings.entity)} IS NOT NULL"
    if lookup and lookup.where is not None:
        where = f"{where} AND (\n{lookup.where}\n)"
    with database.savepoint():
        keys = [
            key
            for (key,) in database.rows(
                distinct_sql(database.dialect, called, name, where=where, limit=MOST_VALUES + 1)
            )
        ]
        if len(keys) > MOST_VALUES:
            hint = "name a column with fewer"
            raise ConfigError(f"{where_it_is} has more than {MOST_VALUES:,} values to group by", hint=hint)
        written = keys
        if not column.exact and keys:
            # Which of several equal spellings a query gives must not show.
            written = [key for (key,) in database.rows(spellings_sql(database.dialect, called, name, keys))]
    labels = [text_of(key) for key in written]
    for label, count in Counter(labels).items():
        if count > 1:
            raise ConfigError(f'{where_it_is} has "{label}" in two forms that look alike, such as a number and a text')
    is_value = database.dialect.reference(None, name)
    conditions = {
        label: f"{is_value} = {database.dialect.literal(key)}" for label, key in zip(labels, keys, strict=True) if label
    }
    if not conditions:
        raise ConfigError(f"{where_it_is} has no value to group by", hint="fill it, or name another column")
    return conditions


def _check_names(conditions: Mapping[str, str], taken: set[str], groups: Iterable[Group]) -> None:
    """Raises `ConfigError` where a value has the name of another group. Two groups may be by the same column."""
    others = {group.name: group.where for group in groups}
    for name, condition in conditions.items():
        if name in taken or others.get(name, condition) != condition:
            raise ConfigError(f'its value "{name}" is the name of another group', hint="rename that group")


def _without(plan: Plan, members: Mapping[str, tuple[str, ...]], wrong: Mapping[str, Failure]) -> Plan:
    """The plan whose counters have the groups of the values; without the counters whose group is wrong."""

    def groups(names: tuple[str, ...]) -> Iterator[str]:
        for name in names:
            yield from members.get(name, (name,))

    wanted = {
        name: msgspec.structs.replace(counter, groups=tuple(groups(counter.groups)))
        for name, counter in plan.wanted.items()
    }
    failures = {
        name: wrong[group] for name, counter in plan.wanted.items() for group in counter.groups if group in wrong
    }
    return msgspec.structs.replace(plan, wanted=wanted).without(
        {name: failure for name, failure in failures.items() if name in plan.specs}
    )
