"""The role of an interest rate curve: what borrowers pay, by how much of a reserve is lent out.

    u   = owed / (cash + owed)                       of each reserve and path; 0 where nothing is owed
    g   = e^(r dt) - 1                               r: the curve's borrow rate; the series to the third power
    borrow index *= 1 + g,   supply index *= 1 + g u (1 - reserve factor)
    cash = cash at the start + deposits + treasury - debts - deficit, as booked: the ledger is the only truth of it
Levels and logs of indices move side by side, so interest is a move of a reserve's series and touches no account.
Contracts accrue when somebody acts; here every step does (estimate: a difference of r dt squared, 1e-14 a minute).

One phase serves all curves of a kind; a reserve (protocol, asset) has at most one. Once a step, once prices stand, the step calls

  accrue     on all paths; the base asks `rates` and moves the indices

It may touch its reserves' rows of state.reserves; nothing else. What it remembers is its own, by reserve and path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Figure, Value, mean_of
from delever.core.elementary import log_
from delever.core.jit import helper, kernel
from delever.core.phase import Phase
from delever.core.reserves import cash_on
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import Ledgers, Reserves
from delever.model.errors import InputError
from delever.model.quantity import Share
from delever.model.spec import Spec

YEAR = 365.0 * 86400.0  # [s]
Reserve = tuple[str, str]  # protocol, asset


class RateCurve(Spec, ABC):
    """What a user states about the rates of one asset of a protocol."""

    of_minted: ClassVar[bool] = False  # asks nothing of a reserve: for coins that are minted for loans
    reserve_factor: Share = Field(0.0, description="the protocol's part of the interest")

    @classmethod
    @abstractmethod
    def phase(cls, specs: Mapping[Reserve, Self], setting: Setting) -> RatesPhase:
        """The curves of this kind, by (protocol, asset)."""

    def check(self, world: Any, path: tuple[str | int, ...]) -> None:
        """A curve answers what is in the reserve."""
        _, name, _, asset = path
        if asset not in world.protocols[name].cash:
            raise InputError("is missing", path=("protocols", name, "cash", str(asset)),
                             remedy="rates that answer utilisation need the units that the reserve holds at the start")


@helper
def growth(x: float) -> float:
    """e^x - 1 for a small x."""
    return x * (1.0 + x * (0.5 + x * (1.0 / 6.0)))


@helper
def use(owed_at_start: float, scaled: np.ndarray, index: np.ndarray, cash: np.ndarray, used: np.ndarray) -> None:
    """A row of utilisation; the order of the questions lets several paths be reckoned at a time. All [P]."""
    for p in range(used.shape[0]):
        owed = (owed_at_start + scaled[p]) * index[p]
        whole = cash[p] + owed
        share = owed / (whole if whole > 0.0 else 1.0)
        within = share if share < 1.0 else 1.0
        lent = within if whole > 0.0 else 1.0
        used[p] = lent if owed > 0.0 else 0.0


@helper
def lessen(cash: np.ndarray, least: np.ndarray) -> None:
    """A row of the least cash so far. Both [P]."""
    for p in range(cash.shape[0]):
        least[p] = cash[p] if cash[p] < least[p] else least[p]


@kernel
def utilise(number: np.ndarray, reserves: Reserves, ledgers: Ledgers, cash: np.ndarray, used: np.ndarray, least: np.ndarray
            ) -> None:
    """Utilisation, and the least cash so far. number: [n] reserves; cash: [P] for its own use; used, least: [n, P], written."""
    for i in range(number.shape[0]):
        r = number[i]
        cash_on(r, reserves, ledgers, cash)
        use(reserves.owed[r], ledgers.scaled[1, r], reserves.borrow_index[r], cash, used[i])
        lessen(cash, least[i])


@kernel
def grow(number: np.ndarray, step: float, kept: np.ndarray, used: np.ndarray, rate: np.ndarray, reserves: Reserves) -> None:
    """Move the indices. step: [s]; kept: [n] reserve factors; used, rate: [n, P], [1/s]."""
    supply, borrow, log_supply, log_borrow = (reserves.supply_index, reserves.borrow_index, reserves.log_supply,
                                              reserves.log_borrow)
    for i in range(number.shape[0]):
        r = number[i]
        for p in range(rate.shape[1]):
            x = rate[i, p] * step
            g = growth(x)
            earned = g * used[i, p] * (1.0 - kept[i])
            borrow[r, p] *= 1.0 + g
            supply[r, p] *= 1.0 + earned
            log_borrow[r, p] += x
            log_supply[r, p] += log_(1.0 + earned)


USED = Column("utilisation", "share", "part of the reserve that is lent out", mean_of(
    "utilisation", "the part of the reserve that is lent out, at the end", under="lent out"), section="Rates", stock=True)
HIGHEST = Column("highest_borrow_rate", "1/year", "highest borrow rate of any step", (
    *mean_of("highest_borrow_rate", "the highest borrow rate of any step", under="highest rate"),
    Figure("borrow_rate_95", "quantile", "95th percentile over paths of the highest borrow rate of any step", level=0.95,
           under="highest rate (95 %)")), section="Rates")
LOWEST = Column("least_cash", "{asset}", "least cash of any step", mean_of(
    "least_cash", "the least cash of any step", under="least cash"), section="Rates")


class RatesPhase(Phase):
    """All curves of a kind, ready to run."""

    def __init__(self, specs: Mapping[Reserve, RateCurve], setting: Setting) -> None:
        self.number = np.array([setting.reserve(name, asset, "protocols", name, "rates", asset) for name, asset in specs])
        self.kept = np.array([curve.reserve_factor for curve in specs.values()])
        self.used, self.rate = np.zeros((2, len(specs), setting.paths))  # [n, P]; rate [1/s]
        self.cash = np.zeros(setting.paths)
        self.highest, self.least = np.zeros((len(specs), setting.paths)), np.full((len(specs), setting.paths), np.inf)

    @abstractmethod
    def rates(self, step_length: float) -> None:
        """Fill self.rate [n, P] with borrow rates of the coming step [1/s], by self.used [n, P]. step_length: [s]"""

    def use(self, state: State, least: np.ndarray) -> None:
        """Fill self.used, and the least cash so far [n, P]; a curve whose protocol counts utilisation otherwise says so."""
        utilise(self.number, state.reserves, state.ledgers, self.cash, self.used, least)

    def grow(self, state: State) -> None:
        """Move the indices by self.rate; a curve that says itself what suppliers get does."""
        grow(self.number, state.step_length, self.kept, self.used, self.rate, state.reserves)

    def accrue(self, state: State) -> None:
        """Indices at the end of the step."""
        self.use(state, self.least)
        self.rates(state.step_length)
        self.grow(state)
        np.maximum(self.highest, self.rate, out=self.highest)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        least = self.least.copy()
        self.use(state, least)
        return [Value(column, values[i], int(state.reserves.protocol[r]), int(state.reserves.asset[r]))
                for i, r in enumerate(self.number)
                for column, values in ((USED, self.used), (HIGHEST, self.highest * YEAR), (LOWEST, least))]
