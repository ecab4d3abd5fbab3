"""Whose lock a key is: told by its name, type and content together, never by one of them alone."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from countercache.foreign_locks.frameworks import CONFIGURED, FRAMEWORKS, LONGEST, KeyFilter, Recognised, Sample

NOW = 1_772_366_400.0  # 2026-03-01
MADE = NOW - 180
JOB = b"b983c153-7421-469a-addb-44fb92259a1b"
HEX = b"1b0785729cdcb1da59d00efe43e0594e"


def token(made: float = MADE) -> bytes:
    """What redis-py writes into a lock: `uuid.uuid1().hex`."""
    ticks = int(made * 1e7) + 0x01B21DD213814000
    fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0xFFF, 0x80, 1, 0x02FC00000001)
    return uuid.UUID(fields=fields, version=1).hex.encode()


def text(key: bytes, value: bytes, **changes: Any) -> Sample:
    """A key that holds a text."""
    options: dict[str, Any] = {
        "type": "string",
        "ttl": 60.0,
        "idle": 1.0,
        "size": len(value),
        "parts": (value[:LONGEST],),
        "now": NOW,
    }
    return Sample(key=key, **options | changes)


def items(key: bytes, *parts: bytes, **changes: Any) -> Sample:
    """A key that holds a hash."""
    return text(key, b"", **{"type": "hash", "size": len(parts) // 2, "parts": parts} | changes)


def framework(sample: Sample, *patterns: str) -> str | None:
    """The framework of a key as the whole search tells it: first by its name, then by what is in it."""
    key_filter = KeyFilter(patterns)
    found = key_filter.recognise(sample) if list(key_filter.candidates([sample.key])) else None
    return found.framework if found else None


@pytest.mark.parametrize(
    ("expected", "sample"),
    [
        ("redis-py", text(b"report-lock", token())),
        ("redis-py", text(b"joblock", token())),
        ("redis-py", text(b"site:reportLock:5", token(), ttl=None)),
        ("redis-py", text(b"MUTEX", token())),
        ("redlock", text(b"locks:account:322", HEX)),
        ("redlock", text(b"locks:account:322", token(NOW - 40 * 365 * 86400))),
        ("django-redis", text(b":1:stock_lock", token())),
        ("django-redis", text(b"shop:1:stock_lock", token())),
        ("django-cache", text(b":1:report-lock", b"1")),
        ("django-cache", text(b":12:report.locked", b"\x80\x05\x95\x0c.")),
        ("celery-once", text(b"qo_shop.mail_to-me", token())),
        ("celery-redbeat", text(b"redbeat::lock", token())),
        ("celery-redbeat", text(b"shop-redbeat:lock", token())),
        ("kombu", text(b"unacked_mutex", token())),
        ("kombu", text(b"shop_unacked_mutex", token())),
        ("rq", text(b"rq:scheduler-lock:mail", HEX)),
        ("rq", text(b"rq:scheduler:scheduler_lock", b"1")),
        ("rq", text(b"rq:clean_registries:mail", b"1")),
        ("rq", text(b"rq:clean_groups", b"1")),
        ("sidekiq-unique-jobs", items(b"uniquejobs:" + HEX + b":LOCKED", b"1d2c3b4a5f6e", b"1772366200.5")),
        ("sidekiq-unique-jobs", items(b"uniquejobs:" + HEX + b":RUN:LOCKED", b"1d2c3b4a5f6e", b"x")),
        ("sidekiq-unique-jobs", text(b"uniquejobs:" + HEX, b"1d2c3b4a5f6e")),
        ("sidekiq-unique-jobs", text(b"uniquejobs:reaper", b"4242")),
        ("laravel", text(b"laravel_cache_:report", b"m6jY8C1RIHTyLknX")),
        ("laravel", text(b"shop-database-shop-cache-report", b's:16:"m6jY8C1RIHTyLknX";')),
        ("laravel", text(b"laravel_cache_:framework/schedule-" + b"0a" * 20, b"b:1;")),
        ("laravel", text(b"shop_cache_framework/command-mail:send", b"m6jY8C1RIHTyLknX")),
        ("laravel", text(rb"laravel_cache_:laravel_unique_job:App\Jobs\Mail:5", b"m6jY8C1RIHTyLknX", ttl=None)),
        ("laravel", text(b"laravel-queue-overlap:5", b"m6jY8C1RIHTyLknX")),
        ("laravel", text(b"laravel_cache_illuminate:cache:flexible:lock:top", b"m6jY8C1RIHTyLknX")),
        ("redisson", items(b"billing:lock", JOB + b":42", b"1")),
        ("redisson", items(b"billingMutex", b"mode", b"write", JOB + b":42:write", b"2")),
        ("python-redis-lock", text(b"lock:accounts", b"D1umb88r/7gsxqqWH9/tezd2", ttl=None)),
        ("dogpile", text(b"_lockproduct:5", token())),
        ("bullmq", text(b"bull:mail:1:lock", JOB + b":0")),
        ("bullmq", text(b"shop:mail:1:lock", JOB + b":17")),
        ("bullmq", text(b"{bull}:mail:1:lock", b"my-token")),
        ("bullmq", text(b"{bull:mail}:1:lock", JOB + b":17")),
    ],
)
def test_each_shape_has_its_framework(expected: str, sample: Sample) -> None:
    """What the sources of the frameworks write is recognised, through the search by name too."""
    assert framework(sample) == expected


@pytest.mark.parametrize(
    "sample",
    [
        text(b"session:" + HEX, HEX),
        text(b"site:busy", token()),
        text(b"block:5:owner", token()),
        text(b"clock", token()),
        text(b"unlock:codes", HEX),
        text(b"adblock:" + HEX, HEX),
        text(b"lockers:5:holder", HEX),
        text(b"lockdown:etag", HEX),
        text(b"report-lock", b"1"),
        text(b"report-lock", HEX.upper()),
        text(b"report-lock", HEX + b"0"),
        text(b"report-lock", token(), type="list", parts=(), size=1),
        text(b":1:views.cache_page.lock", b"<html>" * 50),
        text(b":1:blocks", b"1"),
        text(b":1:lockers", b"1"),
        text(b"qo_shop.mail", b"1"),
        text(b"_locks_held", b"5"),
        text(b"uniquejobs:live", b"8.0.0"),
        text(b"uniquejobs:digests", b"", type="zset", parts=(), size=5),
        items(b"uniquejobs:" + HEX + b":INFO", b"a", b"b"),
        items(b"uniquejobs:" + HEX + b":LOCKED", size=100),
        items(b"locks:stats", b"held", b"5"),
        items(b"billing:lock", JOB + b":42", b"1", b"other", b"1"),
        items(b"{billing:lock}:config", b"mode", b"x", b"y", b"z"),
        text(b"lock-signal:accounts", b"", type="list", parts=(), size=1),
        text(b"lock:accounts", b'{"a": 1}'),
        text(b"laravel_cache_:product:5", b's:16:"a cached product";'),
        text(b"laravel_cache_:visits", b"1234567890123456"),
        text(b"laravel_cache_:etag", b"0123456789abcdef"),
        text(b"rq:job:" + JOB, b"", type="hash", parts=(b"status", b"queued"), size=1),
        text(b"rq:clean_registries:mail", b"2"),
        text(b"bull:mail:1", b"", type="hash", parts=(b"name", b"send"), size=1),
        text(b"bull:mail:stalled-check", b"1772366200500"),
        text(b"big:lock", b"x" * 1_000_000),
        text(b"big:lock", token() + b"x" * 1_000_000),
    ],
    ids=lambda sample: sample.key.decode(),
)
def test_what_only_looks_like_a_lock_is_none(sample: Sample) -> None:
    """A name that has `lock` in it, or a value like a token, or a type, is not enough."""
    assert framework(sample) is None


def test_a_token_tells_when_it_was_made() -> None:
    """The time is within the UUID; one of another time than a lock's could be is no token of redis-py."""
    key_filter = KeyFilter()
    found = key_filter.recognise(text(b"a:lock", token()))
    assert found
    assert found.framework == "redis-py"
    assert found.taken == pytest.approx(MADE, abs=0.001)
    for made in (NOW + 2 * 86400, NOW - 500 * 86400):
        assert key_filter.recognise(text(b"a:lock", token(made))) == Recognised("redlock")
    for sample in (text(b"redbeat::lock", token(0)), text(b"unacked_mutex", token(0))):
        found = key_filter.recognise(sample)
        assert found
        assert found.taken is None


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ((b"1772366200.5",), 1772366200.5),
        ((b'{"time": 1772366200.5, "worker": "Mail"}', b"1772366100"), 1772366100.0),
        ((b"x" * LONGEST,), None),
        ((b'{"time": "yesterday"}', b"[1]", b"true", b"NaN", b"1e999", b"9" * 200, b"\xff"), None),
    ],
)
def test_sidekiq_tells_since_when_a_digest_is_locked(told: tuple[bytes, ...], taken: float | None) -> None:
    """The oldest job's time, as JSON or as a number; what is none of it tells nothing and breaks nothing."""
    parts = [part for number, value in enumerate(told) for part in (b"%d" % number, value)]
    found = KeyFilter().recognise(items(b"uniquejobs:" + HEX + b":LOCKED", *parts))
    assert found == Recognised("sidekiq-unique-jobs", taken)


