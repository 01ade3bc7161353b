"""An insurance fund: money set aside, and fed by fees and penalties, that pays deficits while it lasts.

Behind an exchange it lets fallen accounts be closed out whose loss it can bear, and pays what is then owed; behind a
lending protocol it pays the deficits of reserves in their own asset. What the protocol's treasury takes in flows into it.
Source: Chitra, arXiv 2512.01112 (fund after a loss D: fund + fees - min(fund, D)); Binance, "Insurance Fund".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from delever.core.columns import Value, worth
from delever.core.exchange_tables import INSURANCE, Fallen, Safety
from delever.core.jit import helper, kernel
from delever.core.margin import close_out, equity_of
from delever.core.state import State
from delever.core.tables import CASH, COVERED, DEFICIT, FUND, TREASURY, Accounts, Ledgers, Liquidity, Records
from delever.model.quantity import Amount
from delever.waterfall.base import Layer, LayerPhase, Served


class InsuranceFund(Layer):
    """A fund that pays deficits, fed by the protocol's fees and penalties (assumption: all of them, at once).

    An exchange's is in what it counts in: USD, or its coin. An account is closed out at its expense only if the fund holds what
    the account lacks at the marks; what closing then costs beyond that may leave a deficit.
    """

    kind: ClassVar[str] = "insurance_fund"
    start: dict[str, Amount] = Field({}, examples=["{USD: 20_000}"], description="units of each asset in the fund at the start")

    def compile(self, number: int, step_length: float) -> InsuranceFundPhase:
        """The fund of the protocol of that number. step_length: not used."""
        return InsuranceFundPhase(number)

    def fund(self) -> Mapping[str, float]:
        """Units of each asset at the start."""
        return self.start


@helper
def feed(r: int, p: int, asset: np.ndarray, ledgers: Ledgers, safety: Safety) -> None:
    """What the treasury has taken in of a reserve goes into the fund [units]."""
    taken = ledgers.booked[TREASURY, r, p]
    if taken > 0.0:
        ledgers.booked[TREASURY, r, p] = 0.0
        ledgers.tokens[CASH, asset[r], p] -= taken
        ledgers.tokens[FUND, asset[r], p] += taken
        safety.fund[r, p] += taken


@helper
def pay(r: int, p: int, number: int, time: float, in_usd: float, asset: np.ndarray, price: np.ndarray, ledgers: Ledgers,
        safety: Safety) -> None:
    """The fund pays the deficit that stands in a reserve, as far as it goes. in_usd: what prices are in [USD]."""
    owed = ledgers.booked[DEFICIT, r, p]
    if not owed > 0.0:
        return
    paid = min(safety.fund[r, p], owed)
    if paid < owed:
        safety.dry[INSURANCE, number, p] = min(safety.dry[INSURANCE, number, p], time)
    safety.fund[r, p] -= paid
    ledgers.tokens[FUND, asset[r], p] -= paid
    ledgers.tokens[CASH, asset[r], p] += paid
    ledgers.booked[DEFICIT, r, p] -= paid
    ledgers.booked[COVERED, r, p] += paid
    safety.served[INSURANCE, number, p] += paid * price[p, r] * in_usd


@kernel
def insure(fallen: Fallen, number: int, time: float, accounts: Accounts, liquidity: Liquidity, records: Records) -> None:
    """Feed the fund, close out the fallen it can bear, pay what stands."""
    touched, book, margins, price = accounts.touched, accounts.book, accounts.margins, accounts.price
    ledgers, safety, active = records.ledgers, records.safety, fallen.active
    cash, asset = margins.cash[number], accounts.reserves.asset
    first, last = margins.first[number], margins.first[number + 1]
    treasury, deficit = ledgers.booked[TREASURY], ledgers.booked[DEFICIT]
    for r in range(first, last):
        for p in range(active.shape[0]):
            if treasury[r, p] > 0.0 and active[p]:
                feed(r, p, asset, ledgers, safety)
    for j in range(fallen.n):
        slot = fallen.slot[j]
        if slot < 0:
            continue
        p, g = int(touched.path[slot]), book.signature[touched.account[slot]]
        if not active[p] or book.protocol[g] != number:
            continue
        has = safety.fund[cash, p]
        if has > 0.0 and has >= -equity_of(slot, p, g, touched.amount, book, margins, price)[0]:
            close_out(slot, p, g, accounts, liquidity, records)
            fallen.slot[j] = -1
            pay(cash, p, number, time, margins.in_usd[number, p], asset, price, ledgers, safety)
        else:
            safety.dry[INSURANCE, number, p] = min(safety.dry[INSURANCE, number, p], time)
    for r in range(first, last):
        for p in range(active.shape[0]):
            if deficit[r, p] > 0.0 and active[p]:
                pay(r, p, number, time, margins.in_usd[number, p], asset, price, ledgers, safety)


class InsuranceFundPhase(LayerPhase):
    """The fund of one protocol, ready to run."""

    serves = Served(INSURANCE, "insurance_fund", "insurance fund", "deficits that the insurance fund paid",
                    "the insurance fund held less than was asked of it")

    def amounts(self, state: State) -> list[Value]:
        """See LayerPhase."""
        held = worth(state, state.safety.fund, self.number)
        return [*super().amounts(state), self.holds("fund_left", "what the insurance fund holds, at prices seen", held)]

    def absorb(self, state: State) -> None:
        """At the end of a block."""
        insure(state.below_zero, self.number, state.time, state.accounts, state.liquidity, state.records)
