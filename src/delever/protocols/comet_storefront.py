"""Compound v3's arithmetic and double entry: accounts are absorbed, what the protocol then has is sold at a discount.

    unsafe    = sum of value x liquidate collateral factor < debt x base price, in whole units of 1e-8, each product rounded down;
                the debt before, to 10^-decimals of the base
    credit    = sum of seized units x price x liquidation factor,       liquidation factor = 1 / (1 + incentive)
    paid out  = max(debt, credit)   by the reserves: the debt is cleared, credit - debt > 0 is a supply balance of the account
    reserves  = at the start + TREASURY of the base - its DEFICIT       (base alone: collateral has no book value)
    for sale  where reserves < target;   storefront price = price x (1 - store_front x (1 - liquidation factor)), rounded down to
              1e-8, / base price
Seized units leave DEPOSITS for TREASURY of their reserve, which is the protocol's stock: it belongs to nobody and is one lot a
reserve whoever it came from, so that it needs no row of the table of lots. What a credit leaves of a debt is booked as a
deficit that the reserves have covered at once (COVERED). The surplus is a claim without an account: who has it owes nothing.
Amounts are real: the contract rounds credits down to a unit of the base, and what a purchase gets to one of the collateral.
Source: compound-finance/comet @d5a30b0, Comet.sol, whose executed results the tests hold this to.
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import ROUNDING
from delever.core.jit import helper, kernel
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, DEFICITS, LIQUIDATIONS, PROTOCOL_FEE, REPAID, SEIZED
from delever.core.tables import (
    CASH,
    COVERED,
    DEBTS,
    DEFICIT,
    DEPOSITS,
    EXECUTED,
    HIT,
    INCLUDED,
    NOTHING,
    OFFERED,
    OWN_DEPOSITS,
    REVERTED,
    TREASURY,
    BookTables,
    Ledgers,
    Reserves,
    Sales,
    Touched,
    Transactions,
)

# columns of a protocol's rules; OURS: 1, its accounts are absorbed here; BASE: the base asset's reserve, UNITS: in one of it
OURS, STORE_FRONT, TARGET, START, COUNTED_ON, BASE, UNITS = range(7)
PRICE_UNITS = 1e8  # of one dollar, or what else prices are in
DEARER = 1e-9  # relative: a price that has risen since a buyer saw it
PURCHASES, DISCOUNTS = range(2)  # places of what is counted


@helper
def whole(x: float) -> float:
    """Rounded down to a whole number; what is short of one by no more than rounding is one."""
    return np.floor(x * (1.0 + ROUNDING))


@helper
def is_unsafe(slot: int, p: int, g: int, rules: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
              price: np.ndarray) -> bool:
    """Whether an account may be absorbed. rules: [columns]; price: [P, R] seen."""
    backing, d, s = 0.0, book.first_debt[0], int(rules[BASE])
    if not book.debts[g] or not touched.amount[slot, d] > 0.0:
        return False
    for k in range(book.collaterals[g]):
        r = book.reserve[g, k]
        value = whole(touched.amount[slot, k] * reserves.supply_index[r, p] * price[p, r] * PRICE_UNITS)
        backing += whole(value * (book.threshold[g, k] * reserves.counted[book.term[g, k], p]))
    owed = whole(touched.amount[slot, d] * reserves.borrow_index[s, p] * rules[UNITS]) / rules[UNITS]
    return backing < whole(owed * price[p, s] * PRICE_UNITS)


@helper
def owed_by(slot: int, p: int, s: int, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray) -> float:
    """Worth of what an account owes [seen price's unit]. s: the base's reserve."""
    return float(touched.amount[slot, book.first_debt[0]] * reserves.borrow_index[s, p] * price[p, s])


@helper
def reserves_of(p: int, rules: np.ndarray, booked: np.ndarray) -> float:
    """The protocol's own base [units]; below 0: suppliers are owed more than there is. rules: [columns]."""
    s = int(rules[BASE])
    return rules[START] + booked[TREASURY, s, p] - booked[DEFICIT, s, p]


@helper
def credited(slot: int, p: int, g: int, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray,
             store_front: float) -> tuple[float, float, float]:
    """(value, credit, discount at which it will be sold) of all collateral of an account [seen price's unit]."""
    value, credit, discount = 0.0, 0.0, 0.0
    for k in range(book.collaterals[g]):
        if book.seizable[g, k] and touched.amount[slot, k] > 0.0:
            r = book.reserve[g, k]
            worth = touched.amount[slot, k] * reserves.supply_index[r, p] * price[p, r]
            counts = worth / (1.0 + book.incentive[g, k] * reserves.bonus[book.term[g, k], p])
            value, credit, discount = value + worth, credit + counts, discount + store_front * (worth - counts)
    return value, credit, discount


@kernel
def size_absorptions(picked: np.ndarray, rows: Transactions, rules: np.ndarray, touched: Touched, book: BookTables,
                     reserves: Reserves, price: np.ndarray, booked: np.ndarray) -> None:
    """An absorption brings nothing; `get` is what the caller counts on [base], which nobody pays him.

    Nothing where what is seized will not be for sale. rules: [protocols, paths, columns]; price: [P, R] seen.
    """
    for i in picked:
        slot, p = rows.ref[i], rows.path[i]
        g, terms = book.signature[touched.account[slot]], rules[rows.protocol[i], p]
        s = int(terms[BASE])
        rows.give_asset[i], rows.get_asset[i] = reserves.asset[s], reserves.asset[s]
        rows.give[i], rows.get[i], rows.kept[i] = 0.0, 0.0, 0.0
        if not is_unsafe(slot, p, g, terms, touched, book, reserves, price):
            if rows.state[i] == INCLUDED:
                rows.state[i] = REVERTED
            else:
                rows.state[i], rows.give_asset[i] = NOTHING, -1
            continue
        _, credit, discount = credited(slot, p, g, touched, book, reserves, price, terms[STORE_FRONT])
        debt = owed_by(slot, p, s, touched, book, reserves, price)
        if reserves_of(p, terms, booked) - max(debt, credit) / price[p, s] < terms[TARGET]:
            rows.get[i] = terms[COUNTED_ON] * discount / price[p, s]


@kernel
def seize_all(picked: np.ndarray, rules: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray,
              shares: np.ndarray) -> None:
    """Of each unsafe account the share of its debt that its credit covers, and 1: shares [2, slots]. One path."""
    for slot in picked:
        g = book.signature[touched.account[slot]]
        terms = rules[book.protocol[g], 0]
        if is_unsafe(slot, 0, g, terms, touched, book, reserves, price):
            _, credit, _ = credited(slot, 0, g, touched, book, reserves, price, 0.0)
            debt = owed_by(slot, 0, int(terms[BASE]), touched, book, reserves, price)
            shares[0, slot], shares[1, slot] = min(credit / debt, 1.0), 1.0


@kernel
def absorb(picked: np.ndarray, rows: Transactions, rules: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
           price: np.ndarray, ledgers: Ledgers, cause: np.ndarray) -> None:
    """Unsafe accounts lose all collateral and all debt. price: [P, R] seen; cause: [R, P], the absorption by which stock grew."""
    booked, totals = ledgers.booked, ledgers.totals
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        slot, p, number = rows.ref[i], rows.path[i], rows.protocol[i]
        g, s = book.signature[touched.account[slot]], int(rules[number, p, BASE])
        rows.give[i], rows.get[i], rows.kept[i] = 0.0, 0.0, 0.0
        if not is_unsafe(slot, p, g, rules[number, p], touched, book, reserves, price):
            rows.state[i] = REVERTED
            continue
        value, credit, _ = credited(slot, p, g, touched, book, reserves, price, 0.0)
        for k in range(book.collaterals[g]):
            held = touched.amount[slot, k]
            if book.seizable[g, k] and held > 0.0:
                r = book.reserve[g, k]
                units = held * reserves.supply_index[r, p]
                touched.amount[slot, k] = 0.0
                ledgers.scaled[0, r, p] -= held
                booked[DEPOSITS, r, p] -= units
                booked[TREASURY, r, p] += units
                cause[r, p] = rows.number[i]
        d = book.first_debt[0]
        owed, given = touched.amount[slot, d] * reserves.borrow_index[s, p], credit / price[p, s]
        surplus, rest = max(given - owed, 0.0), max(owed - given, 0.0)
        ledgers.scaled[1, s, p] -= touched.amount[slot, d]
        touched.amount[slot, d] = 0.0
        booked[DEBTS, s, p] -= owed
        booked[DEPOSITS, s, p] += surplus
        booked[OWN_DEPOSITS, s, p] += surplus
        booked[COVERED, s, p] += rest
        booked[TREASURY, s, p] -= owed + surplus
        totals[SEIZED, number, p] += value
        totals[PROTOCOL_FEE, number, p] += value - credit
        totals[REPAID, number, p] += (owed - rest) * price[p, s]
        totals[DEFICITS, number, p] += rest * price[p, s]
        totals[LIQUIDATIONS, number, p] += 1.0
        totals[ACCOUNTS_LIQUIDATED, number, p] += 1.0 if touched.flags[slot] & HIT == 0 else 0.0
        touched.flags[slot] |= HIT
        rows.state[i] = EXECUTED


@helper
def storefront_price(r: int, p: int, incentive: float, store_front: float, reserves: Reserves, price: np.ndarray) -> float:
    """What is asked for a unit of a reserve's asset now [seen price's unit]."""
    discount = store_front * (1.0 - 1.0 / (1.0 + incentive * reserves.bonus[r, p]))
    return whole(price[p, r] * (1.0 - discount) * PRICE_UNITS) / PRICE_UNITS


@helper
def size_purchase(i: int, rows: Transactions, rules: np.ndarray, incentive: np.ndarray, reserves: Reserves, price: np.ndarray,
                  booked: np.ndarray) -> None:
    """What a buyer brings and gets: all that there is, or what his `most` buys; who had seen a lower price buys nothing."""
    r, p, terms = rows.ref[i], rows.path[i], rules[rows.protocol[i], rows.path[i]]
    seen = rows.give[i] / rows.get[i] if rows.get[i] > 0.0 else np.inf
    rows.give[i], rows.get[i], rows.kept[i] = 0.0, 0.0, 0.0
    nothing, held = REVERTED if rows.state[i] == INCLUDED else NOTHING, booked[TREASURY, r, p]
    if not (held > 0.0 and reserves_of(p, terms, booked) < terms[TARGET]):
        rows.state[i] = nothing
        return
    asked = storefront_price(r, p, incentive[r], terms[STORE_FRONT], reserves, price) / price[p, int(terms[BASE])]
    if not asked > 0.0 or (rows.state[i] == INCLUDED and asked > seen * (1.0 + DEARER)):
        rows.state[i] = nothing
        return
    rows.give[i], rows.get[i] = held * asked, held
    if 0.0 < rows.most[i] < rows.give[i]:
        rows.give[i], rows.get[i] = rows.most[i], rows.most[i] / asked


@kernel
def size_purchases(picked: np.ndarray, rows: Transactions, rules: np.ndarray, incentive: np.ndarray, reserves: Reserves,
                   price: np.ndarray, booked: np.ndarray) -> None:
    """Purchases, each as if it were alone. incentive: [R]."""
    for i in picked:
        size_purchase(i, rows, rules, incentive, reserves, price, booked)


@kernel
def offer_stock(stock: np.ndarray, rules: np.ndarray, time: float, kind: int, active: np.ndarray, halted: np.ndarray,
                home: np.ndarray, reserves: Reserves, booked: np.ndarray, cause: np.ndarray, rows: Transactions, n: int) -> int:
    """A row for each reserve (of `stock`) and path with something for sale; the number of rows then. halted: [protocols, P]."""
    for r in stock:
        number = reserves.protocol[r]
        for p in range(active.shape[0]):
            terms = rules[number, p]
            if not active[p] or not booked[TREASURY, r, p] > 0.0 or halted[number, p] > time:
                continue
            if not reserves_of(p, terms, booked) < terms[TARGET]:
                continue
            rows.path[n], rows.protocol[n], rows.state[n], rows.ref[n], rows.network[n] = p, number, OFFERED, r, home[number]
            rows.kind[n], rows.give_asset[n], rows.get_asset[n] = kind, reserves.asset[int(terms[BASE])], reserves.asset[r]
            rows.cause[n] = cause[r, p]
            n += 1
    return n


@kernel
def buy(picked: np.ndarray, rows: Transactions, rules: np.ndarray, incentive: np.ndarray, reserves: Reserves, price: np.ndarray,
        ledgers: Ledgers, counted: int, sales: Sales, n_sales: int) -> int:
    """Stock is paid for, one row after the other: what is left is what the next gets. The number of sales then.

    counted: row of `totals` at which what is counted begins.
    """
    booked, tokens, totals = ledgers.booked, ledgers.tokens, ledgers.totals
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        size_purchase(i, rows, rules, incentive, reserves, price, booked)
        if rows.state[i] != INCLUDED:
            continue
        r, p, who, number, paid, got = rows.ref[i], rows.path[i], rows.actor[i], rows.protocol[i], rows.give[i], rows.get[i]
        a, b, s = rows.get_asset[i], rows.give_asset[i], int(rules[number, p, BASE])
        tokens[who, b, p] -= paid
        tokens[CASH, b, p] += paid
        booked[TREASURY, s, p] += paid
        tokens[CASH, a, p] -= got
        tokens[who, a, p] += got
        booked[TREASURY, r, p] -= got
        given = got * price[p, r] - paid * price[p, s]
        totals[PROTOCOL_FEE, number, p] -= given
        totals[counted + PURCHASES, number, p] += 1.0
        totals[counted + DISCOUNTS, number, p] += given
        if not rows.holds[i]:
            sales.row[n_sales], sales.path[n_sales], sales.holder[n_sales], sales.forced[n_sales] = i, p, who, 1
            sales.sold_asset[n_sales], sales.bought_asset[n_sales], sales.sold[n_sales] = a, b, got
            n_sales += 1
        rows.state[i] = EXECUTED
    return n_sales
