"""What all tests share: real servers from wheels (`tests/postgres.py`, `tests/valkey.py`)."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.postgres", "tests.valkey"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what did not run because a program could not be had (`tests/debian.py`)."""
    for report in terminalreporter.stats.get("skipped", ()):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"DID NOT RUN: {report.nodeid}: {why}", red=True, bold=True)
