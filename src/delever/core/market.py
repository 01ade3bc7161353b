"""One trade on one market: what it brings or costs, and what it does.

A market of depth factor f and outside price P (1 for a passive pool), fees as they are on the path:
    sale      of q base:   q (1 - fee_in) / f sold into the profile; paid out x f x P x (1 - fee_out)
    purchase  with y quote: y (1 - fee_in) / (f P) into the profile; base out x f x (1 - fee_out)
What finds nobody on the other side, for f = 0 or a profile that is bounded, is not traded: every trade says how much was.
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.elementary import exp_, log_
from delever.core.jit import helper
from delever.core.profile import Profiles, buy, inverse_root, quote_above, sell, sold_at
from delever.core.tables import MAKERS, VENUES, Ledgers, Liquidity, Markets

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
