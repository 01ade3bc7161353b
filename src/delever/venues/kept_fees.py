"""Pools whose fee joins what they hold, as Uniswap v2's pairs: what is traded deepens the pool on that path, and moves its price.

    x = L w,  y = L / w        what the pool holds where it stands now, w = 1 / sqrt(price)
    sold      x += ds fee / (1 - fee)                    ds of the base more have moved it along its curve, and what the fee kept
    bought    y += paid fee / (1 - fee)                  paid: the quote that moved it
    then      L = sqrt(x y),  w = sqrt(x / y),  s as it was
Source: UniswapV2Pair.swap, which takes the whole input into its reserves; executed (tests/evm). Units are at full depth. What a
venue's relaxation trades pays no fee. Of what one trade of a batch sells and buys the difference alone does. Figures without a
run (walls, exits, limits) take the pool as it stands at the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from delever.core.jit import kernel
from delever.core.market import log_price_at
from delever.core.phase import Phase
from delever.core.pool_curves import with_rows
from delever.core.profile import Profiles, inverse_root
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import Markets


@kernel
def deepen(own: int, market: np.ndarray, last: np.ndarray, profiles: Profiles, markets: Markets) -> None:
    """Where a pool has traded its fee joins it. own: the first row of profiles for this; last: [K, P] s as last looked at."""
    node_w, sold, paid, liquidity, consumed = (profiles.node_w, profiles.sold, profiles.paid, profiles.liquidity,
                                               markets.consumed)
    for j in range(market.shape[0]):
        m = market[j]
        for p in range(last.shape[1]):
            s, fee = consumed[m, p], markets.fee[0, m, p]
            more = s - last[j, p]
            if more == 0.0:
                continue
            r = markets.profile[m, p]
            depth = liquidity[r, 0]
            before = inverse_root(last[j, p], 1, node_w[r], sold[r], liquidity[r])
            w = inverse_root(s, 1, node_w[r], sold[r], liquidity[r])
            x, y, last[j, p] = depth * w, depth / w, s
            if more > 0.0:
                x += more * fee / (1.0 - fee)
            else:
                y -= more / (before * w) * fee / (1.0 - fee)
            r = own + j * last.shape[1] + p
            w, depth = math.sqrt(x / y), math.sqrt(x * y)
            node_w[r, 0], sold[r, 0], paid[r, 0] = w, s, 0.0
            for k in range(1, node_w.shape[1]):
                node_w[r, k], sold[r, k], paid[r, k], liquidity[r, k - 1] = 2.0 * w, s + depth * w, 0.5 * depth / w, depth
            profiles.cells[r], profiles.quoted[r, 0], profiles.quoted[r, 1] = 1, -np.inf, np.inf
            markets.profile[m, p] = r
            markets.price[m, p] = log_price_at(m, p, s, profiles, markets)


class KeptFees(Phase):
    """All such pools."""

    def __init__(self, names: Sequence[str], setting: Setting) -> None:
        self.market = np.array([setting.layout.venues[name] for name in names], np.int64)
        self.last = np.zeros((len(names), setting.paths))
        self.own = -1  # the first row of profiles that is a path's own
        self.step = 0

    def reshape(self, state: State) -> None:
        """Whenever something may have traded; the first call of a step follows relaxation."""
        if self.own < 0:
            self.own = len(state.profiles.node_w)
            state.profiles = with_rows(state.profiles, self.last.size)
        if self.step == state.step:
            deepen(self.own, self.market, self.last, state.profiles, state.markets)
        else:
            self.step, self.last[:] = state.step, state.markets.consumed[self.market]
