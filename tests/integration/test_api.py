"""The Python API as programs use it: from threads and workers of queues, interrupted and killed in mid run."""

from __future__ import annotations

import doctest
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import redis
import rq

import countercache
from countercache.model.states import Reason
from countercache.render import documents
from tests import pages
from tests.acceptance import site
from tests.terminal import environment, run
from tests.valkey import Valkey

PAGE = pages.DOCS / "python-api.md"
SLOW = "for-ever"
LEASE = 5.0
# What differs from one run to the next.
PASSING = {"run", "duration", "age", "computed_at", "duration_seconds", "age_seconds"}


@pytest.fixture
def settings(tmp_path: Path, valkey: Valkey) -> countercache.Settings:
    """The settings of a site that works."""
    return countercache.load_settings(site.make(tmp_path, valkey.url) / "countercache.toml", {})


@pytest.fixture
def slow(tmp_path: Path, valkey: Valkey) -> countercache.Settings:
    """The same, with a short lease and one more counter that never ends."""
    more = site.counter(SLOW, site.FOR_EVER) + f'[agent]\nlease = "{LEASE:g}s"\n'
    return countercache.load_settings(site.make(tmp_path, valkey.url, more) / "countercache.toml", {})


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """What the condition gives as soon as it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")


def guard_of(settings: countercache.Settings) -> psutil.Process:
    """The process that holds the lock, as soon as one does and computes."""

    def computing() -> int:
        for view in countercache.list_locks(settings, foreign=False).locks:
            with suppress(psutil.NoSuchProcess):
                return view.lock.owner.pid if psutil.Process(view.lock.owner.pid).children() else 0
        return 0

    return psutil.Process(wait_for(computing, "a run"))


def failure_of(settings: countercache.Settings) -> countercache.Failure | None:
    """Why the counter that never ends has no value."""
    return countercache.status(settings, [SLOW]).cells[0].failure


def assert_ended(settings: countercache.Settings, processes: list[psutil.Process], reason: Reason) -> None:
    """The run is over within a lease: its processes are gone, the lock with them, and the reason is recorded."""
    _, alive = psutil.wait_procs(processes, timeout=LEASE)
    assert not alive
    assert countercache.list_locks(settings, foreign=False).locks == ()
    failure = failure_of(settings)
    assert failure
    assert failure.reason is reason


# --- results


def lasting(document: Any) -> Any:
    """A document without what differs from one run to the next."""
    if isinstance(document, dict):
        return {name: lasting(value) for name, value in document.items() if name not in PASSING}
    return [lasting(each) for each in document] if isinstance(document, list) else document


def test_results_are_those_of_the_command(settings: countercache.Settings) -> None:
    """The same counters, values, states and exit codes, for a run and for what is stored after it."""
    assert settings.path
    there = settings.path.parent
    ours = lasting(documents.document(countercache.warmup(settings)))
    assert ours == lasting(json.loads(run("warmup", "--json", cwd=there).stdout))
    stored = countercache.status(settings)
    assert lasting(documents.document(stored)) == lasting(json.loads(run("status", "--json", cwd=there).stdout))
    assert {view.state for view in stored.cells} == {countercache.State.READY}


def test_a_wide_source_with_lookups_arrives_as_it_is(tmp_path: Path, valkey: Valkey) -> None:
    """A source's `fields` may be a table of either kind or a list: the process gets the right one, and computes."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.executescript(
            "CREATE TABLE wide (who TEXT, gross NUMERIC); INSERT INTO wide VALUES ('a', 3), ('b', 4);"
            "CREATE TABLE field (id INTEGER, name TEXT); INSERT INTO field VALUES (7, 'debt');"
            "CREATE TABLE long (who TEXT, field INTEGER, value NUMERIC); INSERT INTO long VALUES ('a', 7, 5);"
        )
    (tmp_path / "countercache.toml").write_text(
        f"""
        [redis]
        url = "{valkey.url}"
        [databases.main]
        url = "sqlite:///x.db"
        [sources.wide]
        database = "main"
        layout = "wide"
        table = "wide"
        entity = "who"
        fields = {{ income = "gross" }}
        [sources.list]
        database = "main"
        layout = "wide"
        table = "wide"
        entity = "who"
        fields = ["gross"]
        [sources.long]
        database = "main"
        table = "long"
        entity = "who"
        field = "field"
        value = "value"
        fields = {{ table = "field" }}
        [counters.a]
        source = "wide"
        formula = "income"
        [counters.b]
        source = "list"
        formula = "gross"
        [counters.c]
        source = "long"
        formula = "debt"
        """,
        encoding="utf-8",
    )
    result = countercache.warmup(countercache.load_settings(tmp_path / "countercache.toml", {}))
    cells = [view.cell for job in result.jobs for outcome in job.counters for view in outcome.cells]
    assert [cell and int(cell.value or 0) for cell in cells] == [7, 7, 5]


