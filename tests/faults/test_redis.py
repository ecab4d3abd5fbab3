"""Redis that stalls, loses data or refuses: the holder stops in time, fences grow on, errors are clear."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import suppress

import redis

from tests.faults.figures import FORMULAS
from tests.faults.harness import LEASE, ROOMY, Site
from tests.faults.injections import STOPS, Trial, injections
from tests.faults.processes import Run, until

DEBUG = ("--enable-debug-command", "yes")


def _begun(trial: Trial, *counters: str) -> Run:
    """A run that holds its lock, at a random moment of its work."""
    site = trial.site
    site.change()
    run = site.start("warmup", *(counters or ("total", "slow", "ratio", "sum", "nap")), *ROOMY)
    until(site.locked, why="the run holds its lock")
    time.sleep(trial.rng.uniform(0.0, 1.0))
    return run


def _last_fence(site: Site) -> int:
    return int(str(site.redis.get(site.keys.fence) or 0))


def _say(client: redis.Redis, *command: str) -> None:
    client.execute_command(*command)  # type: ignore[no-untyped-call]


# --- it stalls


@injections("Redis stalls", 9, own_valkey=DEBUG)
def test_a_stall_with_a_rival_waiting(trial: Trial) -> None:
    """CLIENT PAUSE, DEBUG SLEEP or SIGSTOP, shorter or longer than the lease, and a rival that waits for the lock: the
    holder stops before the rival publishes, and what the rival stored stays.
    """
    site = trial.site
    how = ("CLIENT PAUSE", "DEBUG SLEEP", "SIGSTOP")[trial.seed % 3]
    seconds = trial.rng.uniform(0.3, LEASE + 1.5)
    trial.note(f"{how} {seconds:.2f} s")
    run = _begun(trial)
    stall = threading.Thread(target=_stall, args=(site, how, seconds))
    stall.start()
    rival = site.start("warmup", "--wait", "15s", *FORMULAS)
    result = trial.ended(run, 0, 1, 3)
    stall.join(20)
    second = trial.ended(rival, 0, 5)  # it may have asked within the stall: then it says that Redis does not answer
    trial.note(f"exit {result.code}, {second.code}")
    if result.code == 0 and second.code == 0:
        trial.check_values()
    trial.gone(run, result.at)
    trial.gone(rival, second.at)
    trial.recovers(max(result.at, second.at))


def _stall(site: Site, how: str, seconds: float) -> None:
    if how == "SIGSTOP":
        site.valkey.pause()
        time.sleep(seconds)
        site.valkey.resume()
        return
    client = site.valkey.client()
    if how == "DEBUG SLEEP":
        _say(client, "DEBUG", "SLEEP", f"{seconds:.3f}")
    else:
        client.client_pause(int(seconds * 1000), all=True)
        time.sleep(seconds)


# --- it loses data


@injections("Redis loses data", 5, own_valkey=())
def test_redis_is_killed_without_persistence(trial: Trial) -> None:
    """Kill -9 and an empty server in its place: the run ends as lost, and the next one's fence is greater."""
    site = trial.site
    run = _begun(trial)
    fence = max(_last_fence(site), 1)
    site.valkey.kill()
    trial.sampler.forget_fences()
    down = trial.rng.uniform(0.0, 1.5)
    trial.note(f"down for {down:.2f} s")
    time.sleep(down)
    site.valkey.start()
    result = trial.ended(run, 0, 1, 3)  # 0: it had stored all that it had to
    trial.gone(run, result.at)
    trial.recovers(result.at)
    assert _last_fence(site) > fence, "promise B: the fence did not grow"


@injections("Redis loses data", 6, own_valkey=())
def test_flushall_during_a_run(trial: Trial) -> None:
    """FLUSHALL with a rival at once: the late run is refused, the rival's fence is greater, what it stored stays."""
    site = trial.site
    run = _begun(trial)
    fence = _last_fence(site)
    trial.sampler.forget_fences()
    site.redis.flushall()
    trial.sampler.forget_fences()
    site.change()
    rival = trial.ended(site.start("warmup", *FORMULAS), 0)
    assert _last_fence(site) > fence, "promise B: the fence did not grow"
    result = trial.ended(run, 0, 1, 3)
    trial.note(f"exit {result.code}")
    trial.check_values()
    assert rival.code == 0
    trial.gone(run, result.at)
    trial.recovers()


@injections("Redis loses data", 5, own_valkey=())
def test_an_old_snapshot_is_restored(trial: Trial) -> None:
    """A snapshot of the middle of an earlier run comes back: its lock is over, and the next fence is the greatest."""
    site = trial.site
    client = site.valkey.client()
    first = _begun(trial)
    client.save()
    kept = site.directory / "kept.rdb"
    shutil.copy(site.valkey.directory / "dump.rdb", kept)
    trial.ended(first, 0)
    site.change()
    trial.warm()
    late = _begun(trial)
    fence = _last_fence(site)
    site.valkey.kill()
    trial.sampler.forget_fences()
    shutil.copy(kept, site.valkey.directory / "dump.rdb")
    site.valkey.start()
    trial.sampler.forget_fences()
    result = trial.ended(late, 0, 1, 3)
    trial.note(f"exit {result.code}")
    trial.gone(late, result.at)
    trial.recovers(result.at)
    assert _last_fence(site) > fence, "promise B: the fence did not grow"
    (site.valkey.directory / "dump.rdb").unlink()


