"""Where the loans of a book lie: one market of LLAMMA for each collateral and debt asset of a protocol, bands, shares.

    n1 = floor(ln(worth base / debt) / ln(A/(A-1))), not above the oracle price;   n2 = n1 + bands - 1
    worth = collateral (1 - loan discount) r (1 + r^2 + ... + r^(2 (bands - 1))) / bands,   r = sqrt((A-1)/A)
A loan that owes more than it could borrow at the prices of the start lies as high as it may: with less health, or none.
Above the highest loan stands one empty band, which is the active one at the start. The bands are as a new loan's (assumption:
a book says how many, not which, nor what of them has been sold already).
Source: curvefi/curve-stablecoin (Controller.vy).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from delever.core.jit import interpreted
from delever.core.setting import Setting
from delever.model.errors import InputError
from delever.protocols.llamma_formulas import (
    AMPLIFICATION,
    LOAN_DISCOUNT,
    LOG_RATIO,
    Grid,
    effective,
    first_band,
    highest_first_band,
    upper,
)
from delever.protocols.llamma_loans import Loans
from delever.protocols.llamma_trade import Amm

FEWEST, MOST = 4, 50  # bands of a loan, as the contract allows


class Market(NamedTuple):
    """One AMM and its loans."""

    amm: Amm
    loans: Loans
    place: np.ndarray  # [accounts] loan of each account of the world, -1: none of this market


def read_markets(name: str, terms: np.ndarray, bands: int, base: Mapping[str, float], setting: Setting) -> list[Market]:
    """The markets of a protocol, in the order of their reserves. terms: of all of them, but for the liquidation discount.

    bands: of a loan for which the book says none; base: upper edge of band 0 by collateral, else the price at the start.
    """
    mine = loans_of(name, setting)
    for asset in base:
        if (name, asset) not in setting.reserves:
            raise InputError("nobody holds it", path=("protocols", name, "rules", "base_price"), value=asset,
                             remedy="name a collateral of its book")
    book, first = setting.book, int(setting.book.first_debt[0])
    g = book.signature[mine]
    pair = np.column_stack([book.reserve[g, 0], book.reserve[g, first]])
    kinds, of = np.unique(pair, axis=0, return_inverse=True)
    out = []
    for number, (r, s) in enumerate(kinds):
        accounts = mine[of.ravel() == number]
        price = math.exp(setting.start_seen[r] - setting.start_seen[s])
        row = terms.copy()
        row[2:] = with_discounts(row, float(1.0 - book.threshold[book.signature[accounts[0]], 0]))
        with interpreted(len(accounts)):
            out.append(lay_out(name, accounts, (int(r), int(s)), row, bands, base.get(setting.reserves[r][1], price), price,
                               setting))
    return out


def with_discounts(row: np.ndarray, discount: float) -> np.ndarray:
    """ADMIN and what follows, the loan discount where none is stated 3 % above the liquidation discount."""
    admin, loan = row[2], row[LOAN_DISCOUNT]
    return np.array([admin, min(discount + 0.03, 0.99) if np.isnan(loan) else loan, discount, row[LOG_RATIO]])


def loans_of(name: str, setting: Setting) -> np.ndarray:
    """Numbers of the accounts that owe something: each has one collateral and one debt, and as many bands as is allowed."""
    book, number = setting.book, setting.protocols.index(name)
    g, first = book.signature, int(book.first_debt[0])
    mine = np.flatnonzero((setting.account_protocol == number) & (book.debts[g] > 0) & (book.amount[:, first:] > 0.0).any(1))
    for i in mine:
        if book.collaterals[g[i]] != 1 or book.debts[g[i]] != 1:
            raise InputError(f"has {book.collaterals[g[i]]} collaterals and {book.debts[g[i]]} debts", f"protocols.{name}.book",
                             setting.accounts[i], "a loan of llamma has one of each: make it a loan for each pair")
        if not book.amount[i, 0] > 0.0:
            raise InputError(f"holds {book.amount[i, 0]:g} of its collateral", f"protocols.{name}.book", setting.accounts[i],
                             "a loan of llamma lies in bands: leave out what holds nothing")
        if setting.bands[i] and not FEWEST <= setting.bands[i] <= MOST:
            raise InputError(f"lies in {setting.bands[i]} bands", f"protocols.{name}.book", setting.accounts[i],
                             f"a loan lies in {FEWEST} to {MOST} bands")
    return mine


def lay_out(name: str, accounts: np.ndarray, pair: tuple[int, int], terms: np.ndarray, bands: int, base: float, price: float,
            setting: Setting) -> Market:
    """One market at the start, on all paths. pair: reserves of collateral and debt; price: seen at the start."""
    book, (r, s), paths = setting.book, pair, setting.paths
    held, debt = (book.amount[accounts, leg].astype(np.float64) for leg in (0, int(book.first_debt[0])))
    wide = np.where(setting.bands[accounts] > 0, setting.bands[accounts], bands).astype(np.int64)
    n1 = np.array([where(y, x, int(n), base, price, terms) for y, x, n in zip(held, debt, wide, strict=True)], np.int64)
    number = np.unique(np.concatenate([[n1.min() - 1], *(np.arange(a, a + n) for a, n in zip(n1, wide, strict=True))]))
    edge = np.array([upper(base, terms[LOG_RATIO], float(n)) for n in number])
    first = np.searchsorted(number, n1)
    shares = np.zeros(len(number))
    for at, n, y in zip(first, wide, held, strict=True):
        shares[at:at + n] += y / n
    asset = [setting.layout.asset(setting.reserves[i][1]) for i in pair]
    protocol = setting.protocols.index(name)
    of = np.array([*asset, r, s, protocol, setting.homes[protocol]], np.int64)
    zeros, count = np.zeros((paths, len(number))), len(number)
    amm = Amm(of, terms, Grid(number.astype(np.int64), edge), zeros.copy(), across(shares, paths), np.zeros(paths, np.int64),
              np.zeros(paths), np.zeros(paths), np.full(paths, -np.inf), np.zeros(paths, np.int64),
              np.full(paths, count - 1, np.int64), np.zeros((4, paths)), np.zeros((2, count)))
    looked = np.zeros((paths, 3))  # nobody has been looked at: the first block does
    loans = Loans(accounts.astype(np.int64), held / wide, debt, first.astype(np.int64), (first + wide - 1).astype(np.int64),
                  np.ones((paths, len(accounts)), np.int8), across(shares, paths), zeros, looked, np.zeros((3, count + 1)))
    place = np.full(len(setting.accounts), -1, np.int64)
    place[accounts] = np.arange(len(accounts))
    return Market(amm, loans, place)


def where(held: float, debt: float, bands: int, base: float, price: float, terms: np.ndarray) -> int:
    """The first band of a loan."""
    worth = effective(held, bands, terms[LOAN_DISCOUNT], terms[AMPLIFICATION])
    top = highest_first_band(price, base, terms[LOG_RATIO])
    return max(top, first_band(worth, debt, base, terms[LOG_RATIO]))


def across(row: np.ndarray, paths: int) -> np.ndarray:
    """A row for each path."""
    return np.repeat(row[None, :], paths, axis=0)
