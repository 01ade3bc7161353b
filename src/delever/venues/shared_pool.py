"""One StableSwap pool, several pairs: what one of them trades moves the balances of all, on each path.

    a pair has sold ds more of its base into the pool:   x_base += ds,   x_quote: so that D stays      (get_y)
    then every other pair of the pool gets a curve of its own at these balances, its s as it was, u = its log price there
Source: Egorov, StableSwap (2019), as venues/stableswap.py. Units are at full depth. A sale whose route crosses two pairs of a
pool trades both at the balances before it. A curve of its own is a row of profiles behind those that all paths share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from delever.core.jit import helper, kernel
from delever.core.market import log_price_at
from delever.core.phase import Phase
from delever.core.profile import Profiles
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import Markets


class Pools(NamedTuple):
    """Pools in a row, and their pairs. C: balances of all pools, K: pairs of all pools, P: paths."""

    pairs: np.ndarray  # [pools + 1] where each one's pairs begin
    coins: np.ndarray  # [pools + 1] where its balances begin
    ann: np.ndarray  # [pools] n A
    total: np.ndarray  # [pools] D, which no trade changes
    market: np.ndarray  # [K] row of the pair's market
    base: np.ndarray  # [K] its balance of the base
    quote: np.ndarray  # [K] of the quote
    half: np.ndarray  # [K] cells on either side of where it stands
    left: np.ndarray  # [K, most half + 1] what is left of a balance at the nodes, as a share
    balance: np.ndarray  # [C, P] units at full depth
    sold: np.ndarray  # [K, P] s of each pair, as last looked at


@helper
def counterpart(i: int, p: int, gives: int, gets: int, units: float, pools: Pools) -> float:
    """The balance `gets` of pool i where `gives` is so many units and the others are as they are."""
    balance, first, last = pools.balance, pools.coins[i], pools.coins[i + 1]
    d, ann, n = pools.total[i], pools.ann[i], float(last - first)
    c, others = d / ann * (d / (n * units)), units
    for k in range(first, last):
        if k != gives and k != gets:
            others += balance[k, p]
            c *= d / (n * balance[k, p])
    c *= d / n
    b = others + d / ann - d
    root = math.sqrt(b * b + 4.0 * c)
    return 2.0 * c / (b + root) if b > 0.0 else (root - b) / 2.0


@helper
def slope(i: int, p: int, base: int, quote: int, x: float, y: float, pools: Pools) -> float:
    """1 / sqrt(price of the base in the quote) of pool i at these two balances."""
    balance, first, last = pools.balance, pools.coins[i], pools.coins[i + 1]
    d, n = pools.total[i], float(last - first)
    bend = d * (d / (n * x)) * (d / (n * y))  # D^(n+1) / (n^n P)
    for k in range(first, last):
        if k != base and k != quote:
            bend *= d / (n * balance[k, p])
    return math.sqrt((pools.ann[i] + bend / y) / (pools.ann[i] + bend / x))


@helper
def redraw(i: int, j: int, p: int, r: int, s: float, pools: Pools, profiles: Profiles) -> None:
    """Row r becomes the curve of pair j at the balances of now, which it has reached at s."""
    a, b, half, left = pools.base[j], pools.quote[j], pools.half[j], pools.left
    x_now, y_now = pools.balance[a, p], pools.balance[b, p]
    node_w, sold, paid, liquidity = profiles.node_w, profiles.sold, profiles.paid, profiles.liquidity
    for k in range(2 * half + 1):
        if k < half:
            x = x_now * left[j, half - k]
            y = counterpart(i, p, a, b, x, pools)
        else:
            y = y_now * left[j, k - half]
            x = counterpart(i, p, b, a, y, pools) if k > half else x_now
        node_w[r, k], sold[r, k] = slope(i, p, a, b, x, y, pools), s + (x - x_now)
    paid[r, half] = 0.0
    for k in range(half, 2 * half):
        step = sold[r, k + 1] - sold[r, k]
        liquidity[r, k] = step / (node_w[r, k + 1] - node_w[r, k])
        paid[r, k + 1] = paid[r, k] + step / (node_w[r, k] * node_w[r, k + 1])
    for k in range(half - 1, -1, -1):
        step = sold[r, k + 1] - sold[r, k]
        liquidity[r, k] = step / (node_w[r, k + 1] - node_w[r, k])
        paid[r, k] = paid[r, k + 1] - step / (node_w[r, k] * node_w[r, k + 1])
    profiles.cells[r], profiles.quoted[r, 0], profiles.quoted[r, 1] = 2 * half, sold[r, 0], sold[r, 2 * half]
    for k in range(2 * half + 1, node_w.shape[1]):
        node_w[r, k], sold[r, k], paid[r, k] = node_w[r, 2 * half], sold[r, 2 * half], paid[r, 2 * half]


@kernel
def reshape(own: int, pools: Pools, profiles: Profiles, markets: Markets) -> None:
    """Where pairs have traded the others of their pool follow. own: the first row of profiles that is for this."""
    market, pairs, last, consumed, paths = pools.market, pools.pairs, pools.sold, markets.consumed, pools.balance.shape[1]
    for i in range(pools.ann.shape[0]):
        for p in range(paths):
            moved, only = 0, -1
            for j in range(pairs[i], pairs[i + 1]):
                more = consumed[market[j], p] - last[j, p]
                if more != 0.0:
                    moved, only, a, b = moved + 1, j, pools.base[j], pools.quote[j]
                    units = pools.balance[a, p] + more
                    other = counterpart(i, p, a, b, units, pools)
                    pools.balance[a, p], pools.balance[b, p] = units, other
                    last[j, p] = consumed[market[j], p]
            if moved == 0:
                continue
            for j in range(pairs[i], pairs[i + 1]):
                if moved > 1 or j != only:
                    r, m = own + j * paths + p, market[j]
                    redraw(i, j, p, r, consumed[m, p], pools, profiles)
                    markets.profile[m, p] = r
                    markets.price[m, p] = log_price_at(m, p, consumed[m, p], profiles, markets)


class Pool(NamedTuple):
    """What a pool states: A, balances by asset, and the pairs (venue, base, quote, left) that it trades."""

    amplification: float
    balances: Mapping[str, float]
    total: float
    pairs: Sequence[tuple[str, str, str, np.ndarray]]


class SharedPools(Phase):
    """All such pools."""

    def __init__(self, stated: Sequence[Pool], setting: Setting) -> None:
        ends = np.cumsum([0, *(len(pool.pairs) for pool in stated)])
        coins = np.cumsum([0, *(len(pool.balances) for pool in stated)])
        place = [{name: int(first) + k for k, name in enumerate(pool.balances)}
                 for pool, first in zip(stated, coins[:-1], strict=True)]
        pairs = [(where, *pair) for pool, where in zip(stated, place, strict=True) for pair in pool.pairs]
        left = np.zeros((len(pairs), max(len(pair[-1]) for pair in pairs)))
        for row, pair in zip(left, pairs, strict=True):
            row[:len(pair[-1])] = pair[-1]
        balance = np.array([units for pool in stated for units in pool.balances.values()])
        self.own = -1  # the first row of profiles that is a path's own
        self.pools = Pools(
            ends.astype(np.int64), coins.astype(np.int64), np.array([len(pool.balances) * pool.amplification for pool in stated]),
            np.array([pool.total for pool in stated]),
            np.array([setting.layout.venues[venue] for _, venue, *_ in pairs], np.int64),
            np.array([where[base] for where, _, base, *_ in pairs], np.int64),
            np.array([where[quote] for where, _, _, quote, _ in pairs], np.int64),
            np.array([len(pair[-1]) - 1 for pair in pairs], np.int64), left,
            np.repeat(balance[:, None], setting.paths, axis=1), np.zeros((len(pairs), setting.paths)))

    def reshape(self, state: State) -> None:
        """Whenever something may have traded."""
        if self.own < 0:
            self.own = len(state.profiles.node_w)
            state.profiles = with_rows(state.profiles, self.pools.sold.size)
        reshape(self.own, self.pools, state.profiles, state.markets)


def with_rows(profiles: Profiles, more: int) -> Profiles:
    """Profiles with so many rows behind the others, for paths' own curves; no memory until they are written."""
    def longer(rows: np.ndarray) -> np.ndarray:
        out = np.zeros((len(rows) + more, *rows.shape[1:]), rows.dtype)
        out[:len(rows)] = rows
        return out

    shared = {"anchored", "has_venue"}  # by market
    return profiles._replace(**{name: longer(rows) for name, rows in profiles._asdict().items() if name not in shared})
