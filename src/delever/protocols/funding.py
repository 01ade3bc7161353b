"""Funding: from time to time longs of a perp pay shorts, or shorts longs, so that it keeps near its index.

    premium = (B - I) / I     sampled once a step;  I: USD market price of the underlying, B: of the perp
    rate = (mean premium + clamp(interest - mean premium, -clamp, clamp)) x interval / period,   limited to +-cap
    F += rate x I             what a long unit has paid so far, at the end of an interval; of an inverse perp F -= rate / I, in
                              the coin: its long holds -1 a dollar, and pays rate / I of the coin for each
Accounts settle their part when they close; until then it is in transit (holder FUNDING). What the book lacks to balance is
held by makers outside, who pay and receive at once.
Source: hyperliquid.gitbook.io/hyperliquid-docs/trading/funding (position size x oracle price x rate; the clamp; 4 % an hour);
Binance USD-M "Introduction to Funding Rates" has the same form. The premium here is of the last price, not of impact prices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.elementary import exp_
from delever.core.exchange_tables import Margins
from delever.core.jit import helper, kernel
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import CASH, FUNDING, MAKERS, VAULT, Ledgers, Tree

INTEREST, CLAMP, SCALE, CAP = range(4)  # columns of the terms


@helper
def funding_rate(mean: float, interest: float, clamp: float, scale: float, cap: float) -> float:
    """Rate of an interval from its mean premium; interest and clamp a period, scale: interval / period."""
    rate = (mean + min(max(interest - mean, -clamp), clamp)) * scale
    return min(max(rate, -cap), cap)


class Funded(NamedTuple):
    """Perps that pay funding. n: how many, R: reserves, P: paths."""

    reserve: np.ndarray  # [n]
    asset: np.ndarray  # [n] the perp
    underlying: np.ndarray  # [n] asset that it follows
    every: np.ndarray  # [n] whole steps between two payments
    terms: np.ndarray  # [n, 4] interest and clamp a period, interval / period, cap of an interval
    net: np.ndarray  # [n] units that accounts of the exchange hold at the start, longs less shorts
    last_rate: np.ndarray  # [R, P] written here, read by marks
    total: np.ndarray  # [n, P] premiums since the last payment
    unit: np.ndarray  # [n] asset in which it is paid
    sense: np.ndarray  # [n] -1 of inverse perps, else 1


@kernel
def sample_and_pay(perps: Funded, step: int, tree: Tree, price: np.ndarray, margins: Margins, ledgers: Ledgers,
                   index: np.ndarray) -> None:
    """One step. price: [M, P] log market prices; index: [P] scratch."""
    reserve, asset, underlying, every, terms, net, last_rate, total, unit, sense = perps
    tokens = ledgers.tokens
    for i in range(reserve.shape[0]):
        r, a, below = reserve[i], asset[i], underlying[i]
        book, premiums, constant = price[margins.market[r]], total[i], tree.log_rate[below]
        for p in range(index.shape[0]):
            index[p] = constant
        for k in range(tree.length[below]):
            row = price[tree.chain[below, k]]
            for p in range(index.shape[0]):
                index[p] += row[p]
        for p in range(index.shape[0]):
            premiums[p] += exp_(sense[i] * book[p] - index[p]) - 1.0
        if step % every[i] != 0:
            continue
        steepest, paid, gross, rate = margins.rate[r, margins.tiers[r] - 1], margins.paid[r], margins.gross[r], last_rate[r]
        for p in range(index.shape[0]):
            rate[p] = funding_rate(premiums[p] / every[i], terms[i, INTEREST], terms[i, CLAMP], terms[i, SCALE], terms[i, CAP])
            premiums[p] = 0.0
            change = sense[i] * (rate[p] * exp_(sense[i] * index[p]))
            paid[p] += change
            gross[p] += abs(change) * steepest
            owed = (net[i] + tokens[CASH, a, p] + tokens[VAULT, a, p]) * change
            tokens[FUNDING, unit[i], p] -= owed
            tokens[MAKERS, unit[i], p] += owed
            ledgers.turnover[unit[i], p] += abs(owed)


class FundingPhase(Phase):
    """The funding of all exchanges that have it."""

    def __init__(self, perps: Funded) -> None:
        self.perps, self.index = perps, np.empty(perps.total.shape[1])

    @classmethod
    def of(cls, setting: Setting) -> FundingPhase:
        """All perps that pay."""
        world, layout, margins, book = setting.world, setting.layout, setting.margins, setting.book
        reserve, follows = np.flatnonzero(setting.funding_steps), {m: asset for m, asset, _ in layout.follows}
        terms = [world.protocols[setting.reserves[r][0]].funding for r in reserve]
        held = slice(0, margins.position_first[-1])
        account, leg = margins.position_account[held], margins.position_leg[held]
        net = np.bincount(book.reserve[book.signature[account], leg], book.amount[account, leg], len(setting.reserves))
        return cls(Funded(
            reserve, np.array([layout.asset(setting.reserves[r][1]) for r in reserve], np.int64),
            np.array([follows[int(margins.market[r])] for r in reserve], np.int64), setting.funding_steps[reserve],
            np.array([[t.interest, t.clamp, t.interval / t.period, t.cap] for t in terms if t is not None]).reshape(-1, 4),
            net[reserve], setting.funding_rate, np.zeros((len(reserve), setting.paths)),
            np.array([layout.asset(world.protocols[setting.reserves[r][0]].unit) for r in reserve], np.int64),
            np.array([-1.0 if world.assets[setting.reserves[r][1]].inverse else 1.0 for r in reserve])))

    def accrue(self, state: State) -> None:
        """Once a step, once prices stand."""
        if len(self.perps.reserve):
            sample_and_pay(self.perps, state.step, state.tree, state.markets.price, state.margins, state.ledgers, self.index)