def test_a_pattern_makes_any_key_a_lock() -> None:
    """With a pattern the name is enough; what is in it names the framework where the caller chooses the name."""
    assert framework(text(b"site:busy", b"x" * 1_000_000), "site:*") == CONFIGURED
    assert framework(text(b"site:busy", b"", type="set", parts=(), size=3), "site:*") == CONFIGURED
    assert framework(text(b"site:busy", token()), "site:*") == "redis-py"
    assert framework(text(b":1:busy", token()), "*busy") == "django-redis"
    assert framework(text(b"site:busy", HEX), "site:*") == "redlock"
    assert framework(items(b"site:busy", JOB + b":1", b"1"), "site:*") == "redisson"
    assert framework(text(b"site:idle", HEX), "site:b*") is None


def test_every_framework_is_documented() -> None:
    """The page on foreign locks has a row for each kind that a lock may have, and for no other."""
    page = Path(__file__).parents[2] / "docs" / "foreign-locks.md"
    rows = re.findall(r"^\| `([a-z-]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted({each.name for each in FRAMEWORKS} | {CONFIGURED})


def test_candidates_keep_their_order_and_are_found_anywhere() -> None:
    """In a batch of any size each key is judged by itself, wherever it stands."""
    keys = [b"page:%d" % number for number in range(1000)]
    for at in (0, 31, 32, 500, 999):
        keys[at] = b"LOCK:%d" % at
    keys[77] = b"shop_cache_5"
    assert [key for key, vague in KeyFilter().candidates(keys) if not vague] == [
        b"LOCK:%d" % at for at in (0, 31, 32, 500, 999)
    ]
    assert [key for key, vague in KeyFilter().candidates(keys) if vague] == [b"shop_cache_5"]
    assert not list(KeyFilter().candidates([]))
