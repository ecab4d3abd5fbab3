"""What the doctor sees of Redis, of what is stored there and of this host: each made wrong for real."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import redis

from countercache import locks
from countercache.config import loader
from countercache.model.clock_comparison import clock
from countercache.model.results import Finding, Health
from countercache.model.states import ALL, CellId
from countercache.operate.doctor import host, redis_server, schedule, stored_data
from countercache.settings import PublishSettings, RedisSettings, Settings
from countercache.store import cell_store, lock_owner, redis_client
from countercache.store.redis_client import open_store
from tests.integration.findings import of, wrong
from tests.integration.redis_side import Side, failure, value
from tests.valkey import MakeValkey, Valkey

PUBLISH = PublishSettings(key="total:{counter}:{group}:{period}", ttl=60.0)


@pytest.fixture
def side(valkey: Valkey) -> Side:
    """A namespace on the session's server."""
    return Side(valkey.url, valkey.client())


# --- Redis


def look(url: str, publish: PublishSettings | None = PUBLISH) -> list[Finding]:
    """What is seen of a server."""
    settings = Side(url, redis.Redis()).settings
    store, found = redis_server.examine(msgspec.structs.replace(settings, publish=publish))
    if store:
        store.client.close()
    return found


def say(valkey: Valkey, *words: str | int) -> str:
    """What the server answers to a command, as text."""
    return str(valkey.client().execute_command(*words))  # type: ignore[no-untyped-call]


def user_url(valkey: Valkey, *rules: str) -> str:
    """The URL of a user who has all rights but for `rules`."""
    valkey.client().acl_setuser("limited", enabled=True, nopass=True, keys="*", channels="*", categories=["+@all"])
    say(valkey, "ACL", "SETUSER", "limited", *rules)
    return f"redis://limited:x@127.0.0.1:{valkey.port}/0"


def test_a_server_that_is_well(make_valkey: MakeValkey) -> None:
    """One that keeps its data and evicts nothing gets no word of blame; nothing is written."""
    valkey = make_valkey("--appendonly", "yes")
    found = look(valkey.url)
    assert not wrong(found)
    assert of(found, "rights").seen.startswith("all ")
    assert valkey.client().dbsize() == 0


def test_a_server_that_is_away() -> None:
    """It is the one thing that is wrong, with what to do; nothing else of it is told."""
    found = look("redis://127.0.0.1:1/0")
    assert [(each.subject, each.health) for each in found] == [("server", Health.WRONG)]
    assert "127.0.0.1:1/0 cannot be reached" in found[0].seen
    assert "[redis] url" in found[0].cure


def test_a_replica_names_its_primary(make_valkey: MakeValkey) -> None:
    """What to write into the configuration instead is said."""
    primary, replica = make_valkey(), make_valkey()
    replica.client().replicaof("127.0.0.1", primary.port)
    found = of(look(replica.url), "role")
    assert found.health is Health.WRONG
    assert f"127.0.0.1:{primary.port}" in found.cure


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_may_evict_a_lock(make_valkey: MakeValkey, policy: str) -> None:
    """Any policy but noeviction may take a lock, as soon as there is a maxmemory; the cure ends it."""
    valkey = make_valkey("--maxmemory-policy", policy)
    assert of(look(valkey.url), "eviction").health is Health.WARNING
    valkey.client().config_set("maxmemory", "100mb")
    found = of(look(valkey.url), "eviction")
    assert found.health is Health.WRONG
    program, option, socket, *command = shlex.split(found.cure)
    assert (program, option, socket) == ("redis-cli", "-s", str(valkey.socket))
    say(valkey, *command)
    assert of(look(valkey.url), "eviction").health is Health.OK


def test_a_server_that_is_nearly_full(make_valkey: MakeValkey) -> None:
    """Before it refuses writes there is a warning."""
    valkey = make_valkey("--maxmemory", "100mb")
    assert of(look(valkey.url), "memory").health is Health.OK
    used = int(valkey.client().info("memory")["used_memory"])
    valkey.client().config_set("maxmemory", int(used * 1.05))
    assert of(look(valkey.url), "memory").health is Health.WARNING


