"""The network: a proxy between the program and Redis, or the database, that fails in every way a network can."""

from __future__ import annotations

import signal
import time

from tests.faults.figures import FORMULAS
from tests.faults.harness import LEASE, ROOMY
from tests.faults.injections import STOPS, Trial, injections
from tests.faults.processes import Result, until
from tests.faults.proxy import Mode, Proxy
from tests.faults.sampler import ANSWERS, LOAD

COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("locks", "list"),
    ("locks", "clear"),
    ("locks", "clear", "main", "--force"),
    ("warmup",),
    ("warmup", "--due"),
    ("warmup", "--wait", "30s", "total"),
)


def _redis(trial: Trial) -> Proxy:
    assert trial.site.redis_proxy
    return trial.site.redis_proxy


def _database(trial: Trial) -> Proxy:
    assert trial.site.database_proxy
    return trial.site.database_proxy


def _one_line(result: Result) -> None:
    """One clear line on stderr that says what to do, and no more."""
    lines = result.err.strip().splitlines()
    assert len(lines) == 1, result.err
    assert "Redis" in lines[0] and ";" in lines[0], lines[0]


@injections("network", 12, proxied=("redis",))
def test_redis_cannot_be_reached(trial: Trial) -> None:
    """Never answers, silent, resets, refuses: every command answers within 2 s, exit 5, one line with the cure."""
    proxy = _redis(trial)
    command = COMMANDS[trial.seed % len(COMMANDS)]
    proxy.mode = trial.rng.choice((Mode.HOLD, Mode.SILENT, Mode.RESET, Mode.REFUSE))
    trial.note(f"{proxy.mode} {' '.join(command)}")
    result = trial.ended(trial.site.start(*command), 5)
    assert result.seconds < ANSWERS + LOAD, f"promise F: it took {result.seconds:.2f} s"
    if "--json" not in command:
        _one_line(result)
    proxy.calm()
    trial.recovers()


@injections("network", 3, proxied=("redis",))
def test_a_server_that_only_takes_connections_is_not_well(trial: Trial) -> None:
    """`doctor` and `config check` wait for an answer, once: they say within 2 s that Redis cannot be reached."""
    proxy = _redis(trial)
    trial.site.configure(slow=False)  # they look at what the database has, too, and take the time that it takes
    proxy.mode = trial.rng.choice((Mode.HOLD, Mode.SILENT, Mode.RESET))
    for arguments in (("doctor",), ("config", "check")):
        result = trial.ended(trial.site.start(*arguments), 1, 2, 5)
        assert result.seconds < ANSWERS + LOAD, f"promise F: {arguments} took {result.seconds:.2f} s"
        assert "cannot be reached" in result.out, result.out
        assert " answers" not in result.out, result.out
    trial.site.calm()
    trial.recovers()


@injections("network", 2, proxied=("redis",))
def test_redis_is_looked_at_beside_the_databases(trial: Trial) -> None:
    """While a database takes its time, `doctor` and `config check` ask Redis: their waits do not add up."""
    site, proxy = trial.site, _redis(trial)
    with site.table_locked():
        for arguments in (("doctor",), ("config", "check")):
            before = proxy.connections
            run = site.start(*arguments)
            until(lambda: proxy.connections > before or not run.running, why="Redis is asked")  # noqa: B023 - called here
            assert run.running, f"{arguments} did not wait for the table: {run.wait()}"
            run.signal(signal.SIGTERM)
            trial.ended(run, 128 + signal.SIGTERM)
    trial.recovers()


@injections("network", 10, proxied=("redis",))
def test_redis_goes_away_during_a_run(trial: Trial) -> None:
    """Silent, held, refused for good, mid-run: the holder stops when its lease is over by its own clock."""
    site, proxy = trial.site, _redis(trial)
    site.change()
    run = site.start("warmup", "total", "slow", "ratio", "sum", "nap")
    until(site.locked, why="the run holds its lock")
    time.sleep(trial.rng.uniform(0.0, 0.8))
    proxy.mode = trial.rng.choice((Mode.HOLD, Mode.SILENT, Mode.REFUSE))
    away = time.monotonic()
    trial.note(proxy.mode)
    result = trial.ended(run, 1, 3)
    assert result.at - away < LEASE + STOPS, f"the holder stopped after {result.at - away:.2f} s"
    trial.gone(run, result.at)
    proxy.calm()
    trial.recovers(away)


