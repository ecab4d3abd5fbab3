"""`python -m countercache`, and the console script."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # While the program is loaded, Ctrl-C just ends it: Python's own handler would show where in the loading it was.
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where a shell has it ignored
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from countercache import cli  # noqa: PLC0415

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
