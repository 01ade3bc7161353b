"""Liquidators quote what a claim would bring them, decline what does not pay, and bid for room in the block.

    out    = units of the debt asset that selling (seize - kept) brings now
    profit = (out - repay) x market price of the debt asset - gas x base fee          [USD]
    bid    = base fee + fee_share x max(profit, 0) / (gas x 1e-9 x price of the native asset)   [gwei]
They borrow the debt asset for the length of the transaction and sell all that they seize, so capital is not a limit.
Source: Qin et al., An Empirical Study of DeFi Liquidations (flash-loan liquidations); the share bid is an assumption.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Phase, Value, mean_of
from delever.core.jit import kernel
from delever.core.market import quote_route, usd_price
from delever.core.outcomes import DECLINED as DECLINES
from delever.core.profile import Profiles
from delever.core.state import Markets, State, Tree
from delever.core.tables import DECLINED, INCLUDED, LIQUIDATORS, NOTHING, OFFERED, REVERTED, Transactions
from delever.model.quantity import Share, Usd
from delever.model.spec import Spec

SLACK = 1e-9  # share of the debt: no rounding may decline what a quote would accept
ALWAYS, MIN_PROFIT, FEE_SHARE, GAS, BASE_FEE = range(5)  # columns of the parameters


class Liquidators(Spec):
    """How liquidators decide."""

    kind: ClassVar[str] = "liquidators"
    rule: Literal["always", "profitable"] = Field(default="profitable", description="act always, or only if it pays")
    min_profit: Usd = Field(default=0.0, ge=0, description="profit after gas below which they decline")
    fee_share: Share = Field(default=0.5, ge=0, le=1, description="share of the profit bid for room; assumption")


@kernel
def bid(first: int, last: int, rules: np.ndarray, native: int, rows: Transactions, tree: Tree, profiles: Profiles,
        markets: Markets, totals: np.ndarray) -> None:
    """Decide on the claims in rows first..last-1. rules: [5]."""
    path, state, repay, seize, kept, bids = rows.path, rows.state, rows.give, rows.get, rows.kept, rows.bid
    give_asset, get_asset = rows.give_asset, rows.get_asset
    always = rules[ALWAYS] > 0.0
    for i in range(first, last):
        bids[i] = rules[BASE_FEE]
        if repay[i] <= 0.0 and seize[i] <= 0.0:
            state[i] = NOTHING
        elif repay[i] <= 0.0:  # a reward for the asking: a kick
            p = path[i]
            gas = rules[GAS] * 1e-9 * usd_price(native, p, tree, markets.price) if rules[GAS] > 0.0 else 0.0
            profit = seize[i] * usd_price(get_asset[i], p, tree, markets.price) - gas * rules[BASE_FEE]
            if not always and profit < rules[MIN_PROFIT]:
                state[i] = DECLINED
            elif gas > 0.0:
                bids[i] += rules[FEE_SHARE] * max(profit, 0.0) / gas
        else:
            p, a, b = path[i], get_asset[i], give_asset[i]
            gas = rules[GAS] * 1e-9 * usd_price(native, p, tree, markets.price) if rules[GAS] > 0.0 else 0.0
            owed = repay[i] * usd_price(b, p, tree, markets.price)
            best = (seize[i] - kept[i]) * usd_price(a, p, tree, markets.price)  # without slippage or fee
            if not always and best - owed + SLACK * owed < rules[MIN_PROFIT] + gas * rules[BASE_FEE]:
                state[i] = DECLINED
                totals[DECLINES, rows.protocol[i], p] += 1.0
                continue
            out = quote_route(p, a, b, seize[i] - kept[i], tree, profiles, markets)
            profit = owed * (out / repay[i] - 1.0) - gas * rules[BASE_FEE]
            if not always and profit < rules[MIN_PROFIT]:
                state[i] = DECLINED
                totals[DECLINES, rows.protocol[i], p] += 1.0
            elif gas > 0.0:
                bids[i] += rules[FEE_SHARE] * max(profit, 0.0) / gas


@kernel
def recheck(picked: np.ndarray, rows: Transactions, tree: Tree, profiles: Profiles, markets: Markets) -> None:
    """At its slot a claim reverts whose sale would not repay the loan."""
    path, state, repay, seize, kept = rows.path, rows.state, rows.give, rows.get, rows.kept
    for i in picked:
        if state[i] == INCLUDED and repay[i] > 0.0:
            a, b = rows.get_asset[i], rows.give_asset[i]
            if quote_route(path[i], a, b, seize[i] - kept[i], tree, profiles, markets) < repay[i]:
                state[i] = REVERTED


PROFIT = Column("liquidator_profit", "USD", "what liquidators hold at the end, after gas, at market prices of the end")
EARNED = PROFIT._replace(figures=mean_of(PROFIT.name, PROFIT.meaning), section="Liquidations")  # where somebody lends


class Bidding(Phase):
    """The bid phase."""

    def __init__(self, spec: Liquidators, native: int, gas: float, base_fee: float, sequential: bool) -> None:
        self.rules = np.array([float(spec.rule == "always"), spec.min_profit, spec.fee_share, gas, base_fee])
        self.native = native
        self.trivial = spec.rule == "always" and gas == 0.0  # nothing to weigh: no quote is asked for
        self.quoting = sequential and spec.rule == "profitable"

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What all liquidators earned, on every protocol."""
        tree, usd = state.tree, np.zeros(state.paths)
        for a, units in enumerate(state.ledgers.tokens[LIQUIDATORS]):
            log_price = np.full(state.paths, tree.log_rate[a])
            for m in tree.chain[a, :tree.length[a]]:
                log_price += state.markets.price[m]
            usd += units * np.exp(log_price)  # row by row: NumPy's sum has another order, which moves a bit
        return [Value(EARNED if (state.margins.weight < 0.0).any() else PROFIT, usd)]

    def bid(self, state: State, first: int, last: int) -> None:
        """Decide on the claims in these rows."""
        if self.trivial:
            rows, claims = state.transactions, slice(first, last)
            rows.bid[claims] = 0.0
            rows.state[claims] = np.where((rows.give[claims] > 0.0) | (rows.get[claims] > 0.0), OFFERED, NOTHING)
            return
        bid(first, last, self.rules, self.native, state.transactions, state.tree, state.profiles, state.markets,
            state.ledgers.totals)

    def recheck(self, state: State, picked: np.ndarray) -> None:
        """Revert what no longer pays, where liquidators ask that and each trades by itself."""
        if self.quoting:
            recheck(picked, state.transactions, state.tree, state.profiles,
                    state.markets)
