"""Liquidators quote what a call would bring them, decline what does not pay, and bid for room in the block.

    out    = units of the given asset that selling (get - kept) brings now
    profit = (out - give) x market price of the given asset - gas x base fee          [USD]
    bid    = base fee + fee_share x max(profit, 0) / (gas x 1e-9 x price of the native asset)   [gwei]
They borrow what they give for the length of the transaction and sell all that they get, so capital is not a limit; a call that
gives nothing (a reward for asking) is worth what it gets.
Source: Qin et al., An Empirical Study of DeFi Liquidations (flash-loan liquidations); the share bid is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.jit import helper, kernel
from delever.core.phase import Phase, Resize
from delever.core.profile import Profiles
from delever.core.route import may_pay_more, quote_route, usd_price
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import NOBODY, OFFERED, Markets, Networks, Transactions, Tree
from delever.model.quantity import Share, Text, Usd

SLACK = 1e-9  # share of the debt: no rounding may decline what a quote would accept
ALWAYS, MIN_PROFIT, FEE_SHARE, HOLDER, MUST_PAY, NETWORK = range(6)  # columns of the rules


class Liquidators(Actor):
    """How liquidators decide."""

    kind: ClassVar[str] = "liquidators"
    bids: ClassVar[bool] = True
    rule: Literal["always", "profitable"] = Field(default="profitable", description="act always, or only if it pays")
    min_profit: Usd = Field(default=0.0, ge=0, description="profit after gas below which they decline")
    fee_share: Share = Field(default=0.5, ge=0, le=1, description="share of the profit bid for room; assumption")
    network: Text | None = Field(default=None, description="the chain on which they act; null: every one")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """Each group looks at what is offered, in their order."""
        return Bidding(np.array([
            [spec.rule == "always", spec.min_profit, spec.fee_share, setting.holder(name),
             setting.sequential and spec.rule == "profitable",
             -1 if spec.network is None else setting.network(spec.network, "actors", name, "network")]
            for name, spec in specs.items()], np.float64))

    def quotes(self) -> bool:
        """See Actor."""
        return self.rule == "profitable"

    def says(self) -> str:
        """See Actor."""
        return f"assumed: rule {self.rule}"


@helper
def copy_row(i: int, n: int, rows: Transactions) -> None:
    """Row n is offered as row i was, by nobody yet."""
    rows.path[n], rows.kind[n], rows.state[n], rows.protocol[n], rows.ref[n] = (
        rows.path[i], rows.kind[i], OFFERED, rows.protocol[i], rows.ref[i])
    rows.give_asset[n], rows.get_asset[n], rows.network[n], rows.cause[n] = (
        rows.give_asset[i], rows.get_asset[i], rows.network[i], rows.cause[i])
    rows.give[n], rows.get[n], rows.kept[n], rows.most[n] = rows.give[i], rows.get[i], rows.kept[i], rows.most[i]


@kernel
def bid(first: int, last: int, rules: np.ndarray, rows: Transactions, n: int, networks: Networks, tree: Tree,
        profiles: Profiles, markets: Markets) -> int:
    """Take what pays among rows first..last-1; what is another's already is copied to row n. The number of rows then.

    rules: [columns] of one group.
    """
    path, state, actor, give, get, kept, bids = rows.path, rows.state, rows.actor, rows.give, rows.get, rows.kept, rows.bid
    always = rules[ALWAYS] > 0.0
    for i in range(first, last):
        if state[i] != OFFERED:
            continue
        p, c, a, b = path[i], rows.network[i], rows.get_asset[i], rows.give_asset[i]
        if rules[NETWORK] >= 0.0 and rules[NETWORK] != c:
            continue
        base_fee, profit, units = networks.base_fee[c, p], 0.0, networks.gas[c, rows.kind[i]]
        gas = units * 1e-9 * usd_price(networks.native[c], p, tree, markets.price) if units > 0.0 else 0.0
        if give[i] <= 0.0:
            profit = get[i] * usd_price(a, p, tree, markets.price) - gas * base_fee
        elif not always or gas > 0.0:
            owed = give[i] * usd_price(b, p, tree, markets.price)
            best = (get[i] - kept[i]) * usd_price(a, p, tree, markets.price)  # without slippage or fee
            if not always and best - owed + SLACK * owed < rules[MIN_PROFIT] + gas * base_fee and not may_pay_more(a, b, tree):
                continue
            out = quote_route(p, a, b, get[i] - kept[i], tree, profiles, markets)
            profit = owed * (out / give[i] - 1.0) - gas * base_fee
        if not always and profit < rules[MIN_PROFIT]:
            continue
        mine = i
        if actor[i] != NOBODY:
            mine, n = n, n + 1
            copy_row(i, mine, rows)
        actor[mine], rows.must_pay[mine], bids[mine] = np.int64(rules[HOLDER]), np.int64(rules[MUST_PAY]), base_fee
        if gas > 0.0:
            bids[mine] += rules[FEE_SHARE] * max(profit, 0.0) / gas
    return n


class Bidding(Phase):
    """All groups of liquidators."""

    def __init__(self, rules: np.ndarray) -> None:
        """rules: [groups, columns]."""
        self.rules = rules

    def bid(self, state: State, first: int, last: int, resize: Resize) -> None:
        """Decide on these rows."""
        for rules in self.rules:
            state.room_for_rows(last - first)
            state.n_rows = bid(first, last, rules, state.transactions, state.n_rows, state.networks, state.tree, state.profiles,
                               state.markets)
