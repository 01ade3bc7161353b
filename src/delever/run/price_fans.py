"""Prices over time on all paths: a row a series, time and level, with the number of paths that stood there; and quantiles of it.

A series is `price.PAIR`, the market; `outside.PAIR`, what the scenario draws for it, were nobody to trade here; `feed.NAME`, what
a stated feed answers. No path is kept: see engine/price_counts.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from delever.engine.price_counts import BIN, LEVEL, PATHS, PER_E, SERIES, WEIGHT, PriceCounts
from delever.engine.probes import BINS, UNIT
from delever.run.assemble import Model
from delever.run.pricing import moving_feeds

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles
SAME = 1e-12  # relative: a level that so many paths reach exactly is reached
WITHIN = math.expm1(0.5 / PER_E)  # share by which a price may be off


class Series(NamedTuple):
    """A price that is watched."""

    name: str
    unit: str  # asset in which it is quoted
    start: float  # log


def watched(model: Model) -> tuple[list[int], list[int]]:
    """(markets whose outside price is told apart, feeds): markets with venues; stated feeds that may answer anew."""
    moving = moving_feeds(model.oracles)
    return (np.flatnonzero(model.profiles.has_venue).tolist(),
            [f for f, name in enumerate(model.oracles.names) if name in model.world.feeds and f in moving])


def probe(model: Model) -> PriceCounts:
    """What counts them during a chunk."""
    outside, feeds = watched(model)
    return PriceCounts(model.steps, np.array(outside, np.int64), np.array(feeds, np.int64), model.start_answer[feeds],
                       model.world.scenario.tail is not None)


def series_of(model: Model) -> list[Series]:
    """In the order in which they are counted."""
    (outside, feeds), rows = watched(model), model.layout.rows
    units = [pair.partition("@")[0].partition("/")[2] for pair in rows]
    own = [Series(f"price.{pair}", units[m], float(model.start_price[m])) for m, pair in enumerate(rows)]
    start = model.layout.start[model.layout.tree.pair]
    drawn = [Series(f"outside.{rows[m]}", units[m], float(start[m])) for m in outside]
    answers = [Series(f"feed.{model.oracles.names[f]}", str(model.oracles.specs[f].of).partition("/")[2],
                      float(model.start_answer[f])) for f in feeds]
    return [*own, *drawn, *answers]


def price_table(model: Model, counts: np.ndarray) -> pa.Table:
    """Long format, by series, time and price; time 0 is the start."""
    series = series_of(model)
    first = counts[(counts[:, SERIES] == 0) & (counts[:, BIN] == counts[:, BIN].min(initial=BINS))]
    begun = np.array([(s, -1, 0, *first[:, PATHS:].sum(axis=0)) for s in range(len(series))], np.int64).reshape(-1, 5)
    rows = np.concatenate([begun, counts])
    rows = rows[np.lexsort((rows[:, LEVEL], rows[:, BIN], rows[:, SERIES]))]
    of, start = rows[:, SERIES], np.array([one.start for one in series])
    time = np.round((rows[:, BIN] + 1) * model.steps / BINS) * model.step_length
    price = np.exp(start[of] + rows[:, LEVEL] / PER_E)
    return pa.table([pa.array([one.name for one in series], pa.string()).take(pa.array(of)),
                     pa.array([one.unit for one in series], pa.string()).take(pa.array(of)),
                     pa.array(time), pa.array(price), pa.array(rows[:, PATHS]), pa.array(rows[:, WEIGHT] / UNIT)],
                    schema=SCHEMA)


SCHEMA = pa.schema([
    pa.field("series", pa.string(), metadata={"meaning": "price.PAIR: market; outside.PAIR: outside; feed.NAME: oracle"}),
    pa.field("quote", pa.string(), metadata={"meaning": "what the price is in"}),
    pa.field("time", pa.float64(), metadata={"unit": "s"}),
    pa.field("price", pa.float64(), metadata={"unit": "quote", "meaning": f"to within {100 * WITHIN:.2f} %"}),
    pa.field("paths", pa.int64(), metadata={"meaning": "that stood there"}),
    pa.field("weight", pa.float64(), metadata={"meaning": "of these paths; their number, unless scenario.tail is"})])


def price_quantiles(prices: pa.Table, levels: Sequence[float] = LEVELS) -> pa.Table:
    """A row a series and time: for each level the lowest price that at least so many of the paths, by weight, do not exceed.

    prices: Run.prices. Prices are off by at most 0.05 %. Columns q05 .. q95, in the quote of the series.
    """
    if not prices.num_rows:
        return pa.table({name: pa.array([], kind) for name, kind in QUANTILES})
    series, time = np.asarray(prices["series"].to_numpy(zero_copy_only=False), str), prices["time"].to_numpy()
    first = np.flatnonzero(np.concatenate([[True], (series[1:] != series[:-1]) | (time[1:] != time[:-1])]))
    count = "weight" if "weight" in prices.column_names else "paths"  # runs of earlier versions count paths alone
    units = np.rint(prices[count].to_numpy() * UNIT).astype(np.int64)
    up_to, last = np.cumsum(units), np.append(first[1:], len(time))
    before = np.concatenate([[0], up_to])[first]
    total = up_to[last - 1] - before
    found = {f"q{round(100 * level):02d}": prices["price"].to_numpy()[
        np.searchsorted(up_to, before + np.maximum(np.ceil(level * total * (1.0 - SAME)), 1))] for level in levels}
    return pa.table({"series": prices["series"].take(pa.array(first)), "quote": prices["quote"].take(pa.array(first)),
                     "time": time[first], **found})


QUANTILES = [("series", pa.string()), ("quote", pa.string()), ("time", pa.float64()),
             *((f"q{round(100 * level):02d}", pa.float64()) for level in LEVELS)]
