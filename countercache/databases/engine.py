"""An engine: how it writes SQL, how it reads figures and groups, and what it can. Values, which load no driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from countercache.compute.plan import Spec
from countercache.databases.dialect import Dialect
from countercache.databases.features import Features
from countercache.databases.field_values import Facts, FieldValues
from countercache.databases.group_masks import Masks
from countercache.databases.query_parts import EntityColumns, KeyPacking


def no_packing(facts: Facts, groups: int) -> KeyPacking | None:  # noqa: ARG001
    """For an engine that groups by several columns as fast as by one."""
    return None


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine by its `name`, as people write it. What it leaves out is standard SQL and no special feature.

    `entity_columns` writes what counters need of their entities (of these fields, the first column at this place of a
    row, guarded or not) for an engine with exact decimals to any place, in which formulas are computed in SQL; without
    it they are computed here. `packing` says how to pack the fields of a source and so
    many groups; `None` where it cannot, or need not, be done.
    """

    name: str
    dialect: Dialect
    features: Features = Features()
    field_values: type[FieldValues] = FieldValues
    masks: type[Masks] = Masks
    entity_columns: Callable[[Sequence[Spec], Sequence[str], int, bool], EntityColumns] | None = None
    packing: Callable[[Facts, int], KeyPacking | None] = no_packing
