"""Write every generated page again: `make docs`. The figures of `performance.md` come from `make bench`."""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPTS = ("reference.py", "cli_reference.py")


def main() -> None:
    """Run each script as if by itself."""
    for script in SCRIPTS:
        runpy.run_path(str(Path(__file__).with_name(script)), run_name="__main__")


if __name__ == "__main__":
    main()
