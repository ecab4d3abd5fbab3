"""The commands that people are told to type next: written so that they work where they are read.

A configuration that had to be named has to be named again, so what makes or shows one is given `Commands`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from countercache.model.key_text import spelled
from countercache.model.program import PROGRAM


class Commands(NamedTuple):
    """How commands of ours are to be typed: with these options, as this one was (`--config`, `site.toml`)."""

    options: tuple[str, ...] = ()

    def to_type(self, command: str) -> str:
        """A command, such as `locks clear main`, as it is to be typed."""
        return " ".join([PROGRAM, *map(shlex.quote, self.options), command])


NO_OPTIONS = Commands()
"""Where the configuration need not be named."""


def clear_foreign(key: bytes) -> str:
    """The command that clears a lock of the web stack all the same, to be given to `to_type`."""
    name = shlex.quote(spelled(key))
    return f"locks clear --foreign --force {'-- ' if name.startswith('-') else ''}{name}"


def program(path: str, beyond: str = "") -> str:
    """How this very program is called where commands are looked for in `path`: by its name if it is found there, else
    by the file, which may also be in the directories `beyond` it.
    """
    if shutil.which(PROGRAM, path=path):
        return PROGRAM
    here = Path(sys.executable).parent
    found = shutil.which(PROGRAM, path=os.pathsep.join([str(here), beyond or path]))
    return shlex.quote(found) if found else f"{shlex.quote(sys.executable)} -m {PROGRAM}"
