"""Mutants: the product with one safeguard removed, each of which must turn tests red.

`make mutants` makes each in a copy of the repository, runs every test that has to do with locks and faults there, and
shows which fail. `test_mutants.py` runs only those that are named here, which is quick.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

SUITE = (
    "tests/integration/test_locks.py",
    "tests/integration/test_store.py",
    "tests/integration/test_late_writes.py",
    "tests/integration/test_lock_model.py",
    "tests/faults/test_pause.py",
    "tests/faults/test_slow.py",
    "tests/faults/test_network.py",
    "tests/faults/test_races.py",
    "tests/faults/test_redis.py",
)
"""What `make mutants` runs."""


class Mutant(NamedTuple):
    """A safeguard that is taken away: `old` becomes `new` in a script. `killers` are tests that must fail then."""

    name: str
    script: str
    old: str
    new: str
    killers: tuple[str, ...]


MUTANTS = (
    Mutant(
        "the id check of renew",
        "renew.lua",
        "if held ~= ARGV[1] then return",
        "if not held then return",
        ("tests/integration/test_locks.py::test_nobody_renews_a_lock_of_another_run",),
    ),
    Mutant(
        "the fence check of write",
        "write.lua",
        "if last < tonumber(fence) then return 'older' end",
        "if true then return 'older' end",
        ("tests/integration/test_store.py::test_a_newer_run_is_never_overwritten",),
    ),
    Mutant(
        "the lock check of write",
        "write.lua",
        "if held ~= id then",
        "if false then",
        ("tests/integration/test_store.py::test_a_run_without_its_lock_writes_nothing",),
    ),
    Mutant(
        "the deadline cap of the TTL",
        "prelude.lua",
        "return math.min(lease, math.floor((deadline - now) / 1000))",
        "return lease",
        ("tests/integration/test_locks.py::test_the_time_to_live_ends_with_the_deadline",),
    ),
    Mutant(
        "the lease check of the TTL",
        "prelude.lua",
        "if id ~= asking and set_back(lock, now) > 0 then return nil end",
        "",
        ("tests/integration/test_locks.py::test_a_time_to_live_that_somebody_prolonged_is_no_longer_lease",),
    ),
    Mutant(
        "the idempotence of acquire",
        "acquire.lua",
        "if held == id then",
        "if false then",
        (
            "tests/integration/test_locks.py::test_the_same_run_gets_the_same_lock_again",
            "tests/integration/test_locks.py::test_a_lost_reply_leaves_no_orphan",
        ),
    ),
    Mutant(
        "the compare of clear",
        "clear.lua",
        "if id ~= ARGV[1] then return 'taken' end",
        "",
        ("tests/integration/test_locks.py::test_a_lock_that_changed_hands_since_it_was_listed_is_left",),
    ),
)


@contextmanager
def copy(mutant: Mutant | None) -> Iterator[Path]:
    """A copy of the repository, with the mutant in it (`None`: as it is)."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        root = Path(name)
        for part in ("countercache", "tests"):
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", root)
        if mutant:
            script = root / "countercache" / "store" / "lua" / mutant.script
            text = script.read_text(encoding="utf-8")
            assert text.count(mutant.old) == 1, f"{mutant.script} has changed: {mutant.old!r} is not in it once"
            script.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        yield root


def failures(root: Path, tests: Sequence[str], *, processes: int) -> list[str]:
    """The tests that fail in a copy. Raises where pytest itself does not get to its end."""
    arguments = ["-q", "-n", str(processes), "--dist", "worksteal", "-rfE", "--tb=no", *tests]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
    return sorted(set(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)))


def main() -> int:
    """Show which tests each mutant turns red; 1 where one survives."""
    survivors = 0
    for mutant in MUTANTS:
        with copy(mutant) as root:
            red = failures(root, SUITE, processes=4)
        survivors += not red
        print(f"\nwithout {mutant.name}: {len(red)} tests fail" if red else f"\nwithout {mutant.name}: NOTHING FAILS")
        print(*(f"    {test}" for test in red), sep="\n", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