@injections("network", 18, proxied=("redis",))
def test_the_reply_of_a_command_is_lost(trial: Trial) -> None:
    """The n-th command reaches Redis and its reply is lost: one holder, no lock orphaned, never a wrong value."""
    site, proxy = trial.site, _redis(trial)
    old = site.generation
    site.change()
    proxy.then = trial.rng.choice(("close", "silence"))
    proxy.drop_reply = nth = 1 + trial.seed % 12
    run = site.start("warmup", *FORMULAS, "nap")
    result = trial.ended(run, 0, 1, 3, 5)
    trial.note(f"reply {nth}, {proxy.then}: exit {result.code} after {result.seconds:.2f} s")
    proxy.calm()
    if result.code == 0:
        trial.check_values(*FORMULAS, "nap")
    elif result.code == 5:
        trial.check_values(generation=old)  # nothing had begun
    trial.gone(run, result.at)
    # The reply to the release itself may be what was lost, and the lock was released; or the lock ends by itself.
    trial.recovers(result.at)


@injections("network", 6, proxied=("redis",))
def test_the_connection_to_redis_is_reset(trial: Trial) -> None:
    """Reset at a random moment: what was not answered is asked again, and the run succeeds."""
    site, proxy = trial.site, _redis(trial)
    site.change()
    run = site.start("warmup", *FORMULAS, "nap")
    until(site.locked, why="the run holds its lock")
    time.sleep(trial.rng.uniform(0.0, 0.8))
    proxy.mode = Mode.RESET
    time.sleep(trial.rng.uniform(0.0, 0.5))
    proxy.mode = Mode.PASS
    result = trial.ended(run, 0, 1, 3)
    trial.note(f"exit {result.code}")
    if result.code == 0:
        trial.check_values(*FORMULAS, "nap")
    trial.gone(run, result.at)
    trial.recovers(result.at)


@injections("network", 6, proxied=("redis", "database"))
def test_a_slow_network_is_no_failure(trial: Trial) -> None:
    """Latency, or a few bytes at a time, to both servers: the run succeeds and every value is exact."""
    site = trial.site
    site.change()
    for proxy in (_redis(trial), _database(trial)):
        if trial.rng.random() < 0.5:
            proxy.latency = trial.rng.uniform(0.005, 0.03)
        else:
            proxy.drip, proxy.drip_every = trial.rng.randint(20, 200), 0.001
    trial.note(", ".join(f"{p.latency:.3f}/{p.drip}" for p in (_redis(trial), _database(trial))))
    run = site.start("warmup", *FORMULAS, *ROOMY)
    result = trial.ended(run, 0)
    trial.check_values()
    for proxy in (_redis(trial), _database(trial)):
        proxy.calm()
    trial.gone(run, result.at)
    trial.recovers()


@injections("network", 6, proxied=("database",))
def test_the_database_cannot_be_reached(trial: Trial) -> None:
    """Never answers, silent, resets, refuses: exit 5 within the connect timeout of 2 s, and no lock is left."""
    site, proxy = trial.site, _database(trial)
    old = site.generation
    proxy.mode = trial.rng.choice((Mode.HOLD, Mode.SILENT, Mode.RESET, Mode.REFUSE))
    trial.note(proxy.mode)
    run = site.start("warmup", *FORMULAS)
    result = trial.ended(run, 5)
    assert result.seconds < 2.0 + 1.0 + LOAD, f"promise F: it took {result.seconds:.2f} s"
    assert "main" in result.err, result.err
    assert site.cell("total", "reason") == "unreachable"
    trial.check_values(generation=old)
    proxy.calm()
    trial.gone(run, result.at)
    trial.recovers()


