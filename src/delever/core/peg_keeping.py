"""When and how much a peg keeper mints or burns, and what that earns it (actors/peg_keepers.py has the rules).

    claim += grown,  debt += units        grown: of the pool's D, by coins that came to it alone (below 0: that left it)
Source: curvefi/curve-stablecoin, PegKeeperV2 and PegKeeperRegulator (a519704); fees of a one-sided change as in add_liquidity and
remove_liquidity_imbalance of StableSwap pools of two: half the fee, on what a balance is off the old proportions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.pool_curves import Pools, followed, total_at
from delever.core.route import usd_price
from delever.core.state import Feeds
from delever.core.tables import Liquidity, Markets, Networks

POOL, HOLDER, NETWORK, FEED, AGGREGATE = range(5)  # columns of whole numbers; a feed -1: none
CEILING, SHARE, DELAY, CALLER, ALPHA, BETA, DEVIATION, WORST, ALWAYS, BID = range(10)  # columns of terms
DEBT, CLAIM, LAST, MINTED, BURNED, CALLERS, ACTIONS = range(7)  # rows of what is kept on each path
CRUMB = 1.0  # unit of profit that is counted as none, as in the contract


class Keepers(NamedTuple):
    """All peg keepers. n: how many, P: paths."""

    whole: np.ndarray  # [n, 5] POOL, HOLDER, NETWORK, FEED, AGGREGATE
    terms: np.ndarray  # [n, 10] CEILING [units], .. BID [gwei]
    coin: np.ndarray  # [pools] asset that is minted
    peg: np.ndarray  # [pools] asset that it is paired with
    kept: np.ndarray  # [7, n, P] DEBT, MINTED, BURNED [units], CLAIM and CALLERS [units of D], LAST [s], ACTIONS


@helper
def average(i: int, p: int, feed: int, keepers: Keepers, pools: Pools, feeds: Feeds, liquidity: Liquidity) -> float:
    """Price of the coin as keeper i's feed of this column says, or of its pool as it stands."""
    number = keepers.whole[i, feed] if keepers.whole[i, feed] >= 0 else keepers.whole[i, FEED]
    if number >= 0:
        return exp_(feeds.answer[number, p])
    return exp_(liquidity.markets.price[pools.market[keepers.whole[i, POOL]], p])


@helper
def may_mint(i: int, p: int, keepers: Keepers, pools: Pools, feeds: Feeds, liquidity: Liquidity) -> float:
    """Units that the regulator lets keeper i mint at most, its ceiling aside."""
    whole, terms, debt = keepers.whole, keepers.terms, keepers.kept[DEBT]
    here, others, dearest, roots = average(i, p, FEED, keepers, pools, feeds, liquidity), 0, 0.0, 0.0
    for k in range(whole.shape[0]):
        if k != i and keepers.coin[whole[k, POOL]] == keepers.coin[whole[i, POOL]]:
            others += 1
            dearest = max(dearest, average(k, p, FEED, keepers, pools, feeds, liquidity))
            roots += math.sqrt(debt[k, p] / (1.0 + terms[k, CEILING]))
    if others > 0 and dearest < here - terms[i, WORST]:
        return 0.0
    part = terms[i, ALPHA] + terms[i, BETA] * roots
    return max(part * part * terms[i, CEILING] - debt[i, p], 0.0)


