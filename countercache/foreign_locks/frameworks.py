r"""Recognises the locks that web frameworks keep in Redis. Pure.

A lock is recognised by its key, its type and its content together: many a cache key has `lock` in its name, and many a
value is 32 hex digits. What a framework writes is taken from its source, which is named beside it; frameworks that a
test can install are tested with locks that they made themselves.

Only keys whose name may be that of a lock are read. With redis-py, redlock and Redisson the caller chooses the name:
their locks are found if it contains `lock` or `mutex`, or matches `[locks] patterns`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from countercache.foreign_locks.globs import matcher

CONFIGURED = "configured"
"""The kind of a lock that is one only because of `[locks] patterns`."""

LONGEST = 256
"""Bytes of a value that are read: a longer one is not a lock, unless `[locks] patterns` has its key."""


class Sample(msgspec.Struct, frozen=True):
    """What was read of a key. `ttl` and `idle` are seconds, `None` where there is none or it is hidden.

    `size` is the length of a string in bytes, or else the number of items. `parts` is the beginning of a string, or the
    fields and values of a small hash, each no longer than `LONGEST`. `now` is the server's time. `digest` is that of
    the whole content, where it was requested.
    """

    key: bytes
    type: str
    ttl: float | None
    idle: float | None
    size: int
    parts: tuple[bytes, ...]
    now: float
    digest: str = ""


class Recognised(msgspec.Struct, frozen=True):
    """A lock of `framework`, acquired at `taken` by its holder's clock (since the epoch), where it says so."""

    framework: str
    taken: float | None = None


Taken = Callable[[Sample], float | None]
_LOCK_NEEDLES = (b"lock", b"mutex")


class Framework(msgspec.Struct, frozen=True):
    """What the locks of a framework look like.

    `key` is searched for in the key, which always contains one of the `needles`, ignoring case. `value` must match the
    whole string, or all fields of the hash (`None`: anything of at most `LONGEST` bytes). `taken` reads when the lock
    was acquired; with `must_tell`, a key without that time is not a lock. `any_name`: the caller chooses the name, so a
    key that matches `[locks] patterns` needs only the `form`. `vague`: very many such keys may not be locks.
    """

    name: str
    key: re.Pattern[bytes]
    value: re.Pattern[bytes] | None = None
    type: str = "string"
    needles: tuple[bytes, ...] = _LOCK_NEEDLES
    taken: Taken | None = None
    must_tell: bool = False
    any_name: bool = False
    form: re.Pattern[bytes] = re.compile(b"")
    vague: bool = False

    def matches(self, sample: Sample, *, configured: bool) -> Recognised | None:
        """The lock that the sample is, where it is one of this framework."""
        named = (configured and self.any_name) or self.key.search(sample.key)
        if sample.type != self.type or not named or not self.form.search(sample.key) or not self._holds(sample):
            return None
        taken = self.taken(sample) if self.taken else None
        return None if self.must_tell and taken is None else Recognised(self.name, taken)

    def _holds(self, sample: Sample) -> bool:
        if self.type == "hash":
            fields = sample.parts[::2]
            return bool(fields) and all(not self.value or self.value.fullmatch(field) for field in fields)
        text = b"".join(sample.parts)
        whole = sample.size == len(text) <= LONGEST
        return whole and (not self.value or bool(self.value.fullmatch(text)))


def token_time(sample: Sample) -> float | None:
    """When a token of redis-py was made, which is a UUID of version 1; `None` where it cannot be one.

    Of tokens of 32 random hex digits, such as redlock's, one in some 200,000 looks like a time of the last year.
    """
    token = sample.parts[0].decode("ascii")
    created = int(token[13:16] + token[8:12] + token[:8], 16) / 1e7 - _GREGORIAN
    return created if _is_recent(created, sample.now) else None


def sidekiq_time(sample: Sample) -> float | None:
    """When the oldest of the jobs under a digest acquired its lock; each value has a time, in JSON or as a number."""
    moments = (_sidekiq_moment(value) for value in sample.parts[1::2])
    return min((moment for moment in moments if _is_recent(moment, sample.now)), default=None)


def _sidekiq_moment(value: bytes) -> float:
    try:
        content = json.loads(value)
    except ValueError:
        return 0.0
    moment = content.get("time") if isinstance(content, dict) else content
    return float(moment) if isinstance(moment, (int, float)) else 0.0


