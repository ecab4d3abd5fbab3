"""Locks of the web stack against a real server: each is named, none is touched, one is cleared on an explicit word."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from countercache import cli
from countercache.errors import UsageError
from countercache.foreign_locks import scan
from countercache.foreign_locks.frameworks import CONFIGURED
from countercache.foreign_locks.scan import UNRECOGNISED
from countercache.model.key_text import spelled
from countercache.model.results import ClearResult, ForeignLock
from countercache.model.states import Verdict
from countercache.model.suggested_commands import NO_OPTIONS, clear_foreign
from countercache.store import event_log
from tests import stack
from tests.integration.redis_side import OWNER, Side, commands_beyond, version
from tests.valkey import MakeValkey, Valkey

TOKEN = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def side(valkey: Valkey) -> Iterator[Side]:
    """An empty namespace."""
    side = Side(valkey.url, valkey.client())
    yield side
    side.client.close()


@pytest.fixture
def raw(valkey: Valkey) -> Iterator[redis.Redis]:
    """A client that answers in bytes."""
    with redis.Redis.from_url(valkey.tcp_url, protocol=2) as client:
        yield client


@pytest.fixture
def web(valkey: Valkey, raw: redis.Redis) -> Iterator[stack.Locks]:
    """The locks of a whole stack, each with its framework."""
    with ExitStack() as end:
        yield stack.locks(raw, valkey.tcp_url, end)


def found(side: Side, *patterns: str) -> dict[bytes, ForeignLock]:
    """The locks of the web stack by their keys."""
    result = scan.survey(side.store, patterns)
    assert not result.notes
    return {lock.key: lock for lock in result.foreign}


def clear(
    side: Side,
    *names: str,
    patterns: tuple[str, ...] = (),
    force: bool = False,
    foreign: bool = False,
    dry_run: bool = False,
) -> ClearResult:
    """Clears as the command does, by `OWNER`."""
    request = scan.ClearRequest(names, force=force, foreign=foreign, dry_run=dry_run)
    return scan.clear(side.store, patterns, request, by=OWNER)


# --- list


def test_locks_of_real_clients_are_named(side: Side, raw: redis.Redis, web: stack.Locks) -> None:
    """Each lock is listed under its framework's name, and of the thousands of keys around them none is."""
    stack.decoys(raw, 10_000)
    listed = found(side)
    assert {key: lock.framework for key, lock in listed.items()} == web
    assert {lock.framework for lock in listed.values()} >= {
        *("redis-py", "django-redis", "django-cache", "celery-once", "celery-redbeat", "kombu", "rq", "laravel"),
        *("sidekiq-unique-jobs", "redisson", "python-redis-lock", "dogpile", "redlock", "bullmq"),
    }


def test_what_never_ends_stands_out(side: Side, web: stack.Locks) -> None:
    """A lock without a time to live has a verdict of its own; of the others the time they have left is known."""
    endless = {key for key, lock in found(side).items() if lock.verdict is Verdict.NO_TTL}
    assert endless == {
        *(b"joblock", b":1:tasks.lock", b"lock:accounts", b"uniquejobs:" + b"4a3b" * 8),
    }
    assert all(0 < lock.ttl <= 1800 for key, lock in found(side).items() if lock.ttl is not None)


def test_the_age_is_told_where_the_lock_tells_it(side: Side, web: stack.Locks) -> None:
    """A token of redis-py is a UUID with its time in it, and sidekiq-unique-jobs writes it down; others do not tell."""
    listed = found(side)
    aged = {lock.framework for lock in listed.values() if lock.age is not None}
    assert aged == {
        *("redis-py", "django-redis", "celery-once", "celery-redbeat", "kombu", "dogpile", "sidekiq-unique-jobs"),
    }
    assert all(lock.age < 60 for lock in listed.values() if lock.age is not None and lock.framework == "redis-py")
    assert listed[b"uniquejobs:" + b"4a3b" * 8 + b":LOCKED"].age == pytest.approx(90, abs=30)


