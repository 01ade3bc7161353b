"""What a protocol takes in and lends no more than: caps, isolation, siloed debt; asked by whoever adds collateral or borrows.

    supply cap    supplied + units <= cap        supplied = cash + owed where the cash is stated, else what accounts hold [units]
    borrow cap    owed + units <= cap            [units]
    isolation     what is owed against a collateral, by accounts that have nothing else, + what is borrowed <= its ceiling [USD];
                  what is borrowed is borrowable in isolation
    siloed        who owes a siloed asset owes nothing else
    e-mode        who is in a category borrows what is borrowable in it
Who stands beyond a limit already may stay; he may not go further. Source: Aave v3 (ValidationLogic: validateSupply,
validateBorrow); there the ceiling counts what was borrowed, here what is owed now, at the prices that the protocol sees.
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import helper
from delever.core.reserves import cash_of, owed_of
from delever.core.state import Watch
from delever.core.tables import Accounts, Ledgers, Limits, Reserves
from delever.core.touch import slot_of

ROUNDING = 1e-12


@helper
def supplied(r: int, p: int, reserves: Reserves, ledgers: Ledgers, limits: Limits) -> float:
    """Units that a reserve owes its suppliers."""
    if reserves.cash[r] < np.inf:
        return cash_of(r, p, reserves, ledgers) + owed_of(r, p, reserves, ledgers)
    units: float = (limits.held[r] + ledgers.scaled[0, r, p]) * reserves.supply_index[r, p]
    return units


@helper
def may_supply(r: int, p: int, units: float, reserves: Reserves, ledgers: Ledgers, limits: Limits) -> bool:
    """Whether so much more can be supplied."""
    cap = limits.supply[r, p]
    return cap == np.inf or supplied(r, p, reserves, ledgers, limits) + units <= cap * (1.0 + ROUNDING)


@helper
def owed_alone(r: int, p: int, accounts: Accounts, watch: Watch, limits: Limits) -> float:
    """What is owed by accounts whose only collateral is in this reserve, at seen prices [USD]."""
    book, touched, price, total = accounts.book, accounts.touched, accounts.price, 0.0
    for i in range(limits.first[r], limits.first[r + 1]):
        account = limits.alone[i]
        slot, g = slot_of(p, account, watch), book.signature[account]
        for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
            s = book.reserve[g, k]
            units = touched.amount[slot, k] if slot >= 0 else book.amount[account, k]
            total += max(units, 0.0) * accounts.reserves.borrow_index[s, p] * price[p, s]
    return total


@helper
def may_borrow(slot: int, d: int, units: float, accounts: Accounts, ledgers: Ledgers, watch: Watch, limits: Limits) -> bool:
    """Whether the account in a slot may borrow so much more on its debt leg d."""
    book, touched, reserves = accounts.book, accounts.touched, accounts.reserves
    p, g, first = touched.path[slot], book.signature[touched.account[slot]], book.first_debt[0]
    s = book.reserve[g, d]
    if len(limits.barred) and limits.barred[touched.account[slot], d - first]:
        return False
    if owed_of(s, p, reserves, ledgers) + units > limits.borrow[s, p] * (1.0 + ROUNDING):
        return False
    for k in range(first, first + book.debts[g]):
        if k != d and touched.amount[slot, k] > 0.0 and (limits.siloed[s] or limits.siloed[book.reserve[g, k]]):
            return False
    backs, held = -1, 0
    for k in range(book.collaterals[g]):
        if touched.amount[slot, k] > 0.0:
            backs, held = book.reserve[g, k], held + 1
    if held == 1 and limits.ceiling[backs, p] < np.inf:
        if not limits.isolable[s]:
            return False
        owed = owed_alone(backs, p, accounts, watch, limits) + units * accounts.price[p, s]
        return owed <= limits.ceiling[backs, p] * (1.0 + ROUNDING)
    return True
