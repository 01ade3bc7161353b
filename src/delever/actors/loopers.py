"""Owners who keep their leverage: they borrow and buy more when their health is high, sell and repay when it is low.

    health  h = backing / debt, of an account with the collateral and the debt named; t = what a unit of collateral value backs
    h < low    repays  x = (target debt - backing) / (target - t (1 + slippage))   out of its own collateral, for x (1 + slippage)
    h > high   borrows y = (backing - target debt) / (target - t (1 - slippage)),  sells it and adds y (1 - slippage)
so that health is `target` again, at seen prices. Once a step, each in one transaction; what fails (no cash, a cap, a sale that
brings too little, a halt) is tried again in the next step. Selling as prices fall and buying as they rise, they move both ways.
Recursive positions are such accounts: a loop of n rounds is one with leverage 1 + LTV + ... + LTV^n.
Source: T. Adrian and H. S. Shin, Liquidity and Leverage (2010): balance sheets that keep their leverage; numbers are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from delever.actors.base import Actor
from delever.core.columns import OF, Column, Value, mean_of
from delever.core.health import account_health
from delever.core.jit import kernel
from delever.core.levering import Lever
from delever.core.phase import Kind, Phase
from delever.core.seen_prices import price_all
from delever.core.setting import Setting
from delever.core.settlement import accounts_with, leg_of
from delever.core.state import Pool, State, Watch
from delever.core.tables import OFFERED, SLOTS, Accounts, Transactions
from delever.core.touch import enter_slots, slot_of, touch
from delever.core.unwinding import Close
from delever.model.errors import InputError
from delever.model.quantity import Gwei, Ratio, Share, Text
from delever.model.references import known_asset, known_name
from delever.model.world import World

COLLATERAL, DEBT, PROTOCOL, NETWORK, HOLDER, FIRST, LAST = range(7)  # columns of whole numbers; reserves, then others
LOW, TARGET, HIGH, SLIPPAGE, FEE = range(5)  # columns of terms
LITTLE = 1e-9  # of a debt: less is not worth a transaction


class Loopers(Actor):
    """Owners of one kind of position."""

    kind: ClassVar[str] = "loopers"
    touches: ClassVar[bool] = True
    protocol: Text = Field(examples=["aave"], description="where they borrow")
    collateral: Text = Field(examples=["ETH"], description="what they hold")
    debt: Text = Field(examples=["USD"], description="what they owe")
    low: Ratio = Field(examples=[1.05], description="health factor below which they repay; assumption")
    target: Ratio = Field(gt=1, examples=[1.1], description="health factor that they want; assumption")
    high: Ratio | None = Field(None, description="health factor above which they borrow more; null: never; assumption")
    slippage: Share = Field(0.01, description="what a sale may cost them, of its worth; assumption")
    fee: Gwei = Field(20.0, ge=0, description="what they bid a unit of gas; assumption")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.target or (self.high is not None and self.high <= self.target):
            raise InputError("are out of order", path=("target",), value=self.target,
                             remedy="low < target < high: write `low: 1.05`, `target: 1.1`, `high: 1.2`")
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A protocol and two assets."""
        known_name(self.protocol, world.loans, "lending protocol", (*path, "protocol"))
        known_asset(self.collateral, world, (*path, "collateral"))
        known_asset(self.debt, world, (*path, "debt"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        return Looping(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: owners of {self.collateral} against {self.debt} keep a health factor of {self.target:g}"


@kernel
def offer(whole: np.ndarray, terms: np.ndarray, account: np.ndarray, close: int, lever: int, rows: Transactions, n: int,
          accounts: Accounts, watch: Watch, pool: Pool) -> int:
    """A row for each account that is out of its bounds, which is touched. The number of rows then. account: [listed]."""
    touched, book, reserves, price = pool.touched, accounts.book, accounts.reserves, accounts.price
    for i in range(whole.shape[0]):
        r, s, target, slip = whole[i, COLLATERAL], whole[i, DEBT], terms[i, TARGET], terms[i, SLIPPAGE]
        for p in range(price.shape[0]):
            for j in range(whole[i, FIRST], whole[i, LAST]):
                slot, g = slot_of(p, account[j], watch), book.signature[account[j]]
                amount, row = (touched.amount, slot) if slot >= 0 else (book.amount, account[j])
                backing, debt = account_health(row, p, g, amount, book, reserves, price)
                if not debt > 0.0 or terms[i, LOW] * debt <= backing <= terms[i, HIGH] * debt:
                    continue
                first = book.first_debt[0]
                c = leg_of(reserves.asset[r], g, 0, book.collaterals[g], book.reserve, reserves.asset)
                d = leg_of(reserves.asset[s], g, first, first + book.debts[g], book.reserve, reserves.asset)
                held, owed = amount[row, c] * reserves.supply_index[r, p], amount[row, d] * reserves.borrow_index[s, p]
                counts = book.threshold[g, c] * reserves.counted[book.term[g, c], p]
                if backing < terms[i, LOW] * debt:
                    usd = (target * debt - backing) / (target - counts * (1.0 + slip))
                    usd = min(usd, owed * price[p, s], held * price[p, r] / (1.0 + slip))
                else:
                    usd = (backing - target * debt) / (target - counts * (1.0 - slip))
                if usd <= LITTLE * debt or held <= 0.0:
                    continue
                if slot < 0:
                    slot = touch(p, account[j], book, watch, pool)
                rows.path[n], rows.state[n], rows.ref[n], rows.actor[n] = p, OFFERED, slot, whole[i, HOLDER]
                rows.protocol[n], rows.network[n], rows.bid[n] = whole[i, PROTOCOL], whole[i, NETWORK], terms[i, FEE]
                if backing < terms[i, LOW] * debt:
                    rows.kind[n], rows.give_asset[n], rows.get_asset[n] = close, reserves.asset[s], reserves.asset[r]
                    rows.most[n] = rows.give[n] = usd / price[p, s]
                    rows.get[n] = usd * (1.0 + slip) / price[p, r]
                else:
                    rows.kind[n], rows.give_asset[n], rows.get_asset[n] = lever, reserves.asset[r], reserves.asset[s]
                    rows.give[n], rows.get[n] = usd * (1.0 - slip) / price[p, r], usd / price[p, s]
                n += 1
    return n


LEVERED = Column("levered", "USD", "what owners borrowed to keep their leverage, at prices seen", mean_of(
    "levered", f"what {OF} borrowed to keep their leverage, at prices seen", under="borrowed"), section="Leverage kept")
DELEVERED = Column("delevered", "USD", "what owners repaid to keep their leverage, at prices seen", mean_of(
    "delevered", f"what {OF} repaid to keep their leverage, at prices seen", under="repaid"), section="Leverage kept")


class Looping(Phase):
    """All of them."""

    def __init__(self, specs: Mapping[str, Loopers], setting: Setting) -> None:
        self.names, book, first = tuple(specs), setting.book, int(setting.book.first_debt[0])
        sig, whole, listed = book.signature, [], list[np.ndarray]()
        for name, one in specs.items():
            here = ("actors", name)
            r, s = (setting.reserve(one.protocol, asset, *here, field)
                    for asset, field in ((one.collateral, "collateral"), (one.debt, "debt")))
            mine = accounts_with(book, r, s)
            best = float(book.threshold[sig[mine], :first].max(initial=0.0)) * (1.0 + one.slippage)
            if one.target <= best:
                raise InputError(f"is not above {best:g}", path=(*here, "target"), value=one.target,
                                 remedy="selling collateral for debt must raise the health factor: raise it")
            begin, number = sum(map(len, listed)), setting.protocol(one.protocol)
            whole.append([r, s, number, setting.homes[number], setting.holder(name), begin, begin + len(mine)])
            listed.append(mine)
        self.whole, self.account = np.array(whole, np.int64), np.concatenate(listed)
        self.terms = np.array([[one.low, one.target, one.high or np.inf, one.slippage, one.fee] for one in specs.values()])
        self.levered, self.delevered = np.zeros((2, len(specs), setting.paths))
        self.close, self.lever = Close(self.repaid), Lever(self.borrowed)

    def kinds(self) -> Sequence[Kind]:
        """Repaying out of collateral, borrowing for more."""
        return (self.close, self.lever)

    def offer(self, state: State) -> None:
        """In the first block of a step."""
        if state.block != 1:
            return
        enter_slots(state)
        price_all(state)
        most = len(self.account) * state.paths
        state.room_for_slots(int(state.watch.counts[SLOTS]) + most)
        state.room_for_rows(most)
        state.n_rows = offer(self.whole, self.terms, self.account, self.close.number, self.lever.number, state.transactions,
                             state.n_rows, state.accounts, state.watch, state.pool)

    def note(self, state: State, done: np.ndarray, units: np.ndarray, total: np.ndarray) -> None:
        """Add what was borrowed or repaid. done: row numbers; units: [rows] of the debt; total: [actors, P]."""
        rows = state.transactions
        actor = np.searchsorted(self.whole[:, HOLDER], rows.actor[done])
        usd = units[done] * state.seen.price[rows.path[done], self.whole[actor, DEBT]]
        np.add.at(total, (actor, rows.path[done]), usd)

    def repaid(self, state: State, done: np.ndarray) -> None:
        """See Close."""
        self.note(state, done, state.transactions.give, self.delevered)

    def borrowed(self, state: State, done: np.ndarray) -> None:
        """See Lever."""
        self.note(state, done, state.transactions.get, self.levered)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [value for i, name in enumerate(self.names) for value in (
            Value(LEVERED, self.levered[i].copy(), of=name, place=f"actors.{name}"),
            Value(DELEVERED, self.delevered[i].copy(), of=name, place=f"actors.{name}"))]
