"""Examines the Redis server: version, role, eviction, memory, persistence, cluster, clock and permissions.

Nothing is written: `redis.acl_check_cmd` (Redis 7) tells whether a command is allowed without running it.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, cast

import msgspec
import redis

from countercache.errors import CountercacheError, RedisError
from countercache.model.clock_comparison import clock
from countercache.model.results import Finding, Health
from countercache.model.states import configured_cells
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.settings import EMBEDDED, Settings
from countercache.store.keys import Keys
from countercache.store.publishing import keys_of
from countercache.store.redis_client import Store, location, open_store, ping, redis_cli, translated_errors

AREA = "redis"
_OLDEST = 5
"""The oldest version whose scripts may call TIME before they write."""

_EVICTS = "when it is full it evicts keys: locks, so that two runs compute at once, and values of the site"


def examine(settings: Settings, commands: Commands = NO_OPTIONS) -> tuple[Store | None, list[Finding]]:
    """The findings about the server, and the store, unless it cannot be used at all."""
    try:
        store = open_store(settings)
        client = store.client
        ping(client)
    except CountercacheError as error:
        why = "without it no lock can be taken, nothing is stored, and the site reads nothing"
        return None, [Finding(AREA, "server", Health.WRONG, error.message, why, error.hint)]
    server = "the bundled Valkey" if settings.redis.url == EMBEDDED else "the server"
    seen = f"{server} at {location(client)} answers"
    findings = [Finding(AREA, "server", Health.OK, seen, "locks and results are kept there")]
    try:
        with translated_errors(client):
            info = cast("Mapping[str, Any]", client.info("everything"))
        findings += [_version(info), _role(info), _eviction(info, client), *_memory(info), _persistence(info, client)]
        findings += _cluster(info, settings)
    except RedisError as error:
        why = "version, role, memory and persistence could not be examined"
        findings.append(Finding(AREA, "state", Health.UNKNOWN, error.message, why, "allow its user INFO"))
    return store, [*findings, _clock(client), _rights(client, settings, commands)]


def _clock(client: redis.Redis) -> Finding:
    before = time.time()
    try:
        with translated_errors(client):
            second, microsecond = client.time()
    except RedisError as error:
        return Finding(AREA, "clock", Health.UNKNOWN, error.message, "locks and freshness depend on it", error.hint)
    took = time.time() - before
    return clock(AREA, second + microsecond / 1e6 - before - took / 2, took)


def _version(info: Mapping[str, Any]) -> Finding:
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version") or "")
    major = int(str(info.get("redis_version", "0")).partition(".")[0] or 0)
    old = major < _OLDEST
    why = f"its scripts need version {_OLDEST} or newer"
    cure = f"upgrade it to Redis {_OLDEST} or newer, or to Valkey" if old else ""
    return Finding(AREA, "version", Health.WRONG if old else Health.OK, f"{name} {version}", why, cure)


def _role(info: Mapping[str, Any]) -> Finding:
    why = "a replica refuses writes, or loses them where it accepts them"
    if info.get("role") == "master":
        return Finding(AREA, "role", Health.OK, "it is a primary", why)
    primary = f"{info.get('master_host')}:{info.get('master_port')}"
    cure = f"name its primary in [redis] url: {primary}"
    return Finding(AREA, "role", Health.WRONG, f"it is a replica of {primary}", why, cure)


def _eviction(info: Mapping[str, Any], client: redis.Redis) -> Finding:
    policy = str(info.get("maxmemory_policy", ""))
    limit = int(info.get("maxmemory", 0))
    cure = f"{redis_cli(client)} CONFIG SET maxmemory-policy noeviction"
    if not policy:
        seen = "the server does not report its maxmemory-policy"
        return Finding(AREA, "eviction", Health.UNKNOWN, seen, _EVICTS, "set its maxmemory-policy to noeviction")
    if policy == "noeviction":
        return Finding(AREA, "eviction", Health.OK, "maxmemory-policy is noeviction", _EVICTS)
    # Every policy but noeviction may evict a lock: `volatile-…` even first, since locks have a time to live.
    if not limit:
        seen = f"maxmemory-policy is {policy}, but no maxmemory is set, so nothing is evicted"
        return Finding(AREA, "eviction", Health.WARNING, seen, _EVICTS, cure)
    seen = f"maxmemory-policy is {policy}, with maxmemory {_megabytes(limit)}"
    return Finding(AREA, "eviction", Health.WRONG, seen, _EVICTS, cure)


def _memory(info: Mapping[str, Any]) -> Iterator[Finding]:
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if limit:
        nearly_full = used > 0.9 * limit
        seen = f"{_megabytes(used)} of {_megabytes(limit)} used"
        cure = "raise its maxmemory, or remove what is not needed: redis-cli --bigkeys" if nearly_full else ""
        yield Finding(
            AREA, "memory", Health.WARNING if nearly_full else Health.OK, seen, "a full server refuses writes", cure
        )


def _persistence(info: Mapping[str, Any], client: redis.Redis) -> Finding:
    why = "data that is only in memory is lost in a restart; until the next warmup the site has no totals"
    cli = redis_cli(client)
    failed = [
        task
        for task, key in (
            ("snapshot", "rdb_last_bgsave_status"),
            ("write to the append-only file", "aof_last_write_status"),
        )
        if str(info.get(key, "ok")) != "ok"
    ]
    if failed:
        seen = f"its last {failed[0]} failed, and it may refuse writes because of that"
        return Finding(AREA, "persistence", Health.WRONG, seen, why, f"see its log; then: {cli} BGSAVE")
    if int(info.get("aof_enabled", 0)):
        return Finding(AREA, "persistence", Health.OK, "it keeps an append-only file", why)
    try:
        save = str(dict(client.config_get("save")).get("save", ""))
    except redis.RedisError:
        seen = "it has no append-only file; this user may not read whether it saves snapshots"
        return Finding(AREA, "persistence", Health.UNKNOWN, seen, why, f"as its administrator: {cli} CONFIG GET save")
    if save:
        return Finding(AREA, "persistence", Health.OK, f"it saves snapshots ({save})", why)
    return Finding(
        AREA, "persistence", Health.WARNING, "it saves nothing to disk", why, f"{cli} CONFIG SET appendonly yes"
    )


def _cluster(info: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """On a cluster a script may only touch keys of one slot, and it writes the plain keys together with the cell."""
    if not int(info.get("cluster_enabled", 0)) or settings.publish is None:
        return
    tag = f"{{{settings.namespace}}}"
    hash_tag = re.search(r"\{([^}]+)\}", settings.publish.key.replace("{{", "{").replace("}}", "}"))
    same_tag = hash_tag is not None and hash_tag[0] == tag
    why = "on a cluster the plain key and the cell must be on the same node: they need the same hash tag"
    seen = f"the server is a cluster, and [publish] key {'has' if same_tag else 'lacks'} the hash tag {tag}"
    cure = "" if same_tag else f'in [publish]: key = "{{{tag}}}:{settings.publish.key}"'
    yield Finding(AREA, "cluster", Health.OK if same_tag else Health.WRONG, seen, why, cure)


COMMANDS = {
    "": "PING|TIME|MULTI|EXEC|SCAN 0",
    "lock": "TYPE|DEL|PEXPIRE 1000|PTTL|HGET id|HSET id x|HMGET id fence|HGETALL",
    "fence": "GET|SET 1",
    "began": "HGET x|HSET x 1|HDEL x|HGETALL",
    "cleared": "SET x PX 1000|EXISTS",
    "index": "SADD x|SREM x|SMEMBERS",
    "events": "TYPE|XADD * x x|XRANGE - +|XREVRANGE + -",
    "cell": "HGET x|HSET x x|HDEL x|HGETALL|HMGET x|HEXISTS x|HINCRBY x 1|DEL",
    "published": "SET x PX 1000|GET|PTTL|TYPE|DEL",
}
"""The commands that are used on each kind of key, with arguments that stand for the real ones."""

_SAMPLES = 100
"""How many keys of a kind are checked."""

_PROBE = """
if not redis.acl_check_cmd then return false end
local refused = {}
for index, command in ipairs(cjson.decode(ARGV[1])) do
  local known, allowed = pcall(redis.acl_check_cmd, unpack(command))
  if known and not allowed then table.insert(refused, index) end
