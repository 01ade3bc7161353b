"""Liquidation heat map of margin exchanges: price level x time, how much stands to be liquidated there, longs and shorts apart.

    at each time, on one path, from the price p of that moment outwards, level by level:
        x = level / p,   every price that follows the coin x times what it is, all others as they are
        an account falls into the first level, below p or above it, at which its equity is below its maintenance margin
What stands at a time is what is open then: positions as traded, called and deleveraged up to then, funding paid, terms as moved.
So a level empties when the price has passed it, and moves as funding is paid. An account that is below maintenance already
stands at the price itself. Which path: one of a run, by default the one that loses most; without a run, the book with all prices
standing still and nothing happening, where funding alone moves levels. Nobody trades: of what one sale sets off see a stress
test. What a backstop vault holds is not in it; accounts with options and of lending are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.analysis.margins import MarginBook
from delever.analysis.position_prices import own_market
from delever.analysis.tables import Column, named, table
from delever.analysis.valuation import market_of, sensitivity
from delever.analysis.worst import worst_of
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.probes import fresh_prices
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import Model, assemble, log_usd
from delever.run.replay import replay_watched
from delever.run.result import Result
from delever.run.stress import Run, open_run

LEVELS, TIMES = 60, 24  # rows and columns of a map, if not told otherwise
MOST_LEVELS, MOST_TIMES = 500, 200
BEYOND = 0.25  # of the lowest and the highest price of the path: how far the map goes, if not told otherwise
LEVERAGE = (0.0, 3.0, 5.0, 10.0, 25.0, 50.0, np.inf)  # size of all positions over equity
BANDS = ("below 3x", "3x to 5x", "5x to 10x", "10x to 25x", "25x to 50x", "50x and more")
SIDES = ("short", "long")
ALONE = {"scenario.events": [], "scenario.prices": {"kind": "lognormal"}, "scenario.paths": 1, "scenario.tail": None,
         "scenario.judged": None}  # nothing happens, no price moves


@dataclass(frozen=True, repr=False)
class HeatMap(Result):
    """table: a row a time, level, exchange, side and band of leverage, where anything stands. price: the coin's, a row a time."""

    pictured: ClassVar[int] = 0
    asset: str
    path: int | None  # of the run; None: prices stand still
    table: pa.Table
    price: pa.Table
    levels: np.ndarray  # [levels + 1] edges, USD
    times: np.ndarray  # [times + 1] s; the last is the end of the last column

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def grid(self, side: str) -> np.ndarray:
        """What stands on a side, all exchanges and bands together [levels, times] USD."""
        out = np.zeros((len(self.levels) - 1, len(self.times) - 1))
        rows = self.table.filter(pc.equal(self.table["side"], side))
        at = np.searchsorted(self.levels, rows["low"].to_numpy()), np.searchsorted(self.times, rows["time"].to_numpy())
        np.add.at(out, at, rows["positions_usd"].to_numpy())
        return out

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: a field of rectangles a side, with the price."""
        ends = dict(pairwise(self.times.tolist()))
        rows = [{**row, "end": ends[row["time"]]} for row in self.table.to_pylist()]
        field = alt.Chart(alt.Data(values=rows)).transform_aggregate(
            usd="sum(positions_usd)", groupby=["time", "end", "low", "high", "side"]).mark_rect().encode(
            x=alt.X("time:Q", title="time [s]"), x2="end:Q", y=alt.Y("low:Q", title=f"{self.asset} [USD]", scale={"zero": False}),
            y2="high:Q", opacity=alt.Opacity("usd:Q", title="USD", scale=alt.Scale(type="sqrt")), color=alt.Color("side:N"),
            tooltip=["side:N", "time:Q", "low:Q", "high:Q", "usd:Q"])
        line = alt.Chart(alt.Data(values=self.price.to_pylist())).mark_line(color="black").encode(x="time:Q", y="price_usd:Q")
        return field + line

    def __repr__(self) -> str:
        where = "prices standing still" if self.path is None else f"path {self.path}"
        return f"Heat map of {self.asset}, {where}: {len(self.levels) - 1} levels x {len(self.times) - 1} times"


@dataclass(frozen=True)
class Snapshot:
    """The accounts that hold the coin's perps at a moment."""

    time: float  # s
    book: MarginBook  # these accounts alone
    price: np.ndarray  # [R] USD
    now: float  # the coin's market price [USD]


