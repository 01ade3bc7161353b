"""Displaced prices relax: makers re-quote around the outside mid, outside arbitrage trades pools towards it.

    anchored:  s <- s keep                      u = e + x(s)
    passive:   s <- s* + (s - s*) keep          u = x(s),   x(s*) = e;  the arbitrageur trades the difference, without fee
with keep = 2^(-dt / half_life). While its market is halted nobody trades a pool: its price stands. A pool with no liquidity at
the outside price goes to its end, and past a side that is empty the price moves without a trade.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import kernel
from delever.core.market import log_price_at
from delever.core.options import Options, follow_options
from delever.core.profile import Profiles, sell, sold_at
from delever.core.state import State
from delever.core.tables import ARBITRAGEURS, VENUES, Markets, Tree


@kernel
def relax(keep: np.ndarray, profiles: Profiles, markets: Markets, tree: Tree, tokens: np.ndarray, gross: np.ndarray,
          trading: np.ndarray, time: float) -> None:
    """keep: [M] share of a displacement that a step leaves. gross: [A, P] units traded. trading: [M, P] until when halted [s]."""
    consumed, price, exogenous, depth = markets.consumed, markets.price, markets.exogenous, markets.depth
    for m in range(price.shape[0]):
        s, u, e, share = consumed[m], price[m], exogenous[m], keep[m]
        if not profiles.has_venue[m]:
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
                        u[p] = log_price_at(m, p, s[p], profiles, markets)
        elif share < 1.0:
            r = markets.profile[m, 0]
            cells, node_w, sold, paid, liquidity = (profiles.cells[r], profiles.node_w[r], profiles.sold[r],
                                                    profiles.paid[r], profiles.liquidity[r])
            base, quote = tree.base[m], tree.quote[m]
            for p in range(u.shape[0]):
                if markets.profile[m, p] != r:
                    r = markets.profile[m, p]
                    cells, node_w, sold, paid, liquidity = (profiles.cells[r], profiles.node_w[r], profiles.sold[r],
                                                            profiles.paid[r], profiles.liquidity[r])
                target = sold_at(exp_(-0.5 * e[p]), cells, node_w, sold, liquidity)
                if profiles.bounded[r]:
                    target = min(max(target, sold[0]), sold[cells])
                before, after = s[p], target + (s[p] - target) * share
                if after == before or trading[m, p] > time:
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
                u[p] = log_price_at(m, p, after, profiles, markets)


@kernel
def follow(market: np.ndarray, underlying: np.ndarray, sense: np.ndarray, who: np.ndarray, tree: Tree, profiles: Profiles,
           markets: Markets) -> None:
    """The outside price of a perp is the market price of what it follows, of an inverse one 1 / that.

    market: [n] of perps; underlying: [n] assets; sense: [n] +1, -1; who: [P] paths on which.
    """
    e, u, s = markets.exogenous, markets.price, markets.consumed
    for i in range(market.shape[0]):
        m, a = market[i], underlying[i]
        for p in range(u.shape[1]):
            total = tree.log_rate[a]
            for k in range(tree.length[a]):
                total += u[tree.chain[a, k], p]
            total *= sense[i]
            if who[p] and total != e[m, p]:
                e[m, p] = total
                u[m, p] = total if s[m, p] == 0.0 else log_price_at(m, p, s[m, p], profiles, markets)


@kernel
def same_outside(pair: np.ndarray, exogenous: np.ndarray) -> None:
    """All venues of a pair have its outside price. pair: [M] row of its first venue; exogenous: [M, P]."""
    for m in range(pair.shape[0]):
        if pair[m] != m:
            for p in range(exogenous.shape[1]):
                exogenous[m, p] = exogenous[pair[m], p]


class Venues:
    """The venues phase: relaxation, perps that follow their underlying, venues of a pair that have one outside price.

    keep: [M]; follows: (market of a perp, asset, sense); options: None: there is none; apart: some pair's venues are markets of
    their own; priced: the step in which options were last.
    """

    def __init__(self, keep: np.ndarray, follows: Sequence[tuple[int, int, float]] = (), options: Options | None = None,
                 apart: bool = False) -> None:
        self.keep, self.options, self.priced, self.apart = keep, options, 0, apart
        self.perp = np.array([market for market, _, _ in follows], np.int64)
        self.underlying = np.array([asset for _, asset, _ in follows], np.int64)
        self.sense = np.array([sense for _, _, sense in follows], np.float64)

    def follow(self, state: State, who: np.ndarray) -> None:
        """At the start of every block, and once prices have moved. who: [P] paths on which."""
        if len(self.perp):
            follow(self.perp, self.underlying, self.sense, who, state.tree, state.profiles, state.markets)
        if self.options is not None:
            follow_options(self.options, state.step * state.step_length, self.priced != state.step, who, state.tree,
                           state.profiles, state.markets)
            self.priced = state.step

    def close(self, state: State) -> None:
        """In every block: who looks for the best price leaves out venues that are halted."""
        if self.apart:
            np.greater(state.halts.trading, state.time, out=state.markets.closed)

    def relax(self, state: State) -> None:
        """Once a step."""
        if self.apart:
            same_outside(state.tree.pair, state.markets.exogenous)
        relax(self.keep, state.profiles, state.markets, state.tree, state.ledgers.tokens, state.ledgers.turnover,
              state.halts.trading, (state.step - 1) * state.step_length)
        self.follow(state, np.ones(state.paths, np.bool_))
