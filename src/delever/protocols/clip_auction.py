"""Maker's auctions in double entry: vaults become lots, lots are sized, paid for, started anew and closed.

While a lot is for sale its units stay in DEPOSITS and CASH, its debt in DEBTS; accounts lose both at the kick. What comes in
pays the debt first; the rest, penalty, is the TREASURY's, which pays rewards (and may fall below 0 by them) and heals what
lots leave unpaid, before any layer of the default waterfall is asked: surplus against bad debt, as the vow does.
Source: makerdao/dss fa4f6630 (dog.sol, clip.sol, vow.sol).
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import allocates, helper, kernel
from delever.core.lots import still_open
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, DEFICITS, LIQUIDATIONS, PROTOCOL_FEE, REPAID, SEIZED
from delever.core.state import Pool, Watch
from delever.core.surplus import heal
from delever.core.tables import (
    CASH,
    DEBTS,
    DEFICIT,
    DEPOSITS,
    EXECUTED,
    HIT,
    INCLUDED,
    NOTHING,
    REVERTED,
    TREASURY,
    BookTables,
    Ledgers,
    Lots,
    Reserves,
    Sales,
    Touched,
    Transactions,
)
from delever.core.touch import watch_again
from delever.protocols.clip_formulas import (
    BUF,
    CHIP,
    DUST,
    HOLE,
    HOLE_OF_ALL,
    OURS,
    TIP,
    again_reward,
    asked,
    bark,
    fraction,
    must_reset,
    purchase,
    room_of,
)
from delever.protocols.vaults import chop_of, feed_of, vault

DEARER = 1e-9  # relative: a price that a redo has raised since a taker saw it


@helper
def pay_reward(who: int, asset: int, s: int, p: int, paid: float, ledgers: Ledgers) -> None:
    """The protocol pays a keeper [units]."""
    ledgers.tokens[who, asset, p] += paid
    ledgers.tokens[CASH, asset, p] -= paid
    ledgers.booked[TREASURY, s, p] -= paid


@kernel
def raising(n_lots: int, lots: Lots, rules: np.ndarray, raised: np.ndarray) -> None:
    """What open lots must raise. rules: [protocols, paths, columns]; raised: [protocols, A, P], of assets that are sold."""
    for k in range(n_lots):
        if lots.open[k] and rules[lots.protocol[k], lots.path[k], OURS] > 0.0:
            raised[lots.protocol[k], lots.get_asset[k], lots.path[k]] += lots.tab[k]


@kernel
def whole_tabs(picked: np.ndarray, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves, tab: np.ndarray
               ) -> None:
    """What each vault would have to raise if it were barked at whole. tab: [picked]."""
    for j in range(len(picked)):
        slot, d = rows.ref[picked[j]], book.first_debt[0]
        g = book.signature[touched.account[slot]]
        index = reserves.borrow_index[book.reserve[g, d], rows.path[picked[j]]]
        tab[j] = touched.amount[slot, d] * index * chop_of(slot, touched, book, reserves)


@kernel
def put_up(picked: np.ndarray, protocol: np.ndarray, rules: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
           price: np.ndarray, sizes: np.ndarray) -> None:
    """Of each unsafe vault the debt that a bark would raise and the lot, while nothing else is for sale: sizes [2, slots]."""
    for slot in picked:
        terms = rules[protocol[slot], 0]
        _, _, ink, debt, unsafe = vault(slot, 0, touched, book, reserves, price)
        if unsafe:
            room = min(terms[HOLE], terms[HOLE_OF_ALL])
            sizes[1, slot], sizes[0, slot] = bark(ink, debt, chop_of(slot, touched, book, reserves), terms[DUST], room)


@kernel
def size_kicks(picked: np.ndarray, rows: Transactions, rules: np.ndarray, raised: np.ndarray, touched: Touched,
               book: BookTables, reserves: Reserves, price: np.ndarray) -> None:
    """A kick brings nothing and gets its reward. Rows are given room in this order; what finds none is not offered."""
    for i in picked:
        slot, p, number = rows.ref[i], rows.path[i], rows.protocol[i]
        terms, chop = rules[number, p], chop_of(slot, touched, book, reserves)
        r, s, ink, debt, unsafe = vault(slot, p, touched, book, reserves, price)
        a, b = reserves.asset[r], reserves.asset[s]
        rows.give_asset[i], rows.get_asset[i], rows.give[i], rows.get[i], rows.kept[i] = b, b, 0.0, 0.0, 0.0
        units, due = bark(ink, debt, chop, terms[DUST], room_of(number, a, p, terms, raised))
        if unsafe and units > 0.0:
            raised[number, a, p] += due * chop
            rows.get[i] = terms[TIP] + terms[CHIP] * due * chop
        elif rows.state[i] == INCLUDED:
            rows.state[i] = REVERTED
        else:
            rows.state[i], rows.give_asset[i] = NOTHING, -1


@helper
def size_take(i: int, rows: Transactions, rules: np.ndarray, now: float, touched: Touched, book: BookTables, reserves: Reserves,
              lots: Lots) -> None:
    """What a taker brings and gets at the price of this second; one who had seen a lower price pays none. now: [whole s]."""
    k, terms = rows.ref[i], rules[rows.protocol[i], rows.path[i]]
    seen = rows.give[i] / rows.get[i] if rows.get[i] > 0.0 else np.inf
    rows.give[i], rows.get[i], rows.kept[i] = 0.0, 0.0, 0.0
    nothing = REVERTED if rows.state[i] == INCLUDED else NOTHING
    age = now - lots.started[k]
    if not (still_open(i, rows, lots) and lots.tab[k] > 0.0 and lots.units[k] > 0.0) or must_reset(age, terms):
        rows.state[i] = nothing
        return
    price = lots.top[k] * fraction(age, terms)
    chost = terms[DUST] * chop_of(lots.slot[k], touched, book, reserves)
    units, owe = asked(lots.units[k], price, rows.most[i])
    paid, bought = purchase(lots.units[k], lots.tab[k], chost, price, units, owe)
    if paid < 0.0 or (rows.state[i] == INCLUDED and price > seen * (1.0 + DEARER)):
        rows.state[i] = nothing
    else:
        rows.give[i], rows.get[i] = paid, bought


@kernel
def size_takes(picked: np.ndarray, rows: Transactions, rules: np.ndarray, now: float, touched: Touched, book: BookTables,
               reserves: Reserves, lots: Lots) -> None:
    """Purchases, each as if it were alone. now: [whole s]."""
    for i in picked:
        size_take(i, rows, rules, now, touched, book, reserves, lots)


@helper
def size_redo(i: int, rows: Transactions, rules: np.ndarray, now: float, touched: Touched, book: BookTables,
              reserves: Reserves, price: np.ndarray, lots: Lots) -> None:
    """A redo brings nothing and gets the reward of a kick, where it is needed. now: [whole s]; price: [P, R] seen."""
    k, terms = rows.ref[i], rules[rows.protocol[i], rows.path[i]]
    rows.give[i], rows.get[i], rows.kept[i] = 0.0, 0.0, 0.0
    if not still_open(i, rows, lots) or not must_reset(now - lots.started[k], terms):
        rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING
        return
    chost = terms[DUST] * chop_of(lots.slot[k], touched, book, reserves)
    rows.get[i] = again_reward(lots.tab[k], lots.units[k], chost, feed_of(k, lots, touched, book, price), terms)


@kernel
def size_redos(picked: np.ndarray, rows: Transactions, rules: np.ndarray, now: float, touched: Touched, book: BookTables,
               reserves: Reserves, price: np.ndarray, lots: Lots) -> None:
    """Redos, each as if it were alone."""
    for i in picked:
        size_redo(i, rows, rules, now, touched, book, reserves, price, lots)


@kernel
@allocates
def kick(picked: np.ndarray, rows: Transactions, rules: np.ndarray, raised: np.ndarray, now: float, touched: Touched,
         book: BookTables, reserves: Reserves, price: np.ndarray, ledgers: Ledgers, lots: Lots, n: int) -> int:
    """Vaults become lots; rows of closed ones are used again. The number of rows of the table then. now: [whole s].

    A path uses only its own rows again, so that the order of its lots does not depend on other paths.
    """
    free, after = np.full(price.shape[0], -1), np.empty(n, np.int64)
    for k in range(n - 1, -1, -1):
        if not lots.open[k]:
            after[k], free[lots.path[k]] = free[lots.path[k]], k
    d = book.first_debt[0]
    for i in picked:
        slot, p, number, who = rows.ref[i], rows.path[i], rows.protocol[i], rows.actor[i]
        if rows.state[i] != INCLUDED:
            continue
        terms, chop = rules[number, p], chop_of(slot, touched, book, reserves)
        r, s, ink, debt, unsafe = vault(slot, p, touched, book, reserves, price)
        a, b = reserves.asset[r], reserves.asset[s]
        units, due = bark(ink, debt, chop, terms[DUST], room_of(number, a, p, terms, raised))
        if not unsafe or units <= 0.0:
            rows.state[i] = REVERTED
            continue
        k = free[p]
        if k >= 0:
            free[p] = after[k]
        else:
            k, n = n, n + 1
        whole = due >= debt
        gone = touched.amount[slot, 0] if whole else units / reserves.supply_index[r, p]
        cleared = touched.amount[slot, d] if whole else due / reserves.borrow_index[s, p]
        touched.amount[slot, 0] -= gone
        touched.amount[slot, d] -= cleared
        ledgers.scaled[0, r, p] -= gone
        ledgers.scaled[1, s, p] -= cleared
        lots.path[k], lots.protocol[k], lots.slot[k], lots.leg[k], lots.reserve[k], lots.open[k] = p, number, slot, 0, s, 1
        lots.get_asset[k], lots.give_asset[k], lots.cause[k] = a, b, rows.number[i]
        lots.units[k], lots.owed[k], lots.tab[k] = units, due, due * chop
        lots.started[k], lots.top[k] = now, price[p, r] / price[p, s] * terms[BUF]
        raised[number, a, p] += due * chop
        rows.give[i], rows.get[i] = 0.0, terms[TIP] + terms[CHIP] * due * chop
        pay_reward(who, b, s, p, rows.get[i], ledgers)
        ledgers.totals[ACCOUNTS_LIQUIDATED, number, p] += 1.0 if touched.flags[slot] & HIT == 0 else 0.0
        touched.flags[slot] |= HIT
        rows.state[i] = EXECUTED
    return n


@kernel
def take(picked: np.ndarray, rows: Transactions, rules: np.ndarray, now: float, touched: Touched, book: BookTables,
         reserves: Reserves, price: np.ndarray, ledgers: Ledgers, lots: Lots, sales: Sales, n_sales: int) -> int:
    """Lots are paid for, one row after the other: what is left of one is what the next gets. The number of sales then."""
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        size_take(i, rows, rules, now, touched, book, reserves, lots)
        if rows.state[i] != INCLUDED:
            continue
        k, p, who, number, paid, got = rows.ref[i], rows.path[i], rows.actor[i], rows.protocol[i], rows.give[i], rows.get[i]
        a, b, s = lots.get_asset[k], lots.give_asset[k], lots.reserve[k]
        r = book.reserve[book.signature[touched.account[lots.slot[k]]], lots.leg[k]]
        repaid = min(paid, lots.owed[k])
        lots.units[k], lots.tab[k], lots.owed[k] = lots.units[k] - got, lots.tab[k] - paid, lots.owed[k] - repaid
        ledgers.tokens[who, b, p] -= paid
        ledgers.tokens[CASH, b, p] += paid
        ledgers.booked[DEBTS, s, p] -= repaid
        ledgers.booked[TREASURY, s, p] += paid - repaid
        ledgers.tokens[CASH, a, p] -= got
        ledgers.tokens[who, a, p] += got
        ledgers.booked[DEPOSITS, r, p] -= got
        ledgers.totals[SEIZED, number, p] += got * price[p, r]
        ledgers.totals[REPAID, number, p] += repaid * price[p, s]
        ledgers.totals[PROTOCOL_FEE, number, p] += (paid - repaid) * price[p, s]
        ledgers.totals[LIQUIDATIONS, number, p] += 1.0
        heal(s, p, ledgers.booked)
        if not rows.holds[i]:
            sales.row[n_sales], sales.path[n_sales], sales.holder[n_sales], sales.forced[n_sales] = i, p, who, 1
            sales.sold_asset[n_sales], sales.bought_asset[n_sales], sales.sold[n_sales] = a, b, got
            n_sales += 1
        rows.state[i] = EXECUTED
    return n_sales


@kernel
def close_lots(picked: np.ndarray, rows: Transactions, pool: Pool, watch: Watch, book: BookTables, reserves: Reserves,
               price: np.ndarray, ledgers: Ledgers, lots: Lots) -> None:
    """Lots that raised their tab give back what is left; debt of lots that are sold out becomes a deficit, and is healed."""
    for i in picked:
        k, p = rows.ref[i], rows.path[i]
        if rows.state[i] != EXECUTED or not lots.open[k] or (lots.tab[k] > 0.0 and lots.units[k] > 0.0):
            continue
        slot, leg, s, left, owed = lots.slot[k], lots.leg[k], lots.reserve[k], lots.units[k], lots.owed[k]
        if left > 0.0:
            r = book.reserve[book.signature[pool.touched.account[slot]], leg]
            back = left / reserves.supply_index[r, p]
            pool.touched.amount[slot, leg] += back
            ledgers.scaled[0, r, p] += back
            watch_again(slot, watch, pool)
        if owed > 0.0:
            ledgers.booked[DEBTS, s, p] -= owed
            ledgers.booked[DEFICIT, s, p] += owed
            ledgers.totals[DEFICITS, lots.protocol[k], p] += owed * price[p, s]
            heal(s, p, ledgers.booked)
        lots.open[k], lots.units[k], lots.owed[k], lots.tab[k] = 0, 0.0, 0.0, 0.0


@kernel
def redo(picked: np.ndarray, rows: Transactions, rules: np.ndarray, now: float, touched: Touched, book: BookTables,
         reserves: Reserves, price: np.ndarray, ledgers: Ledgers, lots: Lots) -> None:
    """Auctions start anew at the price seen now. now: [whole s]."""
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        size_redo(i, rows, rules, now, touched, book, reserves, price, lots)
        if rows.state[i] != INCLUDED:
            continue
        k, p, s = rows.ref[i], rows.path[i], lots.reserve[rows.ref[i]]
        lots.started[k], lots.top[k] = now, feed_of(k, lots, touched, book, price) * rules[rows.protocol[i], p, BUF]
        pay_reward(rows.actor[i], lots.give_asset[k], s, p, rows.get[i], ledgers)
        rows.state[i] = EXECUTED
