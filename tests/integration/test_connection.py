"""What a server that is away, slow, strange or unwilling looks like: one clear error with a cure, in time."""

from __future__ import annotations

import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from urllib.parse import quote

import pytest

from countercache import locks
from countercache.errors import ConfigError, CountercacheError, LockLost, RedisError, RedisUnreachable
from countercache.model.states import Event, Progress, Reason
from countercache.operate import pruning
from countercache.settings import RedisSettings, Settings
from countercache.store import cell_store, event_log, redis_client
from countercache.store.lease import Lease
from countercache.store.redis_client import location, open_redis
from tests.integration.redis_side import OWNER, Side, cell, failure, settings_for, value
from tests.valkey import MakeValkey, Valkey

SECRET = "hunter2"
Use = Callable[[Side], object]

USES: dict[str, Use] = {
    "acquire": lambda side: side.acquire("other"),
    "status": lambda side: cell_store.status(side.store, side.settings),
    "list": lambda side: locks.list_locks(side.store),
    "clear": lambda side: locks.clear(side.store, ("victim",), force=True, by=OWNER),
    "events": lambda side: event_log.read(side.store, 1),
    "events since": lambda side: event_log.find(side.store, event_log.EventFilter(since=60)),
    "record": lambda side: event_log.record(side.store, Event("info", "recovery", "started")),
    "prune": lambda side: pruning.prune(side.store, side.settings, by="ops@bastion"),
}
HELD: dict[str, Callable[[Lease], object]] = {
    "renew": lambda lease: lease.renew(Progress("adding")),
    "write": lambda lease: cell_store.write(lease, [value(cell(), key="total")], completed=["users"]),
    "fail": lambda lease: cell_store.write(lease, [failure(cell())], completed=["users"]),
    "mark": lambda lease: lease.record_failure(Reason.LOCK_LOST),
    "release": lambda lease: lease.release(),
}


@pytest.fixture
def side(valkey: Valkey) -> Iterator[Side]:
    """An empty namespace on a server that is well."""
    side = Side(valkey.url, valkey.client())
    yield side
    side.client.close()


def clear_error(error: CountercacheError) -> None:
    """One line with a cure, and no secret in it."""
    assert "\n" not in str(error)
    assert SECRET not in str(error)
    assert error.hint
    assert "user_script" not in str(error)


# --- away


@pytest.mark.parametrize("use", USES)
def test_a_server_that_is_down(valkey: Valkey, make_valkey: MakeValkey, use: str) -> None:
    """Each command says at once that nobody answers there, and exits with 5 (promise F)."""
    server = make_valkey()
    server.stop()
    for url in (server.tcp_url.replace("//", f"//user:{SECRET}@"), server.url):
        side = Side(url, valkey.client())
        before = time.monotonic()
        with pytest.raises(RedisUnreachable, match="cannot be reached") as caught:
            USES[use](side)
        assert time.monotonic() - before < 2
        assert caught.value.exit_code == 5
        assert location(side.client) in str(caught.value)
        clear_error(caught.value)
        side.client.close()


@pytest.mark.parametrize("use", USES)
def test_a_server_that_is_stopped(valkey: Valkey, make_valkey: MakeValkey, use: str) -> None:
    """A server that takes the connection and never answers costs the timeout, for `acquire` twice, never more."""
    server = make_valkey()
    side = Side(server.tcp_url, valkey.client(), timeout=0.3)
    server.pause()
    before = time.monotonic()
    with pytest.raises(RedisUnreachable) as caught:
        USES[use](side)
    assert time.monotonic() - before < 0.3 * 2 + 1
    clear_error(caught.value)
    side.client.close()


@pytest.mark.parametrize("use", HELD)
def test_a_server_that_dies_under_a_lease(valkey: Valkey, make_valkey: MakeValkey, use: str) -> None:
    """The holder is told that it cannot be reached, not that its lock is lost, and its lease counts on by itself."""
    server = make_valkey()
    side = Side(server.tcp_url, valkey.client())
    lease = side.acquire()
    until = lease.until
    server.kill()
    with pytest.raises(RedisUnreachable):
        HELD[use](lease)
    assert lease.until == until
    side.client.close()


def test_a_server_that_comes_back_empty(valkey: Valkey, make_valkey: MakeValkey) -> None:
    """Killed without persistence and started again: the scripts are loaded again, fences still grow (promise B)."""
    server = make_valkey()
    side = Side(server.url, valkey.client())
    first = side.acquire().fence
    server.kill()
    server.start()
    assert side.acquire().fence > first
    side.client.close()


# --- unwilling


def test_a_script_that_the_server_has_forgotten_is_loaded_again(side: Side) -> None:
    """SCRIPT FLUSH between any two commands is not noticed."""
    lease = side.acquire()
    for use in HELD.values():
        side.raw.script_flush()
        use(lease)