# --- it refuses


@injections("Redis refuses", 5, own_valkey=())
def test_a_full_memory(trial: Trial) -> None:
    """Maxmemory with noeviction, from a random moment on: one clear error, nothing half-written, no lock for ever."""
    site = trial.site
    client = site.valkey.client()
    old = site.generation
    if trial.seed % 2:
        site.change()
        client.config_set("maxmemory", "1")
        run = site.start("warmup", *FORMULAS)
        result = trial.ended(run, 1)
        trial.check_values(generation=old)
        assert not site.locked()
    else:
        run = _begun(trial)
        client.config_set("maxmemory", "1")
        result = trial.ended(run, 0, 1, 3)
    trial.note(f"exit {result.code}")
    if result.code:
        assert "maxmemory" in result.err, result.err
    client.config_set("maxmemory", "0")
    trial.gone(run, result.at)
    trial.recovers(result.at)


@injections("Redis refuses", 4, own_valkey=())
def test_scripts_are_flushed_all_the_time(trial: Trial) -> None:
    """SCRIPT FLUSH again and again: NOSCRIPT is answered with the script's text, and the run succeeds."""
    site = trial.site
    run = _begun(trial, *FORMULAS, "nap")
    client = site.valkey.client()
    flushes = 0
    while run.running:
        client.script_flush()
        flushes += 1
        time.sleep(0.005)
    result = trial.ended(run, 0)
    trial.note(f"{flushes} flushes")
    trial.check_values(*FORMULAS, "nap")
    trial.gone(run, result.at)
    trial.recovers()


@injections("Redis refuses", 5, own_valkey=())
def test_clients_are_killed(trial: Trial) -> None:
    """CLIENT KILL at random moments: asked again on a new connection, the run succeeds or says what was lost."""
    site = trial.site
    client = site.valkey.client()
    run = _begun(trial, *FORMULAS, "nap")
    for _ in range(trial.rng.randint(1, 4)):
        client.client_kill_filter(_type="normal", skipme=True)
        time.sleep(trial.rng.uniform(0.0, 0.2))
    result = trial.ended(run, 0, 1, 3)
    trial.note(f"exit {result.code}")
    if result.code == 0:
        trial.check_values(*FORMULAS, "nap")
    trial.gone(run, result.at)
    trial.recovers(result.at)


@injections("Redis refuses", 4, own_valkey=())
def test_a_server_that_becomes_a_replica(trial: Trial) -> None:
    """READONLY from a random moment on, as after a failover: one clear error, and the lock ends by itself."""
    site = trial.site
    client = site.valkey.client()
    run = _begun(trial)
    _say(client, "REPLICAOF", "127.0.0.1", "1")
    result = trial.ended(run, 1, 3)
    assert "replica" in result.err, result.err
    assert result.seconds < 1.2 + LEASE + STOPS
    _say(client, "REPLICAOF", "NO", "ONE")
    trial.gone(run, result.at)
    trial.recovers(result.at)


RIGHTS = ("evalsha", "eval", "hset", "pexpire", "del", "xadd", "sadd", "set", "get", "hget", "hgetall", "time", "hdel")


@injections("Redis refuses", 13, own_valkey=())
def test_a_right_is_missing(trial: Trial) -> None:
    """An ACL that lacks one command: one clear error that names the cure, nothing half-written, no lock for ever."""
    site = trial.site
    client = site.valkey.client()
    right = RIGHTS[trial.seed % len(RIGHTS)]
    trial.note(right)
    _say(client, "ACL", "SETUSER", "site", "on", ">secret-word", "~*", "&*", "+@all", f"-{right}")
    client.script_flush()
    site.configure(login="site:secret-word@")
    site.change()
    run = site.start("warmup", *FORMULAS)
    result = trial.ended(run, 0, 1, 3, 5)
    trial.note(f"exit {result.code}")
    if result.code:
        assert "ACL SETUSER" in result.err, result.err
    assert "secret-word" not in result.err + result.out
    site.configure()
    trial.gone(run, result.at)
    trial.recovers(result.at)


@injections("Redis refuses", 2, own_valkey=())
def test_redis_is_away_for_every_command(trial: Trial) -> None:
    """The server is killed: each command says so in one line within 2 s, exit 5; back again, all works."""
    site = trial.site
    site.valkey.kill()
    for arguments in (("status",), ("locks", "list"), ("warmup",)):
        result = trial.ended(site.start(*arguments), 5)
        assert result.seconds < 2.5, f"promise F: {arguments} took {result.seconds:.2f} s"
        assert len(result.err.strip().splitlines()) == 1, result.err
    site.valkey.start()
    trial.sampler.forget_fences()
    until(lambda: _answers(site), why="the sampler's server answers")
    trial.recovers()


def _answers(site: Site) -> bool:
    with suppress(redis.RedisError):
        return bool(site.redis.ping())
    return False