def test_timeout_and_force_reach_the_run(slow: countercache.Settings) -> None:
    """Options count, and a run that times out is a result, with the exit code of the command."""
    result = countercache.warmup(slow, [SLOW], timeout=1)
    assert result.exit_code == 124
    assert result.jobs[0].failure
    assert result.jobs[0].failure.reason is Reason.TIMEOUT


def test_a_lock_that_is_held(slow: countercache.Settings) -> None:
    """`ok_if_locked` decides about the exit code; the lock names this process as the one that called."""
    with ThreadPoolExecutor() as threads:
        first = threads.submit(countercache.warmup, slow, [SLOW])
        guard_of(slow)
        owner = countercache.list_locks(slow).locks[0].lock.owner
        assert owner.command.startswith(f"countercache.warmup() in process {os.getpid()}: ")
        assert countercache.warmup(slow, ["users"]).exit_code == 4
        assert countercache.warmup(slow, ["users"], ok_if_locked=True).exit_code == 0
        assert countercache.clear_locks(slow).exit_code == 3
        assert countercache.clear_locks(slow, ["main"], force=True).locks[0].cleared
        assert first.result(timeout=30).jobs[0].failure is not None


# --- threads and signals


def test_two_threads_at_once(settings: countercache.Settings) -> None:
    """Two warmups of two settings from two threads, neither of them the main one: each gets its own result."""
    both = [msgspec.structs.replace(settings, namespace=name) for name in ("one", "two")]
    with ThreadPoolExecutor() as threads:
        results = list(threads.map(countercache.warmup, both))
    assert [result.exit_code for result in results] == [0, 0]
    assert len({result.jobs[0].run for result in results}) == 2
    for each in both:
        assert {view.state for view in countercache.status(each).cells} == {countercache.State.READY}


def state_of_this_process() -> object:
    """What a call must leave as it was."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    here = psutil.Process()
    return handlers, wakeup, signal.pthread_sigmask(signal.SIG_BLOCK, ()), here.num_fds(), here.children()


def test_the_process_stays_as_it_was(settings: countercache.Settings) -> None:
    """No signal is taken over, while it runs or after; no child, thread or open file is left."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    meanwhile: list[object] = []
    countercache.warmup(settings, ["users"])
    before, threads = state_of_this_process(), threading.active_count()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(countercache.warmup, settings)
        while not running.done():
            meanwhile.append([signal.getsignal(number) for number in signal.valid_signals()] == handlers)
            time.sleep(0.02)
    assert running.result().exit_code == 0
    countercache.list_locks(settings)
    assert all(meanwhile)
    assert (state_of_this_process(), threading.active_count()) == (before, threads)


class TimeIsUp(BaseException):
    """What a time limit raises in the middle of whatever the main thread does."""


@contextmanager
def raising_on(number: signal.Signals) -> Iterator[None]:
    """The signal raises `TimeIsUp`."""

    def handler(*_: object) -> None:
        raise TimeIsUp

    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_an_exception_ends_the_run(slow: countercache.Settings) -> None:
    """What a handler raises comes out when the run has ended, as SIGTERM ends it, and nothing is left."""
    guards: list[psutil.Process] = []

    def interrupt() -> None:
        guard = guard_of(slow)
        guards.extend([guard, *guard.children()])
        os.kill(os.getpid(), signal.SIGUSR1)

    with ThreadPoolExecutor() as threads, raising_on(signal.SIGUSR1):
        interrupted = threads.submit(interrupt)
        with pytest.raises(TimeIsUp):
            countercache.warmup(slow)
    interrupted.result()
    assert not any(map(psutil.Process.is_running, guards))
    assert_ended(slow, guards, Reason.CANCELLED)


# --- errors


