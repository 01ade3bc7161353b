"""Liquidators who take two calls on two protocols in one transaction: what the first brings pays for the second.

    call A    gives a, gets c          call B    gives b = c, at most what A got, and gets d
    left   =  (get - kept)_A - give_B  of c, and (get - kept)_B of d
    out    =  units of a that selling both brings, where they meet on a market at its average price
    profit = (out - give_A) x market price of a - gas of both x base fee      [USD]
    bid    =  base fee + fee_share x max(profit, 0) / (gas of both x 1e-9 x price of the native asset)   [gwei]
He borrows give_A for the length of the transaction. c is not sold and bought back, so its slippage is paid on what is left
alone. The two calls and the sale are a group: at their slot they are sized anew, and all revert where a call no longer holds,
B no longer takes what A brings, or out < give_A.
Each call stands in one pair at most: A in the order offered, B the one with most to gain at market prices, without slippage;
the first of equals (to 1e-9: calls that are larger than what A brings gain the same but for rounding).
A call that only he takes counts as declined: alone it was not worth a transaction.
Source: flash-loan liquidations over several protocols (Qin et al., 2021); which calls he pairs is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.actors.liquidators import SLACK, copy_row
from delever.core.columns import OF, Column, Value, mean_of
from delever.core.jit import helper, kernel
from delever.core.phase import Kind, Phase, Resize
from delever.core.profile import Profiles
from delever.core.route import bought_with, route_halted, sold_for, usd_price
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import (
    EXECUTED,
    HALTED,
    INCLUDED,
    NOTHING,
    OFFERED,
    REVERTED,
    Markets,
    Networks,
    Sales,
    Transactions,
    Tree,
)
from delever.model.quantity import Share, Usd

MIN_PROFIT, FEE_SHARE, HOLDER = range(3)  # columns of the rules
ROUNDING = 1e-12  # share of what B takes by which A may fall short of it


class Joint(Actor):
    """How they decide."""

    kind: ClassVar[str] = "joint"
    bids: ClassVar[bool] = True
    min_profit: Usd = Field(0.0, ge=0, description="profit of the whole, after gas, below which they decline; assumption")
    fee_share: Share = Field(0.5, ge=0, le=1, description="share of the profit of the whole bid for room; assumption")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """Each of them looks at what is offered, in their order."""
        rules = [[spec.min_profit, spec.fee_share, setting.holder(name)] for name, spec in specs.items()]
        return Pairing(tuple(specs), np.array(rules), setting)

    def says(self) -> str:
        """See Actor."""
        return "assumed: takes pairs of calls that pay together"


@helper
def quote_both(p: int, c: int, x: float, d: int, y: float, a: int, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """Units of asset a that selling x of c and y of d together brings now; moves nothing. As engine/trade.py trades them."""
    one, other, levels = x * tree.rate[c], y * tree.rate[d], tree.chain.shape[1]
    for level in range(levels, 0, -1):
        k, j = tree.length[c] - level, tree.length[d] - level
        first, second = 0 <= k < tree.sells[c, a] and one > 0.0, 0 <= j < tree.sells[d, a] and other > 0.0
        if first and second and tree.chain[c, k] == tree.chain[d, j]:
            flow = one + other
            average = sold_for(tree.chain[c, k], p, flow, tree, profiles, markets) / flow
            one, other = one * average, other * average
            continue
        if first:
            one = sold_for(tree.chain[c, k], p, one, tree, profiles, markets)
        if second:
            other = sold_for(tree.chain[d, j], p, other, tree, profiles, markets)
    for level in range(1, levels + 1):
        k = tree.length[a] - level
        first, second = 0 <= k < tree.buys[c, a] and one > 0.0, 0 <= k < tree.buys[d, a] and other > 0.0
        if first or second:
            flow = (one if first else 0.0) + (other if second else 0.0)
            average = bought_with(tree.chain[a, k], p, flow, tree, profiles, markets) / flow
            one, other = one * average if first else one, other * average if second else other
    units: float = (one + other) / tree.rate[a]
    return units


@helper
def brings(a: int, b: int, rows: Transactions, tree: Tree, profiles: Profiles, markets: Markets) -> float:
    """Units of what call a gives that both calls bring together; -1: b does not take what a gets. a, b: row numbers."""
    if rows.get_asset[a] != rows.give_asset[b]:
        return -1.0
    left = rows.get[a] - rows.kept[a] - rows.give[b]
    if left < -ROUNDING * rows.give[b]:
        return -1.0
    return quote_both(rows.path[a], rows.get_asset[a], max(left, 0.0), rows.get_asset[b], rows.get[b] - rows.kept[b],
                      rows.give_asset[a], tree, profiles, markets)


@helper
def most_to_gain(i: int, j: int, rows: Transactions, tree: Tree, price: np.ndarray) -> float:
    """What calls i and j bring together at market prices without slippage, before gas [USD]."""
    p, got, take = rows.path[i], rows.get[i] - rows.kept[i], rows.give[j]
    part = min(1.0, got / take)
    usd: float = ((got - part * take) * usd_price(rows.get_asset[i], p, tree, price)
                  + part * (rows.get[j] - rows.kept[j]) * usd_price(rows.get_asset[j], p, tree, price)
                  - rows.give[i] * usd_price(rows.give_asset[i], p, tree, price))
    return usd


@helper
def gas_of(i: int, j: int, sale_kind: int, rows: Transactions, networks: Networks, tree: Tree, price: np.ndarray) -> float:
    """What a gwei a unit of gas costs for the whole [USD]."""
    c, p = rows.network[i], rows.path[i]
    units = networks.gas[c, rows.kind[i]] + networks.gas[c, rows.kind[j]] + networks.gas[c, sale_kind]
    return units * 1e-9 * usd_price(networks.native[c], p, tree, price) if units > 0.0 else 0.0


@kernel
def pair_up(by_path: np.ndarray, rules: np.ndarray, sale_kind: int, rows: Transactions, n: int, networks: Networks, tree: Tree,
            price: np.ndarray, taken: np.ndarray) -> int:
    """Append (A, B, sale) for every pair that could pay; the number of rows then.

    by_path: rows that are offered, path by path; rules: [columns] of one group; price: [M, P] log market prices; taken: as long
    as by_path, zero.
    """
    path, give_asset, get_asset = rows.path, rows.give_asset, rows.get_asset
    last, begin = 0, 0
    for x in range(by_path.shape[0]):
        i = by_path[x]
        p, c = path[i], rows.network[i]
        if x == 0 or p != path[by_path[x - 1]]:
            begin, last = x, x
            while last < by_path.shape[0] and path[by_path[last]] == p:
                last += 1
        if taken[x]:
            continue
        best, chosen = 0.0, -1
        for y in range(begin, last):
            j = by_path[y]
            if (taken[y] or give_asset[j] != get_asset[i] or rows.protocol[j] == rows.protocol[i] or rows.network[j] != c):
                continue
            gain = most_to_gain(i, j, rows, tree, price)
            gain -= gas_of(i, j, sale_kind, rows, networks, tree, price) * networks.base_fee[c, p]
            if gain + SLACK * abs(gain) >= rules[MIN_PROFIT] and (chosen < 0 or gain > best + SLACK * abs(best)):
                best, chosen = gain, y
        if chosen < 0:
            continue
        taken[x], taken[chosen] = 1, 1
        copy_row(i, n, rows)
        copy_row(by_path[chosen], n + 1, rows)
        rows.most[n + 1] = rows.get[i] - rows.kept[i]
        path[n + 2], rows.kind[n + 2], rows.state[n + 2], rows.protocol[n + 2] = p, sale_kind, OFFERED, rows.protocol[i]
        rows.network[n + 2] = c
        for k in range(n, n + 3):
            rows.actor[k], rows.holds[k], rows.group[k] = np.int64(rules[HOLDER]), 1, n + 1
        n += 3
    return n


@kernel
def decide(first: int, last: int, rules: np.ndarray, sale_kind: int, rows: Transactions, networks: Networks, tree: Tree,
           profiles: Profiles, markets: Markets, trading: np.ndarray, time: float, wake: np.ndarray) -> None:
    """Bid for the pairs in rows first..last-1 that pay; the others are nothing. trading: [M, P] until when halted [s].

    A pair waits, as a single call does, while a market is halted on the way of what either call gets to what is borrowed.
    """
    for a in range(first, last, 3):
        b, p, c = a + 1, rows.path[a], rows.network[a]
        gas, base_fee = gas_of(a, b, sale_kind, rows, networks, tree, markets.price), networks.base_fee[rows.network[a], p]
        profit = -np.inf
        if rows.state[a] == OFFERED and rows.state[b] == OFFERED:
            out = brings(a, b, rows, tree, profiles, markets)
            if out >= 0.0:
                profit = (out - rows.give[a]) * usd_price(rows.give_asset[a], p, tree, markets.price) - gas * base_fee
        pays = profit >= rules[MIN_PROFIT]
        bid = networks.base_fee[c, p] + (rules[FEE_SHARE] * max(profit, 0.0) / gas if pays and gas > 0.0 else 0.0)
        for k in range(a, a + 3):
            rows.bid[k] = bid
            if not pays:
                rows.state[k] = NOTHING
        until = max(route_halted(p, rows.get_asset[a], rows.give_asset[a], -1, tree, trading),
                    route_halted(p, rows.get_asset[b], rows.give_asset[a], -1, tree, trading))
        if pays and until > time:
            wake[p] = min(wake[p], until)
            rows.state[a:a + 3] = HALTED


@kernel
def still_pay(picked: np.ndarray, rows: Transactions, tree: Tree, profiles: Profiles, markets: Markets) -> None:
    """Revert the sales of pairs that no longer stand or no longer repay what was borrowed. picked: numbers of the sales."""
    for i in picked:
        a, b = i - 2, i - 1
        if (rows.state[a] != INCLUDED or rows.state[b] != INCLUDED
                or brings(a, b, rows, tree, profiles, markets) < rows.give[a]):
            rows.state[i] = REVERTED


@kernel
def sell_rest(picked: np.ndarray, rows: Transactions, sales: Sales, n: int) -> int:
    """Sell what the two calls leave for what was borrowed; the number of sales then. picked: numbers of the sales' rows."""
    for i in picked:
        a, b = i - 2, i - 1
        borrowed = rows.give_asset[a]
        for asset, units in ((rows.get_asset[a], rows.get[a] - rows.kept[a] - rows.give[b]),
                             (rows.get_asset[b], rows.get[b] - rows.kept[b])):
            if units > 0.0 and asset != borrowed:
                sales.row[n], sales.path[n], sales.holder[n], sales.forced[n] = i, rows.path[i], rows.actor[i], 1
                sales.sold_asset[n], sales.bought_asset[n], sales.sold[n] = asset, borrowed, units
                n += 1
        rows.state[i] = EXECUTED
    return n


