"""Why a counter has no value, as an operator reads it after the run: whatever went wrong, its reason is kept."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import debian
from tests.acceptance import site
from tests.acceptance.operating import background, document, eventually, logged, running, server, sql, states
from tests.terminal import Terminal, run
from tests.valkey import MakeValkey, Valkey

# About a second.
LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT count(*) FROM n"


def use(directory: Path, valkey: Valkey) -> None:
    """From now on the site has another Redis."""
    file = directory / "countercache.toml"
    config = file.read_text(encoding="utf-8")
    file.write_text(config.replace(tomllib.loads(config)["redis"]["url"], valkey.url), encoding="utf-8")


def errors(directory: Path) -> dict[str, str]:
    """The errors of the cells, by counter."""
    cells = document("status", cwd=directory)["counter_states"]
    return {each["slug"]: f"{each['error']['reason']}: {each['error']['message']}" for each in cells if each["error"]}


# --- Redis is full


def test_a_memory_that_is_full_in_mid_run_is_the_reason(directory: Path, make_valkey: MakeValkey) -> None:
    """What could not be stored says so in `status`, and the last value stays; nothing says "without a word"."""
    own = make_valkey()
    use(directory, own)
    with (directory / "countercache.toml").open("a", encoding="utf-8") as file:
        file.write(site.counter("slow", LONG))
    assert run("warmup", cwd=directory).returncode == 0
    own.client().delete("countercache:{site}:cell:users:all:all")  # so that it can be seen when it is there again
    with running(directory, "users", "slow") as process:
        own.client().config_set("maxmemory", "1")
        _, err = process.communicate(timeout=30)
    assert (process.returncode, "maxmemory" in err) == (3, True)
    found = errors(directory)
    assert set(found) == {"slow"}
    assert re.match(r"redis: Redis at .* refused a command: .*maxmemory", found["slow"])
    assert document("status", "slow", cwd=directory)["counter_states"][0]["value"] == "2000000"
    assert not own.client().exists("countercache:{site}:lock:main")
    own.client().config_set("maxmemory", "0")
    assert run("recover", cwd=directory).returncode == 0
    assert set(states(directory).values()) == {"ready"}


def test_a_timeout_while_the_memory_is_full_is_the_reason(shut: Path, make_valkey: MakeValkey) -> None:
    """It is kept too, for all that can be kept is a word at the attempt."""
    own = make_valkey()
    use(shut, own)
    with running(shut, "--timeout", "4s") as process:
        own.client().config_set("maxmemory", "1")
        process.communicate(timeout=30)
    assert process.returncode == 124
    assert errors(shut)["gated"].startswith("timeout: ")


# --- the log cannot be written to


def test_a_log_whose_key_holds_something_else_stops_no_run(directory: Path, valkey: Valkey) -> None:
    """The totals are stored, the locks are taken and cleared; `doctor` and `events` name the key and the cure."""
    key = "countercache:{site}:events"
    valkey.client().set(key, "x")
    done = run("warmup", "--log-format", "text", cwd=directory)
    assert done.returncode == 0
    assert re.search(r"^20\d\d-\S+ info run finished main: ", done.stderr, re.MULTILINE)
    assert set(states(directory).values()) == {"ready"}
    assert run("recover", cwd=directory).returncode == 0
    done = run("events", cwd=directory)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert re.search(rf"{re.escape(key)}; delete the key: redis-cli .*DEL '{re.escape(key)}'", done.stderr)
    assert "delete the key: redis-cli" in run("doctor", cwd=directory).stdout
    assert valkey.client().get(key) == "x"
    valkey.client().delete(key)
    assert run("warmup", cwd=directory).returncode == 0
    assert ("info", "run", "finished") in logged(directory)


def test_a_dead_run_is_recovered_without_a_log(shut: Path, valkey: Valkey) -> None:
    """Its lock is cleared, and what it left is computed."""
    with running(shut) as process:
        process.kill()
        process.wait()
    valkey.client().delete("countercache:{site}:events")
    valkey.client().set("countercache:{site}:events", "x")
    sql(shut, "DELETE FROM gate")
    done = run("recover", cwd=shut)
    assert done.returncode == 0, done.stderr
    assert "this recovery is not in the log of events" in done.stderr
    assert set(states(shut).values()) == {"ready"}


# --- a number that is too long


def test_a_number_that_is_too_long_is_refused_before_it_is_stored(
    directory: Path, make_database: Callable[[str], str]
) -> None:
    """Of a query or a formula: the counter says how long it is, keeps its last value, and the others have theirs."""
    rows = "".join(f"INSERT INTO big VALUES ('leeds', 'big{n}', '2018', '{'9' * 1000}');" for n in range(11))
    sql(directory, f"CREATE TABLE big (council TEXT, field TEXT, year TEXT, value TEXT); {rows}")
    more = f'[databases.other]\nurl = "{make_database("CREATE TABLE digits (n int); INSERT INTO digits VALUES (5)")}"\n'
    more += '[sources.big]\ndatabase = "main"\ntable = "big"\nentity = "council"\nfield = "field"\n'
    more += 'period = "year"\nvalue = "value"\n'
    more += '[counters.query]\ndatabase = "other"\nsql = "SELECT repeat(\'9\', n)::numeric FROM digits"\n'
    formula = " * ".join(f"big{n}" for n in range(11))
    more += f'[counters.product]\nsource = "big"\nformula = "{formula}"\n'
    more += f'[counters.kept]\nsource = "big"\nformula = "{formula.rpartition(" * ")[0]}"\n'
    file = directory / "countercache.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("[databases.main]", f"{more}[databases.main]"))
    assert run("warmup", "query", cwd=directory).returncode == 0
    psql = file.read_text(encoding="utf-8").replace("n)::numeric", "100000)::numeric")
    file.write_text(psql, encoding="utf-8")
    done = run("warmup", cwd=directory)
    assert done.returncode == 3
    assert "query: too long: the value has 100,000 digits; 10,000 at most are stored" in done.stderr
    found = errors(directory)
    assert set(found) == {"query", "product"}
    assert found["product"] == "too long: the value has 11,000 digits; 10,000 at most are stored"
    cells = {each["slug"]: each for each in document("status", cwd=directory)["counter_states"]}
    assert cells["query"]["value"] == "99999"
    assert len(cells["kept"]["value"]) == 10_000
    assert cells["users"]["state"] == "ready"


# --- what is told of a run


@pytest.mark.terminal
def test_a_run_of_which_a_counter_failed_is_told_as_a_run(directory: Path) -> None:
    """`run finished main`, then what failed: the counters that failed are not what has finished."""
    with (directory / "countercache.toml").open("a", encoding="utf-8") as file:
        file.write(site.counter("broken", "SELECT count(*) FROM nowhere"))
    done = run("warmup", "users", "broken", "--log-format", "text", cwd=directory)
    assert done.returncode == 3
    assert re.search(r"warning run finished main: 1 of 2 counters succeeded, in .*; failed: broken \(run", done.stderr)
    with Terminal("events", "--category", "run", width=140, cwd=directory) as terminal:
        assert terminal.finish() == 0
    assert re.search(r"run finished +main +1 of 2 counters succeeded", terminal.text)
    assert re.search(r"failed: +broken|failed:\s+broken", terminal.text)
    assert ("warning", "run", "finished") in logged(directory, "--counter", "broken")


def test_the_phase_of_a_run_is_seen_at_once(shut: Path) -> None:
    """A long query shows within a second or so, not at the next renewal of a lease of 30 s."""
    with background("warmup", "gated", cwd=shut), server(shut) as client:
        lock = "countercache:{site}:lock:main"
        eventually(lambda: bool(client.exists(lock)))
        eventually(lambda: client.hget(lock, "phase") == "query of gated", seconds=5)
        assert document("status", cwd=shut)["runs"][0]["phase"] == "query of gated"


# --- the server's clock


@pytest.fixture
def clock(shut: Path, make_valkey: MakeValkey) -> Iterator[Callable[[int], None]]:
    """Sets the clock of a server of the site's own."""
    file = shut / "clock"

    def turn(seconds: int) -> None:
        file.with_suffix(".new").write_text(f"{seconds:+d}\n", encoding="ascii")
        file.with_suffix(".new").replace(file)

    turn(0)
    preload = str(debian.file("libfaketime.so.1", "libfaketime"))
    more = {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    use(shut, make_valkey(env={"LD_PRELOAD": preload, "FAKETIME_TIMESTAMP_FILE": str(file)} | more))
    yield turn


def test_a_killed_run_is_over_when_the_clock_is_set_back(shut: Path, clock: Callable[[int], None]) -> None:
    """No other run has to wait for an hour, or to be told: exit 0, and nothing is calculating."""
    with running(shut) as process:
        process.kill()
        process.wait()
    clock(-3600)
    assert states(shut)["gated"] == "error"
    sql(shut, "DELETE FROM gate")
    done = run("warmup", cwd=shut)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(states(shut).values()) == {"ready"}


def test_a_run_goes_on_when_the_clock_is_set_back(shut: Path, clock: Callable[[int], None]) -> None:
    """Nobody else has taken its lock: it keeps it by its next renewal, and its own deadline."""
    with running(shut, "--timeout", "20s", lease="3s") as process:
        clock(-3600)
        with server(shut) as client:
            eventually(lambda: client.time()[0] < time.time() - 1800)
            eventually(lambda: 0 < client.pttl("countercache:{site}:lock:main") <= 3000)
        assert states(shut)["gated"] == "calculating"
        assert process.wait(timeout=60) == 124
    assert errors(shut)["gated"].startswith("timeout: ")


def test_a_run_ends_when_the_clock_is_set_forward(shut: Path, clock: Callable[[int], None]) -> None:
    """Its lease is over by the server's clock: it stops, says so, and so do its cells."""
    with running(shut, lease="3s") as process:
        clock(3600)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "not renewed in time" in err
    assert errors(shut)["gated"].startswith("lock lost: ")
