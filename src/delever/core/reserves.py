"""What a reserve has and is owed: read from the ledger, which is the only truth of it.

    cash = cash at the start + deposits + treasury - debts - deficit, as booked      owed = debts at index 1 x borrow index
A reserve of which nobody says what it holds has cash without end.
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import helper, kernel, laid_in
from delever.core.tables import (
    DEBTS,
    DEFICIT,
    DEPOSITS,
    INCLUDED,
    NOTHING,
    OFFERED,
    REVERTED,
    TREASURY,
    UNCOVERED,
    BookTables,
    Ledgers,
    Reserves,
    Touched,
    Transactions,
)

ROUNDING = 1e-12


@laid_in
def cash_of(r: int, p: int, reserves: Reserves, ledgers: Ledgers) -> float:
    """Units that can be taken out of a reserve on a path."""
    booked = ledgers.booked
    return reserves.cash[r] + booked[DEPOSITS, r, p] + booked[TREASURY, r, p] - booked[DEBTS, r, p] - booked[DEFICIT, r, p]


@helper
def cash_on(r: int, reserves: Reserves, ledgers: Ledgers, cash: np.ndarray) -> None:
    """The same on every path, written to cash [P]: rows side by side, so that several paths are reckoned at a time."""
    start, booked = reserves.cash[r], ledgers.booked
    add_up(start, booked[DEPOSITS, r], booked[TREASURY, r], booked[DEBTS, r], booked[DEFICIT, r], cash)


@helper
def add_up(start: float, deposits: np.ndarray, treasury: np.ndarray, debts: np.ndarray, deficit: np.ndarray, cash: np.ndarray
           ) -> None:
    """All [P], units."""
    for p in range(cash.shape[0]):
        cash[p] = start + deposits[p] + treasury[p] - debts[p] - deficit[p]


@laid_in
def owed_of(r: int, p: int, reserves: Reserves, ledgers: Ledgers) -> float:
    """Units owed to a reserve on a path, by accounts of the book and others."""
    return max((reserves.owed[r] + ledgers.scaled[1, r, p]) * reserves.borrow_index[r, p], 0.0)


@laid_in
def there_is(r: int, p: int, reserves: Reserves, ledgers: Ledgers) -> float:
    """Units that somebody could take out: cash, and nothing where it is but the rounding of what went in and out."""
    cash = cash_of(r, p, reserves, ledgers)
    return cash if cash > reserves.dust[r] else 0.0


@helper
def taken(i: int, k: int, g: int, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves) -> float:
    """Units of an account's collateral leg k that a call takes out of the reserve."""
    r = book.reserve[g, k]
    if rows.get_asset[i] == reserves.asset[r]:
        return rows.get[i] - rows.kept[i]
    if rows.get_asset[i] >= 0 or not book.seizable[g, k]:
        return 0.0
    units = max(touched.amount[rows.ref[i], k], 0.0) * reserves.supply_index[r, rows.path[i]]
    return units * (rows.get[i] - rows.kept[i])  # pro rata: shares of every leg


@helper
def covered(i: int, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves, ledgers: Ledgers,
            out: np.ndarray) -> float:
    """Which share of what a call asks for is there, of the leg that lacks most; out: [R, P] taken by others before."""
    g, p, share = book.signature[touched.account[rows.ref[i]]], rows.path[i], 1.0
    for k in range(book.collaterals[g]):
        units, r = taken(i, k, g, rows, touched, book, reserves), book.reserve[g, k]
        if units > 0.0:
            share = min(share, max(there_is(r, p, reserves, ledgers) - out[r, p], 0.0) / units)
    return share


@kernel
def cut_to_cash(picked: np.ndarray, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves, ledgers: Ledgers,
                none: np.ndarray, more: np.ndarray) -> int:
    """Calls that ask for more than is there may take no more (`most`), and are listed in `more`: how many. none: [R, P] zeros."""
    n = 0
    for i in picked:
        if rows.state[i] == OFFERED or rows.state[i] == INCLUDED:
            share = covered(i, rows, touched, book, reserves, ledgers, none)
            if share < 1.0:
                if share > 0.0:  # else it is struck as it stands: a `most` of 0 states nothing
                    rows.most[i] = rows.give[i] * share
                more[n] = i
                n += 1
    return n


@kernel
def leave_uncovered(picked: np.ndarray, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves,
                    ledgers: Ledgers, out: np.ndarray, total: np.ndarray) -> None:
    """Strike or revert calls that ask for more than others before them leave; an account counts once.

    out: [R, P] zeros; total: [protocols, P].
    """
    for i in picked:
        if rows.state[i] != OFFERED and rows.state[i] != INCLUDED:
            continue
        g, p = book.signature[touched.account[rows.ref[i]]], rows.path[i]
        if covered(i, rows, touched, book, reserves, ledgers, out) < 1.0 - ROUNDING:
            if touched.flags[rows.ref[i]] & UNCOVERED == 0:
                total[rows.protocol[i], p] += 1.0
            touched.flags[rows.ref[i]] |= UNCOVERED
            rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING
            continue
        if rows.state[i] == INCLUDED:
            for k in range(book.collaterals[g]):
                out[book.reserve[g, k], p] += taken(i, k, g, rows, touched, book, reserves)
