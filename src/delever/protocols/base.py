"""The role of a protocol's rules: what one liquidation call may repay and seize, and how it is settled.

When the step calls them, on all paths of a chunk at once:

  offer, execute   assess   fills repay, seize and kept of the claims, at what is seen now; repay = 0: nothing to call
  execute          settle   applies them: the accounts, the double entry, the sales that follow

State they may touch: Rows (their claims), Touched.amount and .flags, Ledgers, Fills. Nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from delever.core.settlement import settle
from delever.core.state import new_rows
from delever.core.tables import CLAIM, OFFERED, BookTables, Fills, Ledgers, Reserves, Rows, Touched
from delever.model.spec import Spec


class Rules(Spec, ABC):
    """What a user states about a protocol's rules."""

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


class RulesPhase(ABC):
    """The rules of one protocol, ready to run: a few numbers, and a call of one kernel for each method."""

    def __init__(self, number: int, parameters: np.ndarray, fee: np.ndarray, writes_off: bool) -> None:
        self.number = number
        self.parameters = parameters  # [parameters] as the file of the mechanism names them
        self.fee = fee  # [reserves] share of the incentive that the protocol keeps
        self.writes_off = writes_off  # what is owed when no collateral is left becomes a deficit

    @abstractmethod
    def assess(self, rows: Rows, picked: np.ndarray, count: int, touched: Touched, book: BookTables,
               reserves: Reserves, seen_price: np.ndarray) -> None:
        """Size the claims on this protocol among rows picked[:count].

        Fills collateral_leg, debt_leg, repay, seize, kept. Where the account is healthy or nothing can be called,
        repay = 0. seen_price: [paths, reserves], in the unit in which the protocol keeps its accounts.
        """

    @abstractmethod
    def fills_per_claim(self, book: BookTables) -> int:
        """How many sales one claim may put on the market, at most."""

    def settle(self, rows: Rows, picked: np.ndarray, count: int, touched: Touched, book: BookTables,
               reserves: Reserves, seen_price: np.ndarray, ledgers: Ledgers, fills: Fills, n_fills: int) -> int:
        """Apply the claims that were assessed and have something to repay; the new number of fills.

        Rows that are REVERTED or DECLINED are left alone, those that are applied become EXECUTED.
        """
        return settle(rows, picked, count, self.number, self.writes_off, touched, book, reserves, seen_price, ledgers,
                      fills, n_fills)

    def liquidatable(self, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> Liquidatable:
        """A whole book at once, no paths: what one call may do to each account now. seen_price: [reserves]."""
        accounts = len(book.signature)
        rows, every = new_rows(accounts), np.arange(accounts)
        rows.kind[:], rows.state[:], rows.ref[:] = CLAIM, OFFERED, every
        rows.protocol[:] = book.protocol[book.signature]
        rows.collateral_leg[:], rows.debt_leg[:] = -1, -1
        zeros = np.zeros(accounts, np.int32)
        touched = Touched(every.astype(np.int32), zeros, zeros, zeros, book.amount, book.cost, np.zeros(accounts))
        self.assess(rows, every, accounts, touched, book, reserves, np.ascontiguousarray(seen_price[None, :]))
        return Liquidatable(rows.collateral_leg, rows.debt_leg, rows.repay, rows.seize, rows.kept)