def test_a_killed_connection_is_made_anew(side: Side) -> None:
    """CLIENT KILL of an idle connection costs nothing; at the worst one clear error, and the next command works."""
    lease = side.acquire()
    side.raw.client_kill_filter(_type="normal", skipme=True)
    try:
        lease.renew(Progress("adding"))
    except RedisUnreachable as error:
        clear_error(error)
    lease.renew(Progress("adding"))


def test_a_wrong_password(valkey: Valkey, make_valkey: MakeValkey) -> None:
    """Login refused, with a password that is wrong, missing or needless: says where to look, not what was tried."""
    server = make_valkey("--requirepass", "right")
    for login in (f"user:{SECRET}@", f":{SECRET}@", ""):
        side = Side(server.tcp_url.replace("//", f"//{login}"), valkey.client())
        with pytest.raises(RedisError, match="authentication failed") as caught:
            side.acquire()
        assert not isinstance(caught.value, RedisUnreachable)
        clear_error(caught.value)
        side.client.close()
    with closing(open_redis(settings_for(server.tcp_url.replace("//", "//:right@")))) as client:
        assert client.ping()


def test_a_read_only_replica(make_valkey: MakeValkey) -> None:
    """Status can be read from a replica; a run is refused there and told to name the primary."""
    replica = make_valkey("--replicaof", "127.0.0.1", "1")
    side = Side(replica.url, replica.client())
    assert set(side.states().values()) == {"pending"}
    with pytest.raises(RedisError, match="name the primary") as caught:
        side.acquire()
    clear_error(caught.value)
    side.client.close()


def test_a_full_memory(make_valkey: MakeValkey) -> None:
    """With noeviction nothing new is stored and nothing is left half done; a lease goes on and can be given back."""
    server = make_valkey("--maxmemory-policy", "noeviction")
    side = Side(server.url, server.client())
    lease = side.acquire(counters=("users",))
    before = side.raw.dbsize()
    side.raw.config_set("maxmemory", 1)
    for refused in (
        lambda: side.acquire("other"),
        lambda: cell_store.write(lease, [value(cell(), key="total")], completed=["users"]),
        lambda: cell_store.write(lease, [failure(cell())], completed=["users"]),
    ):
        with pytest.raises(RedisError, match="maxmemory") as caught:
            refused()
        clear_error(caught.value)
    assert side.raw.dbsize() == before
    assert side.states()[cell()] == "calculating"
    lease.renew(Progress("adding"))
    lease.release()
    assert not side.raw.exists(side.keys.lock("main"))
    side.client.close()


USED_BY_A_RUN = [
    *("evalsha", "eval", "time", "type", "hget", "hmget", "hset", "hdel", "hexists", "hincrby"),
    *("get", "set", "del", "pexpire", "exists", "sadd", "srem", "xadd"),
]
USED_TO_LOOK = ["multi", "exec", "eval", "time", "hgetall", "pttl", "smembers", "scan", "xrange", "xrevrange"]


@pytest.mark.parametrize("command", sorted({*USED_BY_A_RUN, *USED_TO_LOOK}))
def test_a_missing_right(valkey: Valkey, command: str) -> None:
    """Whichever right is missing: a clear error that names it or no error, and never a lock without a time to live."""
    raw = valkey.client()
    raw.acl_setuser("limited", enabled=True, nopass=True, keys="*", commands=["+@all", f"-{command}"], reset=True)
    side = Side(valkey.tcp_url.replace("//", "//limited:any@"), raw)
    able = Side(valkey.url, raw)
    errors: list[RedisError] = []
    able.acquire("victim")
    attempts: list[Callable[[], object]] = [partial(use, side) for use in USES.values()]
    for name, use in HELD.items():
        lease = able.acquire(name)
        lease.store = side.store
        attempts.append(partial(use, lease))
    late = able.acquire("late")
    able.expire("late")
    late.store = side.store
    attempts.append(partial(late.renew, Progress("late")))
    for attempt in attempts:
        try:
            attempt()
        except RedisError as refused:
            errors.append(refused)
        except LockLost:
            assert command != "exists"
        assert all(raw.pttl(key) > 0 for key in raw.keys("*:lock:*"))
    able.client.close()
    side.client.close()
    raw.acl_deluser("limited")
    assert errors
    for error in errors:
        assert "ACL SETUSER" in str(error)
        assert command in str(error).lower()
        clear_error(error)


def test_a_key_of_another_kind(side: Side) -> None:
    """Where another program uses our keys, the error says so."""
    side.raw.set(side.keys.index, "surprise")
    with pytest.raises(RedisError, match="another program") as caught:
        side.states()
    clear_error(caught.value)


