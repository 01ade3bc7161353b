"""Debt auctions: what a protocol has lost for good is paid by buyers of shares in it, minted for them, as with Maker's flop.

    ripe       losses booked at least `wait` ago, less what surplus and earlier auctions have paid        [units of what is owed]
    auctions   once a step floor((ripe - in auctions) / sump) more begin; each brings `sump` after `lasts`
    minted     sump / (price x (1 - discount)) an auction
Buyers are outside the world, and come (assumption). Source: makerdao/dss (vow.sol: wait, sump; flop.sol); Maker counts `wait`
from the bite, here it is counted from the loss, and bids that lower a lot are one bid at `discount` (assumption).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Value, market_price, mean_of, of_protocol, worth
from delever.core.state import State
from delever.core.tables import CASH, COVERED, DEFICIT, OUTSIDE
from delever.model.quantity import Amount, Seconds, Share, Usd
from delever.waterfall.base import IN_ORDER, Layer, LayerPhase

RAISED = Column("debt_auctions", "USD", "losses that buyers of minted shares paid, at prices seen", mean_of(
    "debt_auctions", "losses that buyers of minted shares paid, at prices seen"), section=IN_ORDER)
MINTED = Column("shares_minted", "count", "shares minted for them, at the assumed price", mean_of(
    "shares_minted", "shares minted for buyers in debt auctions, at the assumed price"), section=IN_ORDER)


class DebtAuction(Layer):
    """Maker's vow and flop. Amounts are in units of what is owed."""

    kind: ClassVar[str] = "debt_auction"
    sump: Amount = Field(50_000.0, gt=0, description="what one auction brings; less than that waits")
    wait: Seconds = Field(172_800.0, ge=0, description="age of a loss from which it is auctioned; assumption for March 2020")
    lasts: Seconds = Field(21_600.0, ge=0, description="time that an auction takes; assumption")
    price: Usd = Field(gt=0, examples=["250 USD"], description="price of a share (MKR); assumption")
    discount: Share = Field(0.1, lt=1, description="what buyers take off it; assumption")

    def compile(self, number: int, step_length: float) -> DebtAuctions:
        """Those of the protocol of that number. step_length: [s]."""
        return DebtAuctions(number, self, step_length)


class DebtAuctions(LayerPhase):
    """They, ready to run."""

    def __init__(self, number: int, spec: DebtAuction, step_length: float) -> None:
        super().__init__(number)
        self.spec = spec
        self.wait, self.lasts = (max(1, round(time / step_length)) for time in (spec.wait, spec.lasts))  # steps
        self.lost, self.running = np.zeros((0, 0, 0)), np.zeros((0, 0, 0), np.int64)  # [steps of wait or lasts, reserves, P]
        self.raised, self.minted = np.zeros((0, 0)), np.zeros(0)  # [reserves, P] units; [P] shares

    def begin(self, state: State) -> None:
        """Once a step: what is over pays, what is ripe is put up. Rings hold what was lost, and begun, in each step before."""
        reserves, booked = of_protocol(state, self.number), state.ledgers.booked
        if not len(self.raised):
            shape = len(reserves), state.paths
            self.lost, self.running = np.zeros((self.wait, *shape)), np.zeros((self.lasts, *shape), np.int64)
            self.raised, self.minted = np.zeros(shape), np.zeros(state.paths)
        old, ending = state.step % self.wait, state.step % self.lasts
        for i, r in enumerate(reserves):
            asset = int(state.reserves.asset[r])
            paid = np.minimum(self.running[ending, i] * self.spec.sump, booked[DEFICIT, r])
            booked[DEFICIT, r] -= paid
            booked[COVERED, r] += paid
            state.ledgers.tokens[OUTSIDE, asset] -= paid
            state.ledgers.tokens[CASH, asset] += paid
            self.raised[i] += paid
            self.minted += paid / (self.spec.price * (1.0 - self.spec.discount)) * market_price(state, asset)
            self.running[ending, i] = 0
            ripe = self.lost[old, i] - booked[COVERED, r]
            self.lost[old, i] = booked[DEFICIT, r] + booked[COVERED, r]
            in_auctions = self.running[:, i].sum(0) * self.spec.sump
            self.running[ending, i] = np.maximum(np.floor((ripe - in_auctions) / self.spec.sump), 0.0)

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py."""
        units = np.zeros(state.ledgers.booked.shape[1:])
        if len(self.raised):
            units[list(of_protocol(state, self.number))] = self.raised
        return [Value(RAISED, worth(state, units, self.number), self.number)]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [*super().columns(state), Value(MINTED, self.minted if len(self.minted) else np.zeros(state.paths), self.number)]
