r"""Locks that the frameworks of web stacks keep in Redis: how to tell them from everything else. Pure.

A lock is told by its key, its type and what is in it, taken together: many a cache key has `lock` in its name, and many
a value is 32 hex digits. What each framework writes is from its own source, named beside it; those that a test can
install are tested with locks that they made themselves.

Only keys whose name alone may make them a lock are looked at. redis-py, redlock and Redisson let the caller choose any
name: their locks are found if it says `lock` or `mutex`, or if `[locks] patterns` has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from countercache.foreign_locks.globs import matcher

CONFIGURED = "configured"
"""The kind of a key that only `[locks] patterns` makes a lock."""

LONGEST = 256
"""Bytes of a value that are read: what is longer is no lock, unless `[locks] patterns` says so."""


class Sample(msgspec.Struct, frozen=True):
    """What was read of a key. `ttl` and `idle` are seconds, `None` where there is none or it is hidden.

    `size` is the bytes of a text, or else the number of items; `parts` the beginning of the text, or the fields and
    values of a small hash, each no more than its first bytes. `now` is the server's clock. `digest` is of the whole,
    where it was asked for.
    """

    key: bytes
    type: str
    ttl: float | None
    idle: float | None
    size: int
    parts: tuple[bytes, ...]
    now: float
    digest: str = ""


class Found(msgspec.Struct, frozen=True):
    """Whose lock a key is. `taken`: when, as it tells itself, in seconds since the epoch by its holder's clock."""

    framework: str
    taken: float | None = None


Taken = Callable[[Sample], float | None]
_SAYS_LOCK = (b"lock", b"mutex")


class Framework(msgspec.Struct, frozen=True):
    """What the locks of a framework look like.

    `key` is searched in the key, and one of the `needles` is in it in any case, in capitals or not. `value` must match
    the whole text, or all fields of the hash (`None`: any of no more than `LONGEST` bytes). `taken` tells when it was
    taken; what cannot tell is none, if it `must_tell`. `any_name`: the caller chooses the name, so a key that `[locks]
    patterns` has needs only the `form`. `vague`: there may be very many such keys that are no locks.
    """

    name: str
    key: re.Pattern[bytes]
    value: re.Pattern[bytes] | None = None
    type: str = "string"
    needles: tuple[bytes, ...] = _SAYS_LOCK
    taken: Taken | None = None
    must_tell: bool = False
    any_name: bool = False
    form: re.Pattern[bytes] = re.compile(b"")
    vague: bool = False

    def matches(self, sample: Sample, *, configured: bool) -> Found | None:
        """The lock that the sample is, if it is one of this framework."""
        named = (configured and self.any_name) or self.key.search(sample.key)
        if sample.type != self.type or not named or not self.form.search(sample.key) or not self._holds(sample):
            return None
        taken = self.taken(sample) if self.taken else None
        return None if self.must_tell and taken is None else Found(self.name, taken)

    def _holds(self, sample: Sample) -> bool:
        if self.type == "hash":
            fields = sample.parts[::2]
            return bool(fields) and all(not self.value or self.value.fullmatch(field) for field in fields)
        text = b"".join(sample.parts)
        whole = sample.size == len(text) <= LONGEST
        return whole and (not self.value or bool(self.value.fullmatch(text)))


def token_time(sample: Sample) -> float | None:
    """When a token of redis-py was made: it is a UUID of version 1, which tells. `None` for one that cannot be.

    Of 32 random hex digits, such as redlock's, one in some 200,000 would pass for a moment of the last year.
    """
    token = sample.parts[0].decode("ascii")
    made = int(token[13:16] + token[8:12] + token[:8], 16) / 1e7 - _GREGORIAN
    return made if _is_recent(made, sample.now) else None


def sidekiq_time(sample: Sample) -> float | None:
    """When the oldest of the jobs under a digest took its lock: each says, in JSON or as a number."""
    told = (_sidekiq_moment(value) for value in sample.parts[1::2])
    return min((moment for moment in told if _is_recent(moment, sample.now)), default=None)


def _sidekiq_moment(value: bytes) -> float:
    try:
        said = json.loads(value)
    except ValueError:
        return 0.0
    moment = said.get("time") if isinstance(said, dict) else said
    return float(moment) if isinstance(moment, (int, float)) else 0.0


def _is_recent(moment: float, now: float) -> bool:
    """Whether it may be when a lock was taken that is there now: clocks differ, and nobody keeps one for years."""
    return now - 400 * _DAY < moment < now + _DAY


_DAY = 86400
# From the beginning of the Gregorian calendar, from which such UUIDs count, to that of Unix's time.
_GREGORIAN = 12_219_292_800

_TOKEN = re.compile(rb"[0-9a-f]{12}1[0-9a-f]{3}[89ab][0-9a-f]{15}")
_HEX = re.compile(rb"[0-9a-f]{32}")
_UUID = rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
# `lock`, but not in block, clock, flock and unlock: as a word of its own, or wherever it is no such word.
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
    """Which keys may be locks, by their names alone: fast, since every key of the server goes through it."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._configured = [matcher(pattern.encode(errors="surrogateescape")) for pattern in patterns]
        self._needles = tuple({needle for framework in FRAMEWORKS for needle in framework.needles})
        self._plain = _any_of(framework for framework in FRAMEWORKS if not framework.vague)
        self._vague = _any_of(framework for framework in FRAMEWORKS if framework.vague)

    def candidates(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
        """The keys that may be locks, each with whether it is a vague candidate, of which there may be very many."""
        for start in range(0, len(keys), _RUN):
            run = keys[start : start + _RUN]
            # One search for each needle in many keys at once; few runs have any.
            joined = b"\n".join(run).lower()
            named = any(needle in joined for needle in self._needles)
            if named or self._configured:
                for key in run:
                    if (named and self._plain.search(key)) or self.is_configured(key):
                        yield key, False
                    elif named and self._vague.search(key):
                        yield key, True

    def is_configured(self, key: bytes) -> bool:
        """Whether one of the `[locks] patterns` has the key."""
        return any(pattern.fullmatch(key) for pattern in self._configured)

    def recognise(self, sample: Sample) -> Found | None:
        """The lock that a key is; `None` where it is none."""
        configured = self.is_configured(sample.key)
        known = (framework.matches(sample, configured=configured) for framework in FRAMEWORKS)
        return next(filter(None, known), Found(CONFIGURED) if configured else None)


_RUN = 32


def _any_of(frameworks: Iterable[Framework]) -> re.Pattern[bytes]:
    """A key of any of them; those that say `lock` in many ways are all found by that."""
    keys = (_LOCKISH if each.needles == _SAYS_LOCK else each.key.pattern for each in frameworks)
    return re.compile(b"|".join(dict.fromkeys(keys)))
