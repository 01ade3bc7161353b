"""Sales of a block reach the market: all of a path that meet on a market trade together, at the average price.

Markets are served by their depth in the tree of assets: sales from the deepest up, then purchases back down. One sale
alone (a slot of sequential execution) is the same thing with one row. Of a pair whose venues are apart what names no venue
trades together on the best of them; what names one, with others that name it. What nobody takes stays with the seller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from delever.core.columns import ASSET, Column, Value
from delever.core.jit import helper, kernel
from delever.core.market import purchase, sale, settle_trade
from delever.core.phase import Kind, Phase
from delever.core.route import best_venue
from delever.core.state import State
from delever.core.tables import WRAPPER, Ledgers, Liquidity, Sales, Tally, Transactions


class Meeting(NamedTuple):
    """Who meets whom: scratch of one call of `trade`. Where: N = 2 M, a market by name of its pair, then of its venue."""

    flow: np.ndarray  # [N, P] given by all sales that meet there; zero between calls
    average: np.ndarray  # [N, P] what each unit of that which is taken gets
    taken: np.ndarray  # [N, P] share that is taken
    queue: np.ndarray  # [N * P] where, and paths, on which somebody waits


@helper
def meet_market(waiting: int, buying: bool, meeting: Meeting, liquidity: Liquidity, ledgers: Ledgers) -> None:
    """Trade the flow of each (market, path) in the queue; its average price is what the sales in it get."""
    flow, average, taken, queue = meeting.flow, meeting.average, meeting.taken, meeting.queue
    tree, profiles, markets = liquidity.tree, liquidity.profiles, liquidity.markets
    paths, rows = flow.shape[1], markets.price.shape[0]
    for j in range(waiting):
        at, p = queue[j] // paths, queue[j] % paths
        given = flow[at, p]
        if buying:
            m = at - rows if at >= rows else best_venue(at, p, given, True, tree, profiles, markets)
            after, out, done = purchase(m, p, given, profiles, markets)
            settle_trade(m, p, -out, -done, after, liquidity, ledgers)
        else:
            m = at - rows if at >= rows else best_venue(at, p, given, False, tree, profiles, markets)
            after, out, done = sale(m, p, given, profiles, markets)
            settle_trade(m, p, done, out, after, liquidity, ledgers)
        average[at, p] = out / done if done > 0.0 else 0.0
        taken[at, p] = 1.0 if done >= given else done / given


@helper
def meets_at(m: int, i: int, sales: Sales, venue: np.ndarray, pair: np.ndarray, rows: int) -> int:
    """Where sale i meets others on market m: by the name of a venue, where its transaction names one of the pair's."""
    named = venue[sales.row[i]] - 1
    return rows + named if named >= 0 and pair[named] == m else m


@helper
def wrap_back(i: int, rest: float, sales: Sales, liquidity: Liquidity, ledgers: Ledgers) -> float:
    """What the first market left of a sale becomes what it was [units of the sold asset]."""
    tree, tokens, a, p, h = liquidity.tree, ledgers.tokens, sales.sold_asset[i], sales.path[i], sales.holder[i]
    units = rest / tree.rate[a]
    if tree.unwrapped[a] != a:
        tokens[h, tree.unwrapped[a], p] -= rest
        tokens[WRAPPER, tree.unwrapped[a], p] += rest
        tokens[WRAPPER, a, p] -= units
        tokens[h, a, p] += units
    return units


@kernel
def trade(n: int, sales: Sales, liquidity: Liquidity, ledgers: Ledgers, meeting: Meeting, rows: Transactions, tally: Tally
          ) -> int:
    """Trade rows 0..n-1 of `sales`; the transactions that they come from are told what that brought.

    Returns how many found no buyer for all that they sold.
    """
    forced, number, mover, brought = tally.forced, rows.number, tally.mover, rows.brought
    tree, tokens, flow, average, queue = liquidity.tree, ledgers.tokens, meeting.flow, meeting.average, meeting.queue
    path, holder, amount, sold, sold_asset, bought_asset = (sales.path, sales.holder, sales.amount, sales.sold,
                                                            sales.sold_asset, sales.bought_asset)
    rate, unwrapped, chain, length, sells, buys = (tree.rate, tree.unwrapped, tree.chain, tree.length, tree.sells,
                                                     tree.buys)
    paths, levels, base, quote = flow.shape[1], chain.shape[1], tree.base, tree.quote
    taken, venue, pair, markets, short = meeting.taken, rows.venue, tree.pair, liquidity.markets.price.shape[0], 0
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
                m, p = meets_at(chain[x, k], i, sales, venue, pair, markets), path[i]
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
                at = meets_at(m, i, sales, venue, pair, markets)
                if taken[at, p] < 1.0:
                    rest = amount[i] * (1.0 - taken[at, p])
                    amount[i] -= rest
                    if k == (buys[a, b] - 1 if buying else 0) and not (buying and sells[a, b]):
                        rows.unsold[sales.row[i]] += wrap_back(i, rest, sales, liquidity, ledgers)
                        short += 1
                        if sales.forced[i]:
                            forced[unwrapped[a], p] -= rest
                tokens[h, paid, p] -= amount[i]
                amount[i] *= average[at, p]
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
    return short


def give_back(kinds: Sequence[Kind], state: State) -> None:
    """Whoever sold learns what found no buyer."""
    rows, picked = state.transactions, np.unique(state.sales.row[:state.n_sales])
    picked = picked[rows.unsold[picked] > 0.0]
    for number in np.unique(rows.kind[picked]):
        kinds[number].take_back(state, picked[rows.kind[picked] == number])


FORCED = Column("forced_sales", ASSET, "units that liquidators sold")


class Trading(Phase):
    """Brings the sales of a slot to the market."""

    def __init__(self, markets: int, paths: int) -> None:
        flow, average, taken = np.zeros((3, 2 * markets, paths))
        self.meeting = Meeting(flow, average, taken, np.zeros(2 * markets * paths, np.int64))

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(FORCED, units, asset=a) for a, units in enumerate(state.tally.forced)]

    def execute(self, state: State) -> bool:
        """Trade what stands in state.sales; their `amount` is then what was bought. Whether something was left unsold."""
        return state.n_sales > 0 and trade(state.n_sales, state.sales, state.liquidity, state.ledgers, self.meeting,
                                           state.transactions, state.tally) > 0
