"""Programs that no wheel brings: the one on PATH, else Debian's package, unpacked without root.

Where neither can be had, a loud line at the end of the run says what did not run; with `CI=true` that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

_BUILD = Path(__file__).parent.parent / "build" / "debian"
_PATHS = ("usr/bin", "usr/sbin", "bin", "sbin")


def program(name: str, *packages: str) -> Path:
    """The program called `name`, on PATH or from Debian's packages. Ends the test where there is none.

    A package with another name in another release is written as in Debian's control files: `libaio1 | libaio1t64`.
    """
    found = shutil.which(name)
    if found:
        return Path(found)
    unpacked = unpack(*packages)
    for folder in _PATHS:
        if (path := unpacked / folder / name).exists():
            return path
    return _missing(name, f"{', '.join(packages)} brought no program of that name")


def file(name: str, *packages: str) -> Path:
    """A file of Debian's packages, such as a library, by its name. Ends the test where there is none."""
    unpacked = unpack(*packages)
    return next(unpacked.rglob(name), None) or _missing(name, f"{', '.join(packages)} brought no file of that name")


def unpack(*packages: str) -> Path:
    """The directory with the files of these packages. Ends the test where they cannot be had."""
    try:
        return _unpack(packages)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return _missing(" ".join(packages), said[-1] if said else type(error).__name__)


@cache
def _unpack(packages: tuple[str, ...]) -> Path:
    target = _BUILD / "-".join(package.partition(" | ")[0] for package in packages)
    if (target / ".complete").exists():
        return target
    scratch = _BUILD / f"{target.name}.{os.getpid()}"
    scratch.mkdir(parents=True)
    try:
        try:
            _download(scratch, packages)
        except subprocess.CalledProcessError:  # no package lists yet: fetch them into a directory of our own
            state = [f"-oDir::State={scratch}/state", f"-oDir::Cache={scratch}/cache"]
            (scratch / "state" / "lists" / "partial").mkdir(parents=True)
            (scratch / "cache" / "archives" / "partial").mkdir(parents=True)
            _run(scratch, "apt-get", *state, "update")
            _download(scratch, packages, *state)
        for package in scratch.glob("*.deb"):
            _run(scratch, "dpkg", "-x", str(package), str(scratch))
            package.unlink()
        (scratch / ".complete").touch()
        try:
            scratch.rename(target)
        except OSError:  # another process was faster
            if not (target / ".complete").exists():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _download(where: Path, packages: Sequence[str], *options: str) -> None:
    """The packages, each by the first of its names that there is."""
    for package in packages:
        *others, last = package.split(" | ")
        for name in others:
            with suppress(subprocess.CalledProcessError):
                _run(where, "apt-get", *options, "download", name)
                break
        else:
            _run(where, "apt-get", *options, "download", last)


def _run(where: Path, *command: str) -> None:
    subprocess.run(command, cwd=where, check=True, capture_output=True, text=True, timeout=100)


def lacking(name: str, why: str) -> NoReturn:
    """Ends a test that needs what this system does not have or permit."""
    _missing(name, why.strip())


def _missing(name: str, why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} cannot be had: {why}")
    pytest.skip(f"{name} cannot be had: {why}")
