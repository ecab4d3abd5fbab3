"""Whether the process that a lock names is still there: judged of real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from countercache.model.states import Lock, Owner, Progress, Verdict
from countercache.store.lock_owner import this_owner, verdict
from tests import debian


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this machine."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def owner_of(pid: int) -> Owner:
    """Another process as an owner."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return msgspec.structs.replace(this_owner("test"), pid=pid, pid_start=fields[19])


def judge(owner: Owner, ttl: float | None = 9.0) -> tuple[Verdict, str]:
    """The verdict on a lock of that owner."""
    return verdict(Lock("main", "key", "id", 1, owner, (), 1.0, 2.0, ttl, Progress("")))


def test_this_process_lives() -> None:
    """The owner that a process writes of itself is seen to live."""
    owner = this_owner("countercache warmup")
    assert (owner.pid, owner.command) == (os.getpid(), "countercache warmup")
    assert judge(owner)[0] is Verdict.LIVE


def test_a_process_lives_until_it_is_killed(child: subprocess.Popen[bytes]) -> None:
    """Live while it runs; dead once killed, also while it waits to be reaped, as in a container without an init."""
    owner = owner_of(child.pid)
    assert judge(owner)[0] is Verdict.LIVE
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert judge(owner)[0] is Verdict.DEAD
    child.wait()
    assert judge(owner) == (Verdict.DEAD, f"its process {child.pid} is gone")


def test_a_paused_process_lives(child: subprocess.Popen[bytes]) -> None:
    """A process under SIGSTOP is not dead: it may go on."""
    child.send_signal(signal.SIGSTOP)
    assert judge(owner_of(child.pid))[0] is Verdict.LIVE


def test_another_process_of_the_same_number_is_not_the_holder(child: subprocess.Popen[bytes]) -> None:
    """Numbers are used again: the start tells one process from the next."""
    owner = msgspec.structs.replace(owner_of(child.pid), pid_start="1")
    found, why = judge(owner)
    assert found is Verdict.DEAD
    assert "that of another process" in why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"host": "web-2"}, "web-2"),
        ({"boot_id": "0 pid:[1]"}, "restarted"),
        ({"boot_id": ""}, "cannot tell"),
        ({"boot_id": this_owner("").boot_id.split()[0] + " pid:[1]"}, "container"),
        ({"pid": 0}, "names no process"),
        ({"pid_start": ""}, "cannot be seen"),
    ],
)
def test_what_cannot_be_seen_is_unknown(changes: dict[str, str | int], why: str) -> None:
    """Another host, another boot, another container, an odd lock: unknown, with the reason; never called dead."""
    found = judge(msgspec.structs.replace(this_owner("test"), **changes))
    assert found[0] is Verdict.UNKNOWN
    assert why in found[1]


def test_a_process_in_another_time_namespace_is_not_called_dead(tmp_path: Path) -> None:
    """Its start reads differently from here, and ours from there: unknown both ways, while it sees itself live."""
    ours = tmp_path / "ours"
    ours.write_bytes(msgspec.json.encode(this_owner("test")))
    command = ["unshare", "--time", "--boottime", "100000", "--fork", sys.executable, "-c", BEYOND, str(ours)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        said = process.stdout.readline()
        if not said:
            assert process.stderr
            debian.lacking("a time namespace", process.stderr.read().decode())
        theirs, seen_from_there, own = msgspec.json.decode(said, type=tuple[Owner, list[str], list[str]])
        found = judge(theirs)
        process.stdin.close()
    assert found == (
        Verdict.UNKNOWN,
        "its process is in another container or time namespace of this host and cannot be seen from here",
    )
    assert seen_from_there[0] == Verdict.UNKNOWN
    assert own[0] == Verdict.LIVE


# Says who it is, and what it thinks of a process outside and of itself; then it waits.
BEYOND = """
import sys
from pathlib import Path
import msgspec
from countercache.model.states import Owner
from tests.unit.test_owner import judge, this_owner
ours = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Owner)
mine = this_owner("test")
print(msgspec.json.encode((mine, judge(ours), judge(mine))).decode(), flush=True)
sys.stdin.read()
"""


def test_a_lock_without_a_time_to_live_is_told(child: subprocess.Popen[bytes]) -> None:
    """`no-ttl` for a holder that lives or is unknown; but one that is provably gone is dead all the same."""
    assert judge(owner_of(child.pid), ttl=None)[0] is Verdict.NO_TTL
    assert judge(msgspec.structs.replace(this_owner("t"), pid_start="1"), ttl=None)[0] is Verdict.DEAD


def test_the_command_tells_no_secret_and_is_short() -> None:
    """A URL in an option keeps its password; odd bytes and long lines cannot spoil the lock."""
    owner = this_owner("countercache warmup --redis redis://:hunter2@h/0 \udcff " + "x" * 500)
    assert "hunter2" not in owner.command
    assert len(owner.command) <= 200
    owner.command.encode()
