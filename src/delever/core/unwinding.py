"""A loan repaid out of its own collateral, in one transaction: the debt is paid, whole or up to the row's `most`, as much
collateral taken out and sold.

It fails where the sale would not repay, where there is no cash of the collateral, or where what is still owed would be unhealthy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.moving import pay_back, take_out
from delever.core.phase import Kind
from delever.core.reserves import there_is
from delever.core.route import quote_route
from delever.core.seen_prices import price_rows
from delever.core.settlement import leg_of
from delever.core.state import Pool, State, Watch
from delever.core.tables import (
    EXECUTED,
    INCLUDED,
    REVERTED,
    Accounts,
    BookTables,
    Ledgers,
    Liquidity,
    Reserves,
    Sales,
    Touched,
    Transactions,
)
from delever.core.touch import watch_again

ROUNDING = 1e-12


@helper
def largest(slot: int, p: int, g: int, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray) -> int:
    """The seizable collateral leg of highest seen value; -1: none."""
    found, most = -1, 0.0
    for k in range(book.collaterals[g]):
        r = book.reserve[g, k]
        value = touched.amount[slot, k] * reserves.supply_index[r, p] * price[p, r]
        if book.seizable[g, k] and value > most:
            found, most = k, value
    return found


@helper
def holds(i: int, rows: Transactions, accounts: Accounts, ledgers: Ledgers, liquidity: Liquidity) -> bool:
    """Whether the sale repays, the collateral is there, and what the account still owes is covered without it."""
    book, reserves, price, touched = accounts.book, accounts.reserves, accounts.price, accounts.touched
    slot, p = rows.ref[i], rows.path[i]
    g, first = book.signature[touched.account[slot]], book.first_debt[0]
    c = leg_of(rows.get_asset[i], g, 0, book.collaterals[g], book.reserve, reserves.asset)
    d = leg_of(rows.give_asset[i], g, first, first + book.debts[g], book.reserve, reserves.asset)
    r, s = book.reserve[g, c], book.reserve[g, d]
    rows.give[i] = touched.amount[slot, d] * reserves.borrow_index[s, p]
    if rows.most[i] > 0.0:
        rows.give[i] = min(rows.give[i], rows.most[i])
    if rows.give[i] <= 0.0 or touched.amount[slot, c] * reserves.supply_index[r, p] < rows.get[i] * (1.0 - ROUNDING):
        return False
    if there_is(r, p, reserves, ledgers) < rows.get[i]:
        return False
    backing, debt = account_health(slot, p, g, touched.amount, book, reserves, price)
    counts = book.threshold[g, c] * reserves.counted[book.term[g, c], p]
    if backing - rows.get[i] * price[p, r] * counts < (debt - rows.give[i] * price[p, s]) * (1.0 - ROUNDING):
        return False
    a, b, out, tree = rows.get_asset[i], rows.give_asset[i], rows.get[i], liquidity.tree
    if a != b:  # what is owed needs no market
        out = quote_route(p, a, b, out, tree, liquidity.profiles, liquidity.markets)
    return out >= rows.give[i]


@kernel
def leave(picked: np.ndarray, rows: Transactions, accounts: Accounts, ledgers: Ledgers, liquidity: Liquidity) -> None:
    """Revert those that do not hold. picked: row numbers."""
    for i in picked:
        if rows.state[i] == INCLUDED and not holds(i, rows, accounts, ledgers, liquidity):
            rows.state[i] = REVERTED


@kernel
def close(picked: np.ndarray, rows: Transactions, accounts: Accounts, ledgers: Ledgers, liquidity: Liquidity, sales: Sales,
          n: int, watch: Watch, pool: Pool) -> int:
    """Of each that still holds the debt is repaid, the collateral taken out and sold; the number of sales then."""
    book, reserves, touched = accounts.book, accounts.reserves, accounts.touched
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        if not holds(i, rows, accounts, ledgers, liquidity):  # one after the other: each may empty the reserve for the next
            rows.state[i] = REVERTED
            continue
        slot, p, who = rows.ref[i], rows.path[i], rows.actor[i]
        g, first = book.signature[touched.account[slot]], book.first_debt[0]
        c = leg_of(rows.get_asset[i], g, 0, book.collaterals[g], book.reserve, reserves.asset)
        d = leg_of(rows.give_asset[i], g, first, first + book.debts[g], book.reserve, reserves.asset)
        r, s, a, b = book.reserve[g, c], book.reserve[g, d], rows.get_asset[i], rows.give_asset[i]
        taken = take_out(slot, p, r, c, rows.get[i], who, accounts, ledgers)
        pay_back(slot, p, s, d, rows.give[i], who, accounts, ledgers)
        if a != b:
            sales.row[n], sales.path[n], sales.holder[n], sales.forced[n] = i, p, who, 0
            sales.sold_asset[n], sales.bought_asset[n], sales.sold[n] = a, b, taken
            n += 1
        watch_again(slot, watch, pool)
        rows.state[i] = EXECUTED
    return n


class Close(Kind):
    """A loan repaid out of its own collateral."""

    name: ClassVar[str] = "close"
    gas: ClassVar[float] = 600_000.0
    turn: ClassVar[int] = 1
    trades: ClassVar[bool] = True

    def __init__(self, note: Callable[[State, np.ndarray], None]) -> None:
        """note: is told which rows were carried out."""
        self.note = note

    accounts = Kind.in_slots

    def check(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        price_rows(state, picked)
        leave(picked, state.transactions, state.accounts, state.ledgers, state.liquidity)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        price_rows(state, picked)
        state.room_for_sales(len(picked))
        state.n_sales = close(picked, state.transactions, state.accounts, state.ledgers, state.liquidity, state.sales,
                              state.n_sales, state.watch, state.pool)
        self.note(state, picked[state.transactions.state[picked] == EXECUTED])
