"""A directory that may not be entered, for the tests of missing rights, which root would not miss."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def closed_directory() -> Iterator[Path]:
    """Within, nobody may look into the directory: not even root, who is nobody there. Its parent may be read."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        closed = Path(made) / "closed"
        closed.mkdir(mode=0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            yield closed
        finally:
            if root:
                os.seteuid(0)
            closed.chmod(0o700)
