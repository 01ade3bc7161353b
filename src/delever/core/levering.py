"""More of the same position, in one transaction: a loan is taken, sold for collateral, and that is added.

It fails where the sale would not bring the collateral, where there is no cash of what is borrowed, where a limit of the protocol
stands against it, or while nothing may be opened; and where what is then owed would not be covered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.limits import may_borrow, may_supply
from delever.core.moving import borrow, put_in
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
    Halts,
    Ledgers,
    Limits,
    Liquidity,
    Sales,
    Transactions,
)
from delever.core.touch import enter_slots, watch_again


@helper
def holds(i: int, rows: Transactions, accounts: Accounts, ledgers: Ledgers, liquidity: Liquidity, watch: Watch, limits: Limits,
          opening: np.ndarray, time: float) -> bool:
    """Whether the loan is there and allowed, its sale brings the collateral, and the account is then covered."""
    book, reserves, price, touched = accounts.book, accounts.reserves, accounts.price, accounts.touched
    slot, p = rows.ref[i], rows.path[i]
    g, first = book.signature[touched.account[slot]], book.first_debt[0]
    c = leg_of(rows.give_asset[i], g, 0, book.collaterals[g], book.reserve, reserves.asset)
    d = leg_of(rows.get_asset[i], g, first, first + book.debts[g], book.reserve, reserves.asset)
    r, s = book.reserve[g, c], book.reserve[g, d]
    if opening[rows.protocol[i], p] > time or there_is(s, p, reserves, ledgers) < rows.get[i]:
        return False
    if not may_supply(r, p, rows.give[i], reserves, ledgers, limits):
        return False
    if not may_borrow(slot, d, rows.get[i], accounts, ledgers, watch, limits):
        return False
    backing, debt = account_health(slot, p, g, touched.amount, book, reserves, price)
    counts = book.threshold[g, c] * reserves.counted[book.term[g, c], p]
    if backing + rows.give[i] * price[p, r] * counts < debt + rows.get[i] * price[p, s]:
        return False
    a, b, tree = rows.give_asset[i], rows.get_asset[i], liquidity.tree
    return a == b or quote_route(p, b, a, rows.get[i], tree, liquidity.profiles, liquidity.markets) >= rows.give[i]


@kernel
def leave(picked: np.ndarray, rows: Transactions, accounts: Accounts, ledgers: Ledgers, liquidity: Liquidity, watch: Watch,
          limits: Limits, halts: Halts, time: float) -> None:
    """Revert those that do not hold. picked: row numbers."""
    for i in picked:
        if rows.state[i] == INCLUDED and not holds(i, rows, accounts, ledgers, liquidity, watch, limits, halts.opening, time):
            rows.state[i] = REVERTED


@kernel
def lever(picked: np.ndarray, rows: Transactions, accounts: Accounts, ledgers: Ledgers, liquidity: Liquidity, sales: Sales,
          n: int, watch: Watch, pool: Pool, limits: Limits, halts: Halts, time: float) -> int:
    """Of each that still holds the loan is taken and sold, and the collateral added; the number of sales then."""
    book, reserves, touched = accounts.book, accounts.reserves, accounts.touched
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        if not holds(i, rows, accounts, ledgers, liquidity, watch, limits, halts.opening, time):
            rows.state[i] = REVERTED  # one after the other: each may use up what is left for the next
            continue
        slot, p, who, added, loan = rows.ref[i], rows.path[i], rows.actor[i], rows.give[i], rows.get[i]
        g, first, a, b = book.signature[touched.account[slot]], book.first_debt[0], rows.give_asset[i], rows.get_asset[i]
        c = leg_of(a, g, 0, book.collaterals[g], book.reserve, reserves.asset)
        d = leg_of(b, g, first, first + book.debts[g], book.reserve, reserves.asset)
        r, s = book.reserve[g, c], book.reserve[g, d]
        borrow(slot, p, s, d, loan, who, accounts, ledgers)
        put_in(slot, p, r, c, added, who, accounts, ledgers)
        if a != b:
            sales.row[n], sales.path[n], sales.holder[n], sales.forced[n] = i, p, who, 0
            sales.sold_asset[n], sales.bought_asset[n], sales.sold[n] = b, a, loan
            n += 1
        watch_again(slot, watch, pool)
        rows.state[i] = EXECUTED
    return n


class Lever(Kind):
    """A loan taken, sold for collateral, and added."""

    name: ClassVar[str] = "lever"
    gas: ClassVar[float] = 700_000.0  # assumption
    turn: ClassVar[int] = 1
    trades: ClassVar[bool] = True

    def __init__(self, note: Callable[[State, np.ndarray], None]) -> None:
        """note: is told which rows were carried out."""
        self.note = note

    accounts = Kind.in_slots

    def check(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        price_rows(state, picked)
        enter_slots(state)
        leave(picked, state.transactions, state.accounts, state.ledgers, state.liquidity, state.watch, state.limits, state.halts,
              state.time)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        price_rows(state, picked)
        enter_slots(state)
        state.room_for_sales(len(picked))
        state.n_sales = lever(picked, state.transactions, state.accounts, state.ledgers, state.liquidity, state.sales,
                              state.n_sales, state.watch, state.pool, state.limits, state.halts, state.time)
        self.note(state, picked[state.transactions.state[picked] == EXECUTED])
