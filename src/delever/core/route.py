"""The way between two assets: which venue of each pair a trade goes to, what the whole of it brings, whether it is open.

Of a pair whose venues are apart the row in chains is the first venue's, and `tree.other` leads to the others. A trade that names
none goes as a whole to the one that pays most for it, of equals to the first; what is closed now is left out.
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import helper
from delever.core.market import purchase, purchase_within, sale, settle_trade
from delever.core.profile import Profiles
from delever.core.tables import OUTSIDE, WRAPPER, Ledgers, Liquidity, Markets, Tree


@helper
def best_venue(m: int, p: int, amount: float, buying: bool, tree: Tree, profiles: Profiles, markets: Markets) -> int:
    """The row of the pair's venues on which selling so much of the base, or buying with so much of the quote, brings most."""
    other = tree.other
    if other[m] < 0:
        return m
    best, most, at = m, -1.0, m
    while at >= 0:
        if not markets.closed[at, p]:
            got = (purchase(at, p, amount, profiles, markets) if buying else sale(at, p, amount, profiles, markets))[1]
            if got > most:
                best, most = at, got
        at = other[at]
    return best


@helper
def sold_for(m: int, p: int, q: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """The quote that selling q of the base brings now, where it brings most."""
    return sale(best_venue(m, p, q, False, tree, profiles, markets), p, q, profiles, markets)[1]


@helper
def bought_with(m: int, p: int, y: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """The base that y of the quote buys now, where it buys most."""
    return purchase(best_venue(m, p, y, True, tree, profiles, markets), p, y, profiles, markets)[1]


@helper
def best_purchase_within(m: int, p: int, q: float, tree: Tree, profiles: Profiles, markets: Markets) -> int:
    """The row of the pair's venues on which q of the base can be bought, as much of it as possible, for least."""
    other = tree.other
    if other[m] < 0:
        return m
    best, most, least, at = m, -1.0, np.inf, m
    while at >= 0:
        if not markets.closed[at, p]:
            done, cost, _ = purchase_within(at, p, q, np.inf, profiles, markets)
            if done > most or (done == most and cost < least):
                best, most, least = at, done, cost
        at = other[at]
    return best


@helper
def sell_for_usd(p: int, a: int, units: float, holder: int, liquidity: Liquidity, ledgers: Ledgers) -> tuple[float, float]:
    """Sell units of asset a that `holder` has along its route, at once: (the USD that `holder` then has, units sold).

    What the first market does not take stays with the holder; what a later one does not take is lost to the outside.
    """
    tree, profiles, markets, tokens = liquidity.tree, liquidity.profiles, liquidity.markets, ledgers.tokens
    amount = units * tree.rate[a]
    for k in range(tree.length[a]):
        m = best_venue(tree.chain[a, k], p, amount, False, tree, profiles, markets)
        after, got, done = sale(m, p, amount, profiles, markets)
        if k == 0:
            if done < amount:
                units, amount = done / tree.rate[a], done
            if tree.unwrapped[a] != a:
                tokens[holder, a, p] -= units
                tokens[WRAPPER, a, p] += units
                tokens[WRAPPER, tree.unwrapped[a], p] -= amount
                tokens[holder, tree.unwrapped[a], p] += amount
        settle_trade(m, p, done, got, after, liquidity, ledgers)
        tokens[holder, tree.base[m], p] -= amount
        if done < amount:
            tokens[OUTSIDE, tree.base[m], p] += amount - done
        tokens[holder, tree.quote[m], p] += got
        amount = got
    return amount, units


@helper
def quote_route(p: int, a: int, b: int, amount: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """Units of asset b that selling `amount` of asset a would bring now; moves nothing. What is not sold brings nothing."""
    value = amount * tree.rate[a]
    for k in range(tree.sells[a, b]):
        value = sold_for(tree.chain[a, k], p, value, tree, profiles, markets)
    for k in range(tree.buys[a, b] - 1, -1, -1):
        value = bought_with(tree.chain[b, k], p, value, tree, profiles, markets)
    return value / tree.rate[b]


@helper
def may_pay_more(a: int, b: int, tree: Tree) -> bool:
    """Whether selling a for b may bring more than market prices say: they are those of first venues, others may be better."""
    chain, sells, buys, other, apart = tree.chain, tree.sells, tree.buys, tree.other, False
    for k in range(sells[a, b]):
        apart |= other[chain[a, k]] >= 0
    for k in range(buys[a, b]):
        apart |= other[chain[b, k]] >= 0
    return apart


@helper
def pair_halted(m: int, p: int, named: int, tree: Tree, trading: np.ndarray) -> float:
    """Until when a pair cannot be traded [s]: on the venue that is named (its row, -1: none is), or on all it has."""
    pair, other = tree.pair, tree.other
    if named >= 0 and pair[named] == pair[m]:
        return trading[named, p]
    until, at = trading[m, p], other[m]
    while at >= 0:
        until = min(until, trading[at, p])
        at = other[at]
    return until


@helper
def route_halted(p: int, a: int, b: int, named: int, tree: Tree, trading: np.ndarray) -> float:
    """Until when some market between assets a and b is halted [s]; -inf: none is. named: row of a venue, -1: any.

    trading: [M, P].
    """
    chain, sells, buys, until = tree.chain, tree.sells, tree.buys, -np.inf
    for k in range(sells[a, b]):
        until = max(until, pair_halted(chain[a, k], p, named, tree, trading))
    for k in range(buys[a, b]):
        until = max(until, pair_halted(chain[b, k], p, named, tree, trading))
    return until


@helper
def log_usd_price(a: int, p: int, tree: Tree, price: np.ndarray) -> float:
    """Log market price of an asset in USD. price: [M, P] log market prices."""
    total: float = tree.log_rate[a]
    for k in range(tree.length[a]):
        total += price[tree.chain[a, k], p]
    return total


@helper
def usd_price(a: int, p: int, tree: Tree, price: np.ndarray) -> float:
    """Market price of an asset in USD. price: [M, P] log market prices."""
    return exp_(log_usd_price(a, p, tree, price))
