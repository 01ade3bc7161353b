"""flox's LiquidationEngine for one symbol in plain NumPy, without an order book behind it.

Follows flox-py 0.10.1, ``LiquidationEngine::onMark`` of https://github.com/FLOX-Foundation/flox
(``src/backtest/liquidation_engine.cpp``), in its float expressions and in the order of its sums: both engines give the same
bits. A position is one account; accounts are numbered in the order in which they were opened.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranking = Literal["pnl_ratio", "binance", "bybit", "position_size"]
RANKINGS: tuple[Ranking, ...] = ("pnl_ratio", "binance", "bybit", "position_size")


@dataclass(frozen=True)
class Rules:
    """What the exchange does with a position below its maintenance margin."""

    maintenance: float = 0.005  # share of the notional at the mark
    tiers: tuple[tuple[float, float], ...] = ()  # (notional [USD], share): from there on that share of the whole notional
    slippage: float = 0.0025  # share of the mark lost in closing
    ranking: Ranking = "pnl_ratio"
    adl: bool = True


@dataclass(frozen=True)
class Outcome:
    """What one mark did; ids in the order in which they were closed."""

    liquidated: list[int]
    deleveraged: list[int]
    fund_delta: float  # [USD], never positive: nothing feeds the fund
    absorbed: list[float]  # [USD] given up by each deleveraged position
    uncovered: float  # [USD] of the mark's deficit that neither fund nor winners paid; forgotten


def fixed(numbers: Floats) -> Floats:
    """The nearest multiples of 1e-8 (halves away from zero), in which flox keeps positions; marks and the fund it does not."""
    return np.asarray(np.trunc(numbers * 1e8 + np.copysign(0.5, numbers)) / 1e8)


@dataclass
class Replica:
    """The state of the engine: positions still open and the fund."""

    quantity: Floats  # [position] units, long > 0
    entry: Floats  # [position] USD a unit
    equity: Floats  # [position] USD posted; never touched while the position is open
    fund: float  # USD
    rules: Rules = Rules()
    live: NDArray[np.bool_] = field(init=False)  # [position]

    def __post_init__(self) -> None:
        self.quantity, self.entry, self.equity = fixed(self.quantity), fixed(self.entry), fixed(self.equity)
        self.live = self.quantity != 0.0

    def on_mark(self, mark: float) -> Outcome:
        """One call of ``on_mark``: liquidate, pay from the fund, deleverage.

        The deficits of all positions closed at this mark are one sum. The fund pays what it has; the winners, of whichever
        side, pay the rest. No layer is asked again later: what is not covered now is forgotten.
        """
        profit = self.quantity * (mark - self.entry)
        notional = np.abs(self.quantity) * mark
        under = np.flatnonzero(self.live & (self.equity + profit < notional * self._rate(notional)))
        deficit = 0.0
        for account in under.tolist():
            deficit += max(0.0, -self._residual(account, mark))
        self.live[under] = False
        payment = min(deficit, self.fund)
        self.fund -= payment
        deficit -= payment
        deleveraged: list[int] = []
        absorbed: list[float] = []
        if self.rules.adl and deficit > 0.0:
            for account in self._queue(profit, mark):
                given = min(deficit, float(profit[account]))
                deleveraged.append(account)
                absorbed.append(given)
                deficit -= given
                if deficit <= 0.0:
                    break
        self.live[deleveraged] = False
        return Outcome(under.tolist(), deleveraged, -payment, absorbed, deficit)

    def _rate(self, notional: Floats) -> Floats:
        """Return the maintenance margin of positions of that notional [USD], share of it all; flox deducts nothing."""
        rate = np.full(len(notional), self.rules.maintenance)
        for floor, share in sorted(self.rules.tiers):
            rate[notional >= floor] = share
        return rate

    def _residual(self, account: int, mark: float) -> float:
        """Return what is left of the equity after closing whole at the mark less slippage [USD].

        If it is positive nobody gets it; if it is negative it is the account's part of the mark's deficit.
        """
        quantity = float(self.quantity[account])
        side = 1.0 if quantity > 0.0 else -1.0
        price = mark * (1.0 - side * self.rules.slippage)
        return float(self.equity[account]) + quantity * (price - float(self.entry[account]))

    def _queue(self, profit: Floats, mark: float) -> list[int]:
        """Return the open positions in profit, in the order of score (highest first), then of account.

        Either side stands in it: a long that profits pays for a long that fell.
        """
        winners = np.flatnonzero(self.live & (profit > 0.0))
        gain, equity, size = profit[winners], self.equity[winners], np.abs(self.quantity[winners])
        posted = equity > 0.0
        safe = np.where(posted, equity, 1.0)
        if self.rules.ranking == "pnl_ratio":
            score = np.where(posted, gain / safe, gain)
        elif self.rules.ranking == "position_size":
            score = size
        else:  # flox has one formula for Binance and Bybit
            score = gain * np.where(posted, size * mark / safe, 0.0)
        queue: list[int] = winners[np.argsort(-score, kind="stable")].tolist()
        return queue
