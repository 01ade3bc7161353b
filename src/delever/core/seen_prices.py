"""What protocols see: log prices of reserves composed of feeds, the moves of their series, and price levels in USD.

Moves are kept in whole ticks, rounded outwards, so no bound depends on how a sum was rounded. Levels are filled only for
paths on which somebody is looked at.
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.elementary import TICKS, exp_, log_
from delever.core.jit import helper, kernel
from delever.core.market import usd_price
from delever.core.state import SeenPrices, State, Tree
from delever.core.tables import Margins

LEAST = 1e-9  # a mark less its funding, as a share of the mark: only so that the log exists


@helper
def funded_moves(seen: float, start: float, paid: float, gross: float) -> tuple[np.int32, np.int32]:
    """Moves of a perp that pays funding: of m - F, less (as a long) or more (as a short) what F can change in MM [ticks]."""
    mark = exp_(seen)
    low, high = max(mark - paid - gross, LEAST * mark), max(mark - paid + gross, LEAST * mark)
    return (np.int32(math.floor((log_(low) - start) * TICKS)), np.int32(math.ceil((log_(high) - start) * TICKS)))


@kernel
def compose(prices: SeenPrices, answer: np.ndarray, supply_log: np.ndarray, borrow_log: np.ndarray, margins: Margins) -> None:
    """Compose what every reserve is seen at, and the moves of both its series. Log indices: [R]."""
    funded, paid, gross = margins.funded, margins.paid, margins.gross
    log_price, down, up, feed, sign = prices.log_price, prices.down, prices.up, prices.feed, prices.sign
    prices.number[0] += 1
    for r in range(log_price.shape[0]):
        now, constant, start = log_price[r], prices.constant[r], prices.start[r]
        for p in range(now.shape[0]):
            now[p] = constant
        for t in range(feed.shape[1]):
            if feed[r, t] < 0:
                break
            value, factor = answer[feed[r, t]], sign[r, t]
            for p in range(now.shape[0]):
                now[p] += factor * value[p]
        if funded[r]:
            for p in range(now.shape[0]):
                down[2 * r, p], up[2 * r + 1, p] = funded_moves(now[p], start, paid[r, p], gross[r, p])
            continue
        backing, burden = supply_log[r] - start, borrow_log[r] - start
        low, high = down[2 * r], up[2 * r]
        for p in range(now.shape[0]):
            low[p] = np.int32(math.floor((now[p] + backing) * TICKS))
        for p in range(now.shape[0]):
            high[p] = np.int32(math.ceil((now[p] + backing) * TICKS))
        low, high = down[2 * r + 1], up[2 * r + 1]
        for p in range(now.shape[0]):
            low[p] = np.int32(math.floor((now[p] + burden) * TICKS))
        for p in range(now.shape[0]):
            high[p] = np.int32(math.ceil((now[p] + burden) * TICKS))


@kernel
def compose_again(paths: np.ndarray, prices: SeenPrices, answer: np.ndarray, supply_log: np.ndarray, borrow_log: np.ndarray,
               margins: Margins) -> None:
    """The same for a few paths only, whose feeds have answered since. paths: their numbers, repeats allowed."""
    log_price, down, up, feed, sign, stamp = prices.log_price, prices.down, prices.up, prices.feed, prices.sign, prices.stamp
    for p in paths:
        stamp[p] = -1
        for r in range(log_price.shape[0]):
            if margins.weight[r] >= 0.0:
                continue  # an exchange sees what it saw at the start of the block
            seen = prices.constant[r]
            for t in range(feed.shape[1]):
                if feed[r, t] < 0:
                    break
                seen += sign[r, t] * answer[feed[r, t], p]
            log_price[r, p] = seen
            for side, index in ((0, supply_log[r]), (1, borrow_log[r])):
                move = seen + (index - prices.start[r])
                down[2 * r + side, p] = np.int32(math.floor(move * TICKS))
                up[2 * r + side, p] = np.int32(math.ceil(move * TICKS))


@helper
def price_path(p: int, log_price: np.ndarray, price: np.ndarray, unit: np.ndarray, tree: Tree, market: np.ndarray
               ) -> None:
    """Levels of the seen prices of one path, in USD: at the market price of the unit that the protocol counts in.

    unit: [R] asset; market: [M, P] log market prices. A common factor moves no health factor.
    """
    last, in_usd = 0, 1.0  # USD; reserves of a protocol stand together
    for r in range(log_price.shape[0]):
        if unit[r] != last:
            last = unit[r]
            in_usd = usd_price(last, p, tree, market)
        price[p, r] = exp_(log_price[r, p]) * in_usd


@kernel
def price_paths(picked: np.ndarray, path: np.ndarray, prices: SeenPrices, tree: Tree, market: np.ndarray) -> None:
    """Fill the seen price levels of the paths of these rows, unless they are fresh."""
    log_price, price, stamp, now, unit = prices.log_price, prices.price, prices.stamp, prices.number[0], prices.unit
    for i in picked:
        p = path[i]
        if stamp[p] != now:
            stamp[p] = now
            price_path(p, log_price, price, unit, tree, market)


def price_rows(state: State, picked: np.ndarray) -> None:
    """Fresh price levels for the paths of these transactions."""
    price_paths(picked, state.transactions.path, state.seen, state.tree, state.markets.price)


def price_all(state: State) -> None:
    """Fresh price levels for every path."""
    every = np.arange(state.paths)
    price_paths(every, every, state.seen, state.tree, state.markets.price)
