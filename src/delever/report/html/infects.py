"""Who infects whom: protocols as circles, and as arrows what of each one's mean loss came from the forced selling of another.

As `delever contagion` measures it, on the paths that it was run on. Title: the largest of these whose interval leaves out
nothing; else that none does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from delever.analysis.contagion import LOSS, OTHERS
from delever.report.html.figure import Figure, Given, html_table, usd
from delever.report.html.theme import NARROW, WIDE

MOST = 6  # circles
LOST = 1.0  # less is nothing [USD]
FLAT = 0.78  # height of the ring, of its width
BEND, BESIDE, THICK, THIN = 20.0, 12.0, 12.0, 1.5  # of arrows [px]
LETTER = 7.2  # width [px]

Row = dict[str, Any]
Point = tuple[float, float]


def infects(given: Given) -> Figure | None:
    """The figure; none where it was not run, or nothing is lost."""
    if given.contagion is None:
        return None
    rows = [row for row in given.contagion.to_pylist() if row["figure"] == LOSS and row["source"] != OTHERS]
    total = {row["affected"]: float(row["in all"]) for row in rows}
    if max(total.values(), default=0.0) < LOST:
        return None
    shown = sorted(total, key=lambda name: -total[name])[:MOST]
    arrows = [row for row in rows if row["affected"] in shown and row["source"] in shown]
    said = (given.contagion.schema.metadata or {}).get(b"paths", b"").decode()
    return Figure(
        "contagion", title(arrows),
        "Mean loss of each protocol (in the circle) and what of it the forced selling of another brought (arrows), USD",
        ring(given, shown, total, arrows, WIDE, "wide") + ring(given, shown, total, arrows, NARROW, "narrow"),
        (("Arrow", "loss as it is, less loss with nobody of the source liquidated; the same random numbers"),
         ("Dashed", "the 95 % interval includes nothing"),
         ("Do not add", "where it takes two sources together, each is credited with all; where each alone is enough, neither"),
         ("Loss", "shortfall of lending; deficits, haircuts and losses of the vault of exchanges"),
         *((("Not shown", f"{len(total) - len(shown)} protocols that lose less"),) if len(total) > len(shown) else ()),
         ("Horizon", given.horizon), ("Paths", f"first {said} of {given.run.paths.num_rows:,}"), ("Source", "contagion.parquet")),
        html_table(given.contagion, "What came from whom"),
        [(given.colour[name], name, "solid") for name in shown if name in given.colour])


def sure(row: Row) -> bool:
    """Whether the interval leaves out nothing."""
    return bool(float(row["low"]) > 0.0 or float(row["high"]) < 0.0) and abs(float(row["from there"])) >= LOST


def title(arrows: Sequence[Row]) -> str:
    """The largest that is surely there."""
    there = [row for row in arrows if sure(row) and float(row["from there"]) > 0.0]
    if not there:
        return "No protocol’s loss is told apart from what it would be with another spared"
    top = max(there, key=lambda row: float(row["from there"]))
    came, whole = usd(float(top["from there"])), usd(float(top["in all"]))
    return f"{came} of the {whole} that {top['affected']} loses on average comes from the forced selling of {top['source']}"


def ring(given: Given, names: Sequence[str], total: dict[str, float], arrows: Sequence[Row], width: int, kind: str) -> str:
    """Circles on an ellipse, and arrows between them, as inline SVG."""
    wide = width > NARROW
    radius = 46.0 if wide else 38.0
    height = FLAT * min(width, 480) if len(names) > 2 else 2.0 * radius + 32.0
    across = min(width / 2 - radius - 24, 210.0 if wide else 130.0)
    at: dict[str, Point] = {}
    for i, name in enumerate(names):
        angle = math.pi + 2.0 * math.pi * i / len(names)
        at[name] = (width / 2 + across * math.cos(angle), height / 2 + (height / 2 - radius - 8) * math.sin(angle))
    most = max((abs(float(row["from there"])) for row in arrows), default=1.0) or 1.0
    drawn = [arrow(row, at, radius, given.colour.get(row["source"], "mute"), most) for row in arrows]
    circles = [circle(name, total[name], at[name], radius, given.colour.get(name, "mute")) for name in names]
    return (f'<svg class="{kind}" viewBox="0 0 {width} {height:.0f}" width="{width}" height="{height:.0f}" aria-hidden="true" '
            f'focusable="false">{"".join(drawn)}{"".join(circles)}</svg>')


def arrow(row: Row, at: dict[str, Point], radius: float, colour: str, most: float) -> str:
    """A bent arrow from the source to whom it takes from, as thick as what comes from there, with its figure on it."""
    (x1, y1), (x2, y2), came, there = at[row["source"]], at[row["affected"]], float(row["from there"]), sure(row)
    length = math.hypot(x2 - x1, y2 - y1)
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    x1, y1 = x1 + ux * radius - uy * BESIDE, y1 + uy * radius + ux * BESIDE
    x2, y2 = x2 - ux * radius - uy * BESIDE, y2 - uy * radius + ux * BESIDE
    cx, cy = (x1 + x2) / 2 - uy * BEND, (y1 + y2) / 2 + ux * BEND
    width = 2.0 + (THICK - 2.0) * abs(came) / most if there else THIN
    head, size = math.atan2(y2 - cy, x2 - cx), max(9.0, 1.4 * width)
    bx, by, dx, dy = x2 - size * math.cos(head), y2 - size * math.sin(head), size * math.sin(head) / 2, size * math.cos(head) / 2
    text, dashes = usd(came, False) if there else "not significant", "" if there else ' stroke-dasharray="3 4"'
    lx, ly, half = 0.25 * (x1 + 2 * cx + x2), 0.25 * (y1 + 2 * cy + y2), len(text) * LETTER / 2 + 4
    told = (f"from {row['source']} to {row['affected']}: {usd(came)} of {usd(float(row['in all']))}, 95 % interval "
            f"{usd(float(row['low']))} to {usd(float(row['high']))}")
    return (f'<g aria-label="{escape(told, quote=True)}" style="--k:var(--{colour if there else "mute"})">'
            f'<path d="M{x1:.1f},{y1:.1f} Q{cx:.1f},{cy:.1f} {bx:.1f},{by:.1f}" fill="none" stroke="var(--k)" '
            f'stroke-width="{width:.1f}"{dashes}/>'
            f'<polygon points="{x2:.1f},{y2:.1f} {bx - dx:.1f},{by + dy:.1f} {bx + dx:.1f},{by - dy:.1f}" fill="var(--k)"/>'
            f'<rect x="{lx - half:.1f}" y="{ly - 10:.1f}" width="{2 * half:.1f}" height="19" fill="var(--ground)" opacity=".92"/>'
            f'<text x="{lx:.1f}" y="{ly + 4:.1f}" text-anchor="middle" font-size="12" font-weight="600" fill="var(--ink)">'
            f"{escape(text)}</text></g>")


def circle(name: str, lost: float, at: Point, radius: float, colour: str) -> str:
    """A protocol, and what it loses on average."""
    (x, y), most = at, int(2 * radius / LETTER)
    shown = name if len(name) <= most else name[: most - 1] + "…"
    return (f'<g aria-label="{escape(name, quote=True)}: loses {usd(lost)} on average"><circle cx="{x:.0f}" cy="{y:.0f}" '
            f'r="{radius:.0f}" fill="var(--ground)" stroke="var(--{colour})" stroke-width="3"/>'
            f'<text x="{x:.0f}" y="{y - 3:.0f}" text-anchor="middle" font-size="13" font-weight="700" fill="var(--ink)">'
            f'{escape(shown)}</text><text x="{x:.0f}" y="{y + 15:.0f}" text-anchor="middle" font-size="12" fill="var(--ink)">'
            f"{escape(usd(lost, False))}</text></g>")
