"""Sales of a block reach the market: all of a path that meet on a market trade together, at the average price.

Markets are served by their depth in the tree of assets: sales from the deepest up, then purchases back down. One sale
alone (a slot of sequential execution) is the same thing with one row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.columns import ASSET, Column, Value
from delever.core.jit import helper, kernel
from delever.core.market import log_price_at, purchase, sale
from delever.core.phase import Phase
from delever.core.state import State
from delever.core.tables import MAKERS, VENUES, WRAPPER, Ledgers, Liquidity, Sales, Tally, Transactions


class Meeting(NamedTuple):
    """Who meets whom: scratch of one call of `trade`."""

    flow: np.ndarray  # [M, P] given by all sales that meet on a market; zero between calls
    average: np.ndarray  # [M, P] what each unit of that gets
    queue: np.ndarray  # [M * P] markets and paths on which somebody waits


@helper
def meet_market(waiting: int, buying: bool, meeting: Meeting, liquidity: Liquidity, ledgers: Ledgers) -> None:
    """Trade the flow of each (market, path) in the queue; its average price is what the sales in it get."""
    flow, average, queue, tokens, gross = meeting.flow, meeting.average, meeting.queue, ledgers.tokens, ledgers.turnover
    tree, profiles, markets = liquidity.tree, liquidity.profiles, liquidity.markets
    consumed, price, exogenous, extrapolated = markets.consumed, markets.price, markets.exogenous, markets.extrapolated
    quoted, anchored, paths = profiles.quoted, profiles.anchored, flow.shape[1]
    for j in range(waiting):
        m, p = queue[j] // paths, queue[j] % paths
        base, quote, before = tree.base[m], tree.quote[m], consumed[m, p]
        taker = MAKERS if anchored[m] else VENUES
        if buying:
            after, out = purchase(m, p, flow[m, p], profiles, markets)
            tokens[taker, quote, p] += flow[m, p]
            tokens[taker, base, p] -= out
        else:
            after, out = sale(m, p, flow[m, p], profiles, markets)
            tokens[taker, base, p] += flow[m, p]
            tokens[taker, quote, p] -= out
        gross[base, p] += out if buying else flow[m, p]
        gross[quote, p] += flow[m, p] if buying else out
        average[m, p] = out / flow[m, p]
        if profiles.has_venue[m]:
            consumed[m, p] = after
            price[m, p] = log_price_at(m, p, after, profiles, exogenous)
            extrapolated[m, p] += (max(after - max(before, quoted[m, 1]), 0.0)
                                   + max(min(before, quoted[m, 0]) - after, 0.0))


@kernel
def trade(n: int, sales: Sales, liquidity: Liquidity, ledgers: Ledgers, meeting: Meeting, rows: Transactions, tally: Tally
          ) -> None:
    """Trade rows 0..n-1 of `sales`; the transactions that they come from are told what that brought."""
    forced, number, mover, brought = tally.forced, rows.number, tally.mover, rows.brought
    tree, tokens, flow, average, queue = liquidity.tree, ledgers.tokens, meeting.flow, meeting.average, meeting.queue
    path, holder, amount, sold, sold_asset, bought_asset = (sales.path, sales.holder, sales.amount, sales.sold,
                                                            sales.sold_asset, sales.bought_asset)
    rate, unwrapped, chain, length, sells, buys = (tree.rate, tree.unwrapped, tree.chain, tree.length, tree.sells,
                                                     tree.buys)
    paths, levels, base, quote = flow.shape[1], chain.shape[1], tree.base, tree.quote
    for i in range(n):
        a, p, h = sold_asset[i], path[i], holder[i]
        amount[i] = sold[i] * rate[a]
        if sales.forced[i]:
            forced[unwrapped[a], p] += amount[i]
        if unwrapped[a] != a:
            tokens[h, a, p] -= sold[i]
            tokens[WRAPPER, a, p] += sold[i]
            tokens[WRAPPER, unwrapped[a], p] -= amount[i]
            tokens[h, unwrapped[a], p] += amount[i]
    for leg in range(2 * levels):
        buying = leg >= levels
        level = leg - levels + 1 if buying else levels - leg
        waiting = 0
        for i in range(n):
            a, b = sold_asset[i], bought_asset[i]
            x, most = (b, buys[a, b]) if buying else (a, sells[a, b])
            k = length[x] - level
            if 0 <= k < most and amount[i] > 0.0:
                m, p = chain[x, k], path[i]
                if flow[m, p] == 0.0:
                    queue[waiting] = m * paths + p
                    waiting += 1
                flow[m, p] += amount[i]
        if waiting == 0:
            continue
        meet_market(waiting, buying, meeting, liquidity, ledgers)
        for i in range(n):
            a, b = sold_asset[i], bought_asset[i]
            x, most = (b, buys[a, b]) if buying else (a, sells[a, b])
            k = length[x] - level
            if 0 <= k < most and amount[i] > 0.0:
                m, p, h = chain[x, k], path[i], holder[i]
                paid, got = (quote[m], base[m]) if buying else (base[m], quote[m])
                tokens[h, paid, p] -= amount[i]
                amount[i] *= average[m, p]
                tokens[h, got, p] += amount[i]
        for j in range(waiting):
            flow[queue[j] // paths, queue[j] % paths] = 0.0
    for i in range(n):
        b, p, h = bought_asset[i], path[i], holder[i]
        if unwrapped[b] != b:
            tokens[h, unwrapped[b], p] -= amount[i]
            tokens[WRAPPER, unwrapped[b], p] += amount[i]
            amount[i] /= rate[b]
            tokens[WRAPPER, b, p] -= amount[i]
            tokens[h, b, p] += amount[i]
        brought[sales.row[i]] += amount[i]
        mover[p] = number[sales.row[i]]


FORCED = Column("forced_sales", ASSET, "units that liquidators sold")


class Trading(Phase):
    """Brings the sales of a slot to the market."""

    def __init__(self, markets: int, paths: int) -> None:
        self.meeting = Meeting(np.zeros((markets, paths)), np.zeros((markets, paths)), np.zeros(markets * paths, np.int64))

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(FORCED, units, asset=a) for a, units in enumerate(state.tally.forced)]

    def execute(self, state: State) -> None:
        """Trade what stands in state.sales; their `amount` is then what was bought."""
        if state.n_sales:
            trade(state.n_sales, state.sales, state.liquidity, state.ledgers, self.meeting, state.transactions, state.tally)
