"""A coin and its sister: what burning one mints of the other, and how much of it pays. n: pairs, two ways each: down, up.

    down   x coins are burned:     v = rate x,   minted = out(v) / Q sisters,   d += v
    up     x sisters are burned:   v = Q x,      minted = out(v) / rate coins,  d -= out(v)
    out(v) = min((1 - spread) v, B^2 v / (F (F + v))),   F = B + d (down), B^2 / (B + d) (up)
    x where the last unit still pays, with p, P the prices of what is bought and of what is minted after it (50 halvings):
             worth of one bought x min(1 - spread, (B / (F + v))^2) P kept / worth of one minted  =  p / kept
B: virtual pool, Q: the sister's price as the contract knows it, both in units of the peg. kept: what fees leave.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.backing import Backing
from delever.core.elementary import exp_
from delever.core.jit import helper
from delever.core.market import kept_by, log_price_at, purchase_within, sale
from delever.core.tables import Liquidity

BOUGHT, MADE, BOUGHT_AT, MADE_AT, BACKED, UP, PAIR, FEED, HOLDER, NETWORK = range(10)  # columns of ways; FEED -1: her market
SPREAD, POOL, THRESHOLD, BID, CAPITAL = range(5)  # columns of terms
MONEY, FILLED, SUPPLY = range(3)  # rows of pairs: units of the peg, d, coins outstanding
HELD, BURNED, MINTED = range(3)  # rows of what came of ways: minted and not sold, bought and burned, minted
HALVINGS = 50
ROUNDING = 1e-12  # share of his capital, and of all that was minted, that counts as nothing


class Pairs(NamedTuple):
    """Coins and sisters, two ways each: down, up. n: pairs, P: paths."""

    ways: np.ndarray  # [2 n, 10]
    terms: np.ndarray  # [n, 5]
    pairs: np.ndarray  # [3, n, P]
    made: np.ndarray  # [3, 2 n, P]
    answer: np.ndarray  # [F, P] of feeds, log


@helper
def worth(i: int, p: int, bought: bool, it: Pairs, backing: Backing, price: np.ndarray) -> float:
    """Of one that is bought (made) by way i [units of the peg]. price: [M, P] log market prices."""
    up, f = it.ways[i, UP] == 1, it.ways[i, FEED]
    if bought != up:  # the coin
        return exp_(backing.log_rate[it.ways[i, BACKED], p])
    return exp_(price[it.ways[i, BOUGHT_AT if up else MADE_AT], p] if f < 0 else it.answer[f, p])


@helper
def paid_out(i: int, p: int, v: float, it: Pairs) -> tuple[float, float]:
    """(out(v), its derivative)."""
    k = it.ways[i, PAIR]
    least, pool = 1.0 - it.terms[k, SPREAD], it.terms[k, POOL]
    if pool == np.inf:
        return least * v, least
    filled = pool + it.pairs[FILLED, k, p]
    if it.ways[i, UP] == 1:
        filled = pool * pool / filled
    part = pool / (filled + v)
    return min(least * v, pool / filled * part * v), min(least, part * part)


@helper
def still_pays(i: int, p: int, x: float, it: Pairs, backing: Backing, liquidity: Liquidity) -> float:
    """What one unit more brings, after x bought and burned, less what it costs [units of the peg]."""
    profiles, markets = liquidity.profiles, liquidity.markets
    m, n = it.ways[i, BOUGHT_AT], it.ways[i, MADE_AT]
    each, of = worth(i, p, True, it, backing, markets.price), worth(i, p, False, it, backing, markets.price)
    out, share = paid_out(i, p, each * x, it)
    costs, brings, over = markets.price[m, p], markets.price[n, p], 1.0
    if x > 0.0 and profiles.has_venue[m]:
        costs = log_price_at(m, p, purchase_within(m, p, x, np.inf, profiles, markets)[2], profiles, markets)
    if x > 0.0 and profiles.has_venue[n]:
        brings = log_price_at(n, p, sale(n, p, out / of, profiles, markets)[0], profiles, markets)
    if x == 0.0:
        over += it.terms[it.ways[i, PAIR], THRESHOLD]
    return each * share * exp_(brings) / of * kept_by(n, p, markets) - exp_(costs) / kept_by(m, p, markets) * over


@helper
def to_spend(i: int, p: int, time: float, it: Pairs, backing: Backing, liquidity: Liquidity) -> float:
    """Units of the peg that he would buy for by way i now; 0: nothing."""
    profiles, markets, k, m = liquidity.profiles, liquidity.markets, it.ways[i, PAIR], it.ways[i, BOUGHT_AT]
    money = it.pairs[MONEY, k, p]
    if backing.frozen[it.ways[i, BACKED], p] > time or not money > 0.0:
        return 0.0
    if not still_pays(i, p, 0.0, it, backing, liquidity) > 0.0:
        return 0.0
    low, high = 0.0, money * kept_by(m, p, markets) / exp_(markets.price[m, p])
    if it.ways[i, UP] == 0:
        high = min(high, it.pairs[SUPPLY, k, p])
    if still_pays(i, p, high, it, backing, liquidity) >= 0.0:
        low = high
    else:
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if still_pays(i, p, middle, it, backing, liquidity) >= 0.0:
                low = middle
            else:
                high = middle
    spent = min(purchase_within(m, p, low, np.inf, profiles, markets)[1], money) if low > 0.0 else 0.0
    return spent if spent > ROUNDING * it.terms[k, CAPITAL] else 0.0