def heat_map(source: Run | World | str | Path, asset: str, path: int | None = None, levels: int = LEVELS, times: int = TIMES,
             low: float | None = None, high: float | None = None) -> HeatMap:
    """The heat map of a coin: of a path of a run (or its folder), or of the book of a world with prices standing still.

    path: of a run, by default the one that loses most. levels: rows, alike in log price; times: columns, alike. low, high: of the
    map [USD], by default a quarter beyond the path's lowest and highest price. It takes one path of the run, and levels x times
    looks at every account that holds a perp of the coin.
    InputError: no perp follows the asset, or what is asked for is out of bounds.
    """
    if isinstance(source, World):
        if path is not None:
            raise InputError("is of a run", "path", path, "give a run's folder, or leave it out: prices stand still")
        world = source
        for name, value in ALONE.items():
            world = world.replace(name, value)
        model, chosen = assemble(world), 0
    else:
        run = source if isinstance(source, Run) else open_run(source)
        worst = worst_of(run) if path is None else path
        model, chosen = run.model, 0 if worst is None else worst
        path = chosen
    for name, value, most in (("levels", levels, MOST_LEVELS), ("times", times, MOST_TIMES)):
        if not 1 <= value <= most:
            raise InputError(f"is {value}", name, value, f"from 1 to {most}")
    watch = Watch(model, asset, times)
    replay_watched(model, chosen, (watch,), frozenset())
    edges = edges_of(watch.prices, levels, low, high)
    ends = np.array([*(one.time for one in watch.seen), model.steps * model.step_length])
    return HeatMap(asset, path, heat_table(model, watch, edges), watch.price_table(), edges, ends)


class Watch:
    """Looks at the accounts that hold a coin's perps at the start of each column, and at the coin's price after every step."""

    def __init__(self, model: Model, asset: str, times: int) -> None:
        self.model, self.market = model, market_of(model, asset, "asset")
        reserves = [r for r, (_, name) in enumerate(model.positions.reserves)
                    if model.positions.margins.perp[r] and own_market(model, name) == self.market]
        self.perps, self.coin = np.array(reserves, np.int64), model.layout.asset(asset)
        every = MarginBook(model)
        self.who = np.unique(every.trader[np.isin(every.perp, self.perps)])
        options = np.unique(every.trader[model.positions.margins.option[every.perp, 0] > 0.0])
        self.who = self.who[~np.isin(self.who, options)]
        if not len(self.who):
            raise InputError("no account holds a perp of it", "asset", asset, "name a coin that perps of the book follow")
        count = min(times, model.steps)
        self.starts = {round(k * model.steps / count) for k in range(count)}  # steps
        start = log_usd(model.layout, self.coin, model.start_price)
        self.prices = [float(np.exp(start))]  # [steps + 1] USD
        self.seen = [Snapshot(0.0, every.repeated(self.who, 1), model.seen_price(), self.prices[0])]

    def observe(self, state: State) -> None:
        """Once a step."""
        self.prices.append(float(np.exp(log_usd(self.model.layout, self.coin, state.markets.price[:, 0]))))
        if state.step in self.starts and state.step:
            fresh_prices(state)
            price = state.seen.price[0] * state.margins.in_usd[state.reserves.protocol, 0]
            self.seen.append(Snapshot(state.step * state.step_length, standing_book(self.model, state).repeated(self.who, 1),
                                      price, self.prices[-1]))

    def price_table(self) -> pa.Table:
        """The coin's price over time."""
        return table(Column("time", "s", np.arange(len(self.prices)) * self.model.step_length),
                     Column("price_usd", "USD", np.array(self.prices), "at the market, after the step"))


def standing_book(model: Model, state: State) -> MarginBook:
    """The margin accounts as they stand on the first path of a chunk: units, funding taken off the cash, terms as moved."""
    tables, touched = model.positions.tables, state.pool.touched
    slots = int(state.watch.counts[SLOTS])
    mine = np.flatnonzero(touched.path[:slots] == 0)
    amount = tables.amount.copy()
    amount[touched.account[mine]] = touched.amount[mine]
    count = len(model.positions.reserves)
    counted = state.margins.counted[:count, 0]
    margins = model.positions.margins
    option = margins.option.copy()
    option[:, 0] *= counted
    moved = margins._replace(rate=margins.rate * counted[:, None], deducted=margins.deducted * counted[:, None], option=option)
    positions = replace(model.positions, tables=tables._replace(amount=amount), margins=moved)
    book = MarginBook(replace(model, positions=positions))
    book.weight = book.weight * counted[book.held]
    owed = np.bincount(book.trader, book.size * book.sense * state.margins.paid[book.perp, 0], len(book.accounts))
    cash = np.unique(book.owner, return_index=True)[1]  # leg 0 of each account
    book.units = book.units.copy()
    book.units[cash] -= owed
    return book


