"""Two kinked curves, one of what borrowers pay and one of what suppliers get: Compound v3's.

    u = owed / supplied,   supplied = cash + owed - reserves              above 1 where reserves are below 0
    r = base + low min(u, kink) + high max(u - kink, 0)                   of either, with its own numbers
    borrow index *= 1 + r_borrow dt,   supply index *= 1 + r_supply dt    (to the third order of e^(r dt))
What borrowers owe more than suppliers gain is the protocol's, and moves `supplied` no more than that. `reserves` are what the
protocol itself has at the start: those of `rules: comet` (assumption: stated twice, for a curve knows no rules).
Source: compound-finance/comet @d5a30b0, Comet.sol (getSupplyRate, getBorrowRate, getUtilization); read, not executed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field, model_validator

from delever.core.elementary import log_
from delever.core.jit import helper, kernel
from delever.core.reserves import cash_of, owed_of
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import DEBTS, DEPOSITS, Ledgers
from delever.core.tables import Reserves as ReserveTable
from delever.model.errors import InputError
from delever.model.quantity import Balance, PerYear, Share
from delever.rates.base import YEAR, RateCurve, RatesPhase, Reserve, growth

BASE, LOW, HIGH, KINK = range(4)


class TwoKinked(RateCurve):
    """Compound v3's curves: slopes a unit of utilisation."""

    kind = "two_kinked"

    base: PerYear = Field(0.0, ge=0, description="borrow rate where nothing is lent out")
    low: PerYear = Field(ge=0, examples=["3.5 %"], description="slope of the borrow rate up to its kink, at full use")
    high: PerYear = Field(ge=0, examples=["25 %"], description="slope beyond it")
    kink: Share = Field(gt=0, le=1, examples=["80 %"], description="utilisation from which the borrow rate is steep")
    supply_base: PerYear = Field(0.0, ge=0, description="supply rate where nothing is lent out")
    supply_low: PerYear = Field(ge=0, examples=["3.25 %"], description="slope of the supply rate up to its kink, at full use")
    supply_high: PerYear = Field(ge=0, examples=["40 %"], description="slope beyond it")
    supply_kink: Share = Field(gt=0, le=1, examples=["80 %"], description="utilisation from which the supply rate is steep")
    reserves: Balance = Field(0.0, description="units that are the protocol's own at the start, below 0 if it lacks some")

    @model_validator(mode="after")
    def _keeps_the_difference(self) -> TwoKinked:
        if self.reserve_factor > 0.0:
            raise InputError("has no meaning here", path=("reserve_factor",), value=self.reserve_factor,
                             remedy="the protocol keeps what suppliers' own curve leaves: leave it out")
        return self

    @classmethod
    def phase(cls, specs: Mapping[Reserve, TwoKinked], setting: Setting) -> TwoKinks:
        """See RateCurve."""
        return TwoKinks(specs, setting)


@helper
def two_slopes(u: float, base: float, low: float, high: float, kink: float) -> float:
    """The rate at utilisation u, in the unit of base and slopes."""
    return base + low * min(u, kink) + high * max(u - kink, 0.0)


@kernel
def use_supplied(number: np.ndarray, start: np.ndarray, spread: np.ndarray, reserves: ReserveTable, ledgers: Ledgers,
                 used: np.ndarray, least: np.ndarray) -> None:
    """owed / supplied, and the least cash so far.

    number: [n]; start: [n] the protocol's own; spread: [n, P] what came to it; used, least: [n, P], written.
    """
    booked = ledgers.booked
    for i in range(number.shape[0]):
        r = number[i]
        for p in range(used.shape[1]):
            owed = owed_of(r, p, reserves, ledgers)
            least[i, p] = min(least[i, p], cash_of(r, p, reserves, ledgers))
            lent = booked[DEPOSITS, r, p] - booked[DEBTS, r, p]
            supplied = reserves.cash[r] + lent + owed - start[i] - spread[i, p]
            used[i, p] = owed / supplied if supplied > 0.0 and owed > 0.0 else 0.0


@kernel
def rates_of(curve: np.ndarray, used: np.ndarray, rate: np.ndarray) -> None:
    """curve: [n, 4] a second; used: [n, P]; rate: [n, P], written."""
    for i in range(curve.shape[0]):
        for p in range(used.shape[1]):
            rate[i, p] = two_slopes(used[i, p], curve[i, BASE], curve[i, LOW], curve[i, HIGH], curve[i, KINK])


@kernel
def grow_apart(number: np.ndarray, step: float, used: np.ndarray, rate: np.ndarray, earned: np.ndarray, reserves: ReserveTable,
               ledgers: Ledgers, spread: np.ndarray) -> None:
    """Move both indices, each by its own rate [n, P], [1/s]. step: [s]; spread: [n, P] units that the protocol gained."""
    for i in range(number.shape[0]):
        r = number[i]
        for p in range(used.shape[1]):
            owed = owed_of(r, p, reserves, ledgers)
            paid, got = growth(rate[i, p] * step), growth(earned[i, p] * step)
            if used[i, p] > 0.0:
                spread[i, p] += owed * paid - owed / used[i, p] * got
            reserves.borrow_index[r, p] *= 1.0 + paid
            reserves.supply_index[r, p] *= 1.0 + got
            reserves.log_borrow[r, p] += rate[i, p] * step
            reserves.log_supply[r, p] += log_(1.0 + got)


class TwoKinks(RatesPhase):
    """All such curves."""

    def __init__(self, specs: Mapping[Reserve, TwoKinked], setting: Setting) -> None:
        super().__init__(specs, setting)
        curves = specs.values()
        self.curve = np.array([[one.base, one.low, one.high, one.kink] for one in curves])
        self.supply = np.array([[one.supply_base, one.supply_low, one.supply_high, one.supply_kink] for one in curves])
        for curve in (self.curve, self.supply):
            curve[:, :KINK] /= YEAR
        self.start = np.array([one.reserves for one in curves])
        self.earned, self.spread = np.zeros((2, *self.rate.shape))  # [n, P] [1/s]; units that came to the protocol

    def use(self, state: State, least: np.ndarray) -> None:
        """See RatesPhase."""
        use_supplied(self.number, self.start, self.spread, state.reserves, state.ledgers, self.used, least)

    def rates(self, step_length: float) -> None:
        """See RatesPhase."""
        rates_of(self.curve, self.used, self.rate)
        rates_of(self.supply, self.used, self.earned)

    def grow(self, state: State) -> None:
        """See RatesPhase."""
        grow_apart(self.number, state.step_length, self.used, self.rate, self.earned, state.reserves, state.ledgers, self.spread)
