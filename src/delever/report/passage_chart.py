"""The convexity of ruin as a picture: how far the price must go, and how probable that is, against leverage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from delever.model.errors import InputError
from delever.report.numbers import duration, magnitude, percent
from delever.report.passage import headline
from delever.report.svg import COLOURS, FAINT, GREY, nice, page, text

if TYPE_CHECKING:
    from delever.analysis import FirstPassage

WIDTH, HEIGHT, TOP, BOTTOM = 1080.0, 500.0, 128.0, 62.0
PANELS = ((74.0, 520.0), (618.0, 1064.0))  # from, to: distance, probability
RARE = 1e-6  # probability at which the axis ends
MOST = 1000.0  # leverage
POINTS = 3000  # accounts that are drawn, the largest
LONGEST = 48  # letters of a kind of position
TICKS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
Row = dict[str, Any]


def passage_chart(name: str, result: FirstPassage) -> str:
    """Two panels over leverage: lines at the scenario's volatility, accounts as points as large as they owe. Else InputError."""
    accounts = result.accounts
    accounts = accounts.append_column("size_usd", pc.add(accounts["debt_usd"], accounts["positions_usd"]))
    accounts = accounts.filter(pc.and_(pc.is_valid(accounts["move"]), pc.less_equal(accounts["leverage"], MOST)))
    points = accounts.sort_by([("size_usd", "descending")])[:POINTS].to_pylist()
    lines: dict[str, list[Row]] = {}
    for row in result.curve.to_pylist():
        lines.setdefault(f"{row['protocol']}: {row['price']}, {row['side']}", []).append(row)
    if not points and not lines:
        raise InputError("has nothing to draw", "chart", name, "no account hangs on a price that moves")
    return page(WIDTH, HEIGHT, "\n".join(_body(name, result, points, lines)))


def _body(name: str, result: FirstPassage, points: list[Row], lines: dict[str, list[Row]]) -> Iterator[str]:
    every = [row["leverage"] for row in points] + [row["leverage"] for rows in lines.values() for row in rows]
    low, high = min(every) / 1.05, min(MOST, max(every)) * 1.05
    largest = max((row["size_usd"] for row in points), default=1.0) or 1.0
    yield text(24, 28, headline(result), size=16, weight="bold")
    yield text(24, 50, f"{name}, within {duration(result.horizon)}. Lines: positions of one price at its volatility, without "
               "events; points: accounts, as large as they owe", fill=GREY)
    for number, label in enumerate(lines):
        across, down = 24.0 + (WIDTH - 24.0) / 3 * (number % 3), 64.0 + 18.0 * (number // 3)
        yield f'<rect x="{across:.1f}" y="{down:g}" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield text(across + 18, down + 11, label if len(label) <= LONGEST else label[: LONGEST - 1] + "…", size=12)
    furthest = min(1.0, max((abs(row["move"]) for row in points), default=1.0))
    step = nice(max(furthest, 0.01) / 5)
    ceiling = step * math.ceil(furthest / step - 1e-9)
    distance = [(k * step, percent(k * step)) for k in range(round(ceiling / step) + 1)]
    chances = [(10.0**k, f"{100.0 * 10.0**k:.10g} %") for k in range(round(math.log10(RARE)), 1)]

    def linear(value: float) -> float:
        return min(abs(value), ceiling) / ceiling

    def log(value: float) -> float:
        return 1.0 - math.log(max(value, RARE)) / math.log(RARE)

    drawn = ((low, high), largest, points, lines)
    yield from _panel(PANELS[0], "Move of the price until liquidation", distance, linear, "move", *drawn)
    yield from _panel(PANELS[1], "Probability of reaching it", chances, log, "probability", *drawn)


def _panel(sides: tuple[float, float], title: str, ticks: list[tuple[float, str]], scale: Callable[[float], float], key: str,
           ends: tuple[float, float], largest: float, points: list[Row], lines: dict[str, list[Row]]) -> Iterator[str]:
    """One figure over leverage, in logs. scale: of a value from 0 to 1."""
    left, right = sides

    def x(leverage: float) -> float:
        return left + (right - left) * math.log(leverage / ends[0]) / math.log(ends[1] / ends[0])

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * scale(value)

    yield text(left, TOP - 14, title, weight="bold")
    for value, label in ticks:
        yield f'<line x1="{left:g}" x2="{right:g}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{FAINT}"/>'
        yield text(left - 6, y(value) + 4, label, anchor="end", size=11)
    last = -math.inf
    for tick in TICKS:
        if ends[0] <= tick <= ends[1] and x(tick) - last > 26.0:
            last = x(tick)
            yield text(last, HEIGHT - BOTTOM + 18, f"{tick:g}x", anchor="middle", size=11, fill=GREY)
    yield text((left + right) / 2, HEIGHT - 18, "leverage", anchor="middle")
    for row in points:
        if row[key] is None or (key == "probability" and row[key] < RARE):
            continue
        radius = 2.0 + 7.0 * math.sqrt(row["size_usd"] / largest)
        label = f"{row['account']}: {magnitude(row['leverage'])}x, {percent(row['probability'] or 0.0)}"
        yield (f'<circle cx="{x(row["leverage"]):.1f}" cy="{y(row[key]):.1f}" r="{radius:.1f}" fill="{GREY}" fill-opacity="0.35">'
               f"<title>{escape(label)}</title></circle>")
    for number, rows in enumerate(lines.values()):
        way = " ".join(f"{x(row['leverage']):.1f},{y(row[key]):.1f}" for row in rows if row["leverage"] <= ends[1])
        yield f'<polyline points="{way}" fill="none" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2.5"/>'
