"""Displaced prices relax: makers re-quote around the outside mid, outside arbitrage trades pools towards it.

    anchored:  s <- s keep                      u = e + x(s)
    passive:   s <- s* + (s - s*) keep          u = x(s),   x(s*) = e;  the arbitrageur trades the difference, without fee
with keep = 2^(-dt / half_life).
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import kernel
from delever.core.market import log_price_at
from delever.core.profile import Profiles, sell, sold_at
from delever.core.state import Markets, State, Tree
from delever.core.tables import ARBITRAGEURS, VENUES


@kernel
def relax(keep: np.ndarray, profiles: Profiles, markets: Markets, tree: Tree, tokens: np.ndarray,
          gross: np.ndarray) -> None:
    """keep: [M] share of a displacement that a step leaves. gross: [A, P] units traded."""
    consumed, price, exogenous, depth = markets.consumed, markets.price, markets.exogenous, markets.depth
    for m in range(price.shape[0]):
        s, u, e, share = consumed[m], price[m], exogenous[m], keep[m]
        if not profiles.traded[m]:
            for p in range(u.shape[0]):
                u[p] = e[p]
        elif profiles.anchored[m]:
            some = 0
            for p in range(u.shape[0]):
                some += s[p] != 0.0
            for p in range(u.shape[0]):
                u[p] = e[p]
            if some:
                for p in range(u.shape[0]):
                    if s[p] != 0.0:
                        s[p] *= share
                        u[p] = log_price_at(m, p, s[p], profiles, exogenous)
        elif share < 1.0:
            cells, node_w, sold, paid, liquidity = (profiles.cells[m], profiles.node_w[m], profiles.sold[m],
                                                    profiles.paid[m], profiles.liquidity[m])
            base, quote = tree.base[m], tree.quote[m]
            for p in range(u.shape[0]):
                target = sold_at(exp_(-0.5 * e[p]), cells, node_w, sold, liquidity)
                before, after = s[p], target + (s[p] - target) * share
                if after == before:
                    continue
                low, high = min(before, after), max(before, after)
                factor = depth[0 if after > before else 1, m, p]
                value = sell(low, high - low, cells, node_w, sold, paid, liquidity)[1] * factor
                units = (high - low) * factor
                sign = 1.0 if after > before else -1.0
                tokens[VENUES, base, p] += sign * units
                tokens[VENUES, quote, p] -= sign * value
                tokens[ARBITRAGEURS, base, p] -= sign * units
                tokens[ARBITRAGEURS, quote, p] += sign * value
                gross[base, p] += units
                gross[quote, p] += value
                s[p] = after
                u[p] = log_price_at(m, p, after, profiles, exogenous)


class Venues:
    """The venues phase: scheduled changes of depth, then relaxation. Keep: [M]; depth: per step (side, market, factor)."""

    def __init__(self, keep: np.ndarray, depth: dict[int, list[tuple[int, int, float]]]) -> None:
        self.keep, self.depth = keep, depth

    def relax(self, state: State) -> None:
        """Once a step."""
        for side, market, factor in self.depth.get(state.step, ()):
            state.markets.depth[side, market] *= factor
        relax(self.keep, state.profiles, state.markets, state.tree, state.ledgers.tokens,
              state.ledgers.traded)
