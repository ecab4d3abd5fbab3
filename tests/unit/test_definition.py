"""The digest of what a cell's number means: what changes it, and what does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from countercache.model.definition import Definitions
from countercache.model.states import CellId
from countercache.settings import (
    Aggregate,
    CounterSettings,
    DatabaseSettings,
    Format,
    GroupSettings,
    Lookup,
    Missing,
    Numbers,
    Over,
    PublishSettings,
    Rejected,
    Settings,
    SourceSettings,
)

SETTINGS = Settings(
    databases={"main": DatabaseSettings(url="sqlite://"), "other": DatabaseSettings(url="sqlite://")},
    sources={
        "figures": SourceSettings(database="main", table="t", entity="e", period="p", field="f", value="v"),
        "others": SourceSettings(database="main", table="o", entity="e"),
    },
    groups={
        "wales": GroupSettings(source="figures", where="country = 'Wales'"),
        "countries": GroupSettings(source="figures", group_by="country"),
    },
    counters={
        "net": CounterSettings(source="figures", formula='"gross" - share-of-it', groups=("all", "wales", "countries")),
        "gross": CounterSettings(source="figures", formula="a + gross"),
        "share-of-it": CounterSettings(source="figures", formula="third / 2"),
        "third": CounterSettings(source="figures", formula="b"),
        "apart": CounterSettings(source="others", formula="gross"),
        "users": CounterSettings(database="main", sql="SELECT 1"),
    },
)
CELLS = [CellId("net", group, "latest") for group in ("all", "wales", "scotland")] + [
    CellId(counter, "all", "latest") for counter in ("gross", "share-of-it", "third", "apart", "users")
]


def definitions(settings: Settings) -> dict[CellId, str]:
    """The definition of each cell."""
    return {cell: Definitions(settings).of(cell) for cell in CELLS}


def changed(settings: Settings) -> set[str]:
    """The cells whose definition is another one than at first: the counter, and of one of several groups the group."""
    before, after = definitions(SETTINGS), definitions(settings)
    return {f"{id_.counter} {id_.group}".removesuffix(" all") for id_ in CELLS if before[id_] != after[id_]}


def with_(kind: str, table_name: str, /, **changes: Any) -> Settings:
    """The settings with one table changed."""
    tables = getattr(SETTINGS, kind)
    table = msgspec.structs.replace(tables[table_name], **changes)
    return msgspec.structs.replace(SETTINGS, **{kind: {**tables, table_name: table}})


NET = {"net", "net wales", "net scotland"}
FIGURES = NET | {"gross", "share-of-it", "third"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (with_("counters", "net", formula="gross"), NET),
        (with_("counters", "gross", formula="a"), NET | {"gross"}),
        (with_("counters", "third", missing=Missing.ZERO), NET | {"share-of-it", "third"}),
        (with_("counters", "third", over=Over.ENTITIES), NET | {"share-of-it", "third"}),
        (with_("counters", "third", aggregate=Aggregate.MAX), NET | {"share-of-it", "third"}),
        (with_("counters", "third", rejected=Rejected.SKIP), NET | {"share-of-it", "third"}),
        (with_("counters", "third", min_coverage=Decimal("0.6")), NET | {"share-of-it", "third"}),
        (with_("counters", "net", complete=True), NET),
        (with_("counters", "users", sql="SELECT 2"), {"users"}),
        (with_("counters", "users", database="other"), {"users"}),
        (with_("groups", "wales", where="country = 'Cymru'"), {"net wales"}),
        (with_("groups", "countries", group_by="nation"), {"net scotland"}),
        (with_("sources", "figures", table="u"), FIGURES),
        (with_("sources", "figures", numbers=Numbers(thousands=",")), FIGURES),
        (with_("sources", "figures", fields=Lookup(table="fields", where="language = 'en'")), FIGURES),
        (with_("sources", "figures", fields={"a": "column_a"}), FIGURES),
        (with_("sources", "others", min_coverage=Decimal("0.9")), {"apart"}),
    ],
)
def test_what_changes_a_number_changes_its_definition(settings: Settings, expected: set[str]) -> None:
    """A counter's own, those it uses, directly or not, its source and of its groups that of the cell; no others."""
    assert changed(settings) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Net"},
        {"format": Format(percent=True)},
        {"fresh_for": 5.0},
        {"timeout": 5.0},
        {"max_change": Decimal("0.5")},
        {"periods": ("latest", "all")},
        {"groups": ("all", "wales")},
    ],
)
def test_what_changes_no_number_changes_no_definition(changes: dict[str, Any]) -> None:
    """How it is shown, how long it is fresh, which cells there are besides."""
    assert changed(with_("counters", "net", **changes)) - {"net scotland"} == set()


def test_the_rest_of_the_configuration_is_no_part_of_it() -> None:
    """Neither where it is published, nor a new counter that nobody uses, nor the password of a database."""
    more = {**SETTINGS.counters, "new": CounterSettings(source="figures", formula="net")}
    databases = {name: DatabaseSettings(url="sqlite:///x") for name in SETTINGS.databases}
    settings = msgspec.structs.replace(SETTINGS, publish=PublishSettings(), counters=more, databases=databases)
    assert not changed(settings)


def test_what_is_spelled_out_is_as_if_it_were_not() -> None:
    """A default that is written down, and keys in another order; so that an upgrade with new keys changes nothing."""
    given = {"a": "x", "b": "y"}
    settings = with_("sources", "figures", fields=given)
    again = msgspec.structs.replace(settings, sources={**settings.sources})
    again.sources["figures"] = msgspec.structs.replace(
        settings.sources["figures"], fields=dict(reversed(given.items())), rejected=Rejected.FAIL, field_numbers={}
    )
    assert definitions(settings) == definitions(again)
    assert Definitions(SETTINGS).of(CELLS[0]) == "bf57af9e55523ba8"


def test_counters_that_use_each_other_in_a_circle_have_one_too() -> None:
    """The run says what is wrong with them; nothing hangs."""
    assert changed(with_("counters", "third", formula="net")) == NET | {"share-of-it", "third"}
