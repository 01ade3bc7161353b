"""Margin accounts: equity, maintenance margin, how far the marks must move, and closing a position in double entry.

    equity       E = cash + sum c p w + sum q (m - F)          cash = wallet - sum q x entry price
    maintenance  M = sum MM(|q| m),   MM(n) = n rate_k - deducted_k in the tier of n
An account is unhealthy when E < M. Money, prices, F and tiers are in the exchange's unit: USD, or the coin in which its contracts
are paid. A unit of an inverse contract is a dollar, priced in the coin (m = 1 / mark), and q < 0 is what is called a long: so
`q m` is what the contract is worth, and nothing here knows which kind it is. docs/design.md, "Margin exchanges".
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.elementary import log_
from delever.core.exchange_tables import BACKSTOP, CHARGE, PUT, Flows, Margins
from delever.core.jit import helper, laid_in
from delever.core.maintenance import maintenance, of_option, tier_of
from delever.core.market import purchase_within, sale_within, settle_trade
from delever.core.route import sell_for_usd
from delever.core.tables import (
    CASH,
    DEFICIT,
    DEPOSITS,
    FUNDING,
    VAULT,
    Accounts,
    BookTables,
    Ledgers,
    Liquidity,
    Records,
    Touched,
)

FAR = 60.0  # log-move that never happens


@helper
def equity_of(i: int, p: int, g: int, amount: np.ndarray, book: BookTables, margins: Margins, price: np.ndarray
              ) -> tuple[float, float]:
    """(E, M) of row i of `amount` [rows, legs], an account of signature g on path p, at seen prices [P, R]."""
    equity, margin = 0.0, 0.0
    for k in range(book.collaterals[g]):
        equity += amount[i, k] * price[p, book.reserve[g, k]] * book.threshold[g, k] * margins.counted[book.reserve[g, k], p]
    for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
        r, q = book.reserve[g, k], amount[i, k]
        if q != 0.0:
            equity += q * (price[p, r] - margins.paid[r, p])
            margin += margins.counted[r, p] * maintenance(q, price[p, r], r, margins)
    return equity, margin


@helper
def safe_growth(spare: float, falling: float, rising: float) -> float:
    """z such that no loss beyond `spare` happens while what falls is above 1/(1 + z) and what rises below 1 + z.

        falling z / (1 + z) + rising z = spare      in the form that keeps the digits of a small spare
    """
    b = falling + rising - spare
    root = math.sqrt(b * b + 4.0 * rising * spare)
    if b > 0.0:
        return 2.0 * spare / (b + root)
    return (root - b) / (2.0 * rising) if rising > 0.0 else 1e30


@laid_in
def sums_of(i: int, p: int, g: int, amount: np.ndarray, book: BookTables, margins: Margins, price: np.ndarray
            ) -> tuple[float, float, float, float, bool]:
    """(E, M, what falls, what rises, whether shorts could climb a tier) of row i of `amount`, in the unit; see reach_of."""
    reserve, first, tiers, floor, rate, paid = (book.reserve, book.first_debt[0], margins.tiers, margins.floor, margins.rate,
                                                margins.paid)
    equity, margin, falling, rising, climbs = 0.0, 0.0, 0.0, 0.0, False
    for k in range(book.collaterals[g]):
        value = amount[i, k] * price[p, reserve[g, k]] * book.threshold[g, k] * margins.counted[reserve[g, k], p]
        equity += value
        if k > 0:  # leg 0 is cash, which does not move
            falling += value
    for k in range(first, first + book.debts[g]):
        r, q = reserve[g, k], amount[i, k]
        if q == 0.0:
            continue
        mark, n, top = price[p, r], abs(q) * price[p, r], tiers[r] - 1
        tier = tier_of(n, r, tiers, floor)
        mm = n * rate[r, tier] - margins.deducted[r, tier]
        if margins.option[r, CHARGE] > 0.0:
            mm = of_option(q, mark, margins.option[r, CHARGE], margins.option[r, PUT])
        mm *= margins.counted[r, p]
        equity += q * (mark - paid[r, p])
        margin += mm
        if q > 0.0:
            falling += q * (mark - paid[r, p] - margins.gross[r, p]) - (0.0 if margins.funded[r] else mm)
        else:
            steep = rate[r, top if margins.funded[r] else tier]
            climbs = climbs or rate[r, top] > steep
            rising -= q * (mark - paid[r, p] + margins.gross[r, p]) * (1.0 + steep * margins.counted[r, p])
    return equity, margin, falling, rising, climbs


@laid_in
def reach_of(i: int, p: int, g: int, amount: np.ndarray, book: BookTables, margins: Margins, price: np.ndarray
             ) -> tuple[float, float, float]:
    """(E, M, safe radius): E >= M as long as no series of the account has moved against it by more than the radius [log].

    A box with equal sides, each of a series of its own: an option's is its mark, so that no bound asks how it bends, and the rate
    of a short one is the highest that it can come to. Longs and collateral fall, shorts rise; MM is convex: a long's shrinks at
    least in proportion, and a short's grows at most at the rate of the tier that it could reach. Funding: series move with
    m - F -+ the highest rate x the absolute funding, which covers what F changes in MM's share of the mark.
    """
    equity, margin, falling, rising, climbs = sums_of(i, p, g, amount, book, margins, price)
    spare = equity - margin
    if spare >= 0.0 and falling <= 0.0 and rising <= 0.0:
        return equity, margin, FAR  # nothing that moves
    if spare <= 0.0:
        return equity, margin, 0.0
    z = safe_growth(spare, falling, rising)
    if climbs:  # shorts that could climb a tier within that: by the rate they could come to
        rising, first, tiers = 0.0, book.first_debt[0], margins.tiers
        for k in range(first, first + book.debts[g]):
            r, q = book.reserve[g, k], amount[i, k]
            if q < 0.0:
                n = -q * price[p, r]
                tier = tiers[r] - 1 if margins.funded[r] else tier_of(n * (1.0 + z), r, tiers, margins.floor)
                steep = margins.rate[r, tier] * margins.counted[r, p]
                rising += -q * (price[p, r] - margins.paid[r, p] + margins.gross[r, p]) * (1.0 + steep)
        z = safe_growth(spare, falling, rising)
    return equity, margin, log_(1.0 + z)


@helper
def move_cash(slot: int, p: int, g: int, units: float, touched: Touched, book: BookTables, ledgers: Ledgers) -> None:
    """An account's claim on the exchange grows by so many units of its cash (the exchange's side is the caller's)."""
    cash = book.reserve[g, 0]
    touched.amount[slot, 0] += units
    ledgers.scaled[0, cash, p] += units
    ledgers.booked[DEPOSITS, cash, p] += units


