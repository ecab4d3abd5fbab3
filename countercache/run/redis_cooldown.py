"""Redis, once it did not answer, is left alone for a moment by all jobs of a run."""

from __future__ import annotations

import time

from countercache.errors import RedisUnreachable

RETRY = 0.25
"""Seconds before a write that Redis did not answer is tried again."""


class RedisCooldown:
    """When Redis did not answer: what one job has waited for in vain, the others need not wait for at once again.

    Each attempt may take a second, in which the guard does nothing else: a run of many jobs has no time for one each.
    """

    def __init__(self) -> None:
        self._error: RedisUnreachable | None = None
        self._until = 0.0

    def check(self) -> None:
        """Raises the last `RedisUnreachable` again, for a moment after it."""
        if self._error and time.monotonic() < self._until:
            raise self._error

    def note(self, error: RedisUnreachable) -> None:
        """Take note that Redis has not answered."""
        if error is not self._error:
            self._error, self._until = error, time.monotonic() + RETRY
