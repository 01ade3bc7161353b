"""What is moved between two accounts of one owner, in one transaction: collateral taken out there mends the account here.

    NET     both owe what the other holds: `give` of the asset owed here comes from there, `get` of the collateral here goes there
    REPAY   `give` comes from the collateral there and repays the debt here
    ADD     `give` comes from the collateral there and is added to the collateral here
It fails where the account here needs it no longer, where there is less than that, no cash, or no room for collateral, and where
the account there would come below the health that it must keep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np

from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.limits import may_supply
from delever.core.moving import pay_back, put_in, take_out
from delever.core.phase import Kind
from delever.core.reserves import there_is
from delever.core.seen_prices import price_rows
from delever.core.state import Pool, State, Watch
from delever.core.tables import EXECUTED, INCLUDED, REVERTED, Accounts, Ledgers, Limits, Touched, Transactions
from delever.core.touch import watch_again

NET, REPAY, ADD = range(3)
ROUNDING = 1e-12


class Moves(NamedTuple):
    """What the rows of a block do, beside what a row says: by number of the row."""

    way: np.ndarray  # [rows]
    there: np.ndarray  # [rows] touched slot that it comes from
    from_leg: np.ndarray  # [rows] collateral there
    to_leg: np.ndarray  # [rows] debt or collateral here
    back_leg: np.ndarray  # [rows] NET: collateral here
    last_leg: np.ndarray  # [rows] NET: debt there
    low: np.ndarray  # [rows] health below which the account here needs it
    keep: np.ndarray  # [rows] health that the account there must keep


def new_moves(size: int) -> Moves:
    """An empty table."""
    i, f = np.int64, np.float64
    return Moves(*(np.zeros(size, kind) for kind in (i, i, i, i, i, i, f, f)))


@helper
def holds(i: int, moves: Moves, rows: Transactions, accounts: Accounts, ledgers: Ledgers, limits: Limits) -> bool:
    """Whether it is still needed and can be done."""
    book, touched, reserves, price, way = accounts.book, accounts.touched, accounts.reserves, accounts.price, moves.way[i]
    p, here, there = rows.path[i], rows.ref[i], moves.there[i]
    g, h, amount = book.signature[touched.account[here]], book.signature[touched.account[there]], touched.amount
    backing, debt = account_health(here, p, g, amount, book, reserves, price)
    if not (debt > 0.0 and backing < moves.low[i] * debt):
        return False
    r, s = book.reserve[h, moves.from_leg[i]], book.reserve[g, moves.to_leg[i]]
    held = amount[there, moves.from_leg[i]] * reserves.supply_index[r, p]
    if held < rows.give[i] * (1.0 - ROUNDING) or there_is(r, p, reserves, ledgers) < (
            rows.give[i] * (1.0 - ROUNDING)):
        return False
    backing, debt = account_health(there, p, h, amount, book, reserves, price)
    counts = book.threshold[h, moves.from_leg[i]] * reserves.counted[book.term[h, moves.from_leg[i]], p]
    left = backing - rows.give[i] * price[p, r] * counts
    if way == NET:
        back = book.reserve[g, moves.back_leg[i]]
        if amount[here, moves.back_leg[i]] * reserves.supply_index[back, p] < rows.get[i] * (1.0 - ROUNDING):
            return False
        if there_is(back, p, reserves, ledgers) < rows.get[i] * (1.0 - ROUNDING):
            return False
        owed = debt - rows.get[i] * price[p, book.reserve[h, moves.last_leg[i]]]
        return left * debt >= backing * owed * (1.0 - ROUNDING)  # it is no worse for it
    if way == ADD and not may_supply(s, p, rows.give[i], reserves, ledgers, limits):
        return False
    return debt <= 0.0 or left >= moves.keep[i] * debt * (1.0 - ROUNDING)


@helper
def whole(units: float, slot: int, k: int, index: float, touched: Touched) -> float:
    """All of a leg, where units are that but for a rounding: what a price and back again leaves is not owed for ever."""
    there = touched.amount[slot, k] * index
    return there if abs(units - there) <= ROUNDING * there else units


@kernel
def leave(picked: np.ndarray, moves: Moves, rows: Transactions, accounts: Accounts, ledgers: Ledgers, limits: Limits) -> None:
    """Revert those that do not hold. picked: row numbers."""
    for i in picked:
        if rows.state[i] == INCLUDED and not holds(i, moves, rows, accounts, ledgers, limits):
            rows.state[i] = REVERTED


@kernel
def shift(picked: np.ndarray, moves: Moves, rows: Transactions, accounts: Accounts, ledgers: Ledgers, limits: Limits,
          watch: Watch, pool: Pool) -> None:
    """Carry out each that still holds. picked: row numbers."""
    book = accounts.book
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        if not holds(i, moves, rows, accounts, ledgers, limits):  # one after the other: each may empty the reserve for the next
            rows.state[i] = REVERTED
            continue
        p, here, there, who = rows.path[i], rows.ref[i], moves.there[i], rows.actor[i]
        g, h = book.signature[accounts.touched.account[here]], book.signature[accounts.touched.account[there]]
        r, s = book.reserve[h, moves.from_leg[i]], book.reserve[g, moves.to_leg[i]]
        supply, debts, touched = accounts.reserves.supply_index, accounts.reserves.borrow_index, accounts.touched
        give = whole(rows.give[i], there, moves.from_leg[i], supply[r, p], touched)
        taken = take_out(there, p, r, moves.from_leg[i], give, who, accounts, ledgers)
        if moves.way[i] == ADD:
            put_in(here, p, s, moves.to_leg[i], taken, who, accounts, ledgers)
        else:
            paid = whole(taken, here, moves.to_leg[i], debts[s, p], touched)
            pay_back(here, p, s, moves.to_leg[i], paid, who, accounts, ledgers)
        if moves.way[i] == NET:
            r, s = book.reserve[g, moves.back_leg[i]], book.reserve[h, moves.last_leg[i]]
            get = whole(rows.get[i], here, moves.back_leg[i], supply[r, p], touched)
            back = take_out(here, p, r, moves.back_leg[i], get, who, accounts, ledgers)
            back = whole(back, there, moves.last_leg[i], debts[s, p], touched)
            pay_back(there, p, s, moves.last_leg[i], back, who, accounts, ledgers)
        watch_again(here, watch, pool)
        watch_again(there, watch, pool)
        rows.state[i] = EXECUTED


class Shift(Kind):
    """What is moved from one account of an owner to another."""

    name: ClassVar[str] = "shift"
    gas: ClassVar[float] = 500_000.0  # assumption
    turn: ClassVar[int] = 1

    def __init__(self, moves: Callable[[], Moves], note: Callable[[State, np.ndarray], None]) -> None:
        """moves: the table of the rows of this block; note: is told which rows were carried out."""
        self.moves, self.note = moves, note

    accounts = Kind.in_slots

    def check(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        price_rows(state, picked)
        leave(picked, self.moves(), state.transactions, state.accounts, state.ledgers, state.limits)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        price_rows(state, picked)
        shift(picked, self.moves(), state.transactions, state.accounts, state.ledgers, state.limits, state.watch, state.pool)
        self.note(state, picked[state.transactions.state[picked] == EXECUTED])
