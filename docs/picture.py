"""Makes `docs/status.svg`, the picture in the README: the demo, and what `countercache status` shows of it.

Run it from anywhere: `python docs/picture.py`. It starts a bundled Valkey of its own, which it stops.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from pathlib import Path

from rich.console import Console

WIDTH = 96


def main() -> None:
    """Run the demo in a directory of its own and draw the status of its first counters."""
    with tempfile.TemporaryDirectory(prefix="countercache-") as place:
        os.environ["COUNTERCACHE_STATE_DIR"] = f"{place}/state"
        os.environ.pop("REDIS_URL", None)
        from countercache import cli  # noqa: PLC0415 - after the variable is set
        from countercache.config import loader  # noqa: PLC0415 - after the variable is set
        from countercache.render import terminal  # noqa: PLC0415
        from countercache.store import cell_store, embedded  # noqa: PLC0415 - after the variable is set
        from countercache.store.redis_client import Keys, open_redis  # noqa: PLC0415

        try:
            with contextlib.redirect_stdout(io.StringIO()):
                cli.main(["demo", f"{place}/demo"])
            settings = loader.load(Path(place) / "demo" / "countercache.toml")
            console = Console(record=True, force_terminal=True, width=WIDTH, file=io.StringIO())
            shown = (
                "total-borrowing",
                "pwlb-borrowing",
                "pwlb-share",
                "investments",
                "net-borrowing",
                "largest-borrower",
            )
            status = cell_store.status(open_redis(settings), Keys(settings.namespace), settings, shown)
            for part in terminal.view(status):
                console.print(part)
        finally:
            embedded.stop()
    drawn = console.export_svg(title="countercache status", unique_id="status")
    # The reader's own monospaced font does: a picture in a README loads nothing from elsewhere.
    drawn = re.sub(r"@font-face {.*?}\s*", "", drawn, flags=re.DOTALL).replace("Fira Code", "ui-monospace")
    Path(__file__).with_name("status.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
