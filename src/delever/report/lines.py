"""Lines over a number as a picture: a self-contained SVG, the axis from 0, a legend above."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from delever.model.errors import InputError
from delever.report.numbers import human
from delever.report.svg import COLOURS, FAINT, GREY, nice, page, text

WIDTH, HEIGHT = 960.0, 460.0
LEFT, RIGHT, TOP, BOTTOM = 74.0, 24.0, 92.0, 62.0  # margins
TICKS = 5  # grid lines, about


def line_chart(title: str, below: str, x: Sequence[float], lines: Mapping[str, Sequence[float]], unit: str = "share",
               unit_x: str = "share") -> str:
    """Lines by name over x, which rises. unit, unit_x: of the values and of x, as report/numbers.py writes them."""
    if len(x) < 2:
        raise InputError("has one value alone", "chart", x[0] if x else None, "a picture needs two or more")
    return page(WIDTH, HEIGHT, "\n".join(_body(title, below, x, lines, unit, unit_x)))


def _body(title: str, below: str, x: Sequence[float], lines: Mapping[str, Sequence[float]], unit: str, unit_x: str
          ) -> Iterator[str]:
    top = max(max(values) for values in lines.values())
    step = nice(top / TICKS) if top > 0.0 else 1.0
    ceiling = step * max(1, math.ceil(top / step - 1e-9))

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - x[0]) / (x[-1] - x[0])

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / ceiling

    yield text(LEFT, 26, title, size=18, weight="bold")
    at = LEFT
    for number, name in enumerate(lines):
        yield f'<rect x="{at:.1f}" y="42" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield text(at + 18, 53, name)
        at += 36 + 7.2 * len(name)
    for k in range(round(ceiling / step) + 1):
        yield f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{up(k * step):.1f}" y2="{up(k * step):.1f}" stroke="{FAINT}"/>'
        yield text(LEFT - 8, up(k * step) + 4, human(k * step, unit), anchor="end")
    for value in x[:: -math.ceil(len(x) / 13)][::-1]:
        yield text(across(value), HEIGHT - BOTTOM + 20, human(value, unit_x), anchor="middle", fill=GREY)
    for number, values in enumerate(lines.values()):
        points = " ".join(f"{across(a):.1f},{up(b):.1f}" for a, b in zip(x, values, strict=True))
        yield f'<polyline points="{points}" fill="none" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2.5"/>'
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, below, anchor="middle")