@helper
def close_leg(slot: int, p: int, g: int, k: int, d: float, price: float, counterparty: int, accounts: Accounts,
              ledgers: Ledgers) -> None:
    """Close d units (signed as the position) at `price` [unit]: cash += d (price - F). The counterparty gets d, pays d price.

    counterparty: holder on the token ledger whose side is written here too; negative: its side is the caller's.
    """
    touched, book = accounts.touched, accounts.book
    r, q = book.reserve[g, k], touched.amount[slot, k]
    a, unit = accounts.reserves.asset[r], accounts.reserves.asset[book.reserve[g, 0]]
    worth, funding = d * price, d * accounts.margins.paid[r, p]
    touched.cost[slot, k] -= touched.cost[slot, k] if d == q else touched.cost[slot, k] * (d / q)
    touched.amount[slot, k] = 0.0 if d == q else q - d
    ledgers.scaled[1, r, p] -= d
    ledgers.size[r, p] -= abs(d)
    ledgers.booked[DEPOSITS, r, p] -= d
    ledgers.tokens[CASH, a, p] -= d
    move_cash(slot, p, g, worth - funding, touched, book, ledgers)
    ledgers.tokens[CASH, unit, p] += worth - funding
    ledgers.tokens[FUNDING, unit, p] += funding
    if counterparty >= 0:
        ledgers.tokens[counterparty, a, p] += d
        ledgers.tokens[counterparty, unit, p] -= worth


