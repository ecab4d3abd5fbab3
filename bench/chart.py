"""The results as a chart: bars on a logarithmic scale, in SVG that is readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from xml.sax.saxutils import escape

from bench import parts
from bench.parts import Result

SHOWN = (parts.BARE, parts.TOTALS, parts.ENTITIES, parts.QUERIES, parts.LOOP)
TITLES = {
    "postgres-144k": "PostgreSQL, 144 thousand figures",
    "postgres-5m": "PostgreSQL, 5 million figures",
    "postgres-50m": "PostgreSQL, 50 million figures",
    "sqlite-144k": "SQLite, 144 thousand figures",
    "sqlite-5m": "SQLite, 5 million figures",
    "duckdb-50m": "DuckDB, 50 million figures",
}
WIDTH, LABELS, BAR, GAP, HEAD = 860, 330, 18, 6, 34
FIRST, LAST = 0.01, 10_000.0
"""Seconds at both ends of the scale."""

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .head { font-weight: 600 }
.axis { font-size: 11px; fill: #59636e } .grid { stroke: #d1d9e0 } .other { fill: #9aa4af } .ours { fill: #1f6feb }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .axis { fill: #9198a1 } .grid { stroke: #3d444d }
  .other { fill: #656c76 } .ours { fill: #4493f8 }
}
"""


def chart(results: Mapping[str, Result]) -> str:
    """The document: a block of bars for each part that was run, seconds on the clock."""
    body: list[str] = []
    y = 30
    for part, title in TITLES.items():
        if part not in results:
            continue
        body.append(f'<text class="head" x="8" y="{y + 20}">{escape(title)}</text>')
        y += HEAD
        for name in SHOWN:
            timing = results[part].timings.get(name)
            if timing:
                body.append(_bar(name, timing.wall, y))
                y += BAR + GAP
    ticks = [_tick(10.0**power, y) for power in range(round(math.log10(FIRST)), round(math.log10(LAST)) + 1)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 12}" role="img">'
        f"<title>Seconds for all counters: countercache and other ways</title><style>{_STYLE}</style>"
        f"{''.join(ticks)}{''.join(body)}</svg>\n"
    )


def _x(seconds: float) -> float:
    share = math.log(max(seconds, FIRST) / FIRST) / math.log(LAST / FIRST)
    return LABELS + min(1.0, share) * (WIDTH - LABELS - 70)


def _bar(name: str, seconds: float, y: int) -> str:
    kind = "ours" if name.startswith("countercache") else "other"
    text = f"{seconds:.3g} s" if seconds < 300 else f"{seconds / 60:,.0f} min"
    end = _x(seconds)
    return (
        f'<text x="{LABELS - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
        f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{max(1.0, end - LABELS):.1f}" height="{BAR}" rx="2"/>'
        f'<text class="axis" x="{end + 6:.1f}" y="{y + 13}">{text}</text>'
    )


def _tick(seconds: float, bottom: int) -> str:
    x = _x(seconds)
    text = f"{seconds:g} s" if seconds < 1000 else f"{seconds:,.0f} s"
    return (
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="{bottom}"/>'
        f'<text class="axis" x="{x:.1f}" y="14" text-anchor="middle">{text}</text>'
    )
