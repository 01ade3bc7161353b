"""What the next unit would bring along a route, where trades of any size are quoted in core/route.py; nothing moves."""

from __future__ import annotations

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import helper
from delever.core.market import kept_by, purchase, sale
from delever.core.profile import Profiles, inverse_root
from delever.core.route import best_venue
from delever.core.tables import Markets, Tree


@helper
def edge_of_route(p: int, a: int, b: int, amount: float, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """Units of asset b that one unit more of asset a would bring behind `amount` of it, fees paid; moves nothing."""
    value, edge = amount * tree.rate[a], tree.rate[a]
    for k in range(tree.sells[a, b]):
        m = best_venue(tree.chain[a, k], p, value, False, tree, profiles, markets)
        after, value, _ = sale(m, p, value, profiles, markets)
        edge *= edge_of_sale(m, p, after, profiles, markets)
    for k in range(tree.buys[a, b] - 1, -1, -1):
        m = best_venue(tree.chain[b, k], p, value, True, tree, profiles, markets)
        after, value, _ = purchase(m, p, value, profiles, markets)
        edge *= edge_of_purchase(m, p, after, profiles, markets)
    return edge / tree.rate[b]


@helper
def quote_basket(p: int, assets: np.ndarray, b: int, value: np.ndarray, edge: np.ndarray, at: np.ndarray, tree: Tree,
                 profiles: Profiles, markets: Markets) -> None:
    """The same of several assets sold for b at once, which meet where their routes do, as trades of one block do.

    assets: [n]; value: [n] units of each, then what selling them brings of b; edge: [n] filled; at: [n] scratch.
    """
    levels = tree.chain.shape[1]
    for i in range(assets.shape[0]):
        value[i] *= tree.rate[assets[i]]
        edge[i] = tree.rate[assets[i]]
    for leg in range(2 * levels):
        buying = leg >= levels
        level = leg - levels + 1 if buying else levels - leg
        for i in range(assets.shape[0]):
            a = assets[i]
            x, most = (b, tree.buys[a, b]) if buying else (a, tree.sells[a, b])
            k = tree.length[x] - level
            at[i] = tree.chain[x, k] if 0 <= k < most else -1
        for i in range(assets.shape[0]):
            pair, flow = int(at[i]), 0.0
            if pair < 0:
                continue
            for j in range(i, assets.shape[0]):
                flow += value[j] if at[j] == pair else 0.0
            m = best_venue(pair, p, flow, buying, tree, profiles, markets)
            after, got, _ = purchase(m, p, flow, profiles, markets) if buying else sale(m, p, flow, profiles, markets)
            more = edge_of_purchase(m, p, after, profiles, markets) if buying else edge_of_sale(m, p, after, profiles, markets)
            for j in range(i, assets.shape[0]):
                if at[j] == pair:
                    value[j] *= got / flow if flow > 0.0 else 0.0
                    edge[j] *= more
                    at[j] = -1
    for i in range(assets.shape[0]):
        value[i] /= tree.rate[b]
        edge[i] /= tree.rate[b]


@helper
def edge_of_purchase(m: int, p: int, s: float, profiles: Profiles, markets: Markets) -> float:
    """Base that one unit more of the quote buys where s has been sold, fees paid."""
    kept = kept_by(m, p, markets) if profiles.has_venue[m] else 1.0
    return kept * kept / edge_of_sale(m, p, s, profiles, markets)


@helper
def edge_of_sale(m: int, p: int, s: float, profiles: Profiles, markets: Markets) -> float:
    """Quote that one unit more of the base brings where s has been sold, fees paid."""
    if not profiles.has_venue[m]:
        return exp_(markets.price[m, p])
    r = markets.profile[m, p]
    w = inverse_root(s, profiles.cells[r], profiles.node_w[r], profiles.sold[r], profiles.liquidity[r])
    outside = exp_(markets.exogenous[m, p]) if profiles.anchored[m] else 1.0
    return outside * kept_by(m, p, markets) / (w * w)


@helper
def kept_on_route(p: int, a: int, b: int, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """What fees leave of the first unit traded either way, at the venues whose prices count."""
    kept = 1.0
    for x, count in ((a, tree.sells[a, b]), (b, tree.buys[a, b])):
        for k in range(count):
            m = tree.chain[x, k]
            if profiles.has_venue[m]:
                kept *= kept_by(m, p, markets)
    return kept


@helper
def has_choice(a: int, b: int, tree: Tree) -> bool:
    """Whether some pair on the way from a to b has venues apart."""
    for x, count in ((a, tree.sells[a, b]), (b, tree.buys[a, b])):
        for k in range(count):
            if tree.other[tree.chain[x, k]] >= 0:
                return True
    return False
