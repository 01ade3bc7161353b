"""What an owner does with an account of lending, in double entry: he takes collateral out, puts some in, borrows, pays back.

He is `who` of the token ledger, a protocol's cash the other side. What he moves himself is noted apart from liquidations.
"""

from __future__ import annotations

from delever.core.jit import helper
from delever.core.settlement import lessen
from delever.core.tables import CASH, DEBTS, DEPOSITS, OWN_DEBTS, OWN_DEPOSITS, Accounts, Ledgers


@helper
def take_out(slot: int, p: int, r: int, k: int, units: float, who: int, accounts: Accounts, ledgers: Ledgers) -> float:
    """Collateral of leg k, in reserve r; what was taken [units]."""
    a = accounts.reserves.asset[r]
    taken, change = lessen(accounts.touched.amount[slot], k, accounts.reserves.supply_index[r, p], units, False)
    ledgers.tokens[CASH, a, p] -= taken
    ledgers.tokens[who, a, p] += taken
    ledgers.booked[DEPOSITS, r, p] -= taken
    ledgers.booked[OWN_DEPOSITS, r, p] -= taken
    ledgers.scaled[0, r, p] -= change
    ledgers.moved[0, r, p] += change
    return taken


@helper
def put_in(slot: int, p: int, r: int, k: int, units: float, who: int, accounts: Accounts, ledgers: Ledgers) -> None:
    """Collateral into leg k."""
    a, change = accounts.reserves.asset[r], units / accounts.reserves.supply_index[r, p]
    accounts.touched.amount[slot, k] += change
    ledgers.tokens[CASH, a, p] += units
    ledgers.tokens[who, a, p] -= units
    ledgers.booked[DEPOSITS, r, p] += units
    ledgers.booked[OWN_DEPOSITS, r, p] += units
    ledgers.scaled[0, r, p] += change
    ledgers.moved[0, r, p] += change


@helper
def borrow(slot: int, p: int, s: int, k: int, units: float, who: int, accounts: Accounts, ledgers: Ledgers) -> None:
    """More of the debt of leg k, in reserve s."""
    b, change = accounts.reserves.asset[s], units / accounts.reserves.borrow_index[s, p]
    accounts.touched.amount[slot, k] += change
    ledgers.tokens[CASH, b, p] -= units
    ledgers.tokens[who, b, p] += units
    ledgers.booked[DEBTS, s, p] += units
    ledgers.booked[OWN_DEBTS, s, p] += units
    ledgers.scaled[1, s, p] += change
    ledgers.moved[1, s, p] += change


@helper
def pay_back(slot: int, p: int, s: int, k: int, units: float, who: int, accounts: Accounts, ledgers: Ledgers) -> float:
    """Of the debt of leg k; what was paid [units]."""
    b = accounts.reserves.asset[s]
    paid, change = lessen(accounts.touched.amount[slot], k, accounts.reserves.borrow_index[s, p], units, False)
    ledgers.tokens[CASH, b, p] += paid
    ledgers.tokens[who, b, p] -= paid
    ledgers.booked[DEBTS, s, p] -= paid
    ledgers.booked[OWN_DEBTS, s, p] -= paid
    ledgers.scaled[1, s, p] -= change
    ledgers.moved[1, s, p] += change
    return paid
