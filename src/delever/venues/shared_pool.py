"""One StableSwap pool, several pairs: what one of them trades moves the balances of all, on each path.

    a pair has sold ds more of its base into the pool:   x_base += ds,   x_quote: so that D stays      (get_y)
    then every other pair of the pool gets a curve of its own at these balances, its s as it was, u = its log price there
Source: Egorov, StableSwap (2019), as venues/stableswap.py; core/pool_curves.py draws the curves. A sale whose route crosses two
pairs of a pool trades both at the balances before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from delever.core.jit import kernel
from delever.core.market import log_price_at
from delever.core.phase import Phase
from delever.core.pool_curves import Pools, followed, redraw, with_rows
from delever.core.profile import Profiles
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import Markets


@kernel
def reshape(own: int, pools: Pools, profiles: Profiles, markets: Markets) -> None:
    """Where pairs have traded the others of their pool follow. own: the first row of profiles that is for this."""
    market, pairs, consumed, paths = pools.market, pools.pairs, markets.consumed, pools.balance.shape[1]
    for i in range(pools.ann.shape[0]):
        for p in range(paths):
            moved, only = 0, -1
            for j in range(pairs[i], pairs[i + 1]):
                if followed(i, j, p, consumed[market[j], p], pools):
                    moved, only = moved + 1, j
            if moved == 0:
                continue
            for j in range(pairs[i], pairs[i + 1]):
                if moved > 1 or j != only:
                    r, m = own + j * paths + p, market[j]
                    redraw(i, j, p, r, consumed[m, p], pools, profiles)
                    markets.profile[m, p] = r
                    markets.price[m, p] = log_price_at(m, p, consumed[m, p], profiles, markets)


class Pool(NamedTuple):
    """What a pool states: A, balances by asset, and the pairs (venue, base, quote, left) that it trades."""

    amplification: float
    balances: Mapping[str, float]
    total: float
    pairs: Sequence[tuple[str, str, str, np.ndarray]]


class SharedPools(Phase):
    """All such pools."""

    def __init__(self, stated: Sequence[Pool], setting: Setting) -> None:
        ends = np.cumsum([0, *(len(pool.pairs) for pool in stated)])
        coins = np.cumsum([0, *(len(pool.balances) for pool in stated)])
        place = [{name: int(first) + k for k, name in enumerate(pool.balances)}
                 for pool, first in zip(stated, coins[:-1], strict=True)]
        pairs = [(where, *pair) for pool, where in zip(stated, place, strict=True) for pair in pool.pairs]
        left = np.zeros((len(pairs), max(len(pair[-1]) for pair in pairs)))
        for row, pair in zip(left, pairs, strict=True):
            row[:len(pair[-1])] = pair[-1]
        balance = np.array([units for pool in stated for units in pool.balances.values()])
        self.own = -1  # the first row of profiles that is a path's own
        self.pools = Pools(
            ends.astype(np.int64), coins.astype(np.int64), np.array([len(pool.balances) * pool.amplification for pool in stated]),
            np.repeat([[pool.total] for pool in stated], setting.paths, axis=1),
            np.array([setting.layout.venues[venue] for _, venue, *_ in pairs], np.int64),
            np.array([where[base] for where, _, base, *_ in pairs], np.int64),
            np.array([where[quote] for where, _, _, quote, _ in pairs], np.int64),
            np.array([len(pair[-1]) - 1 for pair in pairs], np.int64), left,
            np.repeat(balance[:, None], setting.paths, axis=1), np.zeros((len(pairs), setting.paths)))

    def reshape(self, state: State) -> None:
        """Whenever something may have traded."""
        if self.own < 0:
            self.own = len(state.profiles.node_w)
            state.profiles = with_rows(state.profiles, self.pools.sold.size)
        reshape(self.own, self.pools, state.profiles, state.markets)