class JointSale(Kind):
    """The last row of a pair: what both calls leave is sold. Their gas pays for it, as for the sale after a single call."""

    name: ClassVar[str] = "joint"
    gas: ClassVar[float] = 0.0
    turn: ClassVar[int] = 3

    def check(self, state: State, picked: np.ndarray) -> None:
        """Behind the calls, which have been sized anew."""
        still_pay(picked, state.transactions, state.tree, state.profiles, state.markets)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        state.room_for_sales(2 * len(picked))
        state.n_sales = sell_rest(picked, state.transactions, state.sales, state.n_sales)


PAIRS = Column("pairs", "count", f"pairs of calls that {OF} carried out", mean_of(
    "pairs", f"pairs of calls that {OF} carried out"), section="Pairs of calls")


class Pairing(Phase):
    """All groups of them."""

    def __init__(self, names: Sequence[str], rules: np.ndarray, setting: Setting) -> None:
        """rules: [groups, columns]."""
        self.names, self.rules, self.sale = names, rules, JointSale()
        self.pairs = np.zeros((len(rules), setting.paths), np.int64)  # [groups, P] carried out

    def kinds(self) -> Sequence[Kind]:
        """The sale of what is left."""
        return (self.sale,)

    def bid(self, state: State, first: int, last: int, resize: Resize) -> None:
        """Pair what is offered in these rows, size the second calls by what the first ones bring, and bid."""
        rows = state.transactions
        fit = (rows.state[first:last] == OFFERED) & (rows.get_asset[first:last] >= 0) & (rows.give_asset[first:last] >= 0)
        fit &= (rows.give[first:last] > 0.0) & (rows.get[first:last] > 0.0)
        offered = first + np.flatnonzero(fit)
        if len(offered) < 2:
            return
        offered = offered[np.argsort(rows.path[offered], kind="stable")]
        for rules in self.rules:
            begin = state.n_rows
            state.room_for_rows(3 * (len(offered) // 2))
            state.n_rows = pair_up(offered, rules, self.sale.number, state.transactions, begin, state.networks, state.tree,
                                   state.markets.price, np.zeros(len(offered), np.int64))
            if state.n_rows > begin:
                resize(state, np.arange(begin + 1, state.n_rows, 3))
                decide(begin, state.n_rows, rules, self.sale.number, state.transactions, state.networks, state.tree,
                       state.profiles, state.markets, state.halts.trading, state.time, state.wake)

    def wake(self, state: State) -> None:
        """The block is over: what was carried out counts."""
        rows, n = state.transactions, state.n_rows
        done = np.flatnonzero((rows.kind[:n] == self.sale.number) & (rows.state[:n] == EXECUTED))
        for pairs, rules in zip(self.pairs, self.rules, strict=True):
            np.add.at(pairs, rows.path[done[rows.actor[done] == rules[HOLDER]]], 1)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(PAIRS, pairs, of=name) for name, pairs in zip(self.names, self.pairs, strict=True)]
