"""The liquidation wall as a picture: a self-contained SVG, in absolute dollars, with the price of today marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from delever.model.errors import InputError
from delever.report.numbers import magnitude, percent, price
from delever.report.svg import COLOURS, FAINT, GREY, INK, nice, page, text
from delever.report.wall import reach

if TYPE_CHECKING:
    from delever.analysis import Wall

WIDTH, HEIGHT = 960.0, 500.0
LEFT, RIGHT, TOP, BOTTOM = 74.0, 24.0, 92.0, 74.0  # margins
PALE = 0.35  # opacity of what is eligible and not liquidatable now
TICKS = 5  # grid lines, about

Scale = Callable[[float], float]  # USD -> height on the page


def wall_chart(name: str, asset: str, wall: Wall, start: float) -> str:
    """Bars by price, stacked by protocol: debt of eligible accounts, the solid part of it liquidatable now.

    start: price of the asset before the shocks, USD.
    """
    shocks = sorted(wall.totals["shock"].unique().to_pylist())
    if len(shocks) < 2:
        raise InputError("is one shock", "--chart", wall.shock, 'a chart needs a range: --shock "-60%..0%"')
    body = "\n".join(_body(name, asset, wall.totals, shocks, start))
    return page(WIDTH, HEIGHT, body)


def _body(name: str, asset: str, totals: pa.Table, shocks: Sequence[float], start: float) -> Iterator[str]:
    rows = totals.to_pylist()
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    at = {(row["shock"], row["protocol"]): row for row in rows}
    top = max(sum(reach(at[shock, protocol])[0] for protocol in protocols) for shock in shocks)
    step = nice(top / TICKS) if top > 0.0 else 1.0
    ceiling = step * math.ceil(top / step - 1e-9) if top > 0.0 else step
    wide = (WIDTH - LEFT - RIGHT) / len(shocks)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / ceiling

    def x(shock: float) -> float:
        """Middle of a shock's place; between two of them on the line through both."""
        place = next((i for i in range(1, len(shocks) - 1) if shocks[i] >= shock), len(shocks) - 1)
        low, high = shocks[place - 1], shocks[place]
        return LEFT + wide * (place - 0.5 + (shock - low) / (high - low))

    yield text(LEFT, 26, f"Liquidation wall of {name}: {asset}", size=18, weight="bold")
    exchanges = [row["protocol"] for row in rows if row.get("positions_usd") is not None]
    what = "Debt of accounts that a move of the price alone makes eligible"
    if exchanges:
        what = "Positions of margin accounts that a move of the price alone puts below maintenance" if set(exchanges) == set(
            protocols) else "Debt of eligible accounts and positions of margin accounts below maintenance, by the move alone"
    yield text(LEFT, 46, f"{what}, USD; no sale, no feedback")
    yield from _legend(protocols, exchanges)
    for k in range(round(ceiling / step) + 1):
        yield f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y(k * step):.1f}" y2="{y(k * step):.1f}" stroke="{FAINT}"/>'
        yield text(LEFT - 8, y(k * step) + 4, magnitude(k * step), anchor="end")
    for shock in shocks:
        yield from _bars([at[shock, protocol] for protocol in protocols], x(shock) - 0.4 * wide, 0.8 * wide, y)
    every = math.ceil(len(shocks) / 13)
    for shock in shocks[:: -every][::-1]:
        yield text(x(shock), HEIGHT - BOTTOM + 20, _tick(start * (1.0 + shock)), anchor="middle")
        yield text(x(shock), HEIGHT - BOTTOM + 37, percent(shock), anchor="middle", fill=GREY)
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, f"{asset}, USD, and its move", anchor="middle")
    if shocks[0] <= 0.0 <= shocks[-1]:
        yield from _today(x(0.0), f"now {price(start)} USD")


def _bars(rows: Sequence[dict[str, float]], left: float, wide: float, y: Scale) -> Iterator[str]:
    """One stack: for each protocol its liquidatable part, then the rest of what is eligible."""
    base = 0.0
    for number, row in enumerate(rows):
        colour = COLOURS[number % len(COLOURS)]
        whole, solid = reach(row)
        for low, high, opacity in ((base, base + solid, 1.0), (base + solid, base + whole, PALE)):
            if high > low:
                yield (f'<rect x="{left:.1f}" y="{y(high):.2f}" width="{wide:.1f}" height="{y(low) - y(high):.2f}" '
                       f'fill="{colour}" fill-opacity="{opacity:g}"/>')  # fmt: skip
        base += whole


def _legend(protocols: Sequence[str], exchanges: Sequence[str]) -> Iterator[str]:
    at = LEFT
    for number, protocol in enumerate(protocols):
        colour = COLOURS[number % len(COLOURS)]
        words = [(f"{protocol} liquidatable now", 1.0), (f"{protocol} eligible besides", PALE)]
        for word, opacity in [(f"{protocol} positions", 1.0)] if protocol in exchanges else words:
            yield f'<rect x="{at:.1f}" y="60" width="12" height="12" fill="{colour}" fill-opacity="{opacity:g}"/>'
            yield text(at + 17, 71, word)
            at += 17 + 7.0 * len(word) + 18


def _today(at: float, label: str) -> Iterator[str]:
    yield (f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP:g}" y2="{HEIGHT - BOTTOM:g}" stroke="{INK}" '
           f'stroke-dasharray="5 4"/>')  # fmt: skip
    right = at > WIDTH / 2
    yield text(at - 6 if right else at + 6, TOP + 12, label, anchor="end" if right else "start", weight="bold")


def _tick(value: float) -> str:
    """Four digits of a price."""
    return f"{value:,.0f}" if value >= 1_000.0 else f"{value:.4g}"
