"""What the web stack reads."""

from decimal import Decimal

import msgspec
import pytest

from countercache.model.states import CellId, Computed
from countercache.settings import PublishSettings
from countercache.store.publishing import published

CELL = Computed(
    CellId("total-debt", "england", "latest"), "2019/20", value=Decimal("12600.50"), previous=Decimal(12000)
)


def test_nothing_is_published_without_the_table() -> None:
    """No `[publish]`, no key."""
    assert published(None, CELL, "£12.6K", 0.0) == ()


def test_the_latest_period_has_a_key_that_stays() -> None:
    """A cell asked for as `latest` stands under its label and under `latest`: the stack's key need not change."""
    assert [(key.key, key.value, key.ttl) for key in published(PublishSettings(ttl=60.0), CELL, "£12.6K", 0.0)] == [
        ("counter_total:total-debt:england:2019/20", "12600.50", 60.0),
        ("counter_total:total-debt:england:latest", "12600.50", 60.0),
    ]


@pytest.mark.parametrize(("points", "keys"), [(False, ("3.6", None)), (True, (None, "3.6"))])
def test_the_change_of_a_share_is_published_in_points(points: bool, keys: tuple[str | None, str | None]) -> None:
    """Percent and percentage points have a key each; the other one is null."""
    changed = msgspec.structs.replace(CELL, change=Decimal("3.6"), points=points)
    (_, latest) = published(PublishSettings(encoding="json"), changed, "3.6%", 0.0)
    document = msgspec.json.decode(latest.value)
    assert (document["change_percent"], document["change_points"]) == keys


def test_json_holds_what_a_page_shows() -> None:
    """The JSON encoding has the text beside the number, and numbers as decimal strings."""
    (_, latest) = published(PublishSettings(encoding="json"), CELL, "£12.6K", 1_600_000_000.0)
    assert msgspec.json.decode(latest.value) == {
        "value": "12600.50",
        "display_value": "£12.6K",
        "period": "2019/20",
        "previous": "12000",
        "change_percent": None,
        "change_points": None,
        "computed_at": "2020-09-13T12:26:40+00:00",
    }