def test_a_server_that_keeps_nothing(make_valkey: MakeValkey) -> None:
    """Neither snapshots nor a log: after a restart the site has no totals. Snapshots alone are enough."""
    valkey = make_valkey()
    assert of(look(valkey.url), "persistence").health is Health.WARNING
    valkey.client().config_set("save", "3600 1")
    assert of(look(valkey.url), "persistence").health is Health.OK


def test_a_server_that_cannot_save(make_valkey: MakeValkey) -> None:
    """A snapshot that failed makes it refuse writes sooner or later."""
    valkey = make_valkey("--save", "3600 1", "--enable-protected-configs", "yes")
    (valkey.directory / "gone").mkdir()
    valkey.client().config_set("dir", str(valkey.directory / "gone"))
    (valkey.directory / "gone").rmdir()
    valkey.client().bgsave()
    end = time.monotonic() + 10
    while of(look(valkey.url), "persistence").health is not Health.WRONG:
        assert time.monotonic() < end
    assert "failed" in of(look(valkey.url), "persistence").seen
    valkey.client().config_set("save", "")  # so that it can be stopped


@pytest.mark.parametrize(
    "rules", [("-hincrby",), ("-time",), ("-xadd", "-evalsha"), ("resetkeys", "~countercache:*"), ("-scan", "-multi")]
)
def test_a_right_that_is_missing(make_valkey: MakeValkey, rules: tuple[str, ...]) -> None:
    """What is refused is named, be it a command or a key; the ACL SETUSER that is said allows it."""
    valkey = make_valkey()
    url = user_url(valkey, *rules)
    found = of(look(url), "rights")
    assert found.health is Health.WRONG
    assert found.seen.startswith("refused: ")
    assert valkey.client().dbsize() == 0
    words = shlex.split(found.cure)
    assert words[:5] == ["redis-cli", "-h", "127.0.0.1", "-p", str(valkey.port)]
    say(valkey, *words[5:])
    assert of(look(url), "rights").health is Health.OK


def test_rights_that_the_server_does_not_tell_of(make_valkey: MakeValkey) -> None:
    """Without INFO the rest is looked at all the same; without EVAL nothing can be computed, and that is said."""
    valkey = make_valkey()
    found = look(user_url(valkey, "-info", "-config", "-acl"))
    assert of(found, "state").health is Health.UNKNOWN
    assert of(found, "rights").health is Health.OK
    assert of(look(user_url(valkey, "-eval")), "rights").health is Health.WRONG
    assert of(look(user_url(valkey, "+eval", "+info", "-config")), "persistence").health is Health.UNKNOWN


def test_every_command_that_is_used_is_asked_about(make_valkey: MakeValkey, tmp_path: Path) -> None:
    """The server's own statistics of a run and of what operators do name no command that `rights` does not look at."""
    valkey = make_valkey()
    side = Side(valkey.url, valkey.client())
    drivers = used(valkey)
    lease = side.acquire()
    cell_store.write(lease, [value(CellId("users", ALL, ALL), key="k"), failure(CellId("debt", ALL, ALL))], ["users"])
    cell_store.status(side.store, side.settings)
    locks.list_locks(side.store)
    locks.clear(side.store, (), force=True, by=lock_owner.this_owner("test"))
    side.acquire().release()
    asked = {use.words[0] for use in redis_server.uses(msgspec.structs.replace(side.settings, publish=PUBLISH))}
    assert used(valkey) - drivers - {"INFO"} <= asked


def test_every_command_of_the_scripts_is_asked_about() -> None:
    """What a script calls is in the list too, but for those that look at the locks of others."""
    scripts = Path(redis_client.__file__).with_name("lua")
    texts = [
        path.read_text() for path in scripts.glob("*.lua") if path.stem not in {"inspect_foreign", "digest", "remove"}
    ]
    called = {name for text in texts for name in re.findall(r"(?:redis.p?call|remove)\('(\w+)'", text)}
    assert {"HSET", "XADD", "PEXPIRE"} < called
    settings = msgspec.structs.replace(Side("unix:///x", redis.Redis()).settings, publish=PUBLISH)
    assert called <= {use.words[0] for use in redis_server.uses(settings)}


def used(valkey: Valkey) -> set[str]:
    """The commands that a server has been sent."""
    return {name.removeprefix("cmdstat_").upper() for name in valkey.client().info("commandstats")}


