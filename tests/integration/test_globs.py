"""Globs are read as the server reads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from countercache.foreign_locks.globs import matcher
from tests.valkey import Valkey

GLOBS = st.lists(
    st.sampled_from([b"a", b"b", b"c", b"-", b"*", b"?", b"[", b"]", b"^", b"\\", b"\xff", b"\n"]), max_size=9
)
KEYS = st.lists(
    st.sampled_from([b"a", b"b", b"c", b"-", b"[", b"]", b"^", b"\\", b"*", b"\xff", b"\n"]), min_size=1, max_size=5
)


@pytest.fixture
def raw(valkey: Valkey) -> Iterator[redis.Redis]:
    """A client that answers in bytes."""
    with redis.Redis.from_url(valkey.tcp_url, protocol=2) as client:
        yield client


@given(GLOBS.map(b"".join), st.lists(KEYS.map(b"".join), min_size=1, max_size=8))
@example(b"[a-", [b"a", b"-", b"b"])
@example(b"[^]", [b"a", b"]"])
@example(b"[]", [b"a", b"]"])
@example(b"[\\", [b"\\"])
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_glob_has_the_keys_that_the_server_says(raw: redis.Redis, glob: bytes, keys: list[bytes]) -> None:
    """For any glob, be it ever so broken, and any key of a byte or more: the same as SCAN with MATCH."""
    pipe = raw.pipeline(transaction=False)
    pipe.flushall()
    for key in keys:
        pipe.set(key, 1)
    pipe.scan(0, match=glob, count=1000)
    _, said = pipe.execute()[-1]
    assert {key for key in keys if matcher(glob).fullmatch(key)} == set(said)
