"""The errors that a user may see.

Each class carries the exit code of the command (listed in `docs/cli.md`), and each message is one line: what failed,
where, and what to do about it. The modules that do I/O translate the driver's errors into one of these; only `cli`
turns one into text and an exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from countercache.model.states import Lock, Reason

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_LOCKED = 4
EXIT_UNREACHABLE = 5
EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE has ended."""
EXIT_TERMINATED = 143


class CountercacheError(Exception):
    """The base of all errors of countercache; `hint` says what to do and is shown after the message."""

    exit_code: int = EXIT_FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(CountercacheError):
    """An option or argument is invalid; nothing was changed."""

    exit_code = EXIT_USAGE


class ConfigError(CountercacheError):
    """The configuration is invalid, or names something that does not exist; nothing was changed."""

    exit_code = EXIT_USAGE


class FormulaError(ConfigError):
    """A formula cannot be parsed, or names something unknown."""


class LockHeld(CountercacheError):  # noqa: N818 - it is named for what happened
    """Another run holds the lock of a database: `lock`."""

    exit_code = EXIT_LOCKED

    def __init__(self, message: str, *, lock: Lock, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.lock = lock


class LockLost(CountercacheError):  # noqa: N818 - it is named for what happened
    """The lock ended, was cleared or was taken over while the run was in progress; `reason` says which."""

    def __init__(self, message: str, *, reason: Reason, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class RedisError(CountercacheError):
    """Redis answered with an error (no permission, out of memory, a read-only replica…)."""


class RedisUnreachable(RedisError):  # noqa: N818 - it is named for what happened
    """Redis did not answer in time, or not at all."""

    exit_code = EXIT_UNREACHABLE


class DatabaseError(CountercacheError):
    """The database refused a statement, or it failed."""


class DatabaseUnreachable(DatabaseError):  # noqa: N818 - it is named for what happened
    """The database could not be connected to."""

    exit_code = EXIT_UNREACHABLE


class DeadlineExceeded(CountercacheError):  # noqa: N818 - it is named for what happened
    """The time limit is over."""

    exit_code = EXIT_TIMEOUT


class Interrupted(CountercacheError):  # noqa: N818 - it is named for what happened
    """A signal ended the command before it had a result; as in a shell, the exit code is 128 + the signal."""

    def __init__(self, message: str, *, signal: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal


class OutputError(CountercacheError):
    """The result could not be written: a full disk."""


class OutputClosed(OutputError):  # noqa: N818 - it is named for what happened
    """The reader of the result went away (as in `| head`), which is not reported as an error."""

    exit_code = EXIT_BROKEN_PIPE
