"""The branching ratio by price as a picture: n over the levels, the line at 1, stretches above it, the rule of thumb beside."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from delever.report.criticality import headline
from delever.report.numbers import magnitude, percent
from delever.report.svg import COLOURS, FAINT, GREY, INK, nice, page, text

if TYPE_CHECKING:
    from delever.analysis import Criticality

WIDTH, HEIGHT = 960.0, 480.0
LEFT, RIGHT, TOP, BOTTOM = 74.0, 120.0, 96.0, 74.0  # margins; on the right names of curves
TICKS, LABELS = 5, 13
OWN, RULE, LOSS = COLOURS[0], COLOURS[1], COLOURS[5]
HIGHEST = 4.0  # of the axis; what is above is cut and says so


def criticality_chart(name: str, result: Criticality) -> str:
    """n and L P / D against the price, which rises to the right; n > 1 shaded."""
    return page(WIDTH, HEIGHT, "\n".join(_body(name, result)))


def _body(name: str, result: Criticality) -> Iterator[str]:
    rows = result.levels.to_pylist()
    edges, levels = [row["shock"] for row in rows], rows[:-1]
    low, high = min(edges), max(edges)
    most = max(1.2, *(max(row["n"], row["lpd"]) for row in levels))
    step = nice(min(most, HIGHEST) / TICKS)
    ceiling = step * math.ceil(min(most, HIGHEST) / step - 1e-9)

    def x(shock: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (shock - low) / (high - low)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(value, ceiling) / ceiling

    yield text(24, 28, headline(result), size=16, weight="bold")
    cut = f"; cut at {ceiling:g}, n goes to {magnitude(most)}" if most > ceiling else ""
    yield text(24, 50, f"{name}: USD sold by force for each USD sold by force, at each price of {result.asset}{cut}")
    yield text(24, 68, "Shaded: above 1, a sale forces more than itself", fill=GREY)
    for row, after in zip(levels, edges[1:], strict=True):
        if row["n"] > 1.0:
            left, right = sorted((x(row["shock"]), x(after)))
            yield (f'<rect x="{left:.1f}" y="{TOP:g}" width="{right - left:.1f}" height="{HEIGHT - BOTTOM - TOP:g}" '
                   f'fill="{LOSS}" fill-opacity="0.12"/>')
    for k in range(round(ceiling / step) + 1):
        yield _line(LEFT, y(k * step), WIDTH - RIGHT, y(k * step), FAINT)
        yield text(LEFT - 8, y(k * step) + 4, f"{k * step:.4g}", anchor="end")
    yield _line(LEFT, y(1.0), WIDTH - RIGHT, y(1.0), INK)
    for key, colour, dashed in (("lpd", RULE, True), ("n", OWN, False)):
        points = [point for row, after in zip(levels, edges[1:], strict=True)
                  for point in ((x(row["shock"]), y(row[key])), (x(after), y(row[key])))]
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        way = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        yield f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
    yield from _names(levels, y)
    yield from _axis(result, edges, x)


def _names(levels: Sequence[dict[str, Any]], y: Any) -> Iterator[str]:
    """Curves by name, at their right end, apart from each other."""
    at = {"n": y(levels[0]["n"]), "L P / D": y(levels[0]["lpd"])}
    upper, lower = sorted(at, key=lambda name: at[name])
    at[lower] = min(at[lower], HEIGHT - BOTTOM - 6.0)  # clear of the axis, and of each other
    at[upper] = min(at[upper], at[lower] - 16.0)
    for name, colour in (("n", OWN), ("L P / D", RULE)):
        yield text(WIDTH - RIGHT + 8, at[name] + 4, name, fill=colour, weight="bold")
    yield text(WIDTH - RIGHT + 8, y(1.0) - 14.0, "1: feeds on itself", size=12)


def _axis(result: Criticality, edges: Sequence[float], x: Any) -> Iterator[str]:
    """Prices and moves; now is dashed."""
    for shock in edges[:: math.ceil(len(edges) / LABELS)]:
        value = result.price * (1.0 + shock)
        yield text(x(shock), HEIGHT - BOTTOM + 20, f"{value:,.0f}" if value >= 1000.0 else f"{value:.4g}", anchor="middle")
        yield text(x(shock), HEIGHT - BOTTOM + 37, percent(shock), anchor="middle", fill=GREY)
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, f"{result.asset}, USD, and its move from now", anchor="middle")
    yield _line(x(0.0), TOP, x(0.0), HEIGHT - BOTTOM, INK, ' stroke-dasharray="5 4"')


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{colour}"{more}/>'
