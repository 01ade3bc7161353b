"""Borrowers who watch: one who sees his account eligible adds collateral, in the block in which liquidators bid for it.

    added = (target x debt - backing) / (price x threshold)   units of his largest seizable collateral
He does so once on a path, if he is attentive (drawn a path and account) and it costs at most `budget` of his collateral.
Source: none; a simple rule, so that the race for the block exists. All parameters are assumptions.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from delever.core.jit import kernel
from delever.core.outcomes import TOP_UPS, TOPPED_UP
from delever.core.philox import BORROWERS, philox, uniform
from delever.core.settlement import leg_of
from delever.core.state import State
from delever.core.tables import (
    ADDED,
    ANSWERED,
    CASH,
    DEPOSITS,
    EXECUTED,
    OFFERED,
    OWNERS,
    REVERTED,
    TOP_UP,
    BookTables,
    Ledgers,
    Reserves,
    Touched,
    Transactions,
)
from delever.model.quantity import Gwei, Share
from delever.model.spec import Spec


class Borrowers(Spec):
    """How borrowers react."""

    kind: ClassVar[str] = "borrowers"
    attentive: Share = Field(ge=0, le=1, description="share of borrowers who react; assumption")
    target: float = Field(default=1.1, gt=1, description="health factor that a top-up restores; assumption")
    budget: Share = Field(default=0.2, gt=0, description="most that is added, share of the collateral; assumption")
    fee: Gwei = Field(default=40.0, ge=0, description="bid, a unit of gas; assumption")


@kernel
def react(first: int, last: int, first_path: int, seed: np.ndarray, rules: np.ndarray, rows: Transactions, touched: Touched,
          book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> int:
    """Answer the claims in rows first..last-1 by rows from `last` on; the number of rows then. rules: [4]."""
    n, amount = last, touched.amount
    path, kind, state, ref, give_asset, added, bid = (rows.path, rows.kind, rows.state, rows.ref, rows.give_asset,
                                                      rows.give, rows.bid)
    for i in range(first, last):
        slot, p = ref[i], path[i]
        account = touched.account[slot]
        if added[i] <= 0.0 or touched.flags[slot] & ANSWERED:
            continue
        word = philox(np.uint64(first_path + p), np.uint64(account), np.uint64(0), BORROWERS, seed[0], seed[1])[0]
        if uniform(word) >= rules[0]:
            continue
        g, leg, most, backing, debt, value = book.signature[account], -1, 0.0, 0.0, 0.0, 0.0
        for k in range(book.collaterals[g]):
            r = book.reserve[g, k]
            v = amount[slot, k] * reserves.supply_index[r] * seen_price[p, r]
            value += v
            backing += v * book.threshold[g, k]
            if book.seizable[g, k] and book.threshold[g, k] > 0.0 and v > most:
                leg, most = k, v
        for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
            r = book.reserve[g, k]
            debt += amount[slot, k] * reserves.borrow_index[r] * seen_price[p, r]
        if leg < 0:
            continue
        price = seen_price[p, book.reserve[g, leg]]
        units = (rules[1] * debt - backing) / (price * book.threshold[g, leg])
        if units * price > rules[2] * value:
            continue
        path[n], kind[n], state[n], ref[n], added[n], bid[n] = p, TOP_UP, OFFERED, slot, units, rules[3]
        give_asset[n] = reserves.asset[book.reserve[g, leg]]
        rows.protocol[n] = rows.protocol[i]
        n += 1
    return n


@kernel
def top_up(picked: np.ndarray, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves,
           seen_price: np.ndarray, ledgers: Ledgers) -> None:
    """Execute TOP_UP transactions. picked: row numbers."""
    amount = touched.amount
    for i in picked:
        slot, p, units, leg = rows.ref[i], rows.path[i], rows.give[i], 0
        g, backing, debt = book.signature[touched.account[slot]], 0.0, 0.0
        for k in range(book.collaterals[g]):
            r = book.reserve[g, k]
            backing += amount[slot, k] * reserves.supply_index[r] * seen_price[p, r] * book.threshold[g, k]
        for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
            r = book.reserve[g, k]
            debt += amount[slot, k] * reserves.borrow_index[r] * seen_price[p, r]
        if backing >= debt:
            rows.state[i] = REVERTED
            continue
        leg = leg_of(rows.give_asset[i], g, 0, book.collaterals[g], book.reserve, reserves.asset)
        r = book.reserve[g, leg]
        a, scaled = reserves.asset[r], units / reserves.supply_index[r]
        amount[slot, leg] += scaled
        ledgers.scaled[0, r, p] += scaled
        ledgers.tokens[OWNERS, a, p] -= units
        ledgers.tokens[CASH, a, p] += units
        ledgers.booked[DEPOSITS, r, p] += units
        ledgers.booked[ADDED, r, p] += units
        ledgers.totals[TOP_UPS, rows.protocol[i], p] += 1.0
        ledgers.totals[TOPPED_UP, rows.protocol[i], p] += units * seen_price[p, r]
        touched.flags[slot] |= ANSWERED
        rows.state[i] = EXECUTED


class Reacting:
    """The react phase of borrowers, and their kind of transaction."""

    name, gas, payer, looks, moves_seen, called = "top_up", 250_000.0, OWNERS, True, False, False

    def __init__(self, spec: Borrowers) -> None:
        self.rules = np.array([spec.attentive, spec.target, spec.budget, spec.fee])

    def react(self, state: State, first: int, last: int) -> None:
        """Answer the claims in these rows."""
        state.room_for_rows(last - first)
        state.n_rows = react(first, last, state.first_path, state.seed, self.rules, state.transactions, state.pool.touched,
                             state.book, state.reserves, state.seen.price)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Carry out included top-ups."""
        top_up(picked, state.transactions, state.pool.touched, state.book, state.reserves, state.seen.price, state.ledgers)
