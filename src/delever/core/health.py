"""An account's two sides: what backs it and what it owes, at the prices its protocol sees."""

from __future__ import annotations

import numpy as np

from delever.core.jit import laid_in
from delever.core.tables import BookTables, Reserves


@laid_in
def account_health(i: int, p: int, g: int, amount: np.ndarray, book: BookTables, reserves: Reserves, price: np.ndarray
                   ) -> tuple[float, float]:
    """backing = sum of collateral x index x price x threshold x its factor,  debt = sum of debt x index x price.

    Health factor = backing / debt; unhealthy is backing < debt. Signed remainder legs are summed like any other.
    Of row i of `amount` [rows, legs], units at index 1, on path p; g: the account's signature; price: [P, R] seen.
    """
    backing = 0.0
    for k in range(book.collaterals[g]):
        r = book.reserve[g, k]
        counts = book.threshold[g, k] * reserves.counted[book.term[g, k], p]
        backing += amount[i, k] * reserves.supply_index[r, p] * price[p, r] * counts
    debt, first = 0.0, book.first_debt[0]
    for k in range(first, first + book.debts[g]):
        r = book.reserve[g, k]
        debt += amount[i, k] * reserves.borrow_index[r, p] * price[p, r]
    return backing, debt
