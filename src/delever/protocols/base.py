"""The role of a protocol's rules: what one liquidation call may repay and seize, and how it is settled.

When the step calls them, on all paths of a chunk at once:

  offer, execute   assess   sales repay, seize and kept of the claims, at what is seen now; repay = 0: nothing to call
  execute          settle   applies them: the accounts, the double entry, the sales that follow

State they may touch: Transactions (their claims), Touched.amount and .flags, Ledgers, Sales. Nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from delever.core.columns import Phase, Value
from delever.core.loans import loan_columns
from delever.core.settlement import settle
from delever.core.state import State, new_transactions
from delever.core.tables import LIQUIDATION, OFFERED, BookTables, Ledgers, Reserves, Sales, Touched, Transactions
from delever.model.spec import Spec


class Rules(Spec, ABC):
    """What a user states about a protocol's rules."""

    declares: ClassVar[int] = 0  # kinds of transaction of its own; the first is what an unhealthy account offers

    @abstractmethod
    def compile(self, number: int, fee: np.ndarray) -> RulesPhase:
        """Rules of the protocol of that number. fee: [reserves] share of the incentive that the protocol keeps."""


class Liquidatable(NamedTuple):
    """What one call may do to each account now; an account that cannot be called has repay 0 and legs -1.

    Of accounts that are called pro rata, collateral_leg and debt_leg are -1 and repay, seize, kept are shares.
    """

    collateral_leg: np.ndarray  # [accounts]
    debt_leg: np.ndarray  # [accounts]
    repay: np.ndarray  # [accounts] units of the debt asset
    seize: np.ndarray  # [accounts] units of the collateral asset
    kept: np.ndarray  # [accounts] part of `seize` that the protocol keeps


class RulesPhase(Phase, ABC):
    """The rules of one protocol, ready to run: a few numbers, and a call of one kernel for each method."""

    def __init__(self, number: int, parameters: np.ndarray, fee: np.ndarray, writes_off: bool) -> None:
        self.number = number
        self.parameters = parameters  # [parameters] as the file of the mechanism names them
        self.fee = fee  # [reserves] share of the incentive that the protocol keeps
        self.writes_off = writes_off  # what is owed when no collateral is left becomes a deficit

    @abstractmethod
    def assess(self, rows: Transactions, picked: np.ndarray, count: int, touched: Touched, book: BookTables,
               reserves: Reserves, seen_price: np.ndarray) -> None:
        """Size the claims on this protocol among rows picked[:count].

        Fills give_asset, get_asset, give, get, kept. Where the account is healthy or nothing can be called,
        give = 0. seen_price: [paths, reserves], in the unit in which the protocol keeps its accounts.
        """

    def kinds(self) -> list[Any]:
        """Kinds of transaction of its own, in the order of their numbers."""
        return []

    @abstractmethod
    def sales_per_call(self, book: BookTables) -> int:
        """How many sales one claim may put on the market, at most."""

    def settle(self, rows: Transactions, picked: np.ndarray, count: int, touched: Touched, book: BookTables,
               reserves: Reserves, seen_price: np.ndarray, ledgers: Ledgers, sales: Sales, n_sales: int) -> int:
        """Apply the claims that were assessed and have something to repay; the new number of sales.

        Transactions that are REVERTED or DECLINED are left alone, those that are applied become EXECUTED.
        """
        return settle(rows, picked, count, self.number, self.writes_off, touched, book, reserves, seen_price, ledgers,
                      sales, n_sales)

    def columns(self, state: State) -> list[Value]:
        """See Phase. What became of the protocol's loans; rules that have more to say add to it."""
        return loan_columns(state, self.number)

    def liquidatable(self, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> Liquidatable:
        """A whole book at once, no paths: what one call may do to each account now. seen_price: [reserves]."""
        accounts = len(book.signature)
        rows, every = new_transactions(accounts), np.arange(accounts)
        rows.kind[:], rows.state[:], rows.ref[:] = LIQUIDATION, OFFERED, every
        rows.protocol[:] = book.protocol[book.signature]
        rows.get_asset[:], rows.give_asset[:] = -1, -1
        zeros = np.zeros(accounts, np.int32)
        touched = Touched(every.astype(np.int32), zeros, zeros, zeros, book.amount, book.cost, np.zeros(accounts))
        self.assess(rows, every, accounts, touched, book, reserves, np.ascontiguousarray(seen_price[None, :]))
        of = reserves.asset[book.reserve[book.signature]]  # [accounts, legs]
        first, place = book.first_debt[0], np.arange(book.amount.shape[1])

        def leg(wanted: np.ndarray, debt: bool) -> np.ndarray:
            count = (book.debts if debt else book.collaterals)[book.signature][:, None]
            held = ((place >= first) == debt) & (np.where(place < first, place, place - first) < count)
            found = (of == wanted[:, None]) & held
            return np.where(found.any(1), found.argmax(1), -1)

        return Liquidatable(leg(rows.get_asset, False), leg(rows.give_asset, True), rows.give, rows.get, rows.kept)