# --- strange


def test_what_answers_is_no_redis(valkey: Valkey) -> None:
    """A web server at that address gives one line, not a traceback."""

    def answer(listener: socket.socket) -> None:
        connected, _ = listener.accept()
        with connected:
            connected.recv(1000)
            connected.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        side = Side(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", valkey.client())
        with pytest.raises(RedisError) as caught:
            side.states()
        clear_error(caught.value)
        thread.join()
        side.client.close()


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{SECRET}@localhost",
        f"redis://:{SECRET}@localhost:port/0",
        f"redis://:{SECRET}@localhost:99999/0",
        f"redis://:{SECRET}@localhost/0?socket_timeout=soon",
        "localhost:6379",
        "",
    ],
)
def test_a_url_that_is_none(url: str) -> None:
    """A configuration error, with exit code 2, an example, and no password."""
    with pytest.raises(ConfigError, match="is not a Redis URL") as caught:
        open_redis(Settings(redis=RedisSettings(url=url)))
    clear_error(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix"])
@pytest.mark.parametrize("end", ["@127.0.0.1:6379/0", "@h/0?db=1"])
@pytest.mark.parametrize("character", ["/", "#", "?", "[", "/@", "#@", "@#", "@x/", "?x=", "?x=@"])
@pytest.mark.parametrize("before", [SECRET, "4711"])
def test_a_password_that_is_not_encoded(before: str, character: str, end: str, scheme: str) -> None:
    """No part of it is shown, be it in the driver's own error, and none is taken for the server's port."""
    url = f"{scheme}://:{before}{character}{SECRET}{end}"
    with pytest.raises(ConfigError, match="write / as %2F, # as %23") as caught:
        open_redis(Settings(redis=RedisSettings(url=url)))
    clear_error(caught.value)
    assert before not in "".join(traceback.format_exception(caught.value))
    encoded = f"redis://:{quote(before + character + SECRET, safe='')}@127.0.0.1:6379/0"
    options = open_redis(Settings(redis=RedisSettings(url=encoded))).connection_pool.connection_kwargs
    assert options["password"] == before + character + SECRET


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("foo=bar", "unknown parameter foo; remove it"),
        ("ssl_cert_reqs=none", "unknown parameter ssl_cert_reqs; write rediss:// for TLS, or remove it"),
        ("max_connections=-1", "max_connections"),
        ("connection_class=x", "its parameters are invalid"),
    ],
)
def test_a_parameter_that_there_is_not(query: str, said: str) -> None:
    """It is named before anything is connected to, and exits with 2."""
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        open_redis(Settings(redis=RedisSettings(url=f"redis://localhost/0?{query}")))
    clear_error(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"redis://me:{SECRET}@example.org", "example.org:6379/0"),
        (f"rediss://:{SECRET}@example.org:7000/3", "example.org:7000/3"),
        (f"unix:///run/redis.sock?db=2&password={SECRET}", "unix:/run/redis.sock"),
        (f"unix:///run/redis@main.sock?password=@{SECRET}", "unix:/run/redis@main.sock"),
        (f"redis://me@corp:{SECRET}@@example.org?client_name=me@corp", "example.org:6379/0"),
        (f"rediss://:{SECRET}@example.org/0?ssl_cert_reqs=none", "example.org:6379/0"),
    ],
)
def test_where_the_server_is_without_who_one_is(url: str, place: str) -> None:
    """Errors show the place only."""
    assert location(open_redis(Settings(redis=RedisSettings(url=url)))) == place


def test_every_command_is_tried_once_and_briefly(valkey: Valkey) -> None:
    """Retries of the driver's own, and what the URL asks for, would make one command last longer than a lease."""
    slow = "socket_timeout=60&socket_connect_timeout=60&retry_on_timeout=yes&retry=3"
    for url in (valkey.tcp_url, f"{valkey.tcp_url}?{slow}&protocol=3&decode_responses=no&encoding=x"):
        with closing(open_redis(settings_for(url), timeout=0.5)) as client:
            options = client.connection_pool.connection_kwargs
            assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.5, 0.5)
            assert options["retry"].get_retries() == 0
            assert client.echo("£") == "£"


def test_scripts_are_known_by_their_text() -> None:
    """What EVALSHA names is what EVAL would send."""
    text, sha = redis_client.script("acquire")
    assert text.count("local function now_us") == 1
    assert len(sha) == 40


def test_integers_from_anybody() -> None:
    """A number that is none is 0, at any length."""
    assert [redis_client.integer(text) for text in ("12", "-3", None, "", "1.5", "x", "9" * 5000, "١٢")] == [
        *(12, -3),
        *(0, 0, 0, 0, 0, 0),
    ]
