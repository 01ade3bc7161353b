"""Lenders who leave: with the rate, with bad debt they see, and with others who leave; where there is no cash they queue.

    h = base + uneasy max(r - content, 0) + loss d + herd (average of h over the last `memory`)            [1/day]
    what of those who stay wants to go in a step: 1 - e^(-h dt)
r: the borrow rate of the step; d: deficit / (cash + owed + deficit) of the reserve. Withdrawals are transactions: of what
waits a block pays at most the cash that is there, and what waits earns interest like all deposits.
Source: none, an assumption: what the reserves of stablecoins looked like that stood at full utilisation in March 2023 and later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.columns import ASSET, OF, Column, Figure, Value, mean_of
from delever.core.elementary import exp_
from delever.core.jit import kernel
from delever.core.phase import Kind, Phase
from delever.core.reserves import cash_of, owed_of, there_is
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import (
    CASH,
    DEFICIT,
    DEPOSITS,
    EXECUTED,
    INCLUDED,
    OFFERED,
    OWN_DEPOSITS,
    REVERTED,
    Ledgers,
    Reserves,
    Transactions,
)
from delever.model.errors import InputError
from delever.model.quantity import Gwei, Number, PerYear, Seconds, Share, Text
from delever.model.references import known_name
from delever.model.world import World

DAY, YEAR = 86400.0, 365.0 * 86400.0  # [s]
BASE, CONTENT, UNEASY, LOSS, HERD, MEMORY, FEE = range(7)  # columns of terms: hazards [1/s], rates [1/s], memory [s]
RESERVE, PROTOCOL, NETWORK, HOLDER = range(4)  # columns of whole numbers
STAYING, WAITING_UNITS, LEAVING, LOCKED, LAST_LOG, PAID_OUT = range(6)  # rows of what is kept by path


class Depositors(Actor):
    """All who lend one asset to one protocol and owe nothing there: what is deposited beyond the accounts of the book."""

    kind: ClassVar[str] = "depositors"
    protocol: Text = Field(examples=["aave"], description="where they lend")
    asset: Text = Field(examples=["USD"], description="what they lend")
    base: Share = Field(0.0, description="share that leaves in a day when nothing happens; assumption")
    content: PerYear = Field(0.1, description="borrow rate from which they grow uneasy; assumption")
    uneasy: Number = Field(0.0, ge=0, examples=[2], description="share more a day for 100 % a year above that; assumption")
    loss: Number = Field(0.0, ge=0, examples=[20], description="share more a day for a deficit of all assets; assumption")
    herd: Number = Field(0.0, ge=0, le=1, examples=[0.5], description="share more a day for one that others left at; assumption")
    memory: Seconds = Field(6 * 3600.0, gt=0, description="time over which they look at others; assumption")
    fee: Gwei = Field(20.0, ge=0, description="what they bid a unit of gas; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A reserve that knows what it holds."""
        known_name(self.protocol, world.protocols, "protocol", (*path, "protocol"))
        if self.asset not in world.protocols[self.protocol].cash:
            raise InputError("is missing", path=("protocols", self.protocol, "cash", self.asset),
                             remedy=f"{path[-1]} withdraw cash: state the units that the reserve holds at the start")

        for name, other in world.actors.items():
            same = isinstance(other, Depositors) and (other.protocol, other.asset) == (self.protocol, self.asset)
            if same and name != path[-1]:
                raise InputError(f"lend what {name} lend too", path=path, value=self.asset,
                                 remedy="they are all who lend it: leave one")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All lenders."""
        return Lenders(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: lenders of {self.asset} leave at {self.base:.3g} a day and more with rates, losses and others"


@kernel
def decide(step: float, whole: np.ndarray, terms: np.ndarray, reserves: Reserves, ledgers: Ledgers, kept: np.ndarray) -> None:
    """Who wants to leave from now on. step: [s]; whole, terms: [n, columns]; kept: [rows, n, P], units at index 1."""
    for i in range(whole.shape[0]):
        r = whole[i, RESERVE]
        for p in range(kept.shape[2]):
            cash, owed = cash_of(r, p, reserves, ledgers), owed_of(r, p, reserves, ledgers)
            deficit = max(ledgers.booked[DEFICIT, r, p], 0.0)
            grown = reserves.log_borrow[r, p] - kept[LAST_LOG, i, p]
            kept[LAST_LOG, i, p] = reserves.log_borrow[r, p]
            assets = max(cash, 0.0) + owed + deficit
            h = (terms[i, BASE] + terms[i, UNEASY] * max(grown / step - terms[i, CONTENT], 0.0)
                 + terms[i, LOSS] * (deficit / assets if assets > 0.0 else 0.0) + terms[i, HERD] * kept[LEAVING, i, p])
            share = min(step / terms[i, MEMORY], 1.0)
            kept[LEAVING, i, p] += share * (h - kept[LEAVING, i, p])
            go = kept[STAYING, i, p] * (1.0 - exp_(-h * step))
            kept[STAYING, i, p] -= go
            kept[WAITING_UNITS, i, p] += go
            if kept[WAITING_UNITS, i, p] > 0.0 and there_is(r, p, reserves, ledgers) <= 0.0:
                kept[LOCKED, i, p] += step


@kernel
def offer(whole: np.ndarray, terms: np.ndarray, reserves: Reserves, ledgers: Ledgers, kept: np.ndarray, kind: int,
          active: np.ndarray, rows: Transactions, n: int) -> int:
    """Withdrawals of what waits, as far as there is cash; the number of rows then."""
    for i in range(whole.shape[0]):
        r = whole[i, RESERVE]
        for p in range(active.shape[0]):
            units = min(kept[WAITING_UNITS, i, p] * reserves.supply_index[r, p], there_is(r, p, reserves, ledgers))
            if not (active[p] and units > 0.0):
                continue
            rows.path[n], rows.kind[n], rows.state[n], rows.ref[n], rows.actor[n] = p, kind, OFFERED, i, whole[i, HOLDER]
            rows.give_asset[n], rows.get_asset[n], rows.network[n] = reserves.asset[r], reserves.asset[r], whole[i, NETWORK]
            rows.protocol[n], rows.get[n], rows.bid[n] = whole[i, PROTOCOL], units, terms[i, FEE]
            n += 1
    return n


@kernel
def leave_empty(picked: np.ndarray, whole: np.ndarray, reserves: Reserves, ledgers: Ledgers, rows: Transactions) -> None:
    """Revert withdrawals from a reserve that has nothing. picked: row numbers."""
    for k in picked:
        if there_is(whole[rows.ref[k], RESERVE], rows.path[k], reserves, ledgers) <= 0.0:
            rows.state[k] = REVERTED


@kernel
def withdraw(picked: np.ndarray, whole: np.ndarray, reserves: Reserves, ledgers: Ledgers, kept: np.ndarray, rows: Transactions
             ) -> None:
    """Pay what is there."""
    for k in picked:
        if rows.state[k] != INCLUDED:
            continue
        i, p = rows.ref[k], rows.path[k]
        r = whole[i, RESERVE]
        index, a = reserves.supply_index[r, p], reserves.asset[r]
        units = min(min(rows.get[k], kept[WAITING_UNITS, i, p] * index), there_is(r, p, reserves, ledgers))
        rows.get[k] = units
        kept[WAITING_UNITS, i, p] = max(kept[WAITING_UNITS, i, p] - units / index, 0.0)
        kept[PAID_OUT, i, p] += units
        ledgers.tokens[CASH, a, p] -= units
        ledgers.tokens[rows.actor[k], a, p] += units
        ledgers.booked[DEPOSITS, r, p] -= units
        ledgers.booked[OWN_DEPOSITS, r, p] -= units
        rows.state[k] = EXECUTED


@kernel
def who_wants(whole: np.ndarray, reserves: Reserves, ledgers: Ledgers, kept: np.ndarray, time: float, wake: np.ndarray) -> None:
    """Somebody waits and there is cash: the next block."""
    for i in range(whole.shape[0]):
        r = whole[i, RESERVE]
        for p in range(wake.shape[0]):
            if kept[WAITING_UNITS, i, p] > 0.0 and there_is(r, p, reserves, ledgers) > 0.0:
                wake[p] = min(wake[p], time)


class Withdrawal(Kind):
    """Cash for a deposit."""

    name: ClassVar[str] = "withdrawal"
    gas: ClassVar[float] = 200_000.0
    turn: ClassVar[int] = 1

    def __init__(self, lenders: Lenders) -> None:
        self.lenders = lenders

    def check(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        leave_empty(picked, self.lenders.whole, state.reserves, state.ledgers, state.transactions)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        self.check(state, picked)
        withdraw(picked, self.lenders.whole, state.reserves, state.ledgers, self.lenders.kept, state.transactions)


SECTION = "Deposits"
WITHDRAWN = Column("withdrawn", ASSET, "units that lenders withdrew", mean_of(
    "withdrawn", f"units that {OF} withdrew", under="withdrawn"), section=SECTION)
QUEUED = Column("waiting", ASSET, "units that lenders wait for, with interest", (
    *mean_of("waiting", f"units that {OF} wait for at the end", under="waiting"),
    Figure("probability_of_queue", "share_above", "paths on which lenders wait for cash at the end", "share", under="a queue")),
    section=SECTION, stock=True)
SHUT = Column("locked", "s", "time in which lenders waited and there was no cash", (
    Figure("locked_95", "quantile", "95th percentile over paths of the time in which lenders waited and there was no cash",
           level=0.95, under="locked (95 %)"),), section=SECTION)


class Lenders(Phase):
    """All depositors."""

    def __init__(self, specs: Mapping[str, Depositors], setting: Setting) -> None:
        self.names = tuple(specs)
        self.whole = np.array([[setting.reserve(one.protocol, one.asset, "actors", name, "asset"),
                                setting.protocol(one.protocol, "actors", name, "protocol"),
                                setting.homes[setting.protocol(one.protocol)], setting.holder(name)]
                               for name, one in specs.items()], np.int64)
        self.terms = np.array([[one.base / DAY, one.content / YEAR, one.uneasy / DAY * YEAR, one.loss / DAY, one.herd, one.memory,
                                one.fee] for one in specs.values()])
        lent = np.array([self.deposited(name, one, int(r), setting)
                         for (name, one), r in zip(specs.items(), self.whole[:, RESERVE], strict=True)])
        self.kept = np.zeros((6, len(lent), setting.paths))
        self.kept[STAYING] = lent[:, None]
        self.withdrawal = Withdrawal(self)

    def deposited(self, name: str, one: Depositors, r: int, setting: Setting) -> float:
        """Units at the start: what stands against cash and loans, less what accounts of the book hold."""
        book, first = setting.book, int(setting.book.first_debt[0])
        held = np.arange(first) < book.collaterals[book.signature][:, None]
        mine = held & (book.reserve[book.signature][:, :first] == r)
        units = float(setting.cash[r] + setting.owed[r] - book.amount[:, :first][mine].sum())
        if units <= 0.0:
            raise InputError(f"has no deposits of {one.asset} but those of its book", path=("actors", name, "protocol"),
                             value=one.protocol, remedy="state all that is borrowed (`borrowed`) and what is there (`cash`)")
        return units

    def kinds(self) -> Sequence[Kind]:
        """Withdrawals."""
        return (self.withdrawal,)

    def observe(self, state: State) -> None:
        """Once a step: who leaves."""
        decide(state.step_length, self.whole, self.terms, state.reserves, state.ledgers, self.kept)

    def offer(self, state: State) -> None:
        """In every block."""
        state.room_for_rows(self.kept[0].size)
        state.n_rows = offer(self.whole, self.terms, state.reserves, state.ledgers, self.kept, self.withdrawal.number,
                             state.active, state.transactions, state.n_rows)

    def wake(self, state: State) -> None:
        """See Phase."""
        who_wants(self.whole, state.reserves, state.ledgers, self.kept, state.time, state.wake)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        found = []
        for i, name in enumerate(self.names):
            r = self.whole[i, RESERVE]
            a = int(state.reserves.asset[r])
            waits = self.kept[WAITING_UNITS, i] * state.reserves.supply_index[r]
            found += [Value(WITHDRAWN, self.kept[PAID_OUT, i].copy(), asset=a, of=name, place=f"actors.{name}"),
                      Value(QUEUED, waits, asset=a, of=name), Value(SHUT, self.kept[LOCKED, i].copy(), of=name)]
        return found