def test_errors_are_raised_as_they_are(settings: countercache.Settings, tmp_path: Path) -> None:
    """What the process raises is raised here: of the same class, with message, hint and exit code."""
    away = msgspec.structs.replace(settings.redis, url=f"unix://{tmp_path}/none.sock")
    with pytest.raises(countercache.RedisUnreachable) as unreachable:
        countercache.warmup(msgspec.structs.replace(settings, redis=away))
    assert unreachable.value.exit_code == 5
    wrong = msgspec.structs.replace(settings.redis, url="http://user:hidden@nowhere")
    with pytest.raises(countercache.ConfigError, match="is not a Redis URL") as config:
        countercache.warmup(msgspec.structs.replace(settings, redis=wrong))
    assert "must begin with" in config.value.message
    assert config.value.hint.startswith("give one such as")
    assert "hidden" not in str(config.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counters": ["usrs"]}, "no counter is called 'usrs'; did you mean \"users\"?"),
        ({"counters": "users"}, "counters: got a text where several are expected; write ['users']"),
        ({"timeout": 0}, "timeout: got 0; give a duration of more than zero"),
        ({"wait": -1.0}, "wait: got -1.0; give a duration of more than zero"),
        ({"timeout": float("nan")}, "timeout: got NaN; give a duration"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], message: str, settings: countercache.Settings) -> None:
    """They are refused before a process is started, in one line that names the argument."""
    with pytest.raises(countercache.UsageError) as caught:
        countercache.warmup(settings, **arguments)
    assert str(caught.value).startswith(message)


def test_a_guard_that_is_killed_is_one_error(slow: countercache.Settings) -> None:
    """The error says how it ended; the counter then shows as abandoned, as after any run that was killed."""
    with ThreadPoolExecutor() as threads:
        running = threads.submit(countercache.warmup, slow)
        guard = guard_of(slow)
        workers = guard.children()
        guard.kill()
        with pytest.raises(countercache.CountercacheError, match=r"ended without a result \(signal 9\)$"):
            running.result(timeout=30)
    psutil.wait_procs(workers, timeout=LEASE)
    assert countercache.clear_locks(slow).locks[0].cleared
    assert_ended(slow, workers, Reason.ABANDONED)


