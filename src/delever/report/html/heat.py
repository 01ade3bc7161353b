"""Liquidation heat map of the worst path: price level x time, what of the exchanges' positions stands to be liquidated where."""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.analysis.heat import HeatMap, heat_map
from delever.model.errors import InputError
from delever.report.heat import headline, over_time
from delever.report.heat_chart import strength
from delever.report.html.figure import Figure, Given, html_table, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed
from delever.report.numbers import moment, price
from delever.run.by_asset import open_interest

LEVELS, TIMES = 30, 18  # few enough that the page stays small
TINT = {"long": "c1", "short": "c3"}


def heat(given: Given) -> list[Figure]:
    """Of the coin with most open interest, on the worst path; none where there is no such path, or nothing stands on the map."""
    coin = busiest(given)
    if given.worst is None or coin is None:
        return []
    try:
        found = heat_map(given.run, coin, given.worst.path, LEVELS, TIMES)
    except InputError:  # of options alone, say
        return []
    return [figure(given, found)] if found.table.num_rows else []


def busiest(given: Given) -> str | None:
    """What perps of most open interest follow."""
    world, interest = given.run.world, dict[str, float]()
    for (_, perp), usd_open in open_interest(given.run.model).items():
        coin = world.assets[perp].perp
        if coin is not None:
            interest[coin] = interest.get(coin, 0.0) + usd_open
    return max(interest, key=lambda coin: interest[coin], default=None)


def figure(given: Given, found: HeatMap) -> Figure:
    """The field, and the price through it."""
    grids = {side: found.grid(side) for side in TINT}
    largest = max(float(grid.max(initial=0.0)) for grid in grids.values())
    scale, unit = (3600.0, "hours") if found.times[-1] >= 7200.0 else (60.0, "minutes")
    cells = [cell(found, side, int(level), int(time), float(grid[level, time]), largest, scale)
             for side, grid in grids.items() for level, time in zip(*np.nonzero(grid), strict=True)]
    every = max(1, found.price.num_rows // 400)
    line = [{"t": row["time"] / scale, "p": row["price_usd"]} for row in found.price.to_pylist()[::every]]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X("t:Q", title=f"{unit} since the start", axis=alt.Axis(tickCount=5 if narrow else 8),
                  scale=alt.Scale(domain=[0, float(found.times[-1]) / scale], nice=False))
        y = alt.Y("low:Q", title=f"{found.asset}, USD", axis=alt.Axis(labelExpr=MONEY, tickCount=6, grid=False),
                  scale=alt.Scale(type="log", domain=[float(found.levels[0]), float(found.levels[-1])], nice=False))
        field = chart(cells).mark_rect().encode(
            x=x, x2="t2:Q", y=y, y2="high:Q", color=alt.Color("c:N", scale=None), opacity=alt.Opacity("o:Q", scale=None),
            description="d:N")
        path = chart(line).mark_line(strokeWidth=1.5, color=C["ink"], aria=False).encode(x="t:Q", y="p:Q")
        return alt.layer(field, path).properties(height=260 if narrow else 320)

    return Figure(
        "heat",
        headline(found),
        f"Positions in perps of {found.asset} that stand to be liquidated at each price, as they stand at that time on path "
        f"{found.path}; deeper: more, up to {usd(largest)}",
        drawn(make),
        (
            ("An account stands", "at the first level, from the price outwards, at which its equity is below maintenance margin"),
            ("Path", f"{found.path}, the one that loses most"),
            ("Not in it", "what one liquidation sets off; lending; a backstop vault; accounts with options"),
            ("Horizon", given.horizon),
            ("Source", "the path, played again: delever heatmap RUN"),
        ),
        html_table(over_time(found).table, "What stands on the map, over time"),
        ((TINT["long"], "longs", "solid"), (TINT["short"], "shorts", "solid"), ("ink", "price", "line")),
    )


def cell(found: HeatMap, side: str, level: int, time: int, usd_there: float, largest: float, scale: float) -> dict[str, Any]:
    """A rectangle of the field."""
    low, high = float(found.levels[level]), float(found.levels[level + 1])
    start, end = float(found.times[time]), float(found.times[time + 1])
    return {"t": start / scale, "t2": end / scale, "low": low, "high": high, "c": C[TINT[side]],
            "o": strength(usd_there, largest),
            "d": f"after {moment(start)}, {price(low)} to {price(high)} USD: {usd(usd_there)} of {side}s"}