def test_nothing_is_touched(side: Side, valkey: Valkey, raw: redis.Redis, web: stack.Locks, tmp_path: Path) -> None:
    """`locks list` and `locks clear --force` leave every lock of the stack and 100,000 other keys byte for byte."""
    for key in raw.scan_iter():  # so that none of the stack's ends meanwhile
        if raw.ttl(key) > 0:
            raw.expire(key, 3600)
    stack.decoys(raw, 100_000)
    side.acquire()
    config = tmp_path / "countercache.toml"
    database = '[databases.main]\nurl = "sqlite:///x.db"\n[counters.users]\ndatabase = "main"\nsql = "SELECT 1"\n'
    config.write_text(f'namespace = "site"\n[redis]\nurl = "{valkey.url}"\n{database}', encoding="utf-8")
    before = stack.everything(raw)
    assert cli.main(["locks", "list", "--config", str(config)]) == 0
    assert cli.main(["locks", "clear", "--force", "--config", str(config)]) == 0
    assert stack.everything(raw) == before
    assert sum(len(keys) for keys, _ in before) > 100_000
    assert not side.raw.exists(side.keys.lock("main"))


def test_only_commands_that_read_are_used(side: Side, web: stack.Locks) -> None:
    """SCAN and never KEYS; the rest is looked at within a script that reads."""
    side.raw.config_resetstat()
    scan.survey(side.store, ())
    read = "scan time hgetall pttl evalsha eval type object|idletime"
    looked = "strlen getrange hlen hkeys hstrlen hget llen zcard scard"
    connect = "client|no-touch client|setinfo config|resetstat info"
    assert not commands_beyond(f"{read} {looked} {connect}", side.raw)


def test_looking_does_not_count_as_using(side: Side, raw: redis.Redis) -> None:
    """How long nobody has used a lock is its least age; that it is listed does not make it young again (from 7.2)."""
    lock = raw.lock("old:lock")
    assert lock.acquire()
    payload = raw.dump("old:lock")
    assert payload
    raw.restore("old:lock", 60_000, payload, replace=True, idletime=500)
    for _ in range(2 if version(raw) >= (7, 2) else 1):
        assert found(side)[b"old:lock"].idle == pytest.approx(500, abs=30)


def test_a_server_that_counts_uses_tells_no_idle_time(make_valkey: MakeValkey) -> None:
    """With a policy that evicts by frequency there is no least age, and the lock is listed all the same."""
    server = make_valkey("--maxmemory-policy", "allkeys-lfu")
    side = Side(server.url, server.client())
    side.raw.set("a:lock", TOKEN)
    assert found(side)[b"a:lock"].idle is None
    side.client.close()


def test_a_pattern_of_the_settings_makes_a_lock(side: Side) -> None:
    """Keys of any name and type that `[locks] patterns` has are listed; with a known content under its framework."""
    assert side.raw.lock("site:busy:1").acquire()
    side.raw.set("site:busy:2", TOKEN)
    side.raw.hset("site:busy:3", f"{stack.JOB}:7", 1)
    side.raw.set("site:busy:4", "x")
    side.raw.rpush("site:busy:5", "x", "y")
    side.raw.set("site:other", TOKEN)
    assert not found(side)
    listed = found(side, "site:busy:?")
    frameworks = ["redis-py", "redlock", "redisson", CONFIGURED, CONFIGURED]
    assert [listed[b"site:busy:%d" % number].framework for number in range(1, 6)] == frameworks
    assert (listed[b"site:busy:5"].type, listed[b"site:busy:5"].size, listed[b"site:busy:5"].preview) == (
        "list",
        2,
        b"",
    )
    assert len(listed) == 5


def test_a_glob_narrows_the_list_to_its_keys(side: Side) -> None:
    """`--pattern` chooses among our own locks and those of the stack by their keys."""
    for name in ("main", "other"):
        side.acquire(name)
    for key in ("a:lock", "b:lock"):
        side.raw.set(key, TOKEN)

    def keys(glob: str | None, **options: bool) -> list[str]:
        result = scan.survey(side.store, (), glob=glob, **options)
        return [view.lock.name for view in result.locks] + [lock.key.decode() for lock in result.foreign]

    assert keys(None) == ["main", "other", "a:lock", "b:lock"]
    assert keys("b:*") == ["b:lock"]
    assert keys("*lock:m*") == ["main"]
    assert keys(None, foreign=False) == ["main", "other"]
    assert keys("*lock:m*", foreign=False) == ["main"]


