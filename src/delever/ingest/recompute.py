"""How well a book's legs give back the health factors that its source reports."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

TOLERANCES = (1e-9, 1e-6, 1e-2)  # relative error of the health factor


def leg_totals(
    legs: pa.Table, accounts: pa.Table, prices: Mapping[str, float], remainders: bool
) -> dict[str, np.ndarray]:
    """Collateral, backing (collateral x threshold) and debt of each account, [accounts] in the unit of `prices`.

    `remainders`: count the legs labelled so. Legs of accounts that `accounts` does not name are left out.
    """
    row = {key: i for i, key in enumerate(_keys(accounts))}
    at = np.array([row.get(key, -1) for key in _keys(legs)], dtype=np.int64)  # [legs]
    price = np.array([prices[asset] for asset in legs["asset"].to_pylist()])
    value = legs["amount"].to_numpy() * price
    threshold = legs["liquidation_threshold"].fill_null(0.0).to_numpy()
    is_debt = np.array([side == "debt" for side in legs["side"].to_pylist()], dtype=bool)
    counted = at >= 0
    if not remainders:
        counted &= np.array([label != "remainder" for label in legs["label"].to_pylist()], dtype=bool)

    def total(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(at[rows], weights=values[rows], minlength=len(row))

    return {
        "collateral": total(counted & ~is_debt, value),
        "backing": total(counted & ~is_debt, value * threshold),
        "debt": total(counted & is_debt, value),
    }


def _keys(table: pa.Table) -> list[tuple[str, str]]:
    return list(zip(table["protocol"].to_pylist(), table["account"].to_pylist(), strict=True))


def recomputation(
    legs: pa.Table,
    accounts: pa.Table,
    prices: Mapping[str, float],
    tolerances: tuple[float, ...] = TOLERANCES,
    remainders: bool = False,
) -> pa.Table:
    """For each tolerance: accounts whose legs recompute the reported health, and their share of the reported value.

    prices: [unit of the reported totals per token], by asset. Remainder legs are not counted unless asked for.
    """
    totals = leg_totals(legs, accounts, prices, remainders)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(totals["backing"] / totals["debt"] / accounts["reported_health"].to_numpy() - 1.0)
    collateral, debt = accounts["reported_collateral"].to_numpy(), accounts["reported_debt"].to_numpy()
    within = [error < tolerance for tolerance in tolerances]  # not a number: not within
    return pa.table({
        "tolerance": pa.array(tolerances),
        "accounts": [int(w.sum()) for w in within],
        "of_accounts": [len(error)] * len(within),
        "collateral_share": [float(collateral[w].sum() / collateral.sum()) for w in within],
        "debt_share": [float(debt[w].sum() / debt.sum()) for w in within],
    })  # fmt: skip
