"""The site that an operator looks after."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance import site
from tests.acceptance.operating import GATED, sql
from tests.valkey import Valkey


@pytest.fixture
def directory(tmp_path: Path, valkey: Valkey) -> Path:
    """A site whose counter `gated` never ends while its gate is shut, and which publishes plain keys."""
    more = site.counter("gated", GATED) + '[publish]\nkey = "total:{counter}:{group}:{period}"\n'
    site.make(tmp_path, valkey.url, more)
    sql(tmp_path, "CREATE TABLE gate (id INTEGER)")
    return tmp_path


@pytest.fixture
def shut(directory: Path) -> Path:
    """The same with its gate shut."""
    sql(directory, "INSERT INTO gate VALUES (1)")
    return directory