def test_locks_of_other_namespaces_are_not_the_stacks(side: Side) -> None:
    """What another countercache keeps is no foreign lock, not even by a pattern that has every key."""
    side.raw.set("countercache:{other}:lock:main", TOKEN)
    assert not found(side, "*")
    result = clear(side, "countercache:{other}:lock:main", patterns=("*",), force=True, foreign=True)
    assert [each.lock.framework for each in result.foreign] == [UNRECOGNISED]
    assert side.raw.exists("countercache:{other}:lock:main")


def test_keys_that_may_not_be_read_are_counted(side: Side) -> None:
    """A user with rights to some keys sees those, and how many others there are."""
    side.raw.set("mine:lock", TOKEN)
    side.raw.set("yours:lock", TOKEN)
    side.raw.acl_setuser("narrow", enabled=True, nopass=True, keys=["mine:*"], commands=["+@all"])
    try:
        side.client.connection_pool.connection_kwargs |= {"username": "narrow", "password": "x"}
        result = scan.survey(side.store, ())
    finally:
        side.raw.acl_deluser("narrow")
    assert [lock.key for lock in result.foreign] == [b"mine:lock"]
    assert len(result.notes) == 1
    assert result.notes[0].startswith("1 key that may be a lock could not be read: ")


def test_what_is_searched_is_bounded(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound of keys or time the search ends, and says what it left out and how to narrow it."""
    for number in range(30):
        side.raw.set(f"shop_cache_{number}", f"aB{number:014}")
        side.raw.set(f"{number}:lock", TOKEN)
    for name in ("main", "other"):
        side.acquire(name)
    assert len(found(side)) == 60
    monkeypatch.setattr(scan, "_VAGUE", 10)
    monkeypatch.setattr(scan, "_CANDIDATES", 22)  # ours are among them
    result = scan.survey(side.store, ())
    assert 28 <= len(result.foreign) <= 32
    assert [note.split("; ")[-1] for note in result.notes] == ["`--pattern` narrows the search"] * 2
    for number in range(3000):
        side.raw.set(f"page:{number}", "x")
    monkeypatch.setattr(scan, "_PATIENCE", 0.0)
    result = scan.survey(side.store, ())
    assert "was stopped after 0 s" in result.notes[0]
    assert [view.lock.name for view in result.locks] == ["main", "other"]


# --- hostile text


def test_a_megabyte_is_not_fetched(side: Side) -> None:
    """Of a value of 1 MB only the first bytes cross the wire, be it a text or in a hash."""
    side.raw.set("big:lock", b"x" * 1_000_000)
    side.raw.hset("big:hash", f"{stack.JOB}:1", b"x" * 1_000_000)
    side.raw.hset("big:hash", "y" * 1_000_000, 1)
    before = side.raw.info("stats")["total_net_output_bytes"]
    listed = found(side, "big:*")
    assert side.raw.info("stats")["total_net_output_bytes"] - before < 50_000
    assert (listed[b"big:lock"].size, len(listed[b"big:lock"].preview)) == (1_000_000, 256)
    assert listed[b"big:hash"].size == 2


HOSTILE_KEYS = (
    b"\xff\xfe:lock",
    b"\x1b[2J\x1b]0;owned\x07:lock",
    b"[red]a[/red]:lock",
    b"a\nb\tc:lock",
    "\u202egnp.exe:lock".encode(),
    b"\x85:lock",
    "\x85:lock".encode(),
    rb"\xff\xfe:lock",
    rb"App\notify:lock",
    rb"App\Jobs\Mail:lock",
    "Zürich, 東京:lock".encode(),
    b" :lock",
    b"\x00:lock",
)


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=lambda key: str(key)[2:-1])
def test_a_key_can_be_cleared_by_what_is_shown_of_it(key: bytes, side: Side, raw: redis.Redis) -> None:
    """Whatever bytes are in a key, the spelling of the list is safe to show, and clears that key and no other."""
    for each in HOSTILE_KEYS:
        raw.set(each, TOKEN)
    shown = spelled(found(side)[key].key)
    assert shown.isprintable()
    # A text that is both a key as it is and the spelling of another is refused rather than guessed.
    if shown.encode() in HOSTILE_KEYS and shown.encode() != key:
        result = clear(side, shown, force=True, foreign=True)
        assert result.exit_code == 3
        assert {each.lock.key for each in result.foreign} == {key, shown.encode()}
        raw.delete(shown)
    before = set(raw.keys())
    assert clear(side, shown, force=True, foreign=True).exit_code == 0
    assert before - set(raw.keys()) == {key}


def test_hostile_locks_are_shown_escaped(side: Side, valkey: Valkey, raw: redis.Redis, capsys: Any) -> None:
    """In a pipe and in JSON no byte of a key or a value is obeyed, and each lock is one line."""
    for key in HOSTILE_KEYS:
        raw.set(key, b"\x1b[31m\n\xff\x9b" + bytes(range(256)))
    directory = valkey.directory / "countercache.toml"
    tables = '[databases.main]\nurl = "sqlite:///x.db"\n[counters.users]\ndatabase = "main"\nsql = "SELECT 1"\n'
    patterns = '[locks]\npatterns = ["*:lock"]\n'
    directory.write_text(f'[redis]\nurl = "{valkey.url}"\n{patterns}{tables}', encoding="utf-8")
    assert cli.main(["locks", "list", "--config", str(directory)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(HOSTILE_KEYS)
    assert all(line.replace("\t", "").isprintable() for line in lines)
    assert cli.main(["locks", "list", "--json", "--config", str(directory)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {lock["key"] for lock in document["locks"]} == set(map(spelled, HOSTILE_KEYS))
    assert all(lock["preview"].isprintable() and len(lock["preview"]) <= 200 for lock in document["locks"])


# --- clear


@pytest.mark.parametrize("key", [*HOSTILE_KEYS, b"--force:lock", b"it's a lock"], ids=lambda key: str(key)[2:-1])
def test_the_command_that_is_named_can_be_pasted(key: bytes, side: Side, valkey: Valkey, raw: redis.Redis) -> None:
    """Whatever is in its key: what a shell makes of the command clears the lock."""
    raw.set(key, TOKEN)
    config = valkey.directory / "countercache.toml"
    tables = '[databases.main]\nurl = "sqlite:///x.db"\n[counters.users]\ndatabase = "main"\nsql = "SELECT 1"\n'
    config.write_text(f'[redis]\nurl = "{valkey.url}"\n{tables}', encoding="utf-8")
    command = shlex.split(NO_OPTIONS.to_type(clear_foreign(found(side)[key].key)))
    assert cli.main(["--config", str(config), *command[1:]]) == 0
    assert not raw.exists(key)


def test_a_lock_of_the_stack_needs_both_words(side: Side, web: stack.Locks) -> None:
    """Without `--foreign --force` it is left, with exit code 3 and the very command that clears it."""
    for force, insisted in ((False, False), (True, False), (False, True)):
        result = clear(side, "bull:mail:1:lock", force=force, foreign=insisted)
        (left,) = result.foreign
        assert (result.exit_code, left.cleared, left.lock.framework) == (3, False, "bullmq")
        command = left.why.split("`")[1]
        assert command == "countercache locks clear --foreign --force bull:mail:1:lock"
    result = clear(side, *shlex.split(command)[5:], force=True, foreign=True)
    assert (result.exit_code, result.foreign[0].cleared) == (0, True)
    assert set(found(side)) == set(web) - {b"bull:mail:1:lock"}


def test_foreign_locks_are_never_cleared_unnamed(side: Side, web: stack.Locks) -> None:
    """`--foreign --force` alone is refused; a name that is no key's, be it a glob of many, clears nothing."""
    with pytest.raises(UsageError, match="--foreign clears only locks that are named"):
        clear(side, force=True, foreign=True)
    result = clear(side, "bull:*", "redlock", force=True, foreign=True)
    assert (result.exit_code, result.unknown, result.foreign) == (3, ("bull:*", "redlock"), ())
    assert set(found(side)) == set(web)


def test_what_is_no_lock_is_never_cleared(side: Side) -> None:
    """A key that is not recognised stays, whatever was typed, until `[locks] patterns` says that it serves as one."""
    side.raw.set("session:1", "data")
    result = clear(side, "session:1", force=True, foreign=True)
    assert (result.exit_code, result.foreign[0].cleared) == (3, False)
    assert "[locks] patterns" in result.foreign[0].why
    assert side.raw.exists("session:1")
    assert clear(side, "session:1", force=True, foreign=True, patterns=("session:*",)).exit_code == 0
    assert not side.raw.exists("session:1")


def test_ours_and_others_are_cleared_together(side: Side) -> None:
    """Names of our locks and keys of others may stand side by side."""
    side.acquire("main")
    side.acquire("other")
    side.raw.set("a:lock", TOKEN)
    result = clear(side, "main", "a:lock", side.keys.lock("other"), "nothing", force=True, foreign=True)
    assert [each.lock.name for each in result.locks if each.cleared] == ["main", "other"]
    assert [each.lock.key for each in result.foreign if each.cleared] == [b"a:lock"]
    assert (result.unknown, result.exit_code) == (("nothing",), 3)


def fill(client: redis.Redis, kind: str, what: str) -> None:
    """A lock `x:lock` of a kind."""
    client.delete("x:lock")
    fillers: dict[str, Any] = {
        "string": lambda: client.set("x:lock", what * 100_000),
        "hash": lambda: client.hset("x:lock", mapping={"b": what, "a": "1", "c": what}),
        "list": lambda: client.rpush("x:lock", what, "1"),
        "set": lambda: client.sadd("x:lock", what, "1"),
        "zset": lambda: client.zadd("x:lock", {what: 1, "1": 2}),
    }
    fillers[kind]()


def test_the_options_of_the_commands(side: Side, valkey: Valkey, capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed reaches what does it, and the exit codes are those that are documented."""
    side.acquire("main")
    side.raw.set("a:lock", TOKEN)
    config = valkey.directory / "countercache.toml"
    tables = '[databases.main]\nurl = "sqlite:///x.db"\n[counters.users]\ndatabase = "main"\nsql = "SELECT 1"\n'
    config.write_text(f'namespace = "site"\n[redis]\nurl = "{valkey.url}"\n{tables}', encoding="utf-8")

    def typed(*arguments: str) -> tuple[int, list[str]]:
        code = cli.main(["--config", str(config), "locks", *arguments])
        return code, [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]

    assert typed("list") == (0, ["main", "a:lock"])
    assert typed("list", "--pattern", "a:*") == (0, ["a:lock"])
    assert typed("list", "--no-foreign") == (0, ["main"])
    assert typed("clear") == (3, ["main"])
    assert typed("clear", "--foreign", "--force") == (2, [])
    assert typed("clear", "a:lock", "--foreign") == (3, ["a:lock"])
    assert typed("clear", "a:lock", "main", "--foreign", "--force", "--dry-run") == (0, ["main", "a:lock"])
    assert typed("list") == (0, ["main", "a:lock"])
    assert typed("clear", "a:lock", "main", "--foreign", "--force") == (0, ["main", "a:lock"])
    assert typed("list") == (0, [])


@pytest.mark.parametrize("kind", ["string", "hash", "list", "set", "zset"])
def test_a_lock_that_changed_since_it_was_listed_is_left(kind: str, side: Side) -> None:
    """Compare-and-delete: its whole content is compared, of any type and size; what is the same is deleted."""
    fill(side.raw, kind, "holder-1")
    (listed,) = (each.lock for each in clear(side, "x:lock", patterns=("x:*",)).foreign)
    fill(side.raw, kind, "holder-2")
    result = scan.clear_listed(side.store, listed, forced=True, by=OWNER)
    assert not result.cleared
    assert "it has changed since it was listed" in result.why
    assert side.raw.exists("x:lock")
    assert not event_log.read(side.store)
    fill(side.raw, kind, "holder-1")
    assert scan.clear_listed(side.store, listed, forced=True, by=OWNER).cleared
    assert not side.raw.exists("x:lock")


def test_a_lock_of_another_type_by_now_is_left(side: Side) -> None:
    """A text that has become a hash is another lock."""
    fill(side.raw, "string", "a")
    (listed,) = (each.lock for each in clear(side, "x:lock", patterns=("x:*",)).foreign)
    fill(side.raw, "hash", "a")
    assert not scan.clear_listed(side.store, listed, forced=True, by=OWNER).cleared


def test_a_lock_that_ended_since_it_was_listed_is_no_trouble(side: Side) -> None:
    """There is nothing left to clear, and nothing to record."""
    side.raw.set("a:lock", TOKEN)
    (listed,) = (each.lock for each in clear(side, "a:lock").foreign)
    side.raw.delete("a:lock")
    result = scan.clear_listed(side.store, listed, forced=True, by=OWNER)
    assert (result.cleared, result.why) == (True, "it ended by itself meanwhile")
    assert not event_log.read(side.store)


def test_what_cannot_be_compared_is_left(side: Side) -> None:
    """A stream, or a set of more than 10,000, is left with a word how to delete it."""
    side.raw.xadd("s:stream", {"a": "b"})
    side.raw.sadd("s:set", *range(10_001))
    for name in ("s:stream", "s:set"):
        result = clear(side, name, force=True, foreign=True, patterns=("s:*",))
        assert (result.exit_code, result.foreign[0].cleared) == (3, False)
        assert "cannot be compared" in result.foreign[0].why
        assert side.raw.exists(name)


def test_a_dry_run_says_what_would_be_done(side: Side) -> None:
    """The same exit codes and words for our locks and others', and nothing is changed or recorded."""
    side.acquire("main")
    side.raw.set("a:lock", TOKEN)
    before = {key: side.raw.dump(key) for key in side.raw.scan_iter()}
    result = clear(side, "main", "a:lock", force=True, foreign=True, dry_run=True)
    assert (result.exit_code, result.dry_run) == (0, True)
    done = [(each.cleared, each.why) for each in result.locks] + [(each.cleared, each.why) for each in result.foreign]
    assert all(cleared and why.startswith("would be cleared: ") for cleared, why in done)
    assert len(done) == 2
    assert clear(side, "main", "a:lock", dry_run=True).exit_code == 3
    assert {key: side.raw.dump(key) for key in side.raw.scan_iter()} == before


def test_every_clear_is_on_record(side: Side) -> None:
    """The event says who cleared what from where with which command, whose lock it was and what was in it."""
    side.acquire("main")
    side.raw.set(b"a\x1b:lock", TOKEN, px=60_000)
    clear(side, "main", r"a\x1b:lock", force=True, foreign=True)
    own, other = event_log.read(side.store, 2)
    for event, lock in ((own, "main"), (other, r"a\x1b:lock")):
        assert (event.level, event.category, event.action) == ("warning", "lock", "cleared")
        assert (event.lock, event.by) == (lock, "deploy@web-1")
        assert event.message.endswith("; cleared with: countercache warmup")
    digest = hashlib.sha1(b"32:" + TOKEN).hexdigest()
    assert (
        f"a lock of redlock; nothing in it tells whether its holder is alive; it held {TOKEN.decode()}" in other.message
    )
    assert digest in other.message


def test_a_real_holder_whose_lock_was_cleared_notices(side: Side, raw: redis.Redis) -> None:
    """redis-py's Lock finds at its release that it is not its own any more: nothing else of it was touched."""
    lock = raw.lock("site:report-lock", timeout=60)
    assert lock.acquire()
    assert clear(side, "site:report-lock", force=True, foreign=True).exit_code == 0
    with pytest.raises(redis.exceptions.LockNotOwnedError):
        lock.release()
    assert raw.lock("site:report-lock", timeout=60).acquire(blocking=False)


def test_the_recorded_locks_of_node_are_what_their_clients_write() -> None:
    """The record has texts of the shape that the clients' sources make: 32 hex digits, and a UUID with a number."""
    recorded = json.loads(stack.NODE.read_text(encoding="utf-8"))
    values = {each["key"]: base64.b64decode(each["value"]) for each in recorded if each["value"]}
    assert len(values["locks:account:322"]) == 32
    assert values["bull:mail:1:lock"].count(b"-") == 4
    assert {each["client"] for each in recorded} == {"redlock", "bullmq"}
