"""Maintenance margin of a position, whatever the instrument: what stands in the exchange's tables says which it is.

    perp, linear or inverse   MM = n rate_k - deducted_k,  n = |q| m,  k the last tier with floor_k <= n
    option                    short: MM = |q| (m + charge x max(1, m if it is a put)),  long: none
Source: docs/design.md, "Margin exchanges"; Deribit, "Margin requirements" of inverse options: 0.075 + mark, of a short put
max(0.075, 0.075 x mark) + mark.
"""

from __future__ import annotations

import numpy as np

from delever.core.exchange_tables import CHARGE, PUT, Margins
from delever.core.jit import helper


@helper
def tier_of(notional: float, r: int, tiers: np.ndarray, floor: np.ndarray) -> int:
    """The last tier that begins at or below the notional [unit]."""
    k: int = tiers[r] - 1
    while k > 0 and floor[r, k] > notional:
        k -= 1
    return k


@helper
def of_option(q: float, mark: float, charge: float, put: float) -> float:
    """Maintenance margin of an option [unit]: a short's mark and charge x max(1, its mark if it is a put); a long's is none."""
    return -q * (mark + charge * max(1.0, put * mark)) if q < 0.0 else 0.0


@helper
def maintenance(q: float, mark: float, r: int, margins: Margins) -> float:
    """Maintenance margin of a position of q units [unit]."""
    if margins.option[r, CHARGE] > 0.0:
        return of_option(q, mark, margins.option[r, CHARGE], margins.option[r, PUT])
    notional, rate, deducted = abs(q) * mark, margins.rate, margins.deducted
    k = tier_of(notional, r, margins.tiers, margins.floor)
    margin: float = notional * rate[r, k] - deducted[r, k]
    return margin
