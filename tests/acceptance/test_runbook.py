"""The runbook, carried out: each trouble is made for real, and the very commands of the page mend it."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance import runbook
from tests.acceptance.runbook import Site
from tests.postgres import Cluster
from tests.valkey import MakeValkey

END = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT count%active_account%'"
WELL = {"total-debt": "ready", "signups": "ready"}

pytestmark = pytest.mark.terminal


@pytest.fixture
def site(tmp_path: Path, postgres: Cluster, make_valkey: MakeValkey) -> Iterator[Site]:
    """A site whose counters are computed."""
    made = Site(tmp_path, postgres, make_valkey())
    said = made.run("warmup")
    assert made.states() == WELL, said
    yield made
    runbook.closed(made)


@pytest.fixture
def run(site: Site) -> Iterator[subprocess.Popen[str]]:
    """A run of cron's that computes the query, which does not end."""
    site.execute("UPDATE slowness SET seconds = 600")
    with site.start("warmup", "signups") as process:
        try:
            site.until(site.is_at_the_query, "no run is at the query")
            yield process
        finally:
            process.kill()


def mend(site: Site) -> None:
    """The query is quick again."""
    site.execute("UPDATE slowness SET seconds = 0")


def test_the_process_that_computed_it_is_gone(site: Site, run: subprocess.Popen[str]) -> None:
    """After kill -9 of the run `status` and `locks list` tell, `recover` does not wait for the lease."""
    run.kill()
    run.wait(20)
    mend(site)
    lock = "countercache:{site}:lock:main"
    site.valkey.client().hset(lock, "lease", 300_000)
    site.valkey.client().expire(lock, 300)  # a slow machine comes in time, too
    status, locks, recover = site.play("The process that computed it is gone")
    assert "calculating" in status.text
    assert "dead" in locks.text
    assert recover.code == 0
    assert site.states() == WELL


def test_the_process_is_alive_and_hangs(site: Site, run: subprocess.Popen[str]) -> None:
    """The run is left until one insists; then it ends by itself, says that it was cleared, and recovery works."""

    def mended() -> None:
        assert run.wait(20) != 0
        mend(site)

    _, left, cleared, *_ = site.play("The process is alive, and hangs", mend=mended)
    assert (left.code, cleared.code) == (3, 0)
    assert run.stderr
    assert "cleared" in run.stderr.read()
    assert site.states() == WELL


def test_a_run_hits_its_timeout(site: Site) -> None:
    """Exit 124 in time; the value of before stays; the cause mended, recovery brings the new one."""
    site.execute("UPDATE slowness SET seconds = 600; INSERT INTO account VALUES (0)")
    warmup, status, _, _, recover = site.play("A run hits its timeout", mend=lambda: mend(site))
    assert (warmup.code, recover.code) == (124, 0)
    assert "1,234" in status.text
    assert site.states() == WELL
    assert "1,235" in site.run("status")


@pytest.mark.postgres
def test_the_database_cannot_be_reached(tmp_path: Path, make_valkey: MakeValkey) -> None:
    """Stopped while nobody looked: exit 5, the values stay; started again, recovery computes."""
    cluster = Cluster()
    try:
        site = Site(tmp_path, cluster, make_valkey())
        site.run("warmup")
        cluster.stop(signal.SIGINT)
        warmup, doctor, _, recover = site.play("It cannot be reached", postgresql=cluster.start)
        assert (warmup.code, doctor.code, recover.code) == (5, 1, 0)
        assert "£720M" in warmup.text
        assert site.states() == WELL
    finally:
        cluster.close()


