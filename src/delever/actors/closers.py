"""Borrowers who close their loans part by part, at times of their own, with money of their own.

    each account repays `often` a day, at random:    units = size e^(spread z), z normal; at most what is owed
    and takes out   collateral x units / owed        so that its health stays what it is
Only while its collateral is worth more than what it owes, at market prices: what is worth less is left to the lenders, however
the oracle sees it.
Source: no model; what owners of leveraged stablecoins do who want out before others. The numbers may be estimates from a
market's own repayments (examples/morpho_2025); that nobody repays a loan that is worth more than its collateral is an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.columns import ASSET, OF, Column, Value, mean_of
from delever.core.elementary import exp_, log_
from delever.core.jit import helper, kernel
from delever.core.moving import pay_back, take_out
from delever.core.phase import Kind, Phase
from delever.core.philox import cos_of_turn, philox, stream, uniform
from delever.core.reserves import there_is
from delever.core.route import usd_price
from delever.core.setting import Setting
from delever.core.settlement import accounts_with, leg_of
from delever.core.state import Pool, State, Watch
from delever.core.tables import (
    EXECUTED,
    INCLUDED,
    OFFERED,
    REVERTED,
    SLOTS,
    Accounts,
    Ledgers,
    Liquidity,
    Transactions,
)
from delever.core.touch import enter_slots, touch, watch_again
from delever.model.quantity import Amount, Gwei, Number, Text
from delever.model.references import known_asset, known_name
from delever.model.world import World

COLLATERAL, DEBT, PROTOCOL, NETWORK, HOLDER, FIRST, LAST = range(7)  # columns of whole numbers; reserves, then others
CHANCE, SIZE, SPREAD, FEE = range(4)  # columns of terms
DAY = 86400.0  # [s]
CLOCK = stream("actors.closers")


class Closers(Actor):
    """Owners of one kind of loan who repay it part by part."""

    kind: ClassVar[str] = "closers"
    touches: ClassVar[bool] = True
    protocol: Text = Field(examples=["aave"], description="where they borrow")
    collateral: Text = Field(examples=["ETH"], description="what they take out")
    debt: Text = Field(examples=["USD"], description="what they repay")
    often: Number = Field(ge=0, examples=[0.5], description="times a day that each repays, at random; estimate or assumption")
    size: Amount = Field(gt=0, examples=[1000], description="units that he repays: median; estimate or assumption")
    spread: Number = Field(0.0, ge=0, description="standard deviation of the log of these units")
    fee: Gwei = Field(20.0, ge=0, description="what they bid a unit of gas; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A protocol and two assets."""
        known_name(self.protocol, world.loans, "lending protocol", (*path, "protocol"))
        known_asset(self.collateral, world, (*path, "collateral"))
        known_asset(self.debt, world, (*path, "debt"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        return Closing(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: owners of {self.collateral} against {self.debt} repay {self.often:g} times a day while it is worth it"


@helper
def legs(slot: int, collateral: int, debt: int, accounts: Accounts) -> tuple[int, int]:
    """(collateral leg, debt leg) of a touched account, of these assets."""
    book, asset = accounts.book, accounts.reserves.asset
    g, first = book.signature[accounts.touched.account[slot]], book.first_debt[0]
    return (leg_of(collateral, g, 0, book.collaterals[g], book.reserve, asset),
            leg_of(debt, g, first, first + book.debts[g], book.reserve, asset))


@helper
def amounts(slot: int, p: int, c: int, d: int, accounts: Accounts) -> tuple[int, int, float, float]:
    """(reserve of the collateral, of the debt, units held, units owed) of these legs."""
    book, reserves, amount = accounts.book, accounts.reserves, accounts.touched.amount
    g = book.signature[accounts.touched.account[slot]]
    r, s = book.reserve[g, c], book.reserve[g, d]
    return r, s, amount[slot, c] * reserves.supply_index[r, p], amount[slot, d] * reserves.borrow_index[s, p]


@kernel
def offer(step: int, first_path: int, seed: np.ndarray, whole: np.ndarray, terms: np.ndarray, account: np.ndarray,
          rows: Transactions, n: int, accounts: Accounts, liquidity: Liquidity, watch: Watch, pool: Pool) -> int:
    """A row for each account whose time has come and whose collateral is worth its debt, of no kind yet. The number of rows then.

    account: [listed].
    """
    tree, market = liquidity.tree, liquidity.markets.price
    for i in range(whole.shape[0]):
        a, b = accounts.reserves.asset[whole[i, COLLATERAL]], accounts.reserves.asset[whole[i, DEBT]]
        for p in range(market.shape[1]):
            for j in range(whole[i, FIRST], whole[i, LAST]):
                w0, w1, w2, _ = philox(np.uint64(first_path + p), np.uint64(step), np.uint64(account[j]), CLOCK, seed[0], seed[1])
                if uniform(w0) >= terms[i, CHANCE]:
                    continue
                slot = touch(p, account[j], accounts.book, watch, pool)
                c, d = legs(slot, a, b, accounts)
                _, _, held, owed = amounts(slot, p, c, d, accounts)
                if not (owed > 0.0 and held * usd_price(a, p, tree, market) > owed * usd_price(b, p, tree, market)):
                    continue
                z = math.sqrt(-2.0 * log_(uniform(w1))) * cos_of_turn(w2)
                units = min(terms[i, SIZE] * exp_(terms[i, SPREAD] * z), owed)
                rows.path[n], rows.state[n], rows.ref[n], rows.actor[n] = p, OFFERED, slot, whole[i, HOLDER]
                rows.protocol[n], rows.network[n], rows.bid[n] = whole[i, PROTOCOL], whole[i, NETWORK], terms[i, FEE]
                rows.give_asset[n], rows.give[n] = b, units
                rows.get_asset[n], rows.get[n] = a, held * units / owed
                n += 1
    return n


@kernel
def repay(picked: np.ndarray, rows: Transactions, accounts: Accounts, ledgers: Ledgers, watch: Watch, pool: Pool) -> None:
    """Of what is still owed, at most what the row says, and the collateral in proportion. picked: row numbers."""
    for k in picked:
        if rows.state[k] != INCLUDED:
            continue
        slot, p, who = rows.ref[k], rows.path[k], rows.actor[k]
        c, d = legs(slot, rows.get_asset[k], rows.give_asset[k], accounts)
        r, s, held, owed = amounts(slot, p, c, d, accounts)
        units = min(rows.give[k], owed)
        taken = held * units / owed if owed > 0.0 else 0.0
        if not units > 0.0 or there_is(r, p, accounts.reserves, ledgers) < taken:
            rows.state[k] = REVERTED
            continue
        rows.give[k] = pay_back(slot, p, s, d, units, who, accounts, ledgers)
        rows.get[k] = take_out(slot, p, r, c, taken, who, accounts, ledgers)
        watch_again(slot, watch, pool)
        rows.state[k] = EXECUTED


class Repayment(Kind):
    """A part of a loan for the same part of its collateral."""

    name: ClassVar[str] = "repayment"
    gas: ClassVar[float] = 400_000.0
    turn: ClassVar[int] = 1
    accounts = Kind.in_slots

    def __init__(self, closing: Closing) -> None:
        self.closing = closing

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        repay(picked, state.transactions, state.accounts, state.ledgers, state.watch, state.pool)
        self.closing.note(state, picked[state.transactions.state[picked] == EXECUTED])


REPAID = Column("paid_back", ASSET, "units that owners repaid at times of their own", mean_of(
    "paid_back", f"units of {OF} that owners repaid at times of their own", under="repaid"), section="Deposits")


class Closing(Phase):
    """All of them, ready to run."""

    def __init__(self, specs: Mapping[str, Closers], setting: Setting) -> None:
        self.names = tuple(specs)
        whole, listed = [], list[np.ndarray]()
        for name, one in specs.items():
            r, s = (setting.reserve(one.protocol, asset, "actors", name, field)
                    for asset, field in ((one.collateral, "collateral"), (one.debt, "debt")))
            mine, begin, number = accounts_with(setting.book, r, s), sum(map(len, listed)), setting.protocol(one.protocol)
            whole.append([r, s, number, setting.homes[number], setting.holder(name), begin, begin + len(mine)])
            listed.append(mine)
        self.whole, self.account = np.array(whole, np.int64), np.concatenate(listed)
        self.terms = np.array([[one.often / DAY, one.size, one.spread, one.fee] for one in specs.values()])
        self.terms[:, CHANCE] = 1.0 - np.exp(-self.terms[:, CHANCE] * setting.step_length)  # that his time comes in a step
        self.repaid = np.zeros((len(specs), setting.paths))  # units of the debt
        self.repayment = Repayment(self)

    def kinds(self) -> Sequence[Kind]:
        """Repaying."""
        return (self.repayment,)

    def offer(self, state: State) -> None:
        """In the first block of a step."""
        if state.block != 1:
            return
        enter_slots(state)
        most = len(self.account) * state.paths
        state.room_for_slots(int(state.watch.counts[SLOTS]) + most)
        state.room_for_rows(most)
        first = state.n_rows
        state.n_rows = offer(state.step, state.first_path, state.seed, self.whole, self.terms, self.account, state.transactions,
                             first, state.accounts, state.liquidity, state.watch, state.pool)
        state.transactions.kind[first:state.n_rows] = self.repayment.number

    def note(self, state: State, done: np.ndarray) -> None:
        """Count what was carried out. done: row numbers."""
        rows = state.transactions
        np.add.at(self.repaid, (np.searchsorted(self.whole[:, HOLDER], rows.actor[done]), rows.path[done]), rows.give[done])

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(REPAID, self.repaid[i].copy(), asset=int(state.reserves.asset[self.whole[i, DEBT]]), of=name,
                      place=f"actors.{name}") for i, name in enumerate(self.names)]
