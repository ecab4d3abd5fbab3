"""Who holds a lock: this process, and whether the process that a lock names is still there."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from countercache.model.program import PROGRAM
from countercache.model.redaction import redact
from countercache.model.states import Lock, Owner, Verdict

_LONGEST_COMMAND = 200


def this_owner(command: str) -> Owner:
    """This process as the owner of a lock. `command` is what was typed; secrets in it are masked."""
    from importlib.metadata import version  # noqa: PLC0415 - slow to import, and not needed to list locks

    pid = os.getpid()
    return Owner(
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=pid,
        pid_start=_look(pid).start,
        user=_user(),
        command=redact(command).encode(errors="backslashreplace").decode()[:_LONGEST_COMMAND],
        version=version(PROGRAM),
    )


def verdict(lock: Lock) -> tuple[Verdict, str]:
    """Whether the holder is alive, as far as can be told from this process, and why that is the verdict."""
    found, why = _holder(lock.owner)
    if lock.ttl is None and found is not Verdict.DEAD:
        return Verdict.NO_TTL, f"it has no time to live, which countercache never does; {why}"
    return found, why


@cache
def boot_id() -> str:
    """What names this start of this machine, and the namespaces in which processes have their numbers and their starts.

    A container may have a PID namespace of its own, and a time namespace too: the start of one and the same process
    reads differently in each. Empty where the system tells nothing of the kind.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return " ".join([boot, str(Path("/proc/self/ns/pid").readlink()), *_time_namespace()])
    except OSError:
        return _said("sysctl", "-n", "kern.bootsessionuuid")


def _time_namespace() -> list[str]:
    try:
        return [str(Path("/proc/self/ns/time").readlink())]
    except OSError:  # a kernel before 5.6 has none
        return []


def _holder(owner: Owner) -> tuple[Verdict, str]:
    if owner.host != socket.gethostname():
        return Verdict.UNKNOWN, f"its process is on {owner.host or 'an unknown host'} and cannot be seen from here"
    if not owner.boot_id or not boot_id():
        return Verdict.UNKNOWN, "this system cannot tell whether it was restarted since"
    if owner.boot_id != boot_id():
        if owner.boot_id.split()[0] == boot_id().split()[0]:
            where = "another container or time namespace of this host"
            return Verdict.UNKNOWN, f"its process is in {where} and cannot be seen from here"
        return Verdict.UNKNOWN, "the host was restarted since, or it is another machine or container of the same name"
    return _process(owner)


def _process(owner: Owner) -> tuple[Verdict, str]:
    if owner.pid <= 0:
        return Verdict.UNKNOWN, "it names no process"
    seen = _look(owner.pid)
    if not seen.exists:
        return Verdict.DEAD, f"its process {owner.pid} is gone"
    if not seen.start or not owner.pid_start:
        return Verdict.UNKNOWN, f"there is a process {owner.pid}, but its start cannot be seen from here"
    if seen.start != owner.pid_start:
        return Verdict.DEAD, f"its process is gone; {owner.pid} is another one by now"
    return Verdict.LIVE, f"its process {owner.pid} runs"


class _Seen(NamedTuple):
    exists: bool
    start: str


def _look(pid: int) -> _Seen:
    """Whether there is such a process, and when it started (empty: hidden). One that waits to be reaped is none."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return _Seen(exists=False, start="")
    except PermissionError:
        pass  # it is there, and another user's
    try:
        # The name, in parentheses, may hold anything; the state is field 3, the start field 22.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return _Seen(exists=True, start=_said("ps", "-o", "lstart=", "-p", str(pid)))
    return _Seen(exists=fields[0] not in "ZX", start=fields[19])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def _said(*command: str) -> str:
    """What a command of the system prints; empty where there is none or it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=1, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