def test_a_cluster_needs_the_hash_tag_in_the_plain_key(make_valkey: MakeValkey) -> None:
    """A script may touch one slot: a plain key without the tag would be refused; the key that is said is not."""
    valkey = make_valkey("--cluster-enabled", "yes")
    say(valkey, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    end = time.monotonic() + 10
    while "cluster_state:ok" not in say(valkey, "CLUSTER", "INFO"):
        assert time.monotonic() < end
    found = of(look(valkey.url), "cluster")
    assert found.health is Health.WRONG
    key = found.cure.partition('"')[2].removesuffix('"')
    good = PublishSettings(key=key, ttl=60.0)
    assert of(look(valkey.url, good), "cluster").health is Health.OK
    side = Side(valkey.url, valkey.client())
    name = key.format(counter="users", group="all", period="all")
    cell_store.write(side.acquire(), [value(CellId("users", ALL, ALL), key=name)])
    assert side.raw.get(name) == "1"


@pytest.mark.parametrize(
    ("skew", "uncertain", "health"),
    [(0.5, 0.0, Health.OK), (-2.5, 0.0, Health.WARNING), (2.5, 0.0, Health.WARNING), (2.5, 2.0, Health.OK)],
)
def test_clocks_that_differ(skew: float, uncertain: float, health: Health) -> None:
    """More than 2 s is worth a word, unless the answer was so long on its way that it cannot be told."""
    found = clock("redis", skew, uncertain)
    assert found.health is health
    assert ("ahead" in found.seen) is (health is Health.WARNING and skew > 0)


# --- locks, cells and plain keys


def stored_in(side: Side, publish: PublishSettings | None = None) -> list[Finding]:
    """What is seen of what is stored."""
    return list(stored_data.examine(side.store, msgspec.structs.replace(side.settings, publish=publish)))


def test_nothing_stored_yet(side: Side) -> None:
    """An empty Redis is no fault, but for the cells that were never computed."""
    found = stored_in(side)
    assert wrong(found) == {"not calculated yet"}
    assert of(found, "not calculated yet").cure == "countercache warmup --due"


def test_locks_that_are_stuck(side: Side) -> None:
    """A dead holder's lock and one without a time to live are wrong; of one on another host that cannot be told."""
    side.acquire("live", owner=lock_owner.this_owner("x"))
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    dead = msgspec.structs.replace(lock_owner.this_owner("x"), pid=gone.pid)
    side.acquire("dead", owner=dead)
    side.acquire("eternal", owner=lock_owner.this_owner("x"))
    side.raw.persist(side.keys.lock("eternal"))
    side.acquire("far")
    found = {each.subject: each for each in stored_in(side) if each.area == stored_data.LOCKS}
    assert {name: each.health for name, each in found.items()} == {
        "live": Health.OK, "dead": Health.WRONG, "eternal": Health.WRONG, "far": Health.UNKNOWN,
    }  # fmt: skip
    assert found["dead"].cure == "countercache locks clear dead"
    assert found["eternal"].cure == "countercache locks clear eternal --force"
    assert "web-1" in found["far"].cure


def test_names_in_a_cure_are_quoted(side: Side) -> None:
    """A lock and a counter with a space in their names: what is shown can be typed."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    side.acquire("my db", owner=msgspec.structs.replace(lock_owner.this_owner("x"), pid=gone.pid))
    side.acquire("eternal one", owner=lock_owner.this_owner("x"))
    side.raw.persist(side.keys.lock("eternal one"))
    found = {each.subject: each.cure for each in stored_in(side)}
    assert found["my db"] == "countercache locks clear 'my db'"
    assert found["eternal one"] == "countercache locks clear 'eternal one' --force"


def test_cells_that_fail_are_stale_or_left_over(side: Side) -> None:
    """Each is named with the command for it."""
    lease = side.acquire()
    cell_store.write(
        lease,
        [
            value(CellId("debt", ALL, "latest"), fresh_for=0),
            value(CellId("debt", ALL, ALL)),
            failure(CellId("users", ALL, ALL), "no such table"),
            value(CellId("removed", ALL, ALL)),
        ],
        ["debt", "users", "each"],
    )
    lease.release()
    found = stored_in(side)
    assert wrong(found) == {"failing", "stale", "not calculated yet", "orphans"}
    assert "users: sql: no such table" in of(found, "failing").seen
    assert of(found, "failing").cure == "countercache config check"
    assert "debt" in of(found, "stale").seen
    assert (of(found, "orphans").seen, of(found, "orphans").cure) == ("1 cell of removed", "countercache prune")


def test_plain_keys_that_the_site_cannot_trust(side: Side) -> None:
    """Overwritten, deleted, made eternal: each is told with its key, and which counter to compute again."""
    lease = side.acquire()
    keys = {period: f"total:debt:all:{period}" for period in ("latest", "all")}
    cell_store.write(lease, [value(CellId("debt", ALL, period), "5", key) for period, key in keys.items()], ["debt"])
    lease.release()
    side.raw.expire(keys["latest"], 60)

    def published() -> dict[str, Finding]:
        return {each.subject: each for each in stored_in(side, PUBLISH) if each.area == stored_data.PUBLISHED}

    assert set(published()) == {"keys"}
    side.raw.set(keys["latest"], "999", keepttl=True)
    side.raw.persist(keys["all"])
    found = published()
    assert found["changed"].seen == f"1 key: {keys['latest']}"
    assert found["changed"].cure == "countercache warmup debt"
    assert found["without expiry"].seen == f"1 key: {keys['all']}"
    side.raw.delete(*keys.values())
    side.raw.lpush(keys["all"], "x")
    assert {"changed", "gone"} <= set(published())
    past = str(int((time.time() - 100) * 1e6))
    side.raw.hset(side.keys.cell(CellId("debt", ALL, "latest")), "computed_at", past)
    assert published()["expired"].seen == f"1 key: {keys['latest']}"


def test_plain_keys_as_json(side: Side) -> None:
    """Only the value counts, however the document is written; what is no document was written by somebody else."""
    publish = msgspec.structs.replace(PUBLISH, encoding="json", ttl=None)
    lease = side.acquire()
    cell_store.write(lease, [value(CellId("users", ALL, ALL), "5.0")], ["users"])
    key = "total:users:all:all"
    for text, good in (('{"value": "5.00"}', True), ('{"value": "6"}', False), ("5", False), ('{"v": 5}', False)):
        side.raw.set(key, text)
        assert ("changed" not in {each.subject for each in stored_in(side, publish)}) is good, text


def test_what_redis_refuses_is_said_and_no_more(make_valkey: MakeValkey) -> None:
    """A user who may not read the plain keys gets all else looked at; one who may not read ours is told so."""
    valkey = make_valkey()
    side = Side(valkey.url, valkey.client())
    cell_store.write(side.acquire(), [value(CellId("users", ALL, ALL), "5")], ["users"])
    side.store = open_store(
        msgspec.structs.replace(
            side.settings, redis=RedisSettings(url=user_url(valkey, "resetkeys", "~countercache:*"))
        )
    )
    assert of(stored_in(side, PUBLISH), "keys").health is Health.UNKNOWN
    user_url(valkey, "-hgetall")
    assert of(stored_in(side, PUBLISH), "store").health is Health.UNKNOWN


def test_a_log_whose_key_holds_something_else(side: Side) -> None:
    """The key and the command that mends it are named; all else is looked at."""
    side.raw.lpush(side.keys.events, "x")
    found = of(stored_in(side), "key")
    assert (found.area, found.health) == (stored_data.LOG, Health.WRONG)
    assert side.keys.events in found.seen
    place, _, command = found.cure.partition(": ")
    assert (place, shlex.split(command)[-2:]) == ("delete the key", ["DEL", side.keys.events])
    side.raw.delete(side.keys.events)
    assert "key" not in {each.subject for each in stored_in(side)}


# --- this host


@pytest.fixture
def environ() -> dict[str, str]:
    """What a login has."""
    return {"HOME": "/", "PATH": os.environ["PATH"], "TERM": "xterm"}


def scheduled(side: Side, settings: Settings, environ: dict[str, str]) -> list[Finding]:
    """What is found about the runs of a site."""
    return list(schedule.examine(cell_store.read(side.store, settings), settings, environ))


def test_the_line_for_a_crontab_can_be_used(side: Side, tmp_path: Path, environ: dict[str, str]) -> None:
    """The line names the command and the configuration in full, and runs with no more than cron gives."""
    (tmp_path / "a b.toml").write_text('namespace = "x"\n[redis]\nurl = "redis://127.0.0.1:1"\n', encoding="utf-8")
    found = of(scheduled(side, loader.load(tmp_path / "a b.toml", {}), environ), "schedule")
    assert found.health is Health.WARNING
    command = found.cure.partition(": ")[2].split(" ", 5)[5]
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace(" warmup --quiet --ok-if-locked", " config show")],
        env={"PATH": schedule.PATH, "HOME": "/"}, capture_output=True, text=True, cwd="/", timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "a b.toml" in done.stdout


def test_runs_that_come_often_enough_are_well(side: Side, environ: dict[str, str]) -> None:
    """Whatever starts them, and on whichever host; a failure is a run too."""
    assert of(scheduled(side, side.settings, environ), "schedule").seen == "no run has ended yet"
    cell_store.write(side.acquire(), [failure(CellId("debt", ALL, ALL))], ["debt"])
    (found,) = scheduled(side, side.settings, environ)
    assert (found.health, found.cure) == (Health.OK, "")
    assert re.fullmatch(r"the last run ended \ds ago", found.seen)


def test_runs_that_do_not_come_any_more(side: Side, environ: dict[str, str]) -> None:
    """The last one is too long ago: by more than a day, or by what is fresh for longer, or because a value is stale."""
    id_ = CellId("users", ALL, ALL)
    cell_store.write(side.acquire(), [value(id_, "5", fresh_for=3600.0)], ["users"])
    key, now = side.keys.cell(id_), side.raw.time()[0]

    def found(age: int) -> Finding:
        side.raw.hset(key, mapping={"computed_at": (now - age) * 10**6, "fresh_until": (now - age + 3600) * 10**6})
        return of(scheduled(side, side.settings, environ), "schedule")

    assert found(3000).health is Health.OK
    late = found(7200)
    assert (late.health, "passed their fresh_for" in late.seen) == (Health.WARNING, True)
    assert late.cure.startswith("in the crontab: */15 * * * * ")
    side.raw.hdel(key, "fresh_until")
    side.raw.hset(key, "computed_at", (now - 90_000) * 10**6)
    assert of(scheduled(side, side.settings, environ), "schedule").seen.startswith("the last run ended 1d1h")
    counters = {
        name: msgspec.structs.replace(each, fresh_for=7 * 86400.0) for name, each in side.settings.counters.items()
    }
    weekly = msgspec.structs.replace(side.settings, counters=counters)
    assert of(scheduled(side, weekly, environ), "schedule").health is Health.OK


def test_variables_that_cron_does_not_have(side: Side, tmp_path: Path, environ: dict[str, str]) -> None:
    """What the file names, what stands in for a missing URL, and what overrides it: not what a comment mentions."""
    text = '# ${COMMENT}\nnamespace = "${SITE}"\n[databases.main]\nurl = "sqlite:///$${NOT}"\n'
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    more = {
        "SITE": "s", "COMMENT": "c", "NOT": "n", "REDIS_URL": "redis://h", "DATABASE_URL": "sqlite:///y",
        "COUNTERCACHE_AGENT__TIMEOUT": "5m",
    }  # fmt: skip
    settings = loader.load(tmp_path / "c.toml", environ | more)
    found = of(scheduled(side, settings, environ | more), "variables")
    assert found.seen == "the configuration takes COUNTERCACHE_AGENT__TIMEOUT, REDIS_URL, SITE from the environment"


def test_the_bundled_valkey_in_production(environ: dict[str, str]) -> None:
    """Without a terminal it is probably cron that calls, and the bundled Valkey a mistake; at a terminal it is not."""
    assert "bundled Valkey" not in {each.subject for each in host.cron(Settings(), environ)}
    del environ["TERM"], environ["HOME"]
    found = list(host.cron(Settings(), environ))
    assert of(found, "bundled Valkey").health is Health.WARNING
    assert of(found, "HOME").health is Health.WARNING
