"""One trade on one market, and the quote of a whole route: what liquidators ask before they act, and trades do.

A market of depth factor f and outside price P (1 for a passive pool), fees as they are on the path:
    sale      of q base:   q (1 - fee_in) / f sold into the profile; paid out x f x P x (1 - fee_out)
    purchase  with y quote: y (1 - fee_in) / (f P) into the profile; base out x f x (1 - fee_out)
What finds nobody on the other side, for f = 0 or a profile that is bounded, is not traded: every trade says how much was.

Of a pair whose venues are apart the row in chains is the first venue's, and `tree.other` leads to the others. A trade that names
none goes as a whole to the one that pays most for it, of equals to the first; what is closed now is left out.
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.elementary import exp_, log_
from delever.core.jit import helper
from delever.core.profile import Profiles, buy, inverse_root, quote_above, sell, sold_at
from delever.core.tables import MAKERS, OUTSIDE, VENUES, WRAPPER, Ledgers, Liquidity, Markets, Tree

HIGHEST = 1e-3  # of the first node's w: a book sells nothing above a million times its highest quote


@helper
def kept_by(m: int, p: int, markets: Markets) -> float:
    """Share of a trade that fees leave."""
    share: float = (1.0 - markets.fee[0, m, p]) * (1.0 - markets.fee[1, m, p])
    return share


@helper
def log_price_at(m: int, p: int, s: float, profiles: Profiles, markets: Markets) -> float:
    """The log market price u once s has been sold, net."""
    r = markets.profile[m, p]
    x = -2.0 * log_(inverse_root(s, profiles.cells[r], profiles.node_w[r], profiles.sold[r], profiles.liquidity[r]))
    return markets.exogenous[m, p] + x if profiles.anchored[m] else x


@helper
def sale(m: int, p: int, q: float, profiles: Profiles, markets: Markets) -> tuple[float, float, float]:
    """Sell q of the base: (s afterwards, quote received, base sold)."""
    before = markets.consumed[m, p]
    if not profiles.has_venue[m]:
        return before, q * exp_(markets.price[m, p]), q
    f, r, kept = markets.depth[0, m, p], markets.profile[m, p], 1.0 - markets.fee[0, m, p]
    if not f > 0.0:
        return before, 0.0, 0.0
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    cells, sold, into = profiles.cells[r], profiles.sold[r], q * kept / f
    if profiles.bounded[r] and before + into > sold[cells]:
        into = max(sold[cells] - before, 0.0)
        q = into * f / kept
    s, paid = sell(before, into, cells, profiles.node_w[r], sold, profiles.paid[r], profiles.liquidity[r])
    return s, paid * f * outside * (1.0 - markets.fee[1, m, p]), q


@helper
def purchase(m: int, p: int, y: float, profiles: Profiles, markets: Markets) -> tuple[float, float, float]:
    """Buy with y of the quote: (s afterwards, base received, quote paid)."""
    before = markets.consumed[m, p]
    if not profiles.has_venue[m]:
        return before, y / exp_(markets.price[m, p]), y
    f, r, kept = markets.depth[1, m, p], markets.profile[m, p], 1.0 - markets.fee[0, m, p]
    if not f > 0.0:
        return before, 0.0, 0.0
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    cells, node_w, sold, paid, liquidity = (profiles.cells[r], profiles.node_w[r], profiles.sold[r], profiles.paid[r],
                                            profiles.liquidity[r])
    into = y * kept / (f * outside)
    if profiles.bounded[r]:
        most = quote_above(before, cells, node_w, sold, paid, liquidity)
        if into >= most:
            return sold[0], (before - sold[0]) * f * (1.0 - markets.fee[1, m, p]), most * (f * outside) / kept
    s, bought = buy(before, into, cells, node_w, sold, paid, liquidity)
    return s, bought * f * (1.0 - markets.fee[1, m, p]), y


@helper
def best_sale(m: int, p: int, q: float, tree: Tree, profiles: Profiles, markets: Markets) -> int:
    """The row of the pair's venues on which selling q of the base brings most."""
    other = tree.other
    if other[m] < 0:
        return m
    best, most, at = m, -1.0, m
    while at >= 0:
        if not markets.closed[at, p]:
            got = sale(at, p, q, profiles, markets)[1]
            if got > most:
                best, most = at, got
        at = other[at]
    return best


@helper
def best_purchase(m: int, p: int, y: float, tree: Tree, profiles: Profiles, markets: Markets) -> int:
    """The row of the pair's venues on which y of the quote buys most."""
    other = tree.other
    if other[m] < 0:
        return m
    best, most, at = m, -1.0, m
    while at >= 0:
        if not markets.closed[at, p]:
            got = purchase(at, p, y, profiles, markets)[1]
            if got > most:
                best, most = at, got
        at = other[at]
    return best


