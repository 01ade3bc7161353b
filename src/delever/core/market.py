"""One trade on one market, and the quote of a whole route: what liquidators ask before they act, and trades do.

A market of depth factor f and outside price P (1 for a passive pool):
    sale      of q base:   q (1 - fee_in) / f sold into the profile; paid out x f x P x (1 - fee_out)
    purchase  with y quote: y (1 - fee_in) / (f P) into the profile; base out x f x (1 - fee_out)
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.elementary import exp_, log_
from delever.core.jit import helper
from delever.core.profile import Profiles, buy, inverse_root, sell, sold_at
from delever.core.tables import MAKERS, VENUES, WRAPPER, Ledgers, Liquidity, Markets, Tree

HIGHEST = 1e-3  # of the first node's w: a book sells nothing above a million times its highest quote


@helper
def log_price_at(m: int, p: int, s: float, profiles: Profiles, exogenous: np.ndarray) -> float:
    """The log market price u once s has been sold, net."""
    x = -2.0 * log_(inverse_root(s, profiles.cells[m], profiles.node_w[m], profiles.sold[m], profiles.liquidity[m]))
    return exogenous[m, p] + x if profiles.anchored[m] else x


@helper
def sale(m: int, p: int, q: float, profiles: Profiles, markets: Markets) -> tuple[float, float]:
    """Sell q of the base: (s afterwards, quote received)."""
    if not profiles.has_venue[m]:
        return markets.consumed[m, p], q * exp_(markets.price[m, p])
    f = markets.depth[0, m, p]
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    s, paid = sell(markets.consumed[m, p], q * (1.0 - profiles.fee_in[m]) / f, profiles.cells[m], profiles.node_w[m],
                   profiles.sold[m], profiles.paid[m], profiles.liquidity[m])
    return s, paid * f * outside * (1.0 - profiles.fee_out[m])


@helper
def purchase(m: int, p: int, y: float, profiles: Profiles, markets: Markets) -> tuple[float, float]:
    """Buy with y of the quote: (s afterwards, base received)."""
    if not profiles.has_venue[m]:
        return markets.consumed[m, p], y / exp_(markets.price[m, p])
    f = markets.depth[1, m, p]
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    s, bought = buy(markets.consumed[m, p], y * (1.0 - profiles.fee_in[m]) / (f * outside), profiles.cells[m],
                    profiles.node_w[m], profiles.sold[m], profiles.paid[m], profiles.liquidity[m])
    return s, bought * f * (1.0 - profiles.fee_out[m])


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
        outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
        most = sold_at(math.sqrt(outside / limit), profiles.cells[m], profiles.node_w[m], profiles.sold[m],
                       profiles.liquidity[m]) - markets.consumed[m, p]
        q = min(q, most * markets.depth[0, m, p] / (1.0 - profiles.fee_in[m]))
        if not q > 0.0:
            return 0.0, 0.0, markets.consumed[m, p]
    s, got = sale(m, p, q, profiles, markets)
    return q, got, s


@helper
def purchase_within(m: int, p: int, q: float, limit: float, profiles: Profiles, markets: Markets
                    ) -> tuple[float, float, float]:
    """Buy up to q of the base, no further than where the price before fees is `limit` (inf: none).

    The way back of a sale: what selling the same base from there would bring. Where the book ends (a million times its
    highest quote) the rest costs that price. Returns (base bought, quote paid, s afterwards).
    """
    if not profiles.has_venue[m]:
        price = exp_(markets.price[m, p])
        q = q if price <= limit else 0.0
        return q, q * price, markets.consumed[m, p]
    cells, node_w, sold, liquidity = profiles.cells[m], profiles.node_w[m], profiles.sold[m], profiles.liquidity[m]
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    before, scale = markets.consumed[m, p], markets.depth[1, m, p] * (1.0 - profiles.fee_out[m])
    lowest = HIGHEST * min(node_w[0], inverse_root(before, cells, node_w, sold, liquidity))
    beyond = 0.0
    if limit < np.inf:
        lowest = max(lowest, math.sqrt(outside / limit) if limit > 0.0 else np.inf)
    most = (before - sold_at(lowest, cells, node_w, sold, liquidity)) * scale if lowest < np.inf else 0.0
    if q > most:
        if limit == np.inf:
            beyond = q - most
        q = max(most, 0.0)
    if not q + beyond > 0.0:
        return 0.0, 0.0, before
    after = before - q / scale
    paid = sell(after, before - after, cells, node_w, sold, profiles.paid[m], liquidity)[1] * markets.depth[1, m, p]
    paid += beyond / (1.0 - profiles.fee_out[m]) / (lowest * lowest)
    return q + beyond, paid * outside / (1.0 - profiles.fee_in[m]), after


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
        markets.consumed[m, p] = after
        markets.price[m, p] = log_price_at(m, p, after, profiles, markets.exogenous)
        markets.extrapolated[m, p] += (max(after - max(before, profiles.quoted[m, 1]), 0.0)
                                       + max(min(before, profiles.quoted[m, 0]) - after, 0.0))


@helper
def sell_for_usd(p: int, a: int, units: float, holder: int, liquidity: Liquidity, ledgers: Ledgers) -> float:
    """Sell units of asset a that `holder` has along its route, at once; the USD that `holder` then has."""
    tree, profiles, markets, tokens = liquidity.tree, liquidity.profiles, liquidity.markets, ledgers.tokens
    amount = units * tree.rate[a]
    if tree.unwrapped[a] != a:
        tokens[holder, a, p] -= units
        tokens[WRAPPER, a, p] += units
        tokens[WRAPPER, tree.unwrapped[a], p] -= amount
        tokens[holder, tree.unwrapped[a], p] += amount
    for k in range(tree.length[a]):
        m = tree.chain[a, k]
        after, got = sale(m, p, amount, profiles, markets)
        settle_trade(m, p, amount, got, after, liquidity, ledgers)
        tokens[holder, tree.base[m], p] -= amount
        tokens[holder, tree.quote[m], p] += got
        amount = got
    return amount


@helper
def quote_route(p: int, a: int, b: int, amount: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """Units of asset b that selling `amount` of asset a would bring now; moves nothing."""
    value = amount * tree.rate[a]
    for k in range(tree.sells[a, b]):
        value = sale(tree.chain[a, k], p, value, profiles, markets)[1]
    for k in range(tree.buys[a, b] - 1, -1, -1):
        value = purchase(tree.chain[b, k], p, value, profiles, markets)[1]
    return value / tree.rate[b]


@helper
def route_halted(p: int, a: int, b: int, chain: np.ndarray, sells: np.ndarray, buys: np.ndarray, trading: np.ndarray) -> float:
    """Until when some market between assets a and b is halted [s]; -inf: none is. trading: [M, P]; the others: of Tree."""
    until = -np.inf
    for k in range(sells[a, b]):
        until = max(until, trading[chain[a, k], p])
    for k in range(buys[a, b]):
        until = max(until, trading[chain[b, k], p])
    return until


@helper
def usd_price(a: int, p: int, tree: Tree, price: np.ndarray) -> float:
    """Market price of an asset in USD. price: [M, P] log market prices."""
    total = tree.log_rate[a]
    for k in range(tree.length[a]):
        total += price[tree.chain[a, k], p]
    return exp_(total)


@helper
def edge_of_route(p: int, a: int, b: int, amount: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """Units of asset b that one unit more of asset a would bring behind `amount` of it, fees paid; moves nothing."""
    value, edge = amount * tree.rate[a], tree.rate[a]
    for k in range(tree.sells[a, b]):
        m = tree.chain[a, k]
        after, value = sale(m, p, value, profiles, markets)
        edge *= edge_of_sale(m, p, after, profiles, markets)
    for k in range(tree.buys[a, b] - 1, -1, -1):
        m = tree.chain[b, k]
        after, value = purchase(m, p, value, profiles, markets)
        kept = (1.0 - profiles.fee_in[m]) * (1.0 - profiles.fee_out[m]) if profiles.has_venue[m] else 1.0
        edge *= kept * kept / edge_of_sale(m, p, after, profiles, markets)
    return edge / tree.rate[b]


@helper
def edge_of_sale(m: int, p: int, s: float, profiles: Profiles, markets: Markets) -> float:
    """Quote that one unit more of the base brings where s has been sold, fees paid."""
    if not profiles.has_venue[m]:
        return exp_(markets.price[m, p])
    w = inverse_root(s, profiles.cells[m], profiles.node_w[m], profiles.sold[m], profiles.liquidity[m])
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    return outside * (1.0 - profiles.fee_in[m]) * (1.0 - profiles.fee_out[m]) / (w * w)


@helper
def kept_on_route(a: int, b: int, tree: Tree, profiles: Profiles) -> tuple[float, float]:
    """Log units of b that a wrapped a is at all prices 1, and what fees leave of the first unit traded either way."""
    kept = 1.0
    for x, count in ((a, tree.sells[a, b]), (b, tree.buys[a, b])):
        for k in range(count):
            m = tree.chain[x, k]
            if profiles.has_venue[m]:
                kept *= (1.0 - profiles.fee_in[m]) * (1.0 - profiles.fee_out[m])
    return tree.log_rate[a] - tree.log_rate[b], kept