@helper
def note_closing(r: int, p: int, d: float, worth: float, flows: Flows) -> None:
    """d units (signed) were closed by force, for which their owner had `worth` [USD]. Nothing where nobody asks."""
    if flows.closed.shape[1] > 0:
        side = 0 if d > 0.0 else 1
        flows.closed[side, r, p] += d
        flows.worth[side, r, p] += worth


@helper
def close_on_book(slot: int, p: int, g: int, k: int, d: float, limit: float, accounts: Accounts, liquidity: Liquidity,
                  records: Records) -> tuple[float, float]:
    """Close up to d units (signed) on the perp's market, within the limit price; (units closed, signed; average price)."""
    profiles, markets, flows, price = liquidity.profiles, liquidity.markets, records.flows, accounts.price
    r = accounts.book.reserve[g, k]
    m = accounts.margins.market[r]
    if d > 0.0:
        done, worth, after = sale_within(m, p, d, limit, profiles, markets)
    else:
        done, worth, after = purchase_within(m, p, -d, limit, profiles, markets)
        done, worth = -done, -worth
    if done == 0.0:
        return 0.0, 0.0
    settle_trade(m, p, done, worth, after, liquidity, records.ledgers)
    close_leg(slot, p, g, k, done, worth / done, -1, accounts, records.ledgers)
    in_usd = accounts.margins.in_usd[accounts.book.protocol[g], p]
    flows.liquidated[r, p] += abs(done) * price[p, r] * in_usd
    flows.slippage[r, p] += (done * price[p, r] - worth) * in_usd
    note_closing(r, p, done, worth * in_usd, flows)
    return done, worth / done


@helper
def sell_collateral(slot: int, p: int, g: int, everything: bool, accounts: Accounts, liquidity: Liquidity, ledgers: Ledgers
                    ) -> None:
    """Sell collateral for USD, leg by leg: all of it, or while cash is negative what should cover that at seen prices.

    What nobody buys stays collateral.
    """
    touched, book, asset, price = accounts.touched, accounts.book, accounts.reserves.asset, accounts.price
    for k in range(1, book.collaterals[g]):
        r, held = book.reserve[g, k], touched.amount[slot, k]
        if not held > 0.0:
            continue
        units = held
        if not everything:
            if touched.amount[slot, 0] >= 0.0:
                return
            weight = book.threshold[g, k] * accounts.margins.counted[r, p]
            if weight <= 0.0:
                continue  # it counts for nothing, so selling it mends nothing
            units = min(held, -touched.amount[slot, 0] / (price[p, r] * weight))
        usd, units = sell_for_usd(p, asset[r], units, CASH, liquidity, ledgers)
        touched.amount[slot, k] = held - units
        ledgers.scaled[0, r, p] -= units
        ledgers.booked[DEPOSITS, r, p] -= units
        move_cash(slot, p, g, usd, touched, book, ledgers)


@helper
def close_out(slot: int, p: int, g: int, accounts: Accounts, liquidity: Liquidity, records: Records) -> float:
    """Close every position on its market without limit, sell all collateral; what is then owed becomes a deficit [unit]."""
    touched, book = accounts.touched, accounts.book
    for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
        q = touched.amount[slot, k]
        if q != 0.0:
            close_on_book(slot, p, g, k, q, 0.0 if q > 0.0 else np.inf, accounts, liquidity, records)
    sell_collateral(slot, p, g, True, accounts, liquidity, records.ledgers)
    return book_deficit(slot, p, g, touched, book, records.ledgers)