def test_a_guard_that_cannot_start_says_why(
    settings: countercache.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line that it wrote is in the error, the rest beside it, without passwords and control characters."""
    text = 'raise ImportError("no redis://user:hidden@db/0\\x1b[2J")'
    (tmp_path / "msgspec.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(countercache.CountercacheError) as caught:
        countercache.warmup(settings)
    problem = "the guard ended without a result (exit status 1): ImportError: no redis://user:***@db/0\\x1b[2J"
    assert str(caught.value) == problem
    assert "Traceback" in caught.value.__notes__[0]
    assert "hidden" not in caught.value.__notes__[0]
    assert "\x1b" not in caught.value.__notes__[0]


def test_an_interpreter_that_is_none(settings: countercache.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python is embedded, the error names the way to say which interpreter to start."""
    monkeypatch.setattr("multiprocessing.spawn._python_exe", "/nowhere/uwsgi")
    with pytest.raises(countercache.CountercacheError, match=r"'/nowhere/uwsgi': No such file.*set_executable"):
        countercache.warmup(settings)


def test_what_is_printed_in_the_guard_does_no_harm(
    settings: countercache.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `sitecustomize` that prints, with and without the end of a line, does not spoil the answer."""
    (tmp_path / "sitecustomize.py").write_text('print("hello\\nworld", end="")', encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert countercache.warmup(settings, ["users"]).exit_code == 0


# --- programs that are killed

PROGRAM = "import countercache, sys; countercache.warmup(countercache.load_settings(sys.argv[1]))"


@pytest.mark.parametrize("ignored", [False, True], ids=["", "signals ignored"])
def test_no_run_outlives_a_program_that_is_killed(slow: countercache.Settings, ignored: bool) -> None:
    """Also where the program ignores the signals that end a run: the end of the pipe ends it."""
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " if ignored else ""
    program = subprocess.Popen([sys.executable, "-c", ignore + PROGRAM, str(slow.path)], env=environment())
    guard = guard_of(slow)
    processes = [guard, *guard.children()]
    assert guard.ppid() == program.pid
    program.kill()
    program.wait(timeout=10)
    assert_ended(slow, processes, Reason.CANCELLED)


FORKS = f"""
import os, signal, sys, threading, time
def fork():
    sys.stdin.readline()
    pid = os.fork()
    if not pid:
        time.sleep(60)
        os._exit(0)
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=fork, daemon=True).start()
{PROGRAM}
"""


def test_ctrl_c_in_a_program_that_has_forked(slow: countercache.Settings) -> None:
    """A process that was forked during the run has its pipe open too; Ctrl-C ends the run all the same."""
    program = psutil.Popen(
        [sys.executable, "-c", FORKS, str(slow.path)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    guard = guard_of(slow)
    processes = [guard, *guard.children()]
    program.stdin.write(b"\n")
    program.stdin.flush()
    forked = psutil.Process(int(program.stdout.readline()))
    try:
        assert program.wait(timeout=LEASE) == -signal.SIGINT
        assert_ended(slow, processes, Reason.CANCELLED)
        assert forked.is_running()
    finally:
        for process in (forked, program):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        program.communicate(timeout=10)


def write_recipes(directory: Path) -> None:
    """The blocks of the page that are modules, each as the file that its first line names."""
    for block in pages.blocks(PAGE.read_text(encoding="utf-8")):
        if block.language == "python":
            (directory / block.text.partition("\n")[0].removeprefix("# ")).write_text(block.text, encoding="utf-8")


@contextmanager
def worker(directory: Path, valkey: Valkey, *command: str) -> Iterator[psutil.Process]:
    """A worker of a queue, in the directory with the recipes of the page; at the end it and its children are gone."""
    write_recipes(directory)
    with (directory / "log").open("w") as log:
        process = psutil.Popen(
            [sys.executable, "-m", *command],
            cwd=directory,
            env=environment(REDIS_URL=valkey.tcp_url, PYTHONPATH=str(directory)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    except BaseException:
        sys.stderr.write((directory / "log").read_text(encoding="utf-8"))
        raise
    finally:
        for each in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait(timeout=10)


CELERY = ("celery", "--app", "tasks", "worker", "--pool", "prefork", "--concurrency", "1", "--without-mingle")


def test_a_celery_worker_computes_and_is_killed(slow: countercache.Settings, valkey: Valkey) -> None:
    """The recipe of the page runs in a real worker; killed with SIGKILL in mid run it leaves nothing of the run."""
    from celery import Celery

    assert slow.path
    with worker(slow.path.parent, valkey, *CELERY) as process, Celery("shop", broker=valkey.tcp_url) as app:
        app.send_task("tasks.warm_counters", ["users"])
        wait_for(lambda: countercache.status(slow, ["users"]).cells[0].cell, "the value")
        app.send_task("tasks.warm_counters", [SLOW])
        guard = guard_of(slow)
        processes = [guard, *guard.children()]
        assert process in guard.parents()
        for each in (process, *(each for each in process.children(recursive=True) if each not in processes)):
            each.kill()
        assert_ended(slow, processes, Reason.CANCELLED)


def test_an_rq_worker_computes_and_is_killed(slow: countercache.Settings, valkey: Valkey) -> None:
    """The same with RQ, where the process of the job alone is killed."""
    assert slow.path
    with (
        closing(redis.Redis.from_url(valkey.tcp_url)) as client,
        worker(slow.path.parent, valkey, "rq.cli", "worker", "--url", valkey.tcp_url),
    ):
        queue = rq.Queue(connection=client)
        job = queue.enqueue("jobs.warm_counters", "users", job_timeout=60)
        assert wait_for(job.latest_result, "the job's end").return_value == 0
        queue.enqueue("jobs.warm_counters", SLOW, job_timeout=60)
        guard = guard_of(slow)
        processes = [guard, *guard.children()]
        host = guard.parent()
        assert host
        host.kill()
        assert_ended(slow, processes, Reason.CANCELLED)


# --- the page


def test_the_page_says_what_happens(tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its examples give what it shows, and it names all functions and errors."""
    text = PAGE.read_text(encoding="utf-8")
    found = pages.blocks(text)
    (tmp_path / "countercache.toml").write_text(
        "".join(block.text for block in found if block.language == "toml"), encoding="utf-8"
    )
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(
            "CREATE TABLE users (id INTEGER); INSERT INTO users VALUES (1), (2);"
            "CREATE TABLE orders (amount NUMERIC); INSERT INTO orders VALUES (1000), (250.5);"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", valkey.url)
    examples = "\n".join(block.text for block in found if block.language == "pycon")
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test, out=said.append)
    assert result.attempted > 10
    assert not result.failed, "".join(said)
    missing = [
        name
        for name in countercache.__all__
        if (name[0].islower() or name.endswith(("Error", "Unreachable"))) and f"`{name}" not in text
    ]
    assert not missing
