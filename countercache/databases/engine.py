"""An engine: how it writes SQL, how it reads figures and groups, and what it can. Values, which load no driver."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from countercache.databases.dialect import Dialect
from countercache.databases.entity_columns import EntityColumns
from countercache.databases.features import Features
from countercache.databases.field_values import Facts, FieldValues
from countercache.databases.group_masks import Masks
from countercache.databases.query_parts import KeyPacking


def no_packing(facts: Facts, groups: int) -> KeyPacking | None:  # noqa: ARG001
    """For an engine that groups by several columns as fast as by one."""
    return None


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine by its `name`, as people write it. What it leaves out is standard SQL and no special feature.

    `entity_columns` writes what counters need of their entities, for an engine that computes formulas exactly; without
    it that is done here, row by row. `packing` says how to pack the fields of a source and so many groups; `None` where
    it cannot, or need not, be done.
    """

    name: str
    dialect: Dialect
    features: Features = Features()
    field_values: type[FieldValues] = FieldValues
    masks: type[Masks] = Masks
    entity_columns: type[EntityColumns] | None = None
    packing: Callable[[Facts, int], KeyPacking | None] = no_packing
