"""Value is conserved: three identities a path and asset, checked at the end of every run.

    tokens    what all holders gained adds up to nothing
    claims    cash + debts + deficit = claims + treasury, as changes
    accounts  what touched accounts hold now is what they held at the start plus the ledger of their changes
Each is divided by the turnover of the asset on the path: what holders gained or lost, and all that venues traded, for
what only passes through (USD between two sales) leaves a net of rounding. Above LIMIT it is an error.
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import kernel
from delever.core.state import State
from delever.core.tables import CASH, DEBTS, DEFICIT, DEPOSITS, TREASURY, BookTables, Touched

LIMIT = 1e-9


@kernel
def count_accounts(slots: int, touched: Touched, book: BookTables, changed: np.ndarray, size: np.ndarray) -> None:
    """Change of all touched accounts, leg by leg, and its gross size. changed, size: [2, R, P] at index 1."""
    account, path, amount, start = touched.account, touched.path, touched.amount, book.amount
    first_debt = book.first_debt[0]
    for slot in range(slots):
        a, p = account[slot], path[slot]
        g = book.signature[a]
        for k in range(book.collaterals[g]):
            change = amount[slot, k] - start[a, k]
            changed[0, book.reserve[g, k], p] += change
            size[0, book.reserve[g, k], p] += abs(change)
        for k in range(first_debt, first_debt + book.debts[g]):
            change = amount[slot, k] - start[a, k]
            changed[1, book.reserve[g, k], p] += change
            size[1, book.reserve[g, k], p] += abs(change)


def residual(state: State, slots: int) -> np.ndarray:
    """Largest violation of the three identities, as a share of turnover: [A, P]."""
    ledgers, asset = state.ledgers, state.reserves.asset
    tokens = ledgers.tokens
    turnover = np.maximum(np.abs(tokens).sum(0) + ledgers.turnover, 1e-300)  # [A, P]
    worst = np.abs(tokens.sum(0)) / turnover

    booked = np.zeros_like(turnover)
    by_reserve = (ledgers.booked[DEBTS] + ledgers.booked[DEFICIT] - ledgers.booked[DEPOSITS] - ledgers.booked[TREASURY])
    np.add.at(booked, asset, by_reserve)
    size = np.abs(tokens[CASH]) + ledgers.turnover
    np.add.at(size, asset, np.abs(ledgers.booked).sum(0))
    worst = np.maximum(worst, np.abs(tokens[CASH] + booked) / np.maximum(size, 1e-300))

    changed, gross = np.zeros_like(ledgers.scaled), np.zeros_like(ledgers.scaled)
    count_accounts(slots, state.pool.touched, state.book, changed, gross)
    gross += np.abs(ledgers.booked).sum(0) + ledgers.moved  # what has passed through accounts and is gone again, too
    by_leg = np.abs(changed - ledgers.scaled) / np.maximum(gross, 1e-300)
    np.maximum.at(worst, asset, by_leg.max(0))
    return worst
