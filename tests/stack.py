"""The web stack beside us: locks that the real clients of its frameworks take, in their own words and ways.

What PyPI has takes its locks itself. What Node has was recorded from the real clients (`tests/data/node_locks.mjs`
says how). Of what Ruby, PHP and Java have, the commands of their own sources are sent.
"""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis

NODE = Path(__file__).parent / "data" / "node_locks.json"
JOB = uuid.UUID("b983c153-7421-469a-addb-44fb92259a1b")

Locks = dict[bytes, str]
"""The keys of locks, and the framework of each."""


def redis_py(client: redis.Redis) -> Locks:
    """redis-py's own Lock, with a time to live and without."""
    assert client.lock("site:import-lock", timeout=60).acquire()
    assert client.lock("joblock").acquire()
    return {b"site:import-lock": "redis-py", b"joblock": "redis-py"}


def django(url: str) -> Locks:
    """Django's cache used as a lock, and django-redis's Lock."""
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    from django.core.cache.backends.redis import RedisCache
    from django_redis.cache import RedisCache as DjangoRedis

    plain = RedisCache(url, {})
    assert plain.add("report-lock", True, 60)
    assert plain.add("tasks.lock", "worker-1", None)
    plain.set("blocks", ["not a lock"], 60)
    other = DjangoRedis(url, {"KEY_PREFIX": "shop"})
    assert other.lock("stock_lock", timeout=60).acquire()
    return {b":1:report-lock": "django-cache", b":1:tasks.lock": "django-cache", b"shop:1:stock_lock": "django-redis"}


def _mail(to: str) -> None:
    """A task that is never run."""


def celery(url: str, end: ExitStack) -> Locks:
    """celery-once for a task, redbeat for its scheduler, kombu for what was not acknowledged."""
    from celery import Celery
    from celery_once import QueueOnce
    from celery_once.backends import redis as once
    from kombu.transport.redis import Channel, Mutex
    from redbeat.schedulers import RedBeatScheduler, acquire_distributed_beat_lock

    app = Celery("shop", broker=url)
    app.conf.ONCE = {"backend": "celery_once.backends.Redis", "settings": {"url": url, "default_timeout": 60}}
    app.conf.redbeat_redis_url = url
    app.conf.redbeat_redis_options = {}
    once.redis = None

    task: Any = app.task(base=QueueOnce, name="shop.mail")(_mail)
    task.once_backend.raise_or_lock(task.get_key(["me"]), timeout=60)
    once.redis.close()
    once.redis = None

    scheduler = RedBeatScheduler(app=app, lazy=True)

    class Beat:
        """What celery beat hands on as it starts."""

    beat: Any = Beat()
    beat.scheduler = scheduler
    acquire_distributed_beat_lock(beat)

    client = end.enter_context(redis.Redis.from_url(url))
    end.enter_context(Mutex(client, Channel.unacked_mutex_key, Channel.unacked_mutex_expire))
    return {b"qo_shop.mail_to-me": "celery-once", b"redbeat::lock": "celery-redbeat", b"unacked_mutex": "kombu"}


def rq(client: redis.Redis) -> Locks:
    """RQ's scheduler and the upkeep of a queue."""
    from rq import Queue
    from rq.scheduler import RQScheduler

    queue = Queue("mail", connection=client)
    assert queue.acquire_maintenance_lock()
    scheduler: Any = RQScheduler([queue], connection=client)
    assert scheduler.acquire_locks()
    return {b"rq:scheduler-lock:mail": "rq", b"rq:clean_registries:mail": "rq"}


def python_redis_lock(client: redis.Redis) -> Locks:
    """python-redis-lock, one that never ends; and the signal of one that was released, which is no lock."""
    import redis_lock

    assert redis_lock.Lock(client, "accounts").acquire()
    released = redis_lock.Lock(client, "done", expire=60, signal_expire=60_000)
    assert released.acquire()
    released.release()
    return {b"lock:accounts": "python-redis-lock"}


def dogpile(client: redis.Redis) -> Locks:
    """The mutex of a dogpile.cache region."""
    from dogpile.cache import make_region

    arguments = {"connection_pool": client.connection_pool, "distributed_lock": True, "thread_local_lock": False}
    region = make_region().configure("dogpile.cache.redis", arguments=arguments | {"lock_timeout": 60})
    mutex: Any = region.backend.get_mutex("product:5")
    assert mutex.acquire()
    return {b"_lockproduct:5": "dogpile"}


def node(client: redis.Redis) -> Locks:
    """What redlock and BullMQ left, of which only some are locks."""
    found = {}
    for each in json.loads(NODE.read_text(encoding="utf-8")):
        key = each["key"].encode()
        if each["value"] is not None:
            client.set(key, base64.b64decode(each["value"]), px=each["ttl"] if each["ttl"] > 0 else None)
        else:
            client.hset(key, "recorded", each["type"])
        if each["client"] == "redlock" or key.endswith(b":lock"):
            found[key] = each["client"]
    return found


