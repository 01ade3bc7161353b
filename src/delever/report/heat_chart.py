"""The liquidation heat map as a picture: price level x time, longs and shorts in a colour each, the price as a line through it;
beside it what stands at the start, by leverage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from delever.analysis.heat import BANDS
from delever.model.errors import InputError
from delever.report.heat import headline
from delever.report.numbers import duration, magnitude, moment, price
from delever.report.svg import FAINT, GREY, INK, page, text

if TYPE_CHECKING:
    from delever.analysis.heat import HeatMap

Scale = Callable[[float], float]
WIDTH, HEIGHT, TOP, BOTTOM, LEFT = 1080.0, 560.0, 104.0, 58.0, 84.0
FIELD, BARS = 770.0, (806.0, 1064.0)  # where the field ends; the bars beside it
HUES = {"long": (0, 114, 178), "short": (213, 94, 0)}  # told apart as those of report/svg.py
FAINTEST = 0.12  # share of the colour where anything stands at all
SHADES = ("#d9d9d9", "#bdbdbd", "#969696", "#737373", "#525252", "#252525")  # bands of leverage, darker: more


def heat_chart(name: str, result: HeatMap) -> str:
    """The picture. InputError: nothing stands on the map."""
    if not result.table.num_rows:
        raise InputError("has nothing to draw", "chart", name, "nobody is liquidated between its lowest and highest level")
    return page(WIDTH, HEIGHT, "\n".join(_body(name, result)))


def strength(usd: float, largest: float) -> float:
    """Share of the colour: the root of the share of the largest, so that small walls are seen beside a large one."""
    return FAINTEST + (1.0 - FAINTEST) * math.sqrt(usd / largest)


def _body(name: str, result: HeatMap) -> Iterator[str]:
    longs, shorts = result.grid("long"), result.grid("short")
    largest = max(longs.max(initial=0.0), shorts.max(initial=0.0))
    end, low, high = float(result.times[-1]), math.log(result.levels[0]), math.log(result.levels[-1])

    def x(time: float) -> float:
        return LEFT + (FIELD - LEFT) * time / end

    def y(usd: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (math.log(usd) - low) / (high - low)

    still = "prices stand still" if result.path is None else f"path {result.path}"
    yield text(24, 28, headline(result), size=16, weight="bold")
    yield text(24, 50, f"Liquidation heat map of {name}: {result.asset}, {still}. USD of positions that stand to be liquidated "
               "at each level, as they stand at that time", fill=GREY)
    yield from _legend(largest)
    yield f'<rect x="{LEFT:g}" y="{TOP:g}" width="{FIELD - LEFT:g}" height="{HEIGHT - BOTTOM - TOP:g}" fill="#f7f7f7"/>'
    for side, grid in (("long", longs), ("short", shorts)):
        red, green, blue = HUES[side]
        for level, time in zip(*np.nonzero(grid), strict=True):
            left, right = x(result.times[time]), x(result.times[time + 1])
            top, bottom = y(result.levels[level + 1]), y(result.levels[level])
            yield (f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
                   f'fill="rgb({red},{green},{blue})" fill-opacity="{strength(float(grid[level, time]), largest):.3f}"/>')
    rows = [(row["time"], row["price_usd"]) for row in result.price.to_pylist()]
    inside = [(t, p) for t, p in rows if result.levels[0] <= p <= result.levels[-1]]
    yield (f'<polyline points="{" ".join(f"{x(t):.1f},{y(p):.1f}" for t, p in inside)}" fill="none" stroke="{INK}" '
           f'stroke-width="1.6"/>')
    yield from _axes(result, x, y)
    yield from _bars(result, y)


def _legend(largest: float) -> Iterator[str]:
    """Both colours at the largest and at a hundredth of it."""
    at = LEFT
    for side, word in (("long", "longs"), ("short", "shorts")):
        for share in (0.01, 0.1, 1.0):
            yield (f'<rect x="{at:.1f}" y="70" width="16" height="14" fill="rgb{HUES[side]}" '
                   f'fill-opacity="{strength(share, 1.0):.3f}"/>')
            at += 16.0
        words = f"{word}: {magnitude(0.01 * largest)}, {magnitude(0.1 * largest)}, {magnitude(largest)} USD"
        yield text(at + 6, 82, words, size=12)
        at += 6 + 6.4 * len(words) + 18
    yield f'<line x1="{at:.1f}" x2="{at + 22:.1f}" y1="77" y2="77" stroke="{INK}" stroke-width="1.6"/>'
    yield text(at + 28, 82, "price", size=12)


def _axes(result: HeatMap, x: Scale, y: Scale) -> Iterator[str]:
    """Prices at the left, times below."""
    end = float(result.times[-1])
    for level in result.levels[:: max(1, (len(result.levels) - 1) // 10)].tolist():
        yield text(LEFT - 8, y(level) + 4, price(level), anchor="end", size=12)
        yield f'<line x1="{LEFT - 4:g}" x2="{LEFT:g}" y1="{y(level):.1f}" y2="{y(level):.1f}" stroke="{GREY}"/>'
    for time in result.times[:: max(1, math.ceil((len(result.times) - 1) / 6))].tolist():
        yield text(x(time), HEIGHT - BOTTOM + 20, moment(time) if time > 0.0 else "start", anchor="middle", size=12)
    words = f"time, over {duration(end)}; at the left {result.asset}, USD"
    yield text((LEFT + FIELD) / 2, HEIGHT - 12, words, anchor="middle")


def _bars(result: HeatMap, y: Scale) -> Iterator[str]:
    """At the start: a bar a level, in shades of leverage."""
    first = result.table.filter(pc.equal(result.table["time"], 0.0)).to_pylist()
    sums: dict[float, dict[str, float]] = {}
    for row in first:
        mine = sums.setdefault(row["low"], {})
        mine[row["leverage"]] = mine.get(row["leverage"], 0.0) + row["positions_usd"]
    longest = max((sum(mine.values()) for mine in sums.values()), default=1.0)
    height = (HEIGHT - BOTTOM - TOP) / (len(result.levels) - 1)
    yield text(BARS[0], TOP - 8, f"at the start, by leverage; longest: {magnitude(longest)} USD", size=12)
    yield f'<line x1="{BARS[0]:g}" x2="{BARS[0]:g}" y1="{TOP:g}" y2="{HEIGHT - BOTTOM:g}" stroke="{FAINT}"/>'
    for low, mine in sums.items():
        at = BARS[0]
        for shade, band in zip(SHADES, BANDS, strict=True):
            wide = (BARS[1] - BARS[0]) * mine.get(band, 0.0) / longest
            if wide > 0.0:
                yield (f'<rect x="{at:.1f}" y="{y(low) - height:.1f}" width="{wide:.1f}" height="{max(height - 0.5, 0.5):.1f}" '
                       f'fill="{shade}"/>')
                at += wide
    for i, (shade, band) in enumerate(zip(SHADES, BANDS, strict=True)):
        across, down = BARS[0] + 88.0 * (i % 3), HEIGHT - BOTTOM + 10.0 + 18.0 * (i // 3)
        yield f'<rect x="{across:g}" y="{down:g}" width="12" height="12" fill="{shade}"/>'
        yield text(across + 16, down + 11, band, size=11)
