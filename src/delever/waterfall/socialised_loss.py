"""Socialised loss: the deficit that stands is taken from everybody who has something, pro rata.

An exchange takes it from its accounts' cash, by their equity or by their profits; behind a lending protocol the claims of
the reserve's suppliers shrink. Source: BitMEX and OKX before their insurance funds ("clawback", by profit); Drift v2 and
Morpho Blue (by stake); Chitra, arXiv 2512.01112, pro-rata rules.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from delever.core.elementary import log_
from delever.core.exchange_tables import SOCIALISED, Margins, Safety
from delever.core.jit import helper, kernel
from delever.core.margin import equity_of, move_cash
from delever.core.reserves import cash_of, owed_of
from delever.core.state import Pool, State, Watch
from delever.core.tables import (
    COVERED,
    DEFICIT,
    DEPOSITS,
    OWN_DEPOSITS,
    SLOTS,
    Accounts,
    BookTables,
    Ledgers,
    Records,
    Reserves,
)
from delever.core.touch import enter_slots, slot_of, touch
from delever.waterfall.base import Layer, LayerPhase, Served
from delever.waterfall.last_resort import close_out_rest

MOST = 0.999  # share of what there is that may be taken: it is never rounding that puts an account below zero


class SocialisedLoss(Layer):
    """Deficits are taken pro rata from accounts of the exchange, or from suppliers of the lending reserve.

    At most all but a thousandth of the equity or profit that there is. The vault does not pay (assumption).
    """

    kind: ClassVar[str] = "socialised_loss"
    over: Literal["equity", "profit"] = Field("equity", description="what exchanges' accounts bear it by; lending: by claims")

    def compile(self, number: int, step_length: float) -> SocialisedLossPhase:
        """The layer of the protocol of that number. step_length: not used."""
        return SocialisedLossPhase(number, self.over == "profit")


@helper
def stake(i: int, p: int, g: int, by_profit: bool, amount: np.ndarray, cost: np.ndarray, book: BookTables,
          margins: Margins, price: np.ndarray) -> float:
    """What an account bears losses by: its equity, or its positive profits [unit], at least 0. Row i of amount and cost."""
    if not by_profit:
        return max(equity_of(i, p, g, amount, book, margins, price)[0], 0.0)
    total = 0.0
    for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
        r = book.reserve[g, k]
        total += max(amount[i, k] * (price[p, r] - margins.paid[r, p]) - cost[i, k], 0.0)
    return total


@kernel
def socialise(start: int, number: int, members: np.ndarray, weight: np.ndarray, by_profit: bool, active: np.ndarray,
              time: float, accounts: Accounts, watch: Watch, pool: Pool, records: Records) -> int:
    """Take what stands from the exchange's accounts, from path `start` on; the path that wants more slots, or their number.

    members: [accounts of the exchange]; weight: room for one each; active: [P].
    """
    touched, book, margins, price = accounts.touched, accounts.book, accounts.margins, accounts.price
    ledgers, safety, cash = records.ledgers, records.safety, margins.cash[number]
    for p in range(start, active.shape[0]):
        owed = ledgers.booked[DEFICIT, cash, p]
        if not active[p] or not owed > 0.0:
            continue
        if pool.due.shape[0] - watch.counts[SLOTS] < len(members):
            return p
        total = 0.0
        for i in range(len(members)):
            account = members[i]
            g, slot = book.signature[account], slot_of(p, account, watch)
            if slot >= 0:
                weight[i] = stake(slot, p, g, by_profit, touched.amount, touched.cost, book, margins, price)
            else:
                weight[i] = stake(account, p, g, by_profit, book.amount, book.cost, book, margins, price)
            total += weight[i]
        taken = min(owed, MOST * total)
        if taken < owed:
            safety.dry[SOCIALISED, number, p] = min(safety.dry[SOCIALISED, number, p], time)
        if not taken > 0.0:
            continue
        for i in range(len(members)):
            if weight[i] > 0.0:
                slot = touch(p, members[i], book, watch, pool)
                move_cash(slot, p, book.signature[members[i]], -(taken * weight[i] / total), touched, book, ledgers)
        ledgers.booked[DEFICIT, cash, p] -= taken
        ledgers.booked[COVERED, cash, p] += taken
        safety.served[SOCIALISED, number, p] += taken * margins.in_usd[number, p]
    return active.shape[0]


@kernel
def shrink_claims(lent: np.ndarray, active: np.ndarray, reserves: Reserves, ledgers: Ledgers, safety: Safety,
                  price: np.ndarray) -> None:
    """Suppliers of lending reserves bear their deficits: their claims shrink by it. lent: [n] reserves; price: [P, R] seen.

        supply index *= 1 - deficit / (cash + owed + deficit)
    Where nobody says what cash the reserve has nobody knows its claims, and no account is told.
    """
    for r in lent:
        number, stands = reserves.protocol[r], ledgers.booked[DEFICIT, r]
        for p in range(active.shape[0]):
            owed = stands[p]
            if active[p] and owed > 0.0:
                if reserves.cash[r] < np.inf:
                    claims = max(cash_of(r, p, reserves, ledgers), 0.0) + owed_of(r, p, reserves, ledgers) + owed
                    left = 1.0 - min(owed / claims, MOST)
                    reserves.supply_index[r, p] *= left
                    reserves.log_supply[r, p] += log_(left)
                stands[p] = 0.0
                ledgers.booked[DEPOSITS, r, p] -= owed
                ledgers.booked[OWN_DEPOSITS, r, p] -= owed
                ledgers.booked[COVERED, r, p] += owed
                safety.served[SOCIALISED, number, p] += owed * price[p, r]


class SocialisedLossPhase(LayerPhase):
    """Socialised loss of one exchange or lending protocol, ready to run."""

    serves = Served(SOCIALISED, "socialised_loss", "socialised loss", "deficits taken from accounts or claims pro rata",
                    "there was less to take from than had to be borne")

    def __init__(self, number: int, by_profit: bool) -> None:
        super().__init__(number)
        self.by_profit = by_profit
        self.members = np.zeros(0, np.int64)  # [accounts of the exchange], filled when first needed
        self.weight = np.zeros(0)

    def absorb(self, state: State) -> None:
        """At the end of a block: whoever is still fallen is closed out, then what stands is taken."""
        cash = int(state.margins.cash[self.number])
        if cash < 0:
            lent = np.arange(state.margins.first[self.number], state.margins.first[self.number + 1])
            shrink_claims(lent, state.active, state.reserves, state.ledgers, state.safety, state.seen.price)
            return
        close_out_rest(state, self.number)
        if not state.ledgers.booked[DEFICIT, cash].any():
            return
        if not len(self.weight):
            self.members = np.flatnonzero(state.book.protocol[state.book.signature] == self.number)
            self.weight = np.zeros(max(len(self.members), 1))
        enter_slots(state)
        done = 0
        while done < state.paths:
            done = socialise(done, self.number, self.members, self.weight, self.by_profit, state.active, state.time,
                             state.accounts, state.watch, state.pool, state.records)
            if done < state.paths:
                state.room_for_slots(int(state.watch.counts[SLOTS]) + 2 * len(self.members))
