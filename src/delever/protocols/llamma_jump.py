"""A whole book of LLAMMA at given prices, no paths: whose health would be below 0 had nobody traded on the way there.

Bands still hold all collateral and are valued by x_down at the new price: what lies above it counts for what the curve would
bring at once. That is the worst case of a jump; a slow fall sells band by band on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.core.jit import kernel
from delever.protocols.base import Liquidatable
from delever.protocols.llamma_book import Market
from delever.protocols.llamma_formulas import AMPLIFICATION, LIQUIDATION_DISCOUNT, x_down
from delever.protocols.llamma_loans import Loans
from delever.protocols.llamma_trade import COLLATERAL_RESERVE, STABLE_RESERVE, Amm


@kernel
def below_zero(p_o: float, y: np.ndarray, amm: Amm, loans: Loans, found: np.ndarray) -> None:
    """1 for each loan whose health is below 0 at an oracle price, at index 1. y: [B] at the start; found: [L], written."""
    edge, a = amm.grid.edge, amm.terms[AMPLIFICATION]
    for k in range(len(loans.debt)):
        worth, held = 0.0, 0.0
        for b in range(loans.first[k], loans.last[k] + 1):
            worth += loans.each[k] / y[b] * x_down(0.0, y[b], p_o, edge[b], a)
            held += loans.each[k]
        worth = worth * (1.0 - amm.terms[LIQUIDATION_DISCOUNT]) + held * max(p_o - edge[loans.first[k]], 0.0)
        found[k] = 1 if worth < loans.debt[k] else 0


def fallen(markets: Sequence[Market], accounts: int, first_debt: int, seen_price: np.ndarray) -> Liquidatable:
    """Who would be called, with debt and collateral whole. seen_price: [R]."""
    legs, sizes = np.full((2, accounts), -1), np.zeros((2, accounts))
    for amm, loans, _, (_, y) in markets:
        found = np.zeros(len(loans.debt), np.int64)
        price = float(seen_price[amm.of[COLLATERAL_RESERVE]] / seen_price[amm.of[STABLE_RESERVE]])
        below_zero(price, y, amm, loans, found)
        hit = np.flatnonzero(found)
        who = loans.account[hit]
        legs[0, who], legs[1, who] = 0, first_debt
        sizes[0, who], sizes[1, who] = loans.debt[hit], loans.each[hit] * (loans.last[hit] - loans.first[hit] + 1)
    return Liquidatable(legs[0], legs[1], sizes[0], sizes[1], np.zeros(accounts))
