"""Curves of StableSwap pools that are a path's own: drawn anew at the balances that the pool has there.

    Ann S + D = Ann D + D^(n+1) / (n^n P),   S, P sum and product of the n balances, Ann = n A
A pair that stands at s has its nodes at x_now x left, y_now x left, as venues/stableswap.py has at the start.
Source: Egorov, StableSwap (2019); the contract's get_D and get_y. Units are at full depth. A curve of its own is a row of
profiles behind those that all paths share.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from delever.core.jit import helper
from delever.core.profile import Profiles

SPAN = 14.0  # nodes reach balances e^14 times as lopsided as the start's; beyond, the last liquidity goes on
CROWDING = 3.0  # nodes are sinh(3) = 10 times as dense at the start as evenly spread
ITERATIONS = 255  # of Newton's method, as in the contract; it takes about ten


def left_over(half: int) -> np.ndarray:
    """Share of a balance that is left at the nodes towards where it has run out [half + 1]."""
    return np.asarray(np.exp(-SPAN * np.sinh(CROWDING * np.arange(half + 1) / half) / math.sinh(CROWDING)))


class Pools(NamedTuple):
    """Pools in a row, and their pairs. C: balances of all pools, K: pairs of all pools, P: paths."""

    pairs: np.ndarray  # [pools + 1] where each one's pairs begin
    coins: np.ndarray  # [pools + 1] where its balances begin
    ann: np.ndarray  # [pools] n A
    total: np.ndarray  # [pools, P] D, which no trade changes
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
    d, ann, n = pools.total[i, p], pools.ann[i], float(last - first)
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
    d, n = pools.total[i, p], float(last - first)
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


@helper
def total_at(i: int, p: int, base: int, quote: int, x: float, y: float, pools: Pools) -> float:
    """D of pool i with these two balances and the others as they are, by Newton's method from above, as get_D."""
    balance, first, last, ann = pools.balance, pools.coins[i], pools.coins[i + 1], pools.ann[i]
    n, whole = float(last - first), x + y
    for k in range(first, last):
        if k != base and k != quote:
            whole += balance[k, p]
    d = whole
    for _ in range(ITERATIONS):
        product = d * (d / (n * x)) * (d / (n * y))
        for k in range(first, last):
            if k != base and k != quote:
                product *= d / (n * balance[k, p])
        before, d = d, (ann * whole + n * product) * d / ((ann - 1.0) * d + (n + 1.0) * product)
        if abs(d - before) <= 4e-16 * d:
            break
    return d


@helper
def followed(i: int, j: int, p: int, s: float, pools: Pools) -> bool:
    """Whether pair j of pool i has traded since it was last looked at: its balances are then those at s."""
    a, b, more = pools.base[j], pools.quote[j], s - pools.sold[j, p]
    if more == 0.0:
        return False
    units = pools.balance[a, p] + more
    other = counterpart(i, p, a, b, units, pools)
    pools.balance[a, p], pools.balance[b, p], pools.sold[j, p] = units, other, s
    return True


def with_rows(profiles: Profiles, more: int) -> Profiles:
    """Profiles with so many rows behind the others, for paths' own curves; no memory until they are written."""
    def longer(rows: np.ndarray) -> np.ndarray:
        out = np.zeros((len(rows) + more, *rows.shape[1:]), rows.dtype)
        out[:len(rows)] = rows
        return out

    shared = {"anchored", "has_venue"}  # by market
    return profiles._replace(**{name: longer(rows) for name, rows in profiles._asdict().items() if name not in shared})
