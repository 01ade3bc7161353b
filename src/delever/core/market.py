"""One trade on one market, and the quote of a whole route: what liquidators ask before they act, and trades do.

A market of depth factor f and outside price P (1 for a passive pool):
    sale      of q base:   q (1 - fee_in) / f sold into the profile; paid out x f x P x (1 - fee_out)
    purchase  with y quote: y (1 - fee_in) / (f P) into the profile; base out x f x (1 - fee_out)
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import exp_, log_
from delever.core.jit import helper
from delever.core.profile import Profiles, buy, inverse_root, sell
from delever.core.state import Markets, Tree


@helper
def log_price_at(m: int, p: int, s: float, profiles: Profiles, exogenous: np.ndarray) -> float:
    """The log market price u once s has been sold, net."""
    x = -2.0 * log_(inverse_root(s, profiles.cells[m], profiles.node_w[m], profiles.sold[m], profiles.liquidity[m]))
    return exogenous[m, p] + x if profiles.anchored[m] else x


@helper
def sale(m: int, p: int, q: float, profiles: Profiles, markets: Markets) -> tuple[float, float]:
    """Sell q of the base: (s afterwards, quote received)."""
    if not profiles.traded[m]:
        return markets.consumed[m, p], q * exp_(markets.price[m, p])
    f = markets.depth[0, m, p]
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    s, paid = sell(markets.consumed[m, p], q * (1.0 - profiles.fee_in[m]) / f, profiles.cells[m], profiles.node_w[m],
                   profiles.sold[m], profiles.paid[m], profiles.liquidity[m])
    return s, paid * f * outside * (1.0 - profiles.fee_out[m])


@helper
def purchase(m: int, p: int, y: float, profiles: Profiles, markets: Markets) -> tuple[float, float]:
    """Buy with y of the quote: (s afterwards, base received)."""
    if not profiles.traded[m]:
        return markets.consumed[m, p], y / exp_(markets.price[m, p])
    f = markets.depth[1, m, p]
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    s, bought = buy(markets.consumed[m, p], y * (1.0 - profiles.fee_in[m]) / (f * outside), profiles.cells[m],
                    profiles.node_w[m], profiles.sold[m], profiles.paid[m], profiles.liquidity[m])
    return s, bought * f * (1.0 - profiles.fee_out[m])


@helper
def quote_route(p: int, a: int, b: int, amount: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """Units of asset b that selling `amount` of asset a would bring now; moves nothing."""
    value = amount * tree.rate[a]
    for k in range(tree.sales[a, b]):
        value = sale(tree.chain[a, k], p, value, profiles, markets)[1]
    for k in range(tree.purchases[a, b] - 1, -1, -1):
        value = purchase(tree.chain[b, k], p, value, profiles, markets)[1]
    return value / tree.rate[b]


@helper
def usd_price(a: int, p: int, tree: Tree, price: np.ndarray) -> float:
    """Market price of an asset in USD. price: [M, P] log market prices."""
    total = tree.log_rate[a]
    for k in range(tree.length[a]):
        total += price[tree.chain[a, k], p]
    return exp_(total)
