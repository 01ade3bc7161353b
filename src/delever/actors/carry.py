"""Borrowers for whom a loan must stay cheap: each closes his position when the borrow rate exceeds what he can bear.

    limit = median e^(spread z)                                        z: standard normal, one an account, the same on every path
He repays all that he owes of the asset and takes out as much of his largest collateral as sells for that, with `slippage`
to spare; what is too much stays with him. Once a step, in one transaction: it fails where the sale would not repay, where there
is no cash of the collateral, or where what he still owes would be unhealthy; then he tries again in the next step.
Source: none, an assumption: how leveraged stakers left when the rate of ETH rose in 2022 and 2025.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.columns import OF, Column, Figure, Value, mean_of
from delever.core.elementary import exp_, log_
from delever.core.jit import kernel
from delever.core.phase import Kind, Phase
from delever.core.philox import cos_of_turn, philox, stream, uniform
from delever.core.seen_prices import price_all
from delever.core.setting import Setting
from delever.core.settlement import leg_of
from delever.core.state import Pool, State, Watch
from delever.core.tables import OFFERED, SLOTS, Accounts, Transactions
from delever.core.touch import enter_slots, slot_of, touch
from delever.core.unwinding import Close, largest
from delever.model.quantity import Gwei, Number, PerYear, Share, Text
from delever.model.references import known_asset, known_name
from delever.model.world import World

YEAR = 365.0 * 86400.0  # [s]
LIMITS = stream("carry.limits")
RESERVE, PROTOCOL, NETWORK, HOLDER, FIRST, LAST = range(6)  # columns of whole numbers; FIRST..LAST-1: his accounts in the list
SLIPPAGE, FEE = range(2)  # columns of terms


class Carry(Actor):
    """Borrowers of one asset of a protocol."""

    kind: ClassVar[str] = "carry"
    touches: ClassVar[bool] = True
    protocol: Text = Field(examples=["aave"], description="where they borrow")
    asset: Text = Field(examples=["USD"], description="what they borrow")
    median: PerYear = Field(gt=0, examples=["15 %"], description="borrow rate at which half of them have closed; assumption")
    spread: Number = Field(0.5, ge=0, description="standard deviation of the log of their limits; assumption")
    slippage: Share = Field(0.01, description="how much more collateral than its worth they sell for a debt; assumption")
    fee: Gwei = Field(20.0, ge=0, description="what they bid a unit of gas; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A protocol and an asset."""
        known_name(self.protocol, world.loans, "lending protocol", (*path, "protocol"))
        known_asset(self.asset, world, (*path, "asset"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        return Unwinding(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: borrowers of {self.asset} close at a rate of {self.median:.3g} a year, half of them"


@kernel
def draw_limits(account: np.ndarray, median: float, spread: float, seed: np.ndarray, limit: np.ndarray) -> None:
    """account: [n]; median, limit: [1/s]"""
    for i in range(account.shape[0]):
        u, v, _, _ = philox(np.uint64(0), np.uint64(account[i]), np.uint64(0), LIMITS, seed[0], seed[1])
        limit[i] = median * exp_(spread * math.sqrt(-2.0 * log_(uniform(u))) * cos_of_turn(v))


@kernel
def offer(whole: np.ndarray, terms: np.ndarray, account: np.ndarray, due: np.ndarray, done: np.ndarray, kind: int,
          rows: Transactions, n: int, accounts: Accounts, watch: Watch, pool: Pool) -> int:
    """A row for each account whose limit is passed, which is touched; who owes nothing is done. The number of rows then.

    account: [listed]; due: [n, P] how many of each actor's accounts, in the order of their limits; done: [listed, P].
    """
    touched, book, reserves, price = pool.touched, accounts.book, accounts.reserves, accounts.price
    for i in range(whole.shape[0]):
        s = whole[i, RESERVE]
        for p in range(due.shape[1]):
            for j in range(whole[i, FIRST], whole[i, FIRST] + due[i, p]):
                if done[j, p]:
                    continue
                slot, g = slot_of(p, account[j], watch), book.signature[account[j]]
                if slot < 0:
                    slot = touch(p, account[j], book, watch, pool)
                first = book.first_debt[0]
                d = leg_of(reserves.asset[s], g, first, first + book.debts[g], book.reserve, reserves.asset)
                c = largest(slot, p, g, touched, book, reserves, price)
                owed = touched.amount[slot, d] * reserves.borrow_index[s, p]
                if c < 0 or owed <= 0.0:
                    done[j, p] = True
                    continue
                r, at_most = book.reserve[g, c], owed * (1.0 + terms[i, SLIPPAGE])
                rows.path[n], rows.kind[n], rows.state[n], rows.ref[n], rows.actor[n] = p, kind, OFFERED, slot, whole[i, HOLDER]
                rows.protocol[n], rows.network[n], rows.bid[n] = whole[i, PROTOCOL], whole[i, NETWORK], terms[i, FEE]
                rows.give_asset[n], rows.get_asset[n], rows.give[n] = reserves.asset[s], reserves.asset[r], owed
                rows.get[n] = min(at_most * price[p, s] / price[p, r], touched.amount[slot, c] * reserves.supply_index[r, p])
                n += 1
    return n


CLOSED = Column("closed", "count", "loans that their owners closed because of the rate", mean_of(
    "closed", f"loans that {OF} closed because of the rate", under="closed"), section="Deposits")
REPAID_BY = Column("unwound", "USD", "debt that their owners repaid because of the rate, at prices seen", (
    *mean_of("unwound", f"debt that {OF} repaid because of the rate, at prices seen", under="repaid"),
    Figure("unwound_95", "quantile", f"95th percentile over paths of the debt that {OF} repaid because of the rate", level=0.95,
           under="repaid (95 %)")), section="Deposits")


class Unwinding(Phase):
    """All of them."""

    def __init__(self, specs: Mapping[str, Carry], setting: Setting) -> None:
        self.names, book, first = tuple(specs), setting.book, int(setting.book.first_debt[0])
        seed = np.array([setting.world.scenario.seed & 0xFFFFFFFF, setting.world.scenario.seed >> 32 & 0xFFFFFFFF], np.uint64)
        sig, whole = book.signature, []
        listed: list[np.ndarray] = []
        limits: list[np.ndarray] = []
        owes = np.arange(book.amount.shape[1] - first) < book.debts[sig][:, None]
        for name, one in specs.items():
            r = setting.reserve(one.protocol, one.asset, "actors", name, "asset")
            mine = np.flatnonzero((owes & (book.reserve[sig][:, first:] == r) & (book.amount[:, first:] > 0.0)).any(1))
            limit = np.zeros(len(mine))
            draw_limits(mine, one.median / YEAR, one.spread, seed, limit)
            order, number = np.argsort(limit, kind="stable"), setting.protocol(one.protocol)
            begin = sum(len(one) for one in listed)
            whole.append([r, number, setting.homes[number], setting.holder(name), begin, begin + len(mine)])
            listed.append(mine[order])
            limits.append(limit[order])
        self.whole, self.account, self.limit = np.array(whole, np.int64), np.concatenate(listed), np.concatenate(limits)
        self.terms = np.array([[one.slippage, one.fee] for one in specs.values()])
        self.due = np.zeros((len(specs), setting.paths), np.int64)  # how many of his accounts have passed their limits
        self.before = np.zeros((len(specs), setting.paths))  # log borrow index a step ago
        self.done = np.zeros((len(self.account), setting.paths), np.bool_)
        self.closed, self.repaid = np.zeros((2, len(specs), setting.paths))
        self.close = Close(self.note)

    def kinds(self) -> Sequence[Kind]:
        """Closing a loan."""
        return (self.close,)

    def observe(self, state: State) -> None:
        """Once a step: whose limit the rate has passed."""
        for i, row in enumerate(self.whole):
            now = state.reserves.log_borrow[row[RESERVE]]
            rate = (now - self.before[i]) / state.step_length
            self.before[i] = now
            passed = np.searchsorted(self.limit[row[FIRST]:row[LAST]], rate)
            np.maximum(self.due[i], passed, out=self.due[i])

    def offer(self, state: State) -> None:
        """In the first block of a step."""
        waiting = int(self.due.sum() - self.done.sum())
        if state.block != 1 or not waiting:
            return
        enter_slots(state)
        price_all(state)
        state.room_for_slots(int(state.watch.counts[SLOTS]) + waiting)
        state.room_for_rows(waiting)
        state.n_rows = offer(self.whole, self.terms, self.account, self.due, self.done, self.close.number, state.transactions,
                             state.n_rows, state.accounts, state.watch, state.pool)

    def note(self, state: State, done: np.ndarray) -> None:
        """Count what was carried out. done: row numbers."""
        rows = state.transactions
        actor = np.searchsorted(self.whole[:, HOLDER], rows.actor[done])
        usd = rows.give[done] * state.seen.price[rows.path[done], self.whole[actor, RESERVE]]
        np.add.at(self.closed, (actor, rows.path[done]), 1.0)
        np.add.at(self.repaid, (actor, rows.path[done]), usd)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [value for i, name in enumerate(self.names) for value in (
            Value(CLOSED, self.closed[i].copy(), of=name, place=f"actors.{name}"),
            Value(REPAID_BY, self.repaid[i].copy(), of=name))]
