"""What protocols see: log prices of reserves composed of feeds, the moves of their series, and price levels in USD.

Moves are kept in whole ticks, rounded outwards, so no bound depends on how a sum was rounded. Levels are filled only for
paths on which somebody is looked at.
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import FARTHEST, TICKS, exp_, log_, ticks_down, ticks_up
from delever.core.exchange_tables import Margins
from delever.core.jit import helper, kernel
from delever.core.route import usd_price
from delever.core.state import State
from delever.core.tables import Reserves, SeenPrices, Tree

MOST = int(FARTHEST * TICKS)  # ticks
LEAST = 1e-9  # a mark less its funding, as a share of the mark: only so that the log exists


@helper
def funded_moves(seen: float, start: float, paid: float, gross: float) -> tuple[np.int32, np.int32]:
    """Moves of a perp that pays funding: of m - F, less (as a long) or more (as a short) what F can change in MM [ticks]."""
    mark = exp_(seen)
    low, high = max(mark - paid - gross, LEAST * mark), max(mark - paid + gross, LEAST * mark)
    return ticks_down(log_(low) - start), ticks_up(log_(high) - start)


@helper
def round_down(moves: np.ndarray, seen: np.ndarray, log_index: np.ndarray, start: float) -> None:
    """Moves of a series in whole ticks: what its reserve is seen at, times its index, since the start. All [P]."""
    for p in range(moves.shape[0]):
        moves[p] = ticks_down(seen[p] + (log_index[p] - start))


@helper
def round_up(moves: np.ndarray, seen: np.ndarray, log_index: np.ndarray, start: float) -> None:
    """The same, rounded up."""
    for p in range(moves.shape[0]):
        moves[p] = ticks_up(seen[p] + (log_index[p] - start))


@helper
def add(more: np.ndarray, moves: np.ndarray) -> None:
    """Moves of a series become larger by what its terms have done. Both [P], ticks."""
    for p in range(moves.shape[0]):
        moves[p] = with_terms(moves[p], more[p])


@helper
def with_terms(move: np.int32, more: np.int32) -> np.int32:
    """The sum of two moves in ticks; what goes further than they hold stands there."""
    both = np.int64(move) + np.int64(more)
    return np.int32(both if abs(both) < MOST else MOST if both > 0 else -MOST)


@helper
def is_beyond(moves: np.ndarray) -> bool:
    """Whether a move of a series has gone as far as ticks hold. moves: [P] ticks."""
    low, high = moves[0], moves[0]
    for p in range(moves.shape[0]):
        low, high = min(low, moves[p]), max(high, moves[p])
    return low <= -MOST or high >= MOST


@kernel
def compose(prices: SeenPrices, answer: np.ndarray, reserves: Reserves, margins: Margins) -> None:
    """Compose what every reserve is seen at, and the moves of its series that some pair reads. answer: [F, P].

    A reserve without a feed is seen at the same price on every path; what is seen as an earlier one is has that one's row.
    """
    funded, paid, gross, like = margins.funded, margins.paid, margins.gross, prices.like
    log_price, down, up, feed, sign = prices.log_price, prices.down, prices.up, prices.feed, prices.sign
    prices.number[0] += 1
    for r in range(log_price.shape[0]):
        now, start = log_price[like[r]], prices.start[r]
        if like[r] == r:
            for p in range(now.shape[0]):
                now[p] = prices.constant[r]
            for t in range(feed.shape[1]):
                if feed[r, t] < 0:
                    break
                value, factor = answer[feed[r, t]], sign[r, t]
                for p in range(now.shape[0]):
                    now[p] += factor * value[p]
        if funded[r]:
            for p in range(now.shape[0]):
                down[2 * r, p], up[2 * r + 1, p] = funded_moves(now[p], start, paid[r, p], gross[r, p])
        else:
            for side, log_index in ((0, reserves.log_supply[r]), (1, reserves.log_borrow[r])):
                if prices.falls[2 * r + side]:
                    round_down(down[2 * r + side], now, log_index, start)
                if prices.rises[2 * r + side]:
                    round_up(up[2 * r + side], now, log_index, start)
        if reserves.moving[r] >= 0:  # its terms are the collateral's, or of a perp its longs' and shorts'
            falls, rises = 2 * r, 2 * r + margins.perp[r]
            if prices.falls[falls]:
                add(reserves.term_ticks[0, reserves.moving[r]], down[falls])
            if prices.rises[rises]:
                add(reserves.term_ticks[1, reserves.moving[r]], up[rises])
        for side in range(2):
            if ((prices.falls[2 * r + side] and is_beyond(down[2 * r + side]))
                    or (prices.rises[2 * r + side] and is_beyond(up[2 * r + side]))):
                prices.beyond[0] = r + 1


@kernel
def compose_again(paths: np.ndarray, prices: SeenPrices, answer: np.ndarray, reserves: Reserves, margins: Margins) -> None:
    """The same for a few paths only, whose feeds have answered since. paths: their numbers, repeats allowed."""
    log_price, down, up, feed, sign, stamp = prices.log_price, prices.down, prices.up, prices.feed, prices.sign, prices.stamp
    stamp[paths] = -1
    for r in range(log_price.shape[0]):
        if margins.weight[r] >= 0.0 or feed[r, 0] < 0:
            continue  # an exchange sees what it saw at the start of the block; no feed: nothing to answer
        now = log_price[prices.like[r]]
        if prices.like[r] == r:
            for p in paths:
                seen = prices.constant[r]
                for t in range(feed.shape[1]):
                    if feed[r, t] < 0:
                        break
                    seen += sign[r, t] * answer[feed[r, t], p]
                now[p] = seen
        start = prices.start[r]
        for side, log_index in ((0, reserves.log_supply[r]), (1, reserves.log_borrow[r])):
            terms = side == 0 and reserves.moving[r] >= 0
            if prices.falls[2 * r + side]:
                for p in paths:
                    more = reserves.term_ticks[0, reserves.moving[r], p] if terms else np.int32(0)
                    down[2 * r + side, p] = with_terms(ticks_down(now[p] + (log_index[p] - start)), more)
                    if abs(down[2 * r + side, p]) >= MOST:
                        prices.beyond[0] = r + 1
            if prices.rises[2 * r + side]:
                for p in paths:
                    more = reserves.term_ticks[1, reserves.moving[r], p] if terms else np.int32(0)
                    up[2 * r + side, p] = with_terms(ticks_up(now[p] + (log_index[p] - start)), more)
                    if abs(up[2 * r + side, p]) >= MOST:
                        prices.beyond[0] = r + 1


@helper
def price_path(p: int, log_price: np.ndarray, like: np.ndarray, price: np.ndarray, unit: np.ndarray, tree: Tree,
               market: np.ndarray) -> None:
    """Levels of the seen prices of one path, in USD: at the market price of the unit that the protocol counts in.

    like, unit: [R] reserve, asset; market: [M, P] log market prices. A common factor moves no health factor.
    """
    last, in_usd = 0, 1.0  # USD; reserves of a protocol stand together
    for r in range(log_price.shape[0]):
        if like[r] != r:
            price[p, r] = price[p, like[r]]
            continue
        if unit[r] != last:
            last = unit[r]
            in_usd = usd_price(last, p, tree, market)
        price[p, r] = exp_(log_price[r, p]) * in_usd


@kernel
def price_paths(picked: np.ndarray, path: np.ndarray, prices: SeenPrices, tree: Tree, market: np.ndarray) -> None:
    """Fill the seen price levels of the paths of these rows, unless they are fresh."""
    log_price, like, price, stamp, now, unit = (prices.log_price, prices.like, prices.price, prices.stamp, prices.number[0],
                                                prices.unit)
    for i in picked:
        p = path[i]
        if stamp[p] != now:
            stamp[p] = now
            price_path(p, log_price, like, price, unit, tree, market)


@kernel
def value_units(coined: np.ndarray, margins: Margins, asset: np.ndarray, tree: Tree, market: np.ndarray) -> None:
    """What the unit of these exchanges, which count in a coin, is worth in USD. asset: [R]; market: [M, P] log market prices."""
    for number in coined:
        unit = asset[margins.cash[number]]
        for p in range(market.shape[1]):
            margins.in_usd[number, p] = usd_price(unit, p, tree, market)


def value_coins(state: State) -> None:
    """Where some exchange counts in a coin; at the start of a block, and before somebody asks for amounts."""
    if len(state.coined):
        value_units(state.coined, state.margins, state.reserves.asset, state.tree, state.markets.price)


def price_rows(state: State, picked: np.ndarray) -> None:
    """Fresh price levels for the paths of these transactions."""
    price_paths(picked, state.transactions.path, state.seen, state.tree, state.markets.price)


def price_all(state: State) -> None:
    """Fresh price levels for every path."""
    every = np.arange(state.paths)
    price_paths(every, every, state.seen, state.tree, state.markets.price)