@helper
def sold_for(m: int, p: int, q: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """The quote that selling q of the base brings now, where it brings most."""
    return sale(best_sale(m, p, q, tree, profiles, markets), p, q, profiles, markets)[1]


@helper
def bought_with(m: int, p: int, y: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """The base that y of the quote buys now, where it buys most."""
    return purchase(best_purchase(m, p, y, tree, profiles, markets), p, y, profiles, markets)[1]


@helper
def sale_within(m: int, p: int, q: float, limit: float, profiles: Profiles, markets: Markets) -> tuple[float, float, float]:
    """Sell up to q of the base, no further than where the price before fees is `limit` (0: none).

    Returns (base sold, quote received, s afterwards).
    """
    if not profiles.has_venue[m]:
        price = exp_(markets.price[m, p])
        q = q if price >= limit else 0.0
        return q, q * price, markets.consumed[m, p]
    if limit > 0.0:
        r = markets.profile[m, p]
        outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
        most = sold_at(math.sqrt(outside / limit), profiles.cells[r], profiles.node_w[r], profiles.sold[r],
                       profiles.liquidity[r]) - markets.consumed[m, p]
        q = min(q, most * markets.depth[0, m, p] / (1.0 - markets.fee[0, m, p]))
        if not q > 0.0:
            return 0.0, 0.0, markets.consumed[m, p]
    s, got, q = sale(m, p, q, profiles, markets)
    return q, got, s


@helper
def purchase_within(m: int, p: int, q: float, limit: float, profiles: Profiles, markets: Markets
                    ) -> tuple[float, float, float]:
    """Buy up to q of the base, no further than where the price before fees is `limit` (inf: none).

    The way back of a sale: what selling the same base from there would bring. Where the book ends (a million times its
    highest quote) the rest costs that price; a bounded one sells no rest. Returns (base bought, quote paid, s afterwards).
    """
    if not profiles.has_venue[m]:
        price = exp_(markets.price[m, p])
        q = q if price <= limit else 0.0
        return q, q * price, markets.consumed[m, p]
    r = markets.profile[m, p]
    cells, node_w, sold, liquidity = profiles.cells[r], profiles.node_w[r], profiles.sold[r], profiles.liquidity[r]
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    before, scale = markets.consumed[m, p], markets.depth[1, m, p] * (1.0 - markets.fee[1, m, p])
    lowest = HIGHEST * min(node_w[0], inverse_root(before, cells, node_w, sold, liquidity))
    if profiles.bounded[r]:
        lowest = node_w[0]
    beyond = 0.0
    if limit < np.inf:
        lowest = max(lowest, math.sqrt(outside / limit) if limit > 0.0 else np.inf)
    most = (before - sold_at(lowest, cells, node_w, sold, liquidity)) * scale if lowest < np.inf else 0.0
    if q > most:
        if limit == np.inf and scale > 0.0 and not profiles.bounded[r]:
            beyond = q - most
        q = max(most, 0.0)
    if not q + beyond > 0.0:
        return 0.0, 0.0, before
    after = before - q / scale
    paid = sell(after, before - after, cells, node_w, sold, profiles.paid[r], liquidity)[1] * markets.depth[1, m, p]
    paid += beyond / (1.0 - markets.fee[1, m, p]) / (lowest * lowest)
    return q + beyond, paid * outside / (1.0 - markets.fee[0, m, p]), after


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
def settle_trade(m: int, p: int, base: float, quote: float, after: float, liquidity: Liquidity, ledgers: Ledgers) -> None:
    """The market's side of a trade: it gains `base` and pays `quote` (both negative when it sold), and stands at s = after."""
    tree, profiles, markets = liquidity.tree, liquidity.profiles, liquidity.markets
    tokens, gross = ledgers.tokens, ledgers.turnover
    before, a, b = markets.consumed[m, p], tree.base[m], tree.quote[m]
    taker = MAKERS if profiles.anchored[m] else VENUES
    tokens[taker, a, p] += base
    tokens[taker, b, p] -= quote
    gross[a, p] += abs(base)
    gross[b, p] += abs(quote)
    if profiles.has_venue[m]:
        r = markets.profile[m, p]
        markets.consumed[m, p] = after
        markets.price[m, p] = log_price_at(m, p, after, profiles, markets)
        markets.extrapolated[m, p] += (max(after - max(before, profiles.quoted[r, 1]), 0.0)
                                       + max(min(before, profiles.quoted[r, 0]) - after, 0.0))


@helper
def sell_for_usd(p: int, a: int, units: float, holder: int, liquidity: Liquidity, ledgers: Ledgers) -> tuple[float, float]:
    """Sell units of asset a that `holder` has along its route, at once: (the USD that `holder` then has, units sold).

    What the first market does not take stays with the holder; what a later one does not take is lost to the outside.
    """
    tree, profiles, markets, tokens = liquidity.tree, liquidity.profiles, liquidity.markets, ledgers.tokens
    amount = units * tree.rate[a]
    for k in range(tree.length[a]):
        m = best_sale(tree.chain[a, k], p, amount, tree, profiles, markets)
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
