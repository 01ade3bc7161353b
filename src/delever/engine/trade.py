"""Sales of a block reach the market: all of a path that meet on a market trade together, at the average price.

Markets are served by their depth in the tree of assets: sales from the deepest up, then purchases back down. One sale
alone (a slot of sequential execution) is the same thing with one row.
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import helper, kernel
from delever.core.market import log_price_at, purchase, sale
from delever.core.profile import Profiles
from delever.core.state import Markets, State, Tree
from delever.core.tables import LIQUIDATORS, MAKERS, VENUES, WRAPPER, Fills


@helper
def meet(i: int, level: int, buying: bool, fills: Fills, tree: Tree) -> int:
    """The market of this level on which a sale trades in this direction; -1: none."""
    a, b = fills.sold_asset[i], fills.bought_asset[i]
    x, legs = (b, tree.purchases[a, b]) if buying else (a, tree.sales[a, b])
    k = tree.length[x] - level
    return tree.chain[x, k] if 0 <= k < legs else -1


@kernel
def trade(n: int, fills: Fills, tree: Tree, profiles: Profiles, markets: Markets, tokens: np.ndarray,
          forced: np.ndarray, flow: np.ndarray, average: np.ndarray, queue: np.ndarray) -> None:
    """Trade rows 0..n-1 of `fills`. flow, average: [M, P] scratch, zero between calls. queue: [M * P] scratch."""
    path, holder, amount = fills.path, fills.holder, fills.amount
    paths, consumed, price, exogenous = flow.shape[1], markets.consumed, markets.price, markets.exogenous
    extrapolated, quoted, traded, anchored, levels = (markets.extrapolated, profiles.quoted, profiles.traded,
                                                      profiles.anchored, tree.chain.shape[1])
    for i in range(n):
        a, p, h = fills.sold_asset[i], path[i], holder[i]
        amount[i] = fills.sold[i] * tree.rate[a]
        if h == LIQUIDATORS:
            forced[tree.traded[a], p] += amount[i]
        if tree.traded[a] != a:
            tokens[h, a, p] -= fills.sold[i]
            tokens[WRAPPER, a, p] += fills.sold[i]
            tokens[WRAPPER, tree.traded[a], p] -= amount[i]
            tokens[h, tree.traded[a], p] += amount[i]
    for leg in range(2 * levels):
        buying = leg >= levels
        level = leg - levels + 1 if buying else levels - leg
        waiting = 0
        for i in range(n):
            m = meet(i, level, buying, fills, tree)
            if m >= 0 and amount[i] > 0.0:
                p = path[i]
                if flow[m, p] == 0.0:
                    queue[waiting] = m * paths + p
                    waiting += 1
                flow[m, p] += amount[i]
        for j in range(waiting):
            m, p = queue[j] // paths, queue[j] % paths
            base, quote = tree.base[m], tree.quote[m]
            taker = MAKERS if anchored[m] else VENUES
            before = consumed[m, p]
            if buying:
                consumed[m, p], out = purchase(m, p, flow[m, p], profiles, markets)
                tokens[taker, quote, p] += flow[m, p]
                tokens[taker, base, p] -= out
            else:
                consumed[m, p], out = sale(m, p, flow[m, p], profiles, markets)
                tokens[taker, base, p] += flow[m, p]
                tokens[taker, quote, p] -= out
            average[m, p] = out / flow[m, p]
            if traded[m]:
                s = consumed[m, p]
                price[m, p] = log_price_at(m, p, s, profiles, exogenous)
                extrapolated[m, p] += (max(s - max(before, quoted[m, 1]), 0.0)
                                       + max(min(before, quoted[m, 0]) - s, 0.0))
        for i in range(n):
            m = meet(i, level, buying, fills, tree)
            if m >= 0 and amount[i] > 0.0:
                p, h = path[i], holder[i]
                paid, got = (tree.quote[m], tree.base[m]) if buying else (tree.base[m], tree.quote[m])
                tokens[h, paid, p] -= amount[i]
                amount[i] *= average[m, p]
                tokens[h, got, p] += amount[i]
        for j in range(waiting):
            flow[queue[j] // paths, queue[j] % paths] = 0.0
    for i in range(n):
        b, p, h = fills.bought_asset[i], path[i], holder[i]
        if tree.traded[b] != b:
            tokens[h, tree.traded[b], p] -= amount[i]
            tokens[WRAPPER, tree.traded[b], p] += amount[i]
            amount[i] /= tree.rate[b]
            tokens[WRAPPER, b, p] -= amount[i]
            tokens[h, b, p] += amount[i]


class Trading:
    """Brings the sales of a slot to the market."""

    def __init__(self, markets: int, paths: int) -> None:
        self.flow, self.average = np.zeros((markets, paths)), np.zeros((markets, paths))
        self.queue = np.zeros(markets * paths, np.int64)

    def execute(self, state: State) -> None:
        """Trade what stands in state.fills; their `amount` is then what was bought."""
        if state.n_fills:
            trade(state.n_fills, state.fills, state.tree, state.profiles, state.markets, state.ledgers.tokens,
                  state.tally.forced, self.flow, self.average, self.queue)
