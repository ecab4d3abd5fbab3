"""The settings of ClickHouse that a run's queries need: what the server is told, and what it may not be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

COMPLETE = {
    "read_overflow_mode": "throw",
    "read_overflow_mode_leaf": "throw",
    "group_by_overflow_mode": "throw",
    "sort_overflow_mode": "throw",
    "result_overflow_mode": "throw",
    "set_overflow_mode": "throw",
    "join_overflow_mode": "throw",
    "distinct_overflow_mode": "throw",
    "transfer_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "timeout_overflow_mode_leaf": "throw",
    "limit": "0",
    "offset": "0",
    "skip_unavailable_shards": "0",
    "use_query_cache": "0",
}
"""With other values a query may give a part of its result, or an old one, as if it was all of it."""

MEANING = {
    "prefer_column_name_to_alias": "1",
    "join_use_nulls": "1",
    "prefer_global_in_and_join": "1",
    "date_time_output_format": "simple",
    "enable_shared_storage_snapshot_in_query": "1",
    "max_query_size": "67108864",
}
"""What the SQL of `statements` is written for. Somebody's own SQL runs without these."""

LIMITS = {"cancel_http_readonly_queries_on_client_close": "1", "readonly": "2"}
"""What ends a query whose client has died: the server only looks for that where a query cannot write."""

TIME = "max_execution_time"
FINAL = "final"


class Wanted(msgspec.Struct, frozen=True):
    """What to send with a query (`own`: with somebody's own SQL), and what should be sent and cannot be (`unset`).

    `timed`: a query's time can be limited. `partial`: those of the unset with which a result may be a part of it.
    """

    own: dict[str, str]
    all: dict[str, str]
    unset: tuple[str, ...]
    timed: bool
    may_be_final: bool
    partial: tuple[str, ...]


def wanted(there: Mapping[str, Any]) -> Wanted:
    """By the settings that the server has, each with its `value` and whether it is `readonly` for the user."""

    def differing(names: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in names.items() if name in there and there[name].value != value}

    def allowed(names: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in names.items() if not there[name].readonly}

    own, more = differing(COMPLETE | LIMITS), differing(MEANING)
    # Who may change nothing is `readonly` already.
    unset = [name for name in own | more if there[name].readonly and name != "readonly"]
    timed = TIME in there and not there[TIME].readonly
    return Wanted(
        own=allowed(own),
        all=allowed(own | more),
        unset=tuple(unset if timed else [TIME, *unset]),
        timed=timed,
        may_be_final=FINAL in there and not there[FINAL].readonly,
        partial=tuple(name for name in unset if name in COMPLETE),
    )