@helper
def wanted(i: int, p: int, time: float, keepers: Keepers, pools: Pools, feeds: Feeds, liquidity: Liquidity) -> float:
    """Units that keeper i would mint now; below 0: burn."""
    j, terms, markets, kept = keepers.whole[i, POOL], keepers.terms, liquidity.markets, keepers.kept
    m = pools.market[j]
    there = min(markets.depth[0, m, p], markets.depth[1, m, p])  # part of the pool that is left
    if kept[LAST, i, p] + terms[i, DELAY] > time or not there > 0.0:
        return 0.0
    followed(j, j, p, markets.consumed[m, p], pools)
    off = (pools.balance[pools.quote[j], p] - pools.balance[pools.base[j], p]) * there * terms[i, SHARE]
    price = average(i, p, AGGREGATE, keepers, pools, feeds, liquidity)
    above = average(i, p, FEED, keepers, pools, feeds, liquidity) - exp_(markets.price[m, p])  # its average, above its price
    if off > 0.0:
        if price < 1.0 or not -terms[i, DEVIATION] <= above < terms[i, DEVIATION]:
            return 0.0
        most = min(terms[i, CEILING] - kept[DEBT, i, p], may_mint(i, p, keepers, pools, feeds, liquidity))
        return max(min(off, most), 0.0)
    if price > 1.0 or not -terms[i, DEVIATION] < above <= terms[i, DEVIATION]:
        return 0.0
    return -min(-off, kept[DEBT, i, p])


@helper
def after(j: int, p: int, units: float, pools: Pools, markets: Markets) -> tuple[float, float, float]:
    """Balances of coin and peg, and D, once so many units of the coin alone have come to pool j. At full depth."""
    a, b, fee = pools.base[j], pools.quote[j], markets.fee[1, pools.market[j], p] / 2.0
    x, y, before = pools.balance[a, p], pools.balance[b, p], pools.total[j, p]
    grown = total_at(j, p, a, b, x + units, y, pools) / before
    coin = x + units - fee * abs(x * grown - x - units)
    peg = y - fee * abs(y * grown - y)
    return coin, peg, total_at(j, p, a, b, coin, peg, pools)


@helper
def profit(claim: float, debt: float) -> float:
    """Units of D."""
    return max(claim - debt - CRUMB, 0.0)


@helper
def gain(i: int, p: int, units: float, grown: float, keepers: Keepers) -> float:
    """Profit of minting so many units for which D grows by so much; below 0: it may not. Burning: both below 0."""
    debt, claim = keepers.kept[DEBT, i, p], keepers.kept[CLAIM, i, p]
    if claim + grown < 0.0:
        return -1.0
    return profit(claim + grown, debt + units) - profit(claim, debt)


@helper
def pays(i: int, p: int, kind: int, gained: float, keepers: Keepers, networks: Networks, liquidity: Liquidity) -> bool:
    """Whether a caller's share is worth his gas."""
    if keepers.terms[i, ALWAYS] > 0.0:
        return True
    c, tree, price = keepers.whole[i, NETWORK], liquidity.tree, liquidity.markets.price
    units = networks.gas[c, kind] * keepers.terms[i, BID] * 1e-9
    gas = units * usd_price(networks.native[c], p, tree, price) if units > 0.0 else 0.0
    return keepers.terms[i, CALLER] * gained * usd_price(keepers.coin[keepers.whole[i, POOL]], p, tree, price) >= gas


@helper
def planned(i: int, p: int, time: float, kind: int, keepers: Keepers, pools: Pools, feeds: Feeds, networks: Networks,
            liquidity: Liquidity) -> float:
    """Units that keeper i mints now (below 0: burns), if that may be and pays; else 0."""
    units, j, markets = wanted(i, p, time, keepers, pools, feeds, liquidity), keepers.whole[i, POOL], liquidity.markets
    if units == 0.0:
        return 0.0
    there = min(markets.depth[0, pools.market[j], p], markets.depth[1, pools.market[j], p])
    gained = gain(i, p, units, (after(j, p, units / there, pools, markets)[2] - pools.total[j, p]) * there, keepers)
    return units if gained >= 0.0 and pays(i, p, kind, gained, keepers, networks, liquidity) else 0.0


@kernel
def measure(pools: Pools) -> None:
    """D of each pool at its balances."""
    for j in range(pools.total.shape[0]):
        for p in range(pools.total.shape[1]):
            a, b = pools.base[j], pools.quote[j]
            pools.total[j, p] = total_at(j, p, a, b, pools.balance[a, p], pools.balance[b, p], pools)
