"""Books fixed-spread liquidations in double entry: the account, the protocol, the liquidators, the sales that follow.

Per call and reserve, as changes: cash + DEBTS + DEFICIT = DEPOSITS + TREASURY, and tokens move, none is made.
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import helper, kernel
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, DEFICITS, LIQUIDATIONS, PROTOCOL_FEE, REPAID, SEIZED
from delever.core.profile import Profiles
from delever.core.route import quote_route
from delever.core.tables import (
    CASH,
    DEBTS,
    DEFICIT,
    DEPOSITS,
    EXECUTED,
    HIT,
    INCLUDED,
    REVERTED,
    TREASURY,
    BookTables,
    Ledgers,
    Markets,
    Reserves,
    Sales,
    Touched,
    Transactions,
    Tree,
)


@helper
def lessen(amount: np.ndarray, k: int, index: float, moved: float, pro_rata: bool) -> tuple[float, float]:
    """Take `moved` off leg k: units, or pro rata a share of it. Returns (units moved, change at index 1).

    A leg that is wholly taken becomes exactly 0.
    """
    held = amount[k]
    units = held * index
    if pro_rata:
        taken, change = units * moved, held * moved
    else:
        taken, change = moved, min(moved / index, held)
    if taken >= units:
        taken, change = units, held
    amount[k] = held - change
    return taken, change


@helper
def write_off(amount: np.ndarray, g: int, p: int, number: int, book: BookTables, borrow_index: np.ndarray, price: np.ndarray,
              ledgers: Ledgers) -> None:
    """Where no positive collateral is left, all that is still owed becomes a deficit of its reserve."""
    for k in range(book.collaterals[g]):
        if amount[k] > 0.0:
            return
    first, booked = book.first_debt[0], ledgers.booked
    for k in range(first, first + book.debts[g]):
        r = book.reserve[g, k]
        units = amount[k] * borrow_index[r, p]
        booked[DEBTS, r, p] -= units
        booked[DEFICIT, r, p] += units
        ledgers.scaled[1, r, p] -= amount[k]
        ledgers.totals[DEFICITS, number, p] += units * price[r]
        amount[k] = 0.0


def accounts_with(book: BookTables, collateral: int, debt: int) -> np.ndarray:
    """Numbers of the accounts that hold something in the one reserve and owe something in the other."""
    leg, first, sig = np.arange(book.amount.shape[1]), book.first_debt[0], book.signature
    reserve, there = book.reserve[sig], book.amount > 0.0
    held = there & (leg < book.collaterals[sig][:, None]) & (reserve == collateral)
    owed = there & (leg >= first) & (leg < first + book.debts[sig][:, None]) & (reserve == debt)
    return np.flatnonzero(held.any(1) & owed.any(1))


def units_of(book: BookTables, reserves: int) -> np.ndarray:
    """[2, reserves] units at index 1 that accounts hold, and that they owe, in each reserve."""
    leg, first, sig = np.arange(book.amount.shape[1]), book.first_debt[0], book.signature
    loan = (book.margin[sig] == 0)[:, None]
    held = loan & (leg < book.collaterals[sig][:, None])
    owed = loan & (leg >= first) & (leg < first + book.debts[sig][:, None])
    return np.array([np.bincount(book.reserve[sig][there], book.amount[there], reserves) for there in (held, owed)])


@helper
def leg_of(wanted: int, g: int, first: int, last: int, reserve: np.ndarray, asset: np.ndarray) -> int:
    """The leg among first..last-1 of signature g that is in the asset."""
    for k in range(first, last):
        if asset[reserve[g, k]] == wanted:
            return k
    return first


@kernel
def settle(rows: Transactions, picked: np.ndarray, writes_off: np.ndarray, touched: Touched, book: BookTables,
           reserves: Reserves, seen_price: np.ndarray, ledgers: Ledgers, sales: Sales, n_sales: int) -> int:
    """Apply the included calls among these rows.

    Rows that name assets carry units; rows with get_asset -1 carry in give, get and kept the share of
    every positive seizable leg, and collateral leg c is sold against debt leg d in d's share of that debt.
    writes_off: [protocols]; seen_price: [paths, reserves]. Returns the new number of sales.
    """
    state, protocol, ref, actor, holds, get_asset, give_asset, repay, seize, kept = (
        rows.state, rows.protocol, rows.ref, rows.actor, rows.holds, rows.get_asset, rows.give_asset, rows.give, rows.get,
        rows.kept)
    slot_account, slot_path, flags, amounts = touched.account, touched.path, touched.flags, touched.amount
    signature, reserve, seizable, collaterals, debts, first_debt = (
        book.signature, book.reserve, book.seizable, book.collaterals, book.debts, book.first_debt[0])
    asset, supply_index, borrow_index = reserves.asset, reserves.supply_index, reserves.borrow_index
    tokens, booked, scaled, totals = ledgers.tokens, ledgers.booked, ledgers.scaled, ledgers.totals
    sale_row, sale_path, holder, sold_asset, bought_asset, sold, forced = (
        sales.row, sales.path, sales.holder, sales.sold_asset, sales.bought_asset, sales.sold, sales.forced)
    for row in picked:
        if state[row] != INCLUDED:
            continue
        slot, number, who = ref[row], protocol[row], actor[row]
        p, g = int(slot_path[slot]), signature[int(slot_account[slot])]
        amount, price, pro_rata = amounts[slot], seen_price[p], get_asset[row] < 0
        c_from, c_to, d_from, d_to = 0, collaterals[g], first_debt, first_debt + debts[g]
        if not pro_rata:
            c_from = leg_of(get_asset[row], g, c_from, c_to, reserve, asset)
            d_from = leg_of(give_asset[row], g, d_from, d_to, reserve, asset)
            c_to, d_to = c_from + 1, d_from + 1

        owed = 0.0  # worth of the debts that the call pays for
        for d in range(d_from, d_to):
            if seizable[g, d] and amount[d] > 0.0:
                owed += amount[d] * borrow_index[reserve[g, d], p] * price[reserve[g, d]]
        for c in range(c_from, c_to):
            if not (seizable[g, c] and amount[c] > 0.0):
                continue
            r = reserve[g, c]
            share_kept = kept[row] / seize[row]
            taken, change = lessen(amount, c, supply_index[r, p], seize[row], pro_rata)
            keeps = taken * share_kept if pro_rata else kept[row]
            tokens[CASH, asset[r], p] -= taken - keeps
            tokens[who, asset[r], p] += taken - keeps
            booked[DEPOSITS, r, p] -= taken
            booked[TREASURY, r, p] += keeps
            scaled[0, r, p] -= change
            totals[SEIZED, number, p] += taken * price[r]
            totals[PROTOCOL_FEE, number, p] += keeps * price[r]
            for d in range(d_from, d_to):
                if seizable[g, d] and amount[d] > 0.0 and not holds[row]:
                    s = reserve[g, d]
                    sale_row[n_sales], sale_path[n_sales], holder[n_sales], forced[n_sales] = row, p, who, 1
                    sold_asset[n_sales], bought_asset[n_sales] = asset[r], asset[s]
                    sold[n_sales] = (taken - keeps) * (amount[d] * borrow_index[s, p] * price[s] / owed)
                    n_sales += 1
        for d in range(d_from, d_to):
            if not (seizable[g, d] and amount[d] > 0.0):
                continue
            r = reserve[g, d]
            paid, change = lessen(amount, d, borrow_index[r, p], repay[row], pro_rata)
            tokens[who, asset[r], p] -= paid
            tokens[CASH, asset[r], p] += paid
            booked[DEBTS, r, p] -= paid
            scaled[1, r, p] -= change
            totals[REPAID, number, p] += paid * price[r]
        if writes_off[number]:
            write_off(amount, g, p, number, book, borrow_index, price, ledgers)
        totals[LIQUIDATIONS, number, p] += 1.0
        if flags[slot] & HIT == 0:
            totals[ACCOUNTS_LIQUIDATED, number, p] += 1.0
        flags[slot] |= HIT
        state[row] = EXECUTED
    return n_sales


@kernel
def still_pays(picked: np.ndarray, rows: Transactions, tree: Tree, profiles: Profiles, markets: Markets) -> None:
    """At its slot a call with borrowed money reverts whose sale would not repay the loan."""
    for i in picked:
        if rows.state[i] == INCLUDED and rows.must_pay[i] and rows.give[i] > 0.0:
            out = quote_route(rows.path[i], rows.get_asset[i], rows.give_asset[i], rows.get[i] - rows.kept[i], tree, profiles,
                              markets)
            if out < rows.give[i]:
                rows.state[i] = REVERTED
