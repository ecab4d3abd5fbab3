"""The owner of a lock: which process it is, and whether that process is still alive."""

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
    """This process as the owner of a lock. `command` is the command line; secrets in it are masked."""
    from importlib.metadata import version  # noqa: PLC0415 - slow to import, and not needed to list locks

    pid = os.getpid()
    return Owner(
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=pid,
        pid_start=_process_info(pid).start,
        user=_user(),
        command=redact(command).encode(errors="backslashreplace").decode()[:_LONGEST_COMMAND],
        version=version(PROGRAM),
    )


def verdict(lock: Lock) -> tuple[Verdict, str]:
    """Whether the holder is alive, as far as this process can tell, and the reason for the verdict."""
    result, why = _holder_verdict(lock.owner)
    if lock.ttl is None and result is not Verdict.DEAD:
        return Verdict.NO_TTL, f"it has no time to live, which countercache always sets; {why}"
    return result, why


@cache
def boot_id() -> str:
    """An id of this boot of the host, followed by the PID and time namespaces of this process.

    A container may have namespaces of its own, in which the same process has another pid or start time. Empty where
    the system has no such id.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return " ".join([boot, str(Path("/proc/self/ns/pid").readlink()), *_time_namespace()])
    except OSError:
        return _command_output("sysctl", "-n", "kern.bootsessionuuid")


def _time_namespace() -> list[str]:
    try:
        return [str(Path("/proc/self/ns/time").readlink())]
    except OSError:  # a kernel before 5.6 has none
        return []


def _holder_verdict(owner: Owner) -> tuple[Verdict, str]:
    if owner.host != socket.gethostname():
        return Verdict.UNKNOWN, f"its process is on {owner.host or 'an unknown host'} and cannot be seen from here"
    if not owner.boot_id or not boot_id():
        return Verdict.UNKNOWN, "this host cannot tell whether it was restarted since"
    if owner.boot_id != boot_id():
        if owner.boot_id.split()[0] == boot_id().split()[0]:
            place = "another container or time namespace of this host"
            return Verdict.UNKNOWN, f"its process is in {place} and cannot be seen from here"
        return Verdict.UNKNOWN, "the host was restarted since, or it is another machine or container of the same name"
    return _process_verdict(owner)


def _process_verdict(owner: Owner) -> tuple[Verdict, str]:
    if owner.pid <= 0:
        return Verdict.UNKNOWN, "it names no process"
    process = _process_info(owner.pid)
    if not process.exists:
        return Verdict.DEAD, f"its process {owner.pid} is gone"
    if not process.start or not owner.pid_start:
        return Verdict.UNKNOWN, f"there is a process {owner.pid}, but its start time cannot be seen from here"
    if process.start != owner.pid_start:
        return Verdict.DEAD, f"its process is gone; pid {owner.pid} is now that of another process"
    return Verdict.LIVE, f"its process {owner.pid} runs"


class _ProcessInfo(NamedTuple):
    exists: bool
    start: str


def _process_info(pid: int) -> _ProcessInfo:
    """Whether a process exists and is no zombie, and its start time (empty: hidden)."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return _ProcessInfo(exists=False, start="")
    except PermissionError:
        pass  # it exists, and is another user's
    try:
        # The name, in parentheses, may contain anything; the state is field 3, the start time field 22.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return _ProcessInfo(exists=True, start=_command_output("ps", "-o", "lstart=", "-p", str(pid)))
    return _ProcessInfo(exists=fields[0] not in "ZX", start=fields[19])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def _command_output(*command: str) -> str:
    """What a system command prints; empty where it does not exist or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=1, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
