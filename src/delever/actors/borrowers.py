"""Borrowers who watch: one who sees his account eligible adds collateral, in the block in which liquidators bid for it.

    added = (target x debt - backing) / (price x threshold)   units of his largest seizable collateral
He does so once on a path, if he is attentive (drawn a path and account) and it costs at most `budget` of his collateral.
Source: none; a simple rule, so that the race for the block exists. All parameters are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.health import account_health
from delever.core.jit import kernel
from delever.core.limits import may_supply
from delever.core.moving import put_in
from delever.core.outcomes import TOP_UPS, TOPPED_UP
from delever.core.phase import Kind, Phase
from delever.core.philox import BORROWERS, philox, uniform
from delever.core.setting import Setting
from delever.core.settlement import leg_of
from delever.core.state import State
from delever.core.tables import (
    ANSWERED,
    EXECUTED,
    OFFERED,
    REVERTED,
    Accounts,
    BookTables,
    Ledgers,
    Limits,
    Reserves,
    Touched,
    Transactions,
)
from delever.model.errors import InputError
from delever.model.quantity import Gwei, Share, Text
from delever.model.references import known_name
from delever.model.world import World

ATTENTIVE, TARGET, BUDGET, FEE, HOLDER, COLUMNS = range(6)  # columns of the rules


class Borrowers(Actor):
    """How borrowers react."""

    kind: ClassVar[str] = "borrowers"
    answers: ClassVar[bool] = True
    attentive: Share = Field(ge=0, le=1, examples=["50 %"], description="share of borrowers who react; assumption")
    target: float = Field(default=1.1, gt=1, description="health factor that a top-up restores; assumption")
    budget: Share = Field(default=0.2, gt=0, description="most that is added, share of the collateral; assumption")
    fee: Gwei = Field(default=40.0, ge=0, description="bid, a unit of gas; assumption")

    protocol: Text | None = Field(default=None, description="whose owners they are; null: those of every lending protocol")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A protocol of the world."""
        if self.protocol is not None:
            known_name(self.protocol, world.protocols, "protocol", (*path, "protocol"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """Owners of loans, a row of rules a protocol."""
        rules = np.zeros((len(setting.protocols), COLUMNS))
        for name, spec in specs.items():
            for protocol in setting.protocols if spec.protocol is None else (spec.protocol,):
                row = rules[setting.protocols.index(protocol)]
                if row[HOLDER] > 0.0:
                    raise InputError("has two kinds of owners", path=("actors", name, "protocol"), value=protocol,
                                     remedy="give each group a protocol of its own")
                row[:] = spec.attentive, spec.target, spec.budget, spec.fee, setting.holder(name)
        return Reacting(rules)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: {self.attentive:.0%} of owners answer a coming liquidation"


@kernel
def react(first: int, last: int, first_path: int, seed: np.ndarray, terms: np.ndarray, kind: int, rows: Transactions, n: int,
          touched: Touched, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> int:
    """Answer the calls in rows first..last-1 by rows from n on; the number of rows then. terms: [protocols, COLUMNS]."""
    amount = touched.amount
    path, state, ref, give_asset, added, bid = rows.path, rows.state, rows.ref, rows.give_asset, rows.give, rows.bid
    for i in range(first, last):
        slot, p, rules = ref[i], path[i], terms[rows.protocol[i]]
        account = touched.account[slot]
        # a call that was struck may give and get nothing; one that there is not names nothing either
        nothing = added[i] <= 0.0 and rows.get[i] <= 0.0 and state[i] != OFFERED and give_asset[i] < 0
        if nothing or touched.flags[slot] & ANSWERED:
            continue
        word = philox(np.uint64(first_path + p), np.uint64(account), np.uint64(0), BORROWERS, seed[0], seed[1])[0]
        if uniform(word) >= rules[ATTENTIVE]:
            continue
        g, leg, most, backing, debt, value = book.signature[account], -1, 0.0, 0.0, 0.0, 0.0
        for k in range(book.collaterals[g]):
            r = book.reserve[g, k]
            v = amount[slot, k] * reserves.supply_index[r, p] * seen_price[p, r]
            value += v
            backing += v * (book.threshold[g, k] * reserves.counted[book.term[g, k], p])
            if book.seizable[g, k] and book.threshold[g, k] > 0.0 and v > most:
                leg, most = k, v
        for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
            r = book.reserve[g, k]
            debt += amount[slot, k] * reserves.borrow_index[r, p] * seen_price[p, r]
        if leg < 0:
            continue
        price = seen_price[p, book.reserve[g, leg]]
        counts = book.threshold[g, leg] * reserves.counted[book.term[g, leg], p]
        units = (rules[TARGET] * debt - backing) / (price * counts)
        if units * price > rules[BUDGET] * value:
            continue
        path[n], rows.kind[n], state[n], ref[n], added[n], bid[n] = p, kind, OFFERED, slot, units, rules[FEE]
        give_asset[n] = reserves.asset[book.reserve[g, leg]]
        rows.protocol[n], rows.network[n], rows.actor[n] = rows.protocol[i], rows.network[i], np.int64(rules[HOLDER])
        n += 1
    return n


@kernel
def top_up(picked: np.ndarray, rows: Transactions, accounts: Accounts, ledgers: Ledgers, limits: Limits) -> None:
    """Execute top-ups, as far as the reserve takes in more. picked: row numbers."""
    touched, book, reserves, price = accounts.touched, accounts.book, accounts.reserves, accounts.price
    for i in picked:
        slot, p, units = rows.ref[i], rows.path[i], rows.give[i]
        g = book.signature[touched.account[slot]]
        backing, debt = account_health(slot, p, g, touched.amount, book, reserves, price)
        if backing >= debt:
            rows.state[i] = REVERTED
            continue
        leg = leg_of(rows.give_asset[i], g, 0, book.collaterals[g], book.reserve, reserves.asset)
        r = book.reserve[g, leg]
        if not may_supply(r, p, units, reserves, ledgers, limits):
            rows.state[i] = REVERTED
            continue
        put_in(slot, p, r, leg, units, rows.actor[i], accounts, ledgers)
        ledgers.totals[TOP_UPS, rows.protocol[i], p] += 1.0
        ledgers.totals[TOPPED_UP, rows.protocol[i], p] += units * price[p, r]
        touched.flags[slot] |= ANSWERED
        rows.state[i] = EXECUTED


@kernel
def leave_healthy(picked: np.ndarray, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves,
                  seen_price: np.ndarray) -> None:
    """Revert top-ups of accounts that are healthy by now. picked: row numbers."""
    for i in picked:
        slot = rows.ref[i]
        backing, debt = account_health(slot, rows.path[i], book.signature[touched.account[slot]], touched.amount, book, reserves,
                                       seen_price)
        if backing >= debt:
            rows.state[i] = REVERTED


class TopUp(Kind):
    """The transaction by which an owner adds collateral."""

    name: ClassVar[str] = "top_up"
    gas: ClassVar[float] = 250_000.0
    turn: ClassVar[int] = 1
    looks: ClassVar[bool] = True
    accounts = Kind.in_slots

    def check(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        leave_healthy(picked, state.transactions, state.pool.touched, state.book, state.reserves, state.seen.price)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        top_up(picked, state.transactions, state.accounts, state.ledgers, state.limits)


class Reacting(Phase):
    """Owners who answer."""

    def __init__(self, rules: np.ndarray) -> None:
        """rules: [protocols, COLUMNS]; all 0 where nobody answers."""
        self.rules, self.top_up = rules, TopUp()

    def kinds(self) -> Sequence[Kind]:
        """Top-ups."""
        return (self.top_up,)

    def react(self, state: State, first: int, last: int) -> None:
        """Answer the calls in these rows."""
        state.room_for_rows(last - first)
        state.n_rows = react(first, last, state.first_path, state.seed, self.rules, self.top_up.number, state.transactions,
                             state.n_rows, state.pool.touched, state.book, state.reserves, state.seen.price)
