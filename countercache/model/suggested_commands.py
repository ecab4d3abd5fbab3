"""The commands that people are told to type next: written so that they work where they are read.

A configuration that had to be named has to be named again, so what `use` was told stands in each of them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "countercache"

_options: list[str] = []


def use(*options: str) -> None:
    """From now on commands need these options, as this one did: `--config`, `site.toml`."""
    _options[:] = options


def to_type(command: str) -> str:
    """A command of ours, such as `locks clear main`, as it is to be typed."""
    return " ".join([PROGRAM, *map(shlex.quote, _options), command])


def program(path: str, beyond: str = "") -> str:
    """How this very program is called where commands are looked for in `path`: by its name if it is found there, else
    by the file, which may also be in the directories `beyond` it.
    """
    if shutil.which(PROGRAM, path=path):
        return PROGRAM
    here = Path(sys.executable).parent
    found = shutil.which(PROGRAM, path=os.pathsep.join([str(here), beyond or path]))
    return shlex.quote(found) if found else f"{shlex.quote(sys.executable)} -m {PROGRAM}"
