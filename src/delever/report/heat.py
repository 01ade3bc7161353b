"""The liquidation heat map as tables: what stands by level at the start, and over time; the field itself is for the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from delever.analysis.heat import BANDS
from delever.report.document import Report, Section, column, table_of
from delever.report.numbers import magnitude, moment, price

if TYPE_CHECKING:
    from delever.analysis.heat import HeatMap

RULE = ("An account stands at the first level, from the price of that time outwards, at which its equity is below maintenance "
        "margin, if the coin moves alone and every price that follows it with it. USD: its positions in the coin's perps, worth "
        "there. What a backstop vault holds, accounts with options and lending are not in it.")
STILL = "Prices stand still and nothing happens: what moves levels is funding."
SHOWN = 12  # times and levels of a table at most


def headline(result: HeatMap) -> str:
    """The level that most stands at, of all times."""
    largest = max(((result.grid(side).max(initial=0.0), side) for side in ("long", "short")), default=(0.0, "long"))
    if not largest[0] > 0.0:
        return f"Nothing stands to be liquidated between {price(result.levels[0])} and {price(result.levels[-1])} USD"
    grid = result.grid(largest[1])
    level, time = np.unravel_index(int(grid.argmax()), grid.shape)
    low, high, start = result.levels[level], result.levels[level + 1], float(result.times[time])
    when = f"at {moment(start)}" if start > 0.0 else "at the start"
    return f"Most stands at {price(low)} to {price(high)} USD: {magnitude(largest[0])} USD of {largest[1]}s, {when}"


def over_time(result: HeatMap) -> Section:
    """What stands on the whole map at some of its times."""
    columns = np.unique(np.linspace(0, len(result.times) - 2, SHOWN).round().astype(int))
    time = result.times[columns]
    now = np.interp(time, result.price["time"].to_numpy(), result.price["price_usd"].to_numpy())
    longs, shorts = (result.grid(side)[:, columns].sum(axis=0) for side in ("long", "short"))
    return Section("What stands on the map, over time", table_of(
        column("time", [moment(t) if t > 0.0 else "start" for t in time.tolist()]),
        column(f"{result.asset} USD", [price(p) for p in now.tolist()], right=True),
        column("longs", longs.tolist(), "USD"), column("shorts", shorts.tolist(), "USD")))


def heat_report(name: str, result: HeatMap) -> Report:
    """For people."""
    first = result.table.filter(pc.equal(result.table["time"], 0.0)).to_pylist()
    sums: dict[tuple[str, str], float] = {}
    for row in first:
        key = row["side"], row["leverage"]
        sums[key] = sums.get(key, 0.0) + row["positions_usd"]
    order = [band for band in BANDS if any(key[1] == band for key in sums)]
    by_band = Section("At the start, by leverage of the account", table_of(
        column("leverage", order), *(column(f"{side}s", [sums.get((side, band), 0.0) for band in order], "USD")
                                     for side in ("long", "short"))))
    of = STILL if result.path is None else f"Path {result.path} of the run, played again."
    return Report(f"Liquidation heat map of {name}: {result.asset}", (over_time(result), by_band), (of, RULE), headline(result))


def heat_json(name: str, result: HeatMap) -> dict[str, Any]:
    """For machines."""
    return {"of": name, "asset": result.asset, "path": result.path, "finding": headline(result), "levels": result.levels.tolist(),
            "times": result.times.tolist(), "price": result.price.to_pylist(), "cells": result.table.to_pylist()}
