"""The two servers of this engine, MariaDB and MySQL, and what each wants to be told differently. Pure."""

from __future__ import annotations

import re

import msgspec

from countercache.databases.engine import Engine
from countercache.databases.mysql.engine import MARIADB, MYSQL

_REPLICATION = "5.5.5-"
"""What MariaDB may put before its version, for clients that could not read a number with two digits."""


class Flavor(msgspec.Struct, frozen=True):
    """A server: `oldest` is the first version that is read, `time_limit` a session variable of so many `per_second`."""

    engine: Engine
    oldest: tuple[int, int]
    time_limit: str
    per_second: int

    def limits(self, seconds: float, lock: float) -> str:
        """What limits the next statement to so many seconds, and its waiting for locks of others.

        Both wait for locks in whole seconds, of which 0 would be none at all.
        """
        waits = max(1, int(lock + 0.999))
        most = max(1, int(seconds * self.per_second)) if self.per_second > 1 else f"{max(seconds, 0.001):.3f}"
        return (
            f"SET SESSION {self.time_limit} = {most}, lock_wait_timeout = {waits}, innodb_lock_wait_timeout = {waits}, "
            f"wait_timeout = {max(1, int(seconds + 1.5))}"
        )


_MARIADB = Flavor(MARIADB, (10, 6), "max_statement_time", 1)
_MYSQL = Flavor(MYSQL, (8, 0), "max_execution_time", 1000)


def flavor_of(version: str) -> Flavor:
    """The server that has this version, as `VERSION()` gives it."""
    return _MARIADB if "mariadb" in version.lower() else _MYSQL


def is_too_old(version: str) -> bool:
    """Whether a server of this version is older than what is read."""
    numbers = re.match(r"(\d+)\.(\d+)", version.removeprefix(_REPLICATION))
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < flavor_of(version).oldest