end
return table.concat(refused, ' ')
"""


class Use(NamedTuple):
    """A command that is used: its key, which may be empty, and all its words."""

    key: str
    words: tuple[str, ...]


def uses(settings: Settings) -> list[Use]:
    """Every command that is used, with keys of this configuration."""
    keys = Keys(settings.namespace)
    cells = list(islice(configured_cells(settings, ()), _SAMPLES))
    keys_of_kind: dict[str, list[str]] = {
        "": [""],
        "lock": [keys.lock(name) for name in settings.databases],
        "fence": [keys.fence],
        "began": [keys.began],
        "cleared": [keys.cleared("x")],
        "index": [keys.index],
        "events": [keys.events],
        "cell": [keys.cell(cell) for cell in cells],
        "published": [key for cell in cells if settings.publish for key in keys_of(settings.publish, cell, "x")],
    }
    lines = ((kind, line.split()) for kind, lines in COMMANDS.items() for line in lines.split("|"))
    commands = [
        Use(key, (name, *filter(None, [key]), *rest)) for kind, (name, *rest) in lines for key in keys_of_kind[kind]
    ]
    scripts = [Use(key, (name, text, "1", key)) for name, text in _SCRIPTS.items() for key in keys_of_kind["lock"]]
    follow = Use(keys.events, ("XREAD", "STREAMS", keys.events, "0"))
    return [*commands, *scripts, follow]


_SCRIPTS = {"EVALSHA": "0" * 40, "EVAL": "return 1"}


def _rights(client: redis.Redis, settings: Settings, commands: Commands) -> Finding:
    why = "a run ends at the first command that is refused"
    checked = uses(settings)
    try:
        with translated_errors(client):
            answer: str | None = client.eval(_PROBE, 0, msgspec.json.encode([use.words for use in checked]).decode())
    except RedisError as error:
        cure = "allow its user EVAL and EVALSHA: ACL SETUSER NAME +@scripting"
        return Finding(AREA, "rights", Health.WRONG, error.message, why, cure)
    if answer is None:
        seen = "a server older than version 7 cannot tell which commands its user may run"
        cure = f"run `{commands.to_type('warmup')}`, which names what is refused"
        return Finding(AREA, "rights", Health.UNKNOWN, seen, why, cure)
    refused = [checked[int(index) - 1] for index in answer.split()]
    if not refused:
        amount = len({use.words[0] for use in checked})
        return Finding(AREA, "rights", Health.OK, f"all {amount} commands that are used are allowed", why)
    first = " ".join(filter(None, (refused[0].words[0], refused[0].key)))
    more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    cure = _grant(client, settings, checked, refused)
    return Finding(AREA, "rights", Health.WRONG, f"refused: {first}{more}", why, cure)


def _grant(client: redis.Redis, settings: Settings, checked: Sequence[Use], refused: Sequence[Use]) -> str:
    """The ACL SETUSER that grants what is refused. A key on which every command is refused lacks a key pattern."""
    try:
        user = str(client.acl_whoami())
    except redis.RedisError:
        user = "NAME"
    closed = {use.key for use in refused if use.key} - {use.key for use in set(checked) - set(refused)}
    prefix = Keys(settings.namespace).prefix
    patterns = [f"~{prefix}*"] if any(key.startswith(prefix) for key in closed) else []
    if settings.publish and any(not key.startswith(prefix) for key in closed):
        patterns.append("~" + re.sub(r"\{\w*\}", "*", settings.publish.key))
    names = sorted({f"+{use.words[0].lower()}" for use in refused if use.key not in closed})
    return f"{redis_cli(client)} ACL SETUSER {user} {shlex.join([*patterns, *names])}"


def _megabytes(amount: int) -> str:
    return f"{amount / 1e6:.0f} MB"