def edges_of(prices: Sequence[float], levels: int, low: float | None, high: float | None) -> np.ndarray:
    """Edges of the levels, alike in log price [levels + 1] USD."""
    first = min(prices) * (1.0 - BEYOND) if low is None else low
    last = max(prices) * (1.0 + BEYOND) if high is None else high
    if not 0.0 < first < last < np.inf:
        raise InputError(f"goes from {first:g} to {last:g}", "heat map", None, "low is above 0 and below high [USD]")
    return np.asarray(np.geomspace(first, last, levels + 1))


def levels_hit(one: Snapshot, edges: np.ndarray, moves: np.ndarray) -> list[tuple[int, np.ndarray, float]]:
    """(level, accounts that fall into it [N] bool, the price there) of each level where any do, outwards from the price, below
    first. edges: [levels + 1]; moves: [R] log move of what is seen for one of the coin."""
    levels, out = len(edges) - 1, []

    def below(x: float) -> np.ndarray:
        return one.book.at(one.price * x**moves).unhealthy

    already, here = below(1.0), int(np.searchsorted(edges, one.now, side="right")) - 1
    if already.any() and 0 <= here < levels:
        out.append((here, already, one.now))
    for way, ks in ((-1, range(min(here, levels), -1, -1)), (1, range(max(here + 1, 0), levels + 1))):
        found = already.copy()
        for k in ks:
            hit = below(float(edges[k]) / one.now) & ~found
            level = k if way < 0 else k - 1
            if hit.any() and 0 <= level < levels:
                out.append((level, hit, float(edges[k])))
            found |= hit
    return out


def heat_table(model: Model, watch: Watch, edges: np.ndarray) -> pa.Table:
    """A row a time, level, exchange, side and band."""
    moves = sensitivity(model)[:, watch.market]
    found = [part for t, one in enumerate(watch.seen) for part in standing_at(t, one, edges, moves, watch.perps)]
    every = np.concatenate([np.zeros((5, 0), np.int64), *(key for key, _ in found)], axis=1)
    usd = np.concatenate([np.zeros(0), *(worth for _, worth in found)])
    keys, which, count = np.unique(every, axis=1, return_inverse=True, return_counts=True)
    sums = np.bincount(which.ravel(), usd, keys.shape[1])
    time = np.array([one.time for one in watch.seen])
    return table(
        Column("time", "s", time[keys[0]], "start of the column"),
        Column("low", "USD", edges[keys[1]], "and high: of the level, price of the coin"),
        Column("high", "USD", edges[keys[1] + 1]),
        Column("protocol", "", named(list(model.world.protocols), keys[2])),
        Column("side", "", named(SIDES, keys[3])),
        Column("leverage", "", named(BANDS, keys[4]), "of the account at that time: size of all its positions over its equity"),
        Column("positions", "count", count),
        Column("positions_usd", "USD", sums.astype(np.float64), "worth at the level: what stands to be liquidated there"),
    )


def standing_at(t: int, one: Snapshot, edges: np.ndarray, moves: np.ndarray, perps: np.ndarray
                ) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each level where anything stands (time, level, exchange, side, band) [5, positions] and what each is worth there
    [positions] USD. t: number of the time; perps: reserves of the coin's."""
    book, standing = one.book, one.book.at(one.price)
    with np.errstate(divide="ignore", invalid="ignore"):
        leverage = np.where(standing.equity > 0.0, book.size_of(standing) / standing.equity, np.inf)
    band = np.minimum(np.searchsorted(LEVERAGE, leverage, side="right") - 1, len(BANDS) - 1)
    mine, out = np.isin(book.perp, perps) & (book.size != 0.0), []
    for level, hit, price in levels_hit(one, edges, moves):
        k = np.flatnonzero(mine & hit[book.trader])
        who, same = book.trader[k], np.ones(len(k), np.int64)
        out.append((np.stack([t * same, level * same, book.protocol[who], (book.size[k] > 0.0).astype(np.int64), band[who]]),
                    standing.notional[k] * (price / one.now) ** moves[book.perp[k]]))
    return out
