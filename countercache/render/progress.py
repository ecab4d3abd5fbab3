"""Progress bars on stderr: one per job, as `status` draws them for runs of other processes.

No thread refreshes them: the guard's loop calls `progress` about five times a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec
from rich.console import Console
from rich.live import Live

from countercache.model.results import RunView
from countercache.model.states import Event, Progress
from countercache.render import text
from countercache.render.widgets import Runs

if TYPE_CHECKING:
    from countercache.errors import LockHeld


class Bars:
    """An observer that draws progress bars; as a context manager it restores the terminal."""

    def __init__(self, console: Console) -> None:
        self._runs: dict[str, RunView] = {}
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=lambda: Runs(tuple(self._runs.values())),
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def progress(self, database: str, progress: Progress, elapsed: float, remaining: float) -> None:
        """Show the progress of a job."""
        self._show(RunView(database, progress, elapsed, remaining))

    def waiting(self, database: str, held: LockHeld) -> None:
        """Show that another run holds the lock and this one waits for it."""
        before = self._runs.get(database) or RunView(database, Progress(""), elapsed=0.0, deadline_in=0.0)
        self._show(msgspec.structs.replace(before, progress=Progress(f"waiting for {text.owner(held.lock)}")))

    def event(self, event: Event) -> None:
        """Show nothing: the result says what a person needs to know."""

    def _show(self, run: RunView) -> None:
        self._runs[run.lock] = run
        self._live.refresh()
