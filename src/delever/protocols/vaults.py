"""Maker's vaults, one collateral against one debt: a book of such, and what either auction house reads of one.

    unsafe    collateral x seen price x threshold < debt x seen price        threshold = 1 / mat
Source: makerdao/dss fa4f6630 (vat.sol: urns; cat.sol and dog.sol ask the same of them).
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import ROUNDING
from delever.core.jit import helper
from delever.core.setting import Setting
from delever.core.tables import BookTables, Lots, Reserves, Touched
from delever.model.errors import InputError


def check_vaults(name: str, kind: str, setting: Setting) -> None:
    """One collateral and at most one debt a vault, and the same debt asset for all: auctions are paid in it."""
    book, number = setting.book, setting.protocols.index(name)
    mine = np.flatnonzero(setting.account_protocol == number)
    g = book.signature[mine]
    many = (book.collaterals[g] != 1) | (book.debts[g] > 1)
    if many.any():
        i = int(many.argmax())
        raise InputError(f"has {book.collaterals[g[i]]} collaterals and {book.debts[g[i]]} debts", f"protocols.{name}.book",
                         setting.accounts[mine[i]], f"a vault of {kind} has one of each: make it a vault for each pair")
    owed = np.unique(book.reserve[g[book.debts[g] == 1], book.first_debt[0]])
    if len(owed) > 1:
        assets = " and ".join(setting.reserves[r][1] for r in owed)
        raise InputError(f"owes {assets}", f"protocols.{name}.book", None,
                         f"vaults of {kind} owe one asset, in which its auctions are paid: make it two protocols")


@helper
def vault(slot: int, p: int, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray
          ) -> tuple[int, int, float, float, bool]:
    """(reserve of the collateral, of the debt, units of either, whether it is unsafe: not one drawn to its limit, which rounding
    may put on either side). price: [P, R] seen."""
    g, d, amount = book.signature[touched.account[slot]], book.first_debt[0], touched.amount
    r, s = book.reserve[g, 0], book.reserve[g, d]
    ink, debt = amount[slot, 0] * reserves.supply_index[r, p], amount[slot, d] * reserves.borrow_index[s, p]
    backing = ink * price[p, r] * book.threshold[g, 0] * reserves.counted[book.term[g, 0], p]
    return r, s, ink, debt, book.debts[g] > 0 and backing * (1.0 + ROUNDING) < debt * price[p, s]


@helper
def chop_of(slot: int, touched: Touched, book: BookTables, reserves: Reserves) -> float:
    """1 + penalty of a vault's collateral now."""
    g = book.signature[touched.account[slot]]
    return 1.0 + book.incentive[g, 0] * reserves.bonus[book.term[g, 0], touched.path[slot]]


@helper
def feed_of(k: int, lots: Lots, touched: Touched, book: BookTables, price: np.ndarray) -> float:
    """What the protocol sees a unit of a lot at, in units of the debt asset. price: [P, R] seen."""
    r = book.reserve[book.signature[touched.account[lots.slot[k]]], lots.leg[k]]
    return price[lots.path[k], r] / price[lots.path[k], lots.reserve[k]]
