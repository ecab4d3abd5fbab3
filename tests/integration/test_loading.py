"""What a command loads that has a server to talk to; `tests/unit/test_imports.py` has those that need none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance import site
from tests.unit.test_imports import NEVER, loaded
from tests.valkey import Valkey


@pytest.mark.parametrize("arguments", [["locks", "list"], ["status"], ["status", "--json"], ["locks", "clear"]])
def test_operators_commands_load_no_database(arguments: list[str], tmp_path: Path, valkey: Valkey) -> None:
    """What is typed at 3 a.m. in a hurry loads redis-py and nothing of databases; in a pipe no rich either."""
    names = loaded(*arguments, cwd=site.make(tmp_path, valkey.url), url=valkey.url)
    assert "redis" in names
    assert not names & (NEVER | {"rich"})