def sidekiq(client: redis.Redis) -> Locks:
    """sidekiq-unique-jobs: what lua/lock.lua does, and the text that versions to 7 keep at the digest."""
    digest = b"uniquejobs:" + b"4a3b" * 8
    client.hset(
        digest + b":LOCKED", "1d2c3b4a5f6e7d8c9b0a1f2e", json.dumps({"time": time.time() - 90, "worker": "Mail"})
    )
    client.pexpire(digest + b":LOCKED", 60_000)
    client.zadd("uniquejobs:digests", {digest: time.time()})
    client.set(digest, "1d2c3b4a5f6e7d8c9b0a1f2e")
    client.set("uniquejobs:live", "8.0.0")
    return {digest + b":LOCKED": "sidekiq-unique-jobs", digest: "sidekiq-unique-jobs"}


def laravel(client: redis.Redis) -> Locks:
    """Laravel's RedisLock: SET NX EX of 16 letters and digits, under a cache's prefix."""
    chooser = random.Random(7)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    prefix = b"laravel_database_laravel_cache_:"
    names = (
        *(b"import", b"framework/schedule-" + b"0a" * 20, b"laravel_unique_job:App\\Jobs\\Mail:5"),
        b"laravel-queue-overlap:App\\Jobs\\Report:1",
    )
    for name in names:
        client.set(prefix + name, "".join(chooser.choices(letters, k=16)), ex=60, nx=True)
    client.set(prefix + b"product:5", b's:16:"a cached product";', ex=60)
    client.set(prefix + b"visits", 1234567890123456, ex=60)
    client.set(prefix + b"etag", b"0123456789abcdef", ex=60)
    return dict.fromkeys((prefix + name for name in names), "laravel")


def redisson(client: redis.Redis) -> Locks:
    """Redisson's RLock and the read side of its RReadWriteLock: what their scripts do."""
    client.hincrby("billing:lock", f"{JOB}:42", 1)
    client.pexpire("billing:lock", 30_000)
    client.hset("stockMutex", mapping={"mode": "read", f"{JOB}:43": 1})
    client.set(f"{{stockMutex}}:{JOB}:43:rwlock_timeout:1", 1, px=30_000)
    client.pexpire("stockMutex", 30_000)
    return {b"billing:lock": "redisson", b"stockMutex": "redisson"}


def locks(client: redis.Redis, url: str, end: ExitStack) -> Locks:
    """The locks of all of them, held until the `end`. `client` answers in bytes; `url` is the same server by TCP."""
    one: tuple[Callable[[redis.Redis], Locks], ...] = (redis_py, rq, python_redis_lock, dogpile, node, sidekiq)
    found: Locks = {}
    for each in (*one, laravel, redisson):
        found |= each(client)
    return found | django(url) | celery(url, end)


# Keys of a busy site that are no locks, though many are called so: text by key, and what else there is.
_TEXTS = {
    ":1:views.decorators.cache.cache_page.{token}": "\x80\x05a cached page",
    "session:{token}": "{token}",
    "block:{number}:owner": "{token}",
    "laravel_cache_:product:{number}": 's:5:"{number:05}";',
    "lockers:{number}:holder": "{token}",
    "user:{number}:locked": "1",
    "clock:{number}": "{number}",
}


def decoys(client: redis.Redis, amount: int, seed: int = 7) -> None:
    """Keys of a busy site that are no locks: `amount` in all, ten kinds of them."""
    chooser = random.Random(seed)
    for start in range(0, amount, 10_000):
        pipe = client.pipeline(transaction=False)
        for number in range(start, min(amount, start + 10_000), 10):
            token = chooser.randbytes(16).hex()
            for key, value in _TEXTS.items():
                pipe.set(key.format(number=number, token=token), value.format(number=number, token=token), px=600_000)
            pipe.hset(f"locks:stats:{number}", mapping={"held": number, "waited": 1})
            pipe.rpush(f"lock-signal:{number}", 1)
            pipe.sadd(f"unlock:{number}:codes", token)
        pipe.execute()


_CONTENT = """
local parts = {}
for _, key in ipairs(KEYS) do
  local ends = redis.pcall('PEXPIRETIME', key)
  if type(ends) == 'table' then -- before Redis 7: only whether it ends
    ends = redis.call('PTTL', key) == -1 and 'stays' or 'ends'
  end
  table.insert(parts, redis.sha1hex(redis.call('DUMP', key)) .. ends)
end
return redis.sha1hex(table.concat(parts))
"""


def everything(client: redis.Redis) -> list[tuple[tuple[bytes, ...], bytes]]:
    """Every key but ours, a thousand at a time with one digest of all that is in them and when they end."""
    keys = sorted(key for key in client.scan_iter(count=10_000) if not key.startswith(b"countercache:"))
    content: Any = client.register_script(_CONTENT)
    some = [tuple(keys[start : start + 1000]) for start in range(0, len(keys), 1000)]
    return [(each, content(keys=each)) for each in some]
