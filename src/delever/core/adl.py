"""Auto-deleveraging: who is closed, and by how much, against positions that a fallen account leaves behind.

Queue rules rank by a score and close from the top; pro-rata rules share by a weight (water-filling). Sources of the scores:
`hyperliquid`: its documentation, "Auto-deleveraging"; the price ratio is turned for shorts, so that profit ranks first.
`hyperliquid_v2`: read from its feed of 10 October 2025 (a secondary source). `binance`: PnL% x leverage, as BitMEX publishes it
("What is Auto-Deleveraging"): leverage |mark value| / (mark value - bankrupt value) is |value| / equity for linear contracts,
as at the bankruptcy price m - E/q the two values differ by the equity E. Pro-rata: Chitra, arXiv 2512.01112.

Arrays have one entry a candidate; the first n count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from delever.core.jit import allocates, helper

Floats = NDArray[np.float64]

HYPERLIQUID, HYPERLIQUID_V2, BINANCE, WEALTH_PRO_RATA, CONTRACT_PRO_RATA, CAPPED_PRO_RATA = range(6)
RULES = ("hyperliquid", "hyperliquid_v2", "binance", "wealth_pro_rata", "contract_pro_rata", "capped_pro_rata")

SMALLEST = 1e-150  # stands for 0 in a divisor: two such divisions of a ranking score stay ordered, and 0 / 0 is 0


@helper
def is_queue(rule: int) -> bool:
    """True for rules that close by rank, False for those that share by weight."""
    return rule < WEALTH_PRO_RATA


@helper
def score(rule: int, q: float, mark: float, paid: float, cost: float, equity: float) -> float:
    """Score (queue rules) or weight (pro-rata rules) of a position; the account's equity is positive.

    q [units, long > 0], mark [USD a unit], paid: funding paid so far [USD a unit], cost = q x entry price [USD, signed as q],
    equity of the account [USD]. A score has no unit, a weight is in USD (wealth) or units (contract, capped).

        profit = q (mark - paid) - cost        leverage = |q| mark / equity        return = profit / |cost|
    """
    profit = q * (mark - paid) - cost
    if rule == WEALTH_PRO_RATA:
        return max(profit, 0.0)
    if rule >= CONTRACT_PRO_RATA:
        return abs(q)
    value = abs(q) * mark
    entry_value = max(abs(cost), SMALLEST)
    leverage = value / max(equity, SMALLEST)
    if rule == HYPERLIQUID:
        moved = value / entry_value if q > 0.0 else entry_value / max(value, SMALLEST)
        return moved * leverage
    if rule == HYPERLIQUID_V2:
        return leverage * (max(profit, 0.0) / entry_value)
    if profit >= 0.0:
        return profit / entry_value * leverage
    return profit / entry_value / max(leverage, SMALLEST)


@helper
@allocates
def fill_queue(n: int, score: Floats, size: Floats, wanted: float, out: Floats) -> float:
    """Close from the highest score down, equals in array order; units closed of each in out. Units closed in all.

    size: what each can close [units, >= 0]; wanted: what is to be closed [units].
    """
    out[:n] = 0.0
    left = wanted
    closed = 0.0
    for i in np.argsort(-score[:n], kind="mergesort"):
        if left <= 0.0:
            break
        out[i] = min(size[i], left)
        left -= out[i]
        closed += out[i]
    return min(closed, wanted) if left > 0.0 else max(wanted, 0.0)  # exactly what was wanted, where it was found


@helper
@allocates
def fill_pro_rata(n: int, weight: Floats, size: Floats, wanted: float, out: Floats) -> float:
    """Close min(size, lambda x weight), lambda such that the sum is min(wanted, sum of size with weight > 0).

    Units closed of each in out; units closed in all. Exact: in the order in which they are used up (size / weight, equals in
    array order), whoever cannot bear his share of what is left gives all; the first who can settles lambda for the rest.
    """
    out[:n] = 0.0
    level = np.full(n, np.inf)  # [candidates], lambda at which all of size is used
    for i in range(n):
        if weight[i] > 0.0 and size[i] > 0.0:
            level[i] = size[i] / weight[i]
    order = np.argsort(level, kind="mergesort")
    behind = np.zeros(n + 1)  # [rank], weight of this rank and all later ones: summed, as differences would lose digits
    for k in range(n - 1, -1, -1):
        i = order[k]
        behind[k] = behind[k + 1] + (weight[i] if level[i] < np.inf else 0.0)
    if wanted <= 0.0:
        return 0.0
    left = wanted
    closed = 0.0
    reached = 0.0  # lambda grows along the order: never below it, or rounding in `left` would fall on the smallest
    for k in range(n):
        if behind[k] <= 0.0:
            break
        i = order[k]
        share = max(left / behind[k], reached)
        if level[i] > share:
            for j in order[k:]:
                if level[j] < np.inf:
                    out[j] = min(size[j], share * weight[j])
            return wanted
        out[i] = size[i]
        left -= size[i]
        closed += size[i]
        reached = level[i]
    return min(closed, wanted)
