"""After an error of the connection, all jobs of a run wait for a moment before they use Redis again."""

from __future__ import annotations

import time

from countercache.errors import RedisUnreachable

RETRY = 0.25
"""Seconds before a write that Redis did not answer is tried again."""


class RedisCooldown:
    """Remembers for a moment that Redis did not answer, for all jobs of a run.

    An attempt may block the guard for a second, so a run of many jobs has no time for one each.
    """

    def __init__(self) -> None:
        self._error: RedisUnreachable | None = None
        self._until = 0.0

    def raise_if_active(self) -> None:
        """Raise the last error again while the cooldown lasts."""
        if self._error and time.monotonic() < self._until:
            raise self._error

    def start(self, error: RedisUnreachable) -> None:
        """Start the cooldown, unless `error` is the one that it has raised itself."""
        if error is not self._error:
            self._error, self._until = error, time.monotonic() + RETRY