def _is_recent(moment: float, now: float) -> bool:
    """Whether a present lock may have been acquired then: clocks differ, and no lock is held for years."""
    return now - 400 * _DAY < moment < now + _DAY


_DAY = 86400
# Seconds from the start of the Gregorian calendar, from which such UUIDs count, to the Unix epoch.
_GREGORIAN = 12_219_292_800

_TOKEN = re.compile(rb"[0-9a-f]{12}1[0-9a-f]{3}[89ab][0-9a-f]{15}")
_HEX = re.compile(rb"[0-9a-f]{32}")
_UUID = rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
# `lock`, but not in block, clock, flock and unlock.
_LOCK = rb"(?:[lL]ock|LOCK)"
_LOCKISH = _LOCK + rb"(?<!\A[bcfBCF].{4})(?<![^A-Za-z][bcfBCF].{4})(?<!\Aunlock)(?<![^A-Za-z]unlock)|[mM]utex|MUTEX"
_WORD = rb"(?:" + _LOCK + rb"(?<![bcfBCF].{4})(?<!unlock)(?:s|ed|ing)?|[mM]utex|MUTEX)(?![a-z])"
# As Django makes a key: prefix, version, name. The prefix is empty as a rule, the version 1.
_DJANGO = rb"\A(?::[0-9]+:|[^:]+:1:)"

FRAMEWORKS = (
    # mhenrixon/sidekiq-unique-jobs, constants.rb, key.rb and lua/lock.lua: a digest (MD5 or SHA, for some types with
    # `:RUN`), locked by the hash `…:LOCKED` of job ids; to version 7 also by a text, the job's id, at the digest.
    Framework(
        "sidekiq-unique-jobs",
        re.compile(rb"\Auniquejobs:[0-9a-f]{32,128}(?::RUN)?:LOCKED\Z"),
        type="hash",
        needles=(b"uniquejobs:",),
        taken=sidekiq_time,
    ),
    Framework(
        "sidekiq-unique-jobs",
        re.compile(rb"\Auniquejobs:(?:[0-9a-f]{32,128}(?::RUN)?|reaper)\Z"),
        needles=(b"uniquejobs:",),
    ),
    # celery-once, helpers.py and backends/redis.py: `qo_` and the task with its arguments; the lock is redis-py's.
    Framework("celery-once", re.compile(rb"\Aqo_"), _TOKEN, needles=(b"qo_",), taken=token_time, must_tell=True),
    # celery-redbeat, schedulers.py: `redbeat_key_prefix` (`redbeat:`) and `:lock`; the lock is redis-py's.
    Framework("celery-redbeat", re.compile(rb"(?s:redbeat.*lock\Z)"), _TOKEN, taken=token_time),
    # kombu, transport/redis.py: `unacked_mutex_key`, after a `global_keyprefix`; the lock is redis-py's.
    Framework("kombu", re.compile(rb"unacked_mutex\Z"), _TOKEN, taken=token_time),
    # rq, scheduler.py, queue.py and group.py, after `RQ_KEY_PREFIX`; rq-scheduler has `rq:scheduler:scheduler_lock`.
    Framework("rq", re.compile(rb":scheduler(?:-lock:|:scheduler_lock\Z)")),
    Framework("rq", re.compile(rb":clean_(?:registries:|groups\Z)"), re.compile(rb"1"), needles=(b":clean_",)),
    # Laravel: Console/Scheduling/Event.php, Console/CacheCommandMutex.php, Bus/UniqueLock.php,
    # Queue/Middleware/WithoutOverlapping.php and Cache/Repository.php, all after the prefixes.
    Framework(
        "laravel",
        re.compile(rb"framework/(?:schedule-[0-9a-f]{40}|command-)|laravel_unique_job:|laravel-queue-overlap:"),
        needles=(b"framework/", b"laravel_unique_job:", b"laravel-queue-overlap:"),
    ),
    Framework("laravel", re.compile(rb"illuminate:cache:flexible:lock:")),
    # Laravel's Cache/Lock.php: a cache key like any other, whose value is Str::random(): 16 letters and digits.
    Framework(
        "laravel",
        re.compile(rb"\A[\w-]*[_-]cache[_-]:?[^:]"),
        re.compile(rb'(?:s:16:")?(?![0-9a-f]{16})[A-Za-z0-9]{16}(?:";)?'),
        needles=(b"_cache_", b"-cache-"),
        vague=True,
    ),
    # BullMQ, classes/worker.js and scripts/moveToActive: prefix, queue, job, `lock`; a UUID of the worker and a number.
    Framework("bullmq", re.compile(rb"(?s:\A.+:.+:.+:lock\Z)"), re.compile(_UUID + rb":[0-9]+")),
    # Bull, and workers of BullMQ with tokens of their own, under the prefix that both have by default.
    Framework("bullmq", re.compile(rb"(?s:\A\{?bull\}?:.+:.+:lock\Z)")),
    # Redisson, RedissonLock.java, RedissonReadLock.java and RedissonWriteLock.java: a hash from the client's UUID and a
    # thread to a count.
    Framework(
        "redisson",
        re.compile(_LOCKISH),
        re.compile(rb"mode|" + _UUID + rb":[0-9]+(?::write)?"),
        type="hash",
        any_name=True,
    ),
    # python-redis-lock, redis_lock/__init__.py: `lock:` and a name; 18 random bytes in base 64.
    Framework("python-redis-lock", re.compile(rb"\Alock:"), re.compile(rb"[A-Za-z0-9+/]{24}")),
    # dogpile.cache, cache/backends/redis.py: `_lock` and the cache's key; the lock is redis-py's.
    Framework("dogpile", re.compile(rb"\A_lock"), _TOKEN, taken=token_time, must_tell=True),
    # django-redis, client/default.py: a key as Django makes it; the lock is redis-py's.
    Framework(
        "django-redis",
        re.compile(_LOCKISH),
        _TOKEN,
        taken=token_time,
        must_tell=True,
        any_name=True,
        form=re.compile(_DJANGO),
    ),
    # Django's cache.add(NAME, …) used as a lock, core/cache/backends/redis.py: any small value under such a name.
    Framework("django-cache", re.compile(_WORD), form=re.compile(_DJANGO)),
    # redis-py, lock.py: any name; 32 hex digits, a UUID of version 1.
    Framework("redis-py", re.compile(_LOCKISH), _TOKEN, taken=token_time, must_tell=True, any_name=True),
    # redlock for Node, redlock.js: any name; 32 random hex digits.
    Framework("redlock", re.compile(_WORD), _HEX, any_name=True),
)


