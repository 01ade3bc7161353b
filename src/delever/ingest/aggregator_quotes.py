"""Depth of a pair from the quotes of a DEX aggregator: cumulative quantity against marginal price, monotone.

Source of the data set crvusd_2023-11: xenophonlabs/crvUSDrisk @7d17fa7, quotes of the 1inch aggregator over 17 hours of
20 November 2023, some 20 sizes an hour and direction. A quote gives the average price of its whole size; its impact is
against the best price of its round, so fees that every size pays are not in it.

Rounds differ, so the log of the average price is taken as the median of quotes of about one size, made monotone in the
quantity (pool adjacent violators: the closest monotone sequence in squares) and turned into the proceeds of selling
that much; their slopes, the marginal prices, are made monotone the same way, weighted by quantity. What the smallest
quotes lose to the best is the spread, kept apart. The curve ends at the last quote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from delever.model.errors import InputError, nearest

FILE = "oneinch_quotes_2023-11-20_DERIVED.csv"
TRADED_AS = {"ETH": "WETH", "USD": "USDC"}  # assets that the aggregator quotes under another symbol
SIZES_A_DOUBLING = 2  # groups of quotes of about one size, some 10 quotes each; more only follow the noise of rounds
FLAT = 1e-6  # a price that differs by less from the level before is no level of its own
LOWEST_PRICE = 1e-6  # marginal price over mid where quotes pay nothing more for a larger size


@dataclass(frozen=True)
class Side:
    """What one direction of trade meets."""

    levels: tuple[tuple[float, float], ...]  # (units of the base traded so far, marginal price over best), from (0, 1)
    spread: float  # loss of the smallest quotes, share; not in the levels
    quotes: int  # number of distinct quotes
    error: float  # root mean square of the curve's log average price against the quotes

    @property
    def last_quote(self) -> float:
        """Largest quantity quoted [units of the base]; beyond it the depth is extrapolated."""
        return self.levels[-1][0]


@dataclass(frozen=True)
class Depth:
    """Bids (what a sale of the base meets) and asks (what a purchase meets)."""

    base: str
    quote: str
    bids: Side
    asks: Side
    first: datetime  # of the quotes, UTC
    last: datetime


def pairs(table: pa.Table) -> list[tuple[str, str]]:
    """Directions quoted: (sold, bought)."""
    return sorted(set(zip(table["src_sym"].to_pylist(), table["dst_sym"].to_pylist(), strict=True)))


def read(table: Callable[[str], pa.Table], base: str, quote: str) -> Depth:
    """Depth of base/quote; `table` opens a file of the data set."""
    quotes = table(FILE)
    columns = ("timestamp", "src_sym", "dst_sym", "in_units", "out_units", "price_impact")
    for column in columns:
        if column not in quotes.column_names:
            raise InputError("has no column", FILE, column, "it needs " + ", ".join(columns))
    sold = _direction(quotes, base, quote)
    bought = _direction(quotes, quote, base)
    times = np.concatenate([sold[0], bought[0]])
    return Depth(
        base=base,
        quote=quote,
        bids=_side(sold[1], -np.log1p(-sold[3]), sign=-1.0),
        asks=_side(bought[2], -np.log1p(-bought[3]), sign=1.0),
        first=datetime.fromtimestamp(float(times.min()), UTC),
        last=datetime.fromtimestamp(float(times.max()), UTC),
    )


def _direction(quotes: pa.Table, sold: str, bought: str) -> np.ndarray:
    """[time, in, out, impact; quotes] of one direction, each quote once, smallest first."""
    names = (TRADED_AS.get(sold, sold), TRADED_AS.get(bought, bought))
    known = pairs(quotes)
    if names not in known:
        remedy = nearest("/".join(names), ["/".join(pair) for pair in known])
        raise InputError("no quotes for the pair", FILE, f"{sold}/{bought}", remedy)
    source, target = quotes["src_sym"].to_numpy(), quotes["dst_sym"].to_numpy()
    chosen = (source == names[0]) & (target == names[1])
    fields = ("timestamp", "in_units", "out_units", "price_impact")
    rows = np.unique(np.array([quotes[field].to_numpy()[chosen] for field in fields], dtype=np.float64), axis=1)
    ordered: np.ndarray = rows[:, np.argsort(rows[1], kind="stable")]
    return ordered


def _side(quantity: np.ndarray, cost: np.ndarray, sign: float) -> Side:
    """Levels from quantities and log falls (sign -1) or rises (+1) of the average price against the best."""
    order = np.argsort(quantity, kind="stable")
    quantity, cost = quantity[order], np.maximum(cost[order], 0.0)
    at, typical, count = _by_size(quantity, cost)
    typical = monotone(typical, count)
    spread, average = float(typical[0]), sign * (typical - typical[0])
    width = np.diff(at, prepend=0.0)
    slope = np.diff(at * np.exp(average), prepend=0.0) / width
    # In a cell of constant liquidity the average price is the geometric mean of its ends; hence prices at the nodes.
    slopes = np.maximum(sign * monotone(sign * slope, width), LOWEST_PRICE)
    marginal = np.sqrt(slopes * np.append(slopes[1:], slopes[-1] ** 2 / slopes[-2]))
    levels = [(0.0, 1.0)]
    for node, price in zip(at.tolist(), marginal.tolist(), strict=True):
        if sign * (price - levels[-1][1]) > FLAT:
            levels.append((node, price))
    if len(levels) > 1:
        levels[-1] = (float(at[-1]), levels[-1][1])
    return Side(tuple(levels), spread, len(quantity), _misfit(levels, quantity, cost - spread, sign))


def _misfit(levels: list[tuple[float, float]], quantity: np.ndarray, cost: np.ndarray, sign: float) -> float:
    """Root mean square difference of log average price between the levels and the quotes."""
    at, price = np.array(levels).T
    paid = np.cumsum(np.append(0.0, np.diff(at) * np.sqrt(price[1:] * price[:-1])))
    fitted = np.log(np.interp(quantity, at, paid) / quantity)
    return float(np.sqrt(np.mean((fitted - sign * cost) ** 2)))


def _by_size(quantity: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median quantity and cost of the quotes of about one size, and their number; groups are counted from the largest.

    The group of the largest is put at the last quote, its cost in proportion: single large quotes differ by more.
    """
    size = np.floor(np.log2(quantity[-1] / quantity) * SIZES_A_DOUBLING)
    groups = [size == value for value in np.unique(size)[::-1]]
    at = np.array([np.median(quantity[group]) for group in groups])
    typical = np.array([np.median(cost[group]) for group in groups])
    typical[-1] *= quantity[-1] / at[-1]
    at[-1] = quantity[-1]
    return at, typical, np.array([float(group.sum()) for group in groups])


def monotone(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The non-decreasing sequence closest to `values` in weighted squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, number of members
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            mean, held, count = blocks.pop()
            block = ((mean * held + block[0] * block[1]) / (held + block[1]), held + block[1], count + block[2])
        blocks.append(block)
    return np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks])