@injections("network", 8, proxied=("database",))
def test_the_database_goes_silent_during_a_run(trial: Trial) -> None:
    """Silent after some bytes, or at a moment: exit 124 at the deadline, and the backend ends by its own limits."""
    site, proxy = trial.site, _database(trial)
    site.change()
    run_for = ("warmup", "slow", *FORMULAS, "--timeout", "3s")
    if trial.seed % 2:
        proxy.silent_after = trial.rng.randint(500, 3000)  # it has connected; before that see the next test
        trial.note(f"after {proxy.silent_after} bytes")
        run = site.start(*run_for)
    else:
        run = site.start(*run_for)
        trial.until_busy(run)
        time.sleep(trial.rng.uniform(0.0, 0.4))
        proxy.mode = trial.rng.choice((Mode.SILENT, Mode.HOLD))
        trial.note(proxy.mode)
    result = trial.ended(run, 124)
    trial.in_time(run, result, over=2.0)
    assert not site.locked()
    trial.gone(run, result.at)  # the proxy still holds the server's end: only the limits end the backend
    proxy.calm()
    trial.recovers()


@injections("network", 9, proxied=("database",))
def test_the_reply_of_the_database_is_lost(trial: Trial) -> None:
    """The n-th message reaches the server, and then all is silent: no transaction stays open behind the silence."""
    site, proxy = trial.site, _database(trial)
    old = site.generation
    site.change()
    proxy.then = "silence"
    proxy.drop_reply = nth = 1 + trial.seed % 9
    trial.note(f"reply {nth}")
    run = site.start("warmup", *FORMULAS, "--timeout", "3s")
    result = trial.ended(run, 124, 5)
    trial.note(f"exit {result.code} after {result.seconds:.2f} s")
    assert result.seconds < 3 + 1.5
    trial.check_values("sum", generation=old)
    if nth > 2:  # a session that never got to its first statement is the server's own to end
        trial.gone(run, max(result.at, run.started + 3))
    proxy.calm()
    proxy.mode = Mode.REFUSE  # close what is still open
    until(lambda: not site.backends(), seconds=2, why="the backends gone")
    proxy.calm()
    trial.recovers()


@injections("network", 6, proxied=("database",))
def test_the_connection_to_the_database_is_lost(trial: Trial) -> None:
    """Reset, or closed, in the middle of a query: an error at once, the last values stay."""
    site, proxy = trial.site, _database(trial)
    old = site.generation
    site.change()
    run = site.start("warmup", "slow", *FORMULAS)
    trial.until_busy(run)
    time.sleep(trial.rng.uniform(0.0, 0.4))
    proxy.mode = trial.rng.choice((Mode.RESET, Mode.REFUSE))
    lost = time.monotonic()
    trial.note(proxy.mode)
    result = trial.ended(run, 1, 3, 5)
    assert result.at - lost < 2.0, f"it took {result.at - lost:.2f} s"
    assert site.cell("sum", "reason") in ("database", "unreachable")
    trial.check_values("sum", generation=old)
    proxy.calm()
    trial.gone(run, result.at)
    trial.recovers()


@injections("network", 3, proxied=("database",), databases=2)
def test_an_unreachable_database_does_not_stop_the_other(trial: Trial) -> None:
    """Promise G: the job of a database that does not answer fails alone."""
    site, proxy = trial.site, _database(trial)
    site.change()
    text = site.path.read_text(encoding="utf-8")
    direct = text.replace(f":{proxy.port}/", f":{site.cluster.port}/", 1)  # the first database named: past the proxy
    site.path.write_text(direct, encoding="utf-8")
    proxy.mode = trial.rng.choice((Mode.HOLD, Mode.REFUSE))
    run = site.start("warmup", *FORMULAS, "total-other1", "sum-other1")
    result = trial.ended(run, 3)
    trial.check_values()
    assert site.cell("total-other1", "reason") == "unreachable"
    proxy.calm()
    trial.gone(run, result.at)
    site.path.write_text(text, encoding="utf-8")
    trial.recovers()