class KeyFilter:
    """Selects keys that may be locks by their names alone. It must be fast: every key of the server goes through it."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._configured = [matcher(pattern.encode(errors="surrogateescape")) for pattern in patterns]
        self._needles = tuple({needle for framework in FRAMEWORKS for needle in framework.needles})
        self._plain = _any_of(framework for framework in FRAMEWORKS if not framework.vague)
        self._vague = _any_of(framework for framework in FRAMEWORKS if framework.vague)

    def candidates(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
        """The keys that may be locks, each with whether it is a vague candidate, of which there may be very many."""
        for start in range(0, len(keys), _RUN):
            run = keys[start : start + _RUN]
            # Search for each needle in many keys at once: few of these runs contain any.
            joined = b"\n".join(run).lower()
            named = any(needle in joined for needle in self._needles)
            if named or self._configured:
                for key in run:
                    if (named and self._plain.search(key)) or self.is_configured(key):
                        yield key, False
                    elif named and self._vague.search(key):
                        yield key, True

    def is_configured(self, key: bytes) -> bool:
        """Whether the key matches one of the `[locks] patterns`."""
        return any(pattern.fullmatch(key) for pattern in self._configured)

    def recognise(self, sample: Sample) -> Recognised | None:
        """The lock that a key is, or `None`."""
        configured = self.is_configured(sample.key)
        matches = (framework.matches(sample, configured=configured) for framework in FRAMEWORKS)
        return next(filter(None, matches), Recognised(CONFIGURED) if configured else None)


_RUN = 32


def _any_of(frameworks: Iterable[Framework]) -> re.Pattern[bytes]:
    """A pattern for a key of any of the frameworks."""
    keys = (_LOCKISH if framework.needles == _LOCK_NEEDLES else framework.key.pattern for framework in frameworks)
    return re.compile(b"|".join(dict.fromkeys(keys)))