@helper
def book_deficit(slot: int, p: int, g: int, touched: Touched, book: BookTables, ledgers: Ledgers) -> float:
    """An account that has nothing but debt owes it no more: it becomes a deficit of the exchange [unit]."""
    cash = touched.amount[slot, 0]
    if not cash < 0.0:
        return 0.0
    for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
        if touched.amount[slot, k] != 0.0:
            return 0.0
    move_cash(slot, p, g, -cash, touched, book, ledgers)
    touched.amount[slot, 0] = 0.0
    ledgers.booked[DEFICIT, book.reserve[g, 0], p] -= cash
    return -cash


@helper
def vault_of(number: int, p: int, vault: np.ndarray, slot: int, g: int, accounts: Accounts) -> tuple[float, float]:
    """(E, M) of an exchange's backstop vault, with the account of that slot in it; slot -1: as it is. vault: [R, P]."""
    amount, book, margins, price = accounts.touched.amount, accounts.book, accounts.margins, accounts.price
    equity, margin = 0.0, 0.0
    for r in range(margins.first[number], margins.first[number + 1]):
        units = vault[r, p]
        if slot >= 0:
            first = book.first_debt[0] if margins.perp[r] else 0
            last = first + book.debts[g] if margins.perp[r] else book.collaterals[g]
            for k in range(first, last):
                if book.reserve[g, k] == r:
                    units += amount[slot, k]
        if margins.perp[r]:
            equity += units * (price[p, r] - margins.paid[r, p])
            margin += margins.counted[r, p] * maintenance(units, price[p, r], r, margins)
        else:
            equity += units * price[p, r] * margins.weight[r] * margins.counted[r, p]
    return equity, margin


@helper
def take_over(slot: int, p: int, g: int, number: int, time: float, accounts: Accounts, records: Records) -> bool:
    """The vault takes positions, collateral and cash of an account, if it then has margin enough; whether it did."""
    touched, book, asset, price = accounts.touched, accounts.book, accounts.reserves.asset, accounts.price
    ledgers, flows, safety = records.ledgers, records.flows, records.safety
    if safety.backed[number] < 0.0:
        return False
    equity, margin = vault_of(number, p, safety.vault, slot, g, accounts)
    if not equity >= safety.backed[number] * margin:
        safety.dry[BACKSTOP, number, p] = min(safety.dry[BACKSTOP, number, p], time)
        return False
    own = equity_of(slot, p, g, touched.amount, book, accounts.margins, price)[0]
    in_usd, gross = accounts.margins.in_usd[number, p], 0.0
    if flows.closed.shape[1] > 0:
        for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
            gross += abs(touched.amount[slot, k]) * price[p, book.reserve[g, k]]
    safety.served[BACKSTOP, number, p] += max(-own, 0.0) * in_usd
    for side in range(2):
        first = book.first_debt[0] if side else 0
        for k in range(first, first + (book.debts[g] if side else book.collaterals[g])):
            r, units = book.reserve[g, k], touched.amount[slot, k]
            if side:
                ledgers.size[r, p] += abs(safety.vault[r, p] + units) - abs(safety.vault[r, p]) - abs(units)
            safety.vault[r, p] += units
            ledgers.tokens[CASH, asset[r], p] -= units
            ledgers.tokens[VAULT, asset[r], p] += units
            ledgers.booked[DEPOSITS, r, p] -= units
            ledgers.scaled[side, r, p] -= units
            touched.amount[slot, k] = 0.0
            if side:
                touched.cost[slot, k] = 0.0
                flows.taken[r, p] += abs(units) * price[p, r] * in_usd
            if side and gross > 0.0 and units != 0.0:  # their owner leaves all that he has: at that price this is nothing
                lost = own * (abs(units) * price[p, r] / gross)
                note_closing(r, p, units, (units * price[p, r] - lost) * in_usd, flows)
    return True