def test_a_table_is_locked(site: Site) -> None:
    """The session that holds it is found and ended with what the page says."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        for _ in runbook.locked(site, "figure"):
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        warmup, found, ended, recover = site.play("A table is locked")
        assert (warmup.code, recover.code) == (1, 0)
        assert "LOCK TABLE figure" in found.text
        assert ended.text.strip() == "t"
        assert site.states() == WELL
    finally:
        done.set()
        holder.join()


def test_a_counter_is_not_tried_any_more(site: Site) -> None:
    """After failures in a row it is skipped, with its reason and for how long; recovery does not wait."""
    site.execute("ALTER TABLE account RENAME id TO number")
    site.execute("DROP VIEW active_account")
    for _ in range(2):
        site.run("warmup")

    def mended() -> None:
        site.execute("CREATE VIEW active_account AS SELECT number FROM account")

    warmup, _, _, recover, events = site.play("A counter is not tried any more", mend=mended)
    assert (warmup.code, recover.code) == (3, 0)
    assert "closed" in events.text
    assert site.states() == WELL


def test_redis_is_empty(site: Site) -> None:
    """FLUSHALL, or a restart of a server that keeps nothing: one run brings all back, and the cause is told."""
    site.valkey.client().flushall()
    status, warmup, *_ = site.play("It is empty")
    assert "pending" in status.text
    assert warmup.code == 0
    assert site.states() == WELL


def test_redis_is_down(site: Site) -> None:
    """Exit 5 at once; after its start one run brings all back."""
    site.valkey.kill()
    status, _, warmup = site.play("It is down", redis=site.valkey.start)
    assert (status.code, warmup.code) == (5, 0)
    assert site.states() == WELL


def test_redis_may_throw_locks_away(site: Site) -> None:
    """The policy is seen, and the command of the page ends it."""
    site.valkey.client().config_set("maxmemory-policy", "allkeys-lru")
    site.valkey.client().config_set("maxmemory", "100mb")
    wrong, _, well = site.play("It may throw locks away")
    assert (wrong.code, well.code) == (1, 0)


def test_two_crons_at_once(site: Site, run: subprocess.Popen[str]) -> None:
    """The second ends with 4, or quietly with 0; one that waits computes when the first has ended."""
    mend(site)
    ended = threading.Timer(2, site.execute, [END])
    refused, quiet, _, waited = site.play("Two crons at once", last=ended.start)
    ended.join()
    assert run.wait(20) != 0
    assert (refused.code, quiet.code, waited.code) == (4, 0, 0)
    assert site.states() == WELL


def test_another_program_writes_the_key(site: Site) -> None:
    """The plain key is what was computed again."""
    client = site.valkey.client()
    right = client.get("total:total-debt:2019/20")
    client.set("total:total-debt:2019/20", "1", keepttl=True)
    doctor, warmup = site.play("Another program writes the key")
    assert (doctor.code, warmup.code) == (1, 0)
    assert client.get("total:total-debt:2019/20") == right


def test_the_number_is_old(site: Site) -> None:
    """Past its `fresh_for` it is stale; `--due` computes it and no other."""
    settings = site.directory / "countercache.toml"
    fresh = settings.read_text().replace("[counters.signups]", '[counters.signups]\nfresh_for = "1s"')
    settings.write_text(fresh)
    site.run("warmup")
    site.until(lambda: site.states()["signups"] == "stale", "it is fresh for ever")
    settings.write_text(fresh.replace('"1s"', '"1h"'))
    *_, warmup = site.play("The number is old")
    assert warmup.code == 0
    assert "total-debt" not in warmup.text
    assert "stale" not in warmup.text


def test_a_value_is_not_a_number(site: Site) -> None:
    """It fails its cell, which keeps its value; it is told, found and put right, and then counts."""
    site.execute("UPDATE figure SET value = 'n/a' WHERE council_id = 1 AND year = '2019/20'")
    site.run("warmup")
    status, rows, _, warmup = site.play("A value is not a number")
    assert "is not a number" in status.text
    assert "n/a" in rows.text
    assert "£720M" in warmup.text
    assert "not a number" not in warmup.text


def test_a_counter_was_removed(site: Site) -> None:
    """Its cell and its plain key go, and nothing else."""
    settings = site.directory / "countercache.toml"
    kept, _, rest = settings.read_text().partition("[counters.signups]")
    settings.write_text(kept + "[publish]" + rest.partition("[publish]")[2])
    client = site.valkey.client()
    before = set(client.keys())
    *_, prune = site.play("A counter was removed, and its number is still there")
    assert prune.code == 0
    assert {key for key in before - set(client.keys()) if "event" not in key} == {
        "total:signups:all", "countercache:{site}:cell:signups:all:all",
    }  # fmt: skip


def test_every_section_with_commands_is_carried_out() -> None:
    """A section that is added needs a test here: each heading with commands is played by one."""
    source = Path(__file__).read_text(encoding="utf-8")
    played = set(re.findall(r'site\.play\("([^"]+)"', source))
    assert {heading for heading, text in runbook.sections().items() if runbook.steps(text)} == played
