"""Books fixed-spread liquidations in double entry: the account, the protocol, the liquidators, the sales that follow.

Per call and reserve, as changes: cash + DEBTS + DEFICIT = DEPOSITS + TREASURY, and tokens move, none is made.
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import helper, kernel
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, DEFICITS, LIQUIDATIONS, PROTOCOL_FEE, REPAID, SEIZED
from delever.core.tables import (
    CASH,
    DEBTS,
    DECLINED,
    DEFICIT,
    DEPOSITS,
    EXECUTED,
    HIT,
    INCLUDED,
    LIQUIDATION,
    LIQUIDATORS,
    REVERTED,
    TREASURY,
    BookTables,
    Ledgers,
    Reserves,
    Sales,
    Touched,
    Transactions,
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
def write_off(amount: np.ndarray, g: int, p: int, number: int, reserve: np.ndarray, collaterals: int, first: int,
              last: int, borrow_index: np.ndarray, price: np.ndarray, booked: np.ndarray, scaled: np.ndarray,
              totals: np.ndarray) -> None:
    """Where no positive collateral is left, all that is still owed becomes a deficit of its reserve."""
    for k in range(collaterals):
        if amount[k] > 0.0:
            return
    for k in range(first, last):
        r = reserve[g, k]
        units = amount[k] * borrow_index[r]
        booked[DEBTS, r, p] -= units
        booked[DEFICIT, r, p] += units
        scaled[1, r, p] -= amount[k]
        totals[DEFICITS, number, p] += units * price[r]
        amount[k] = 0.0


@helper
def leg_of(wanted: int, g: int, first: int, last: int, reserve: np.ndarray, asset: np.ndarray) -> int:
    """The leg among first..last-1 of signature g that is in the asset."""
    for k in range(first, last):
        if asset[reserve[g, k]] == wanted:
            return k
    return first


@kernel
def settle(rows: Transactions, picked: np.ndarray, count: int, number: int, writes_off: bool, touched: Touched,
           book: BookTables, reserves: Reserves, seen_price: np.ndarray, ledgers: Ledgers, sales: Sales, n_sales: int
           ) -> int:
    """Apply the claims of protocol `number` among rows picked[:count] that have something to repay; the others revert.

    Rows that name assets carry units; rows with get_asset -1 carry in give, get and kept the share of
    every positive seizable leg, and collateral leg c is sold against debt leg d in d's share of that debt.
    seen_price: [paths, reserves]. Returns the new number of sales.
    """
    kind, state, protocol, ref, get_asset, give_asset, repay, seize, kept = (
        rows.kind, rows.state, rows.protocol, rows.ref, rows.get_asset, rows.give_asset, rows.give, rows.get,
        rows.kept)
    slot_account, slot_path, flags, amounts = touched.account, touched.path, touched.flags, touched.amount
    signature, reserve, seizable, collaterals, debts, first_debt = (
        book.signature, book.reserve, book.seizable, book.collaterals, book.debts, book.first_debt[0])
    asset, supply_index, borrow_index = reserves.asset, reserves.supply_index, reserves.borrow_index
    tokens, booked, scaled, totals = ledgers.tokens, ledgers.booked, ledgers.scaled, ledgers.totals
    fill_row, fill_path, holder, sold_asset, bought_asset, sold, on_way = (
        sales.row, sales.path, sales.holder, sales.sold_asset, sales.bought_asset, sales.sold, sales.amount)
    for j in range(count):
        row = picked[j]
        if kind[row] != LIQUIDATION or protocol[row] != number:
            continue
        if not repay[row] > 0.0:
            if state[row] == INCLUDED:
                state[row] = REVERTED  # healthy by now, or nothing left to call
            continue
        if state[row] == REVERTED or state[row] == DECLINED:
            continue
        slot = ref[row]
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
                owed += amount[d] * borrow_index[reserve[g, d]] * price[reserve[g, d]]
        for c in range(c_from, c_to):
            if not (seizable[g, c] and amount[c] > 0.0):
                continue
            r = reserve[g, c]
            share_kept = kept[row] / seize[row]
            taken, change = lessen(amount, c, supply_index[r], seize[row], pro_rata)
            keeps = taken * share_kept if pro_rata else kept[row]
            tokens[CASH, asset[r], p] -= taken - keeps
            tokens[LIQUIDATORS, asset[r], p] += taken - keeps
            booked[DEPOSITS, r, p] -= taken
            booked[TREASURY, r, p] += keeps
            scaled[0, r, p] -= change
            totals[SEIZED, number, p] += taken * price[r]
            totals[PROTOCOL_FEE, number, p] += keeps * price[r]
            for d in range(d_from, d_to):
                if seizable[g, d] and amount[d] > 0.0:
                    s = reserve[g, d]
                    fill_row[n_sales], fill_path[n_sales], holder[n_sales] = row, p, LIQUIDATORS
                    sold_asset[n_sales], bought_asset[n_sales] = asset[r], asset[s]
                    sold[n_sales] = (taken - keeps) * (amount[d] * borrow_index[s] * price[s] / owed)
                    on_way[n_sales] = sold[n_sales]
                    n_sales += 1
        for d in range(d_from, d_to):
            if not (seizable[g, d] and amount[d] > 0.0):
                continue
            r = reserve[g, d]
            paid, change = lessen(amount, d, borrow_index[r], repay[row], pro_rata)
            tokens[LIQUIDATORS, asset[r], p] -= paid
            tokens[CASH, asset[r], p] += paid
            booked[DEBTS, r, p] -= paid
            scaled[1, r, p] -= change
            totals[REPAID, number, p] += paid * price[r]
        if writes_off:
            write_off(amount, g, p, number, reserve, collaterals[g], first_debt, first_debt + debts[g], borrow_index,
                      price, booked, scaled, totals)
        totals[LIQUIDATIONS, number, p] += 1.0
        if flags[slot] & HIT == 0:
            totals[ACCOUNTS_LIQUIDATED, number, p] += 1.0
        flags[slot] |= HIT
        state[row] = EXECUTED
    return n_sales
