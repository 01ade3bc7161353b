"""An account's two sides: what backs it and what it owes, at the prices its protocol sees."""

from __future__ import annotations

import numpy as np

from delever.core.jit import helper


@helper
def account_health(amount: np.ndarray, g: int, reserve: np.ndarray, threshold: np.ndarray, collaterals: np.ndarray,
                   debts: np.ndarray, first_debt: int, price: np.ndarray, supply_index: np.ndarray,
                   borrow_index: np.ndarray) -> tuple[float, float]:
    """backing = sum of collateral x index x price x threshold,  debt = sum of debt x index x price.

    Health factor = backing / debt; unhealthy is backing < debt. Signed remainder legs are summed like any other.
    amount: [legs] of one account, units at index 1. price: [reserves] seen on its path. g: the account's signature;
    the other arrays are columns of BookTables and Reserves.
    """
    backing = 0.0
    for k in range(collaterals[g]):
        r = reserve[g, k]
        backing += amount[k] * supply_index[r] * price[r] * threshold[g, k]
    debt = 0.0
    for k in range(first_debt, first_debt + debts[g]):
        r = reserve[g, k]
        debt += amount[k] * borrow_index[r] * price[r]
    return backing, debt
