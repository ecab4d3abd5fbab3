"""The world of the fault tests: one a pytest process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.harness import World
from tests.postgres import Cluster


@pytest.fixture(scope="session")
def world(postgres: Cluster) -> Iterator[World]:
    """The servers, and the zygote."""
    world = World(postgres)
    try:
        yield world
    finally:
        world.close()
