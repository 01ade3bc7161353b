"""The algebra of auto-deleveraging: who pays for a deficit, how much, and how far from what was needed.

Source: Chitra, "Autodeleveraging: Impossibilities and Optimization" (arXiv 2512.01112): sections 2.3 (fund), 2.4 (policies),
3.1.2 (ratios), 6 (capped pro-rata). In its later versions a haircut takes positive unrealised profit alone, never the equity
that a winner started with; so here.

    endowment   w = (profit)+ of each winner            capacity  U = sum w
    deficit     D = sum (-equity)+ over the losers      largest   Delta = max (-equity)+
    haircut     h in [0, 1], the share of w taken       raised    H = sum h w
    severity    theta = H / D                           budget    B = theta D, feasible iff B <= U

Solvency, sum of equity > 0, does not imply coverability, B <= U: equity may be collateral, which no haircut takes.
Policies that are asked for more than the capacity take all that they may.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from delever.model.errors import InputError

Floats = NDArray[np.float64]


# --- endowments, deficits, the fund ----------------------------------------------------------------------------


def endowments(profit: ArrayLike) -> Floats:
    """w = (profit)+ [USD] of each account, from its unrealised profit [USD]."""
    return np.maximum(np.asarray(profit, dtype=np.float64), 0.0)


def shortfalls(equity: ArrayLike) -> Floats:
    """(-equity)+ [USD] of each account; their sum is the deficit D."""
    return np.maximum(-np.asarray(equity, dtype=np.float64), 0.0)


def coverable(endowment: ArrayLike, budget: float) -> bool:
    """Whether the winners' profits suffice: budget [USD] <= U."""
    return budget <= float(np.sum(_amounts("endowment", endowment)))


def fund_after(fund: float, fees: float, deficit: float) -> float:
    """IF' = IF + fees - min(IF, D) [USD]: what a period leaves in the insurance fund. Its fees come too late for its deficit."""
    return fund + fees - min(fund, deficit)


def residual(fund: float, deficit: float) -> float:
    """R = (D - IF)+ [USD]: what the fund cannot pay and ADL is asked for."""
    return max(deficit - fund, 0.0)


# --- policies: haircuts h, [winners], shares of 1 ----------------------------------------------------------------


def queue(endowment: ArrayLike, budget: float, score: ArrayLike) -> Floats:
    """Take all from the highest score, then from the next, until the budget [USD] is met; equals in array order."""
    w, ranks = _amounts("endowment", endowment), _like("score", score, endowment)
    order = np.argsort(-ranks, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(w[order])[:-1]]) if w.size else w
    taken = np.empty_like(w)
    taken[order] = np.clip(_budget(budget) - before, 0.0, w[order])
    return _shares(taken, w)


def wealth_pro_rata(endowment: ArrayLike, budget: float) -> Floats:
    """h = B / U for every winner."""
    w = _amounts("endowment", endowment)
    return share_out(w, w, budget)


def contract_pro_rata(endowment: ArrayLike, budget: float, contracts: ArrayLike) -> Floats:
    """h w = min(w, lambda |contracts|): in proportion to the size of the position [units], not to what it earned."""
    return share_out(np.abs(_like("contracts", contracts, endowment)), endowment, budget)


def leverage_pro_rata(endowment: ArrayLike, budget: float, leverage: ArrayLike) -> Floats:
    """h = min(1, lambda leverage): equation 21 of the paper, with lambda such that the budget is met."""
    w = _amounts("endowment", endowment)
    return share_out(_amounts("leverage", _like("leverage", leverage, w)) * w, w, budget)


def capped_pro_rata(endowment: ArrayLike, budget: float, cap: ArrayLike) -> Floats:
    """h = min(eta, beta), eta such that the budget [USD] is met; cap: beta, one share of 1 for all or one for each."""
    w = _amounts("endowment", endowment)
    return share_out(w, w, budget, cap)


def share_out(weight: ArrayLike, endowment: ArrayLike, budget: float, cap: ArrayLike = 1.0) -> Floats:
    """h w = min(cap w, lambda weight), sum = min(budget, sum of cap w where weight > 0): what all pro-rata policies do.

    Exact: accounts in the order in which lambda reaches their limit; the first that does not reach it settles lambda.
    """
    w = _amounts("endowment", endowment)
    shares, budget = _amounts("weight", _like("weight", weight, w)), _budget(budget)
    room = np.where(shares > 0.0, np.broadcast_to(_parts("cap", cap), w.shape) * w, 0.0)
    bearing = np.flatnonzero(room > 0.0)
    if not bearing.size or budget <= 0.0:
        return np.zeros_like(w)
    level = room[bearing] / shares[bearing]
    order = np.argsort(level, kind="stable")
    level, in_order = level[order], bearing[order]
    used = np.concatenate([[0.0], np.cumsum(room[in_order])[:-1]])
    behind = np.cumsum(shares[in_order][::-1])[::-1]
    # Lambda grows along the order; below the level before it is rounding in a difference.
    reached = np.maximum((budget - used) / behind, np.concatenate([[0.0], level[:-1]]))
    unlimited = np.flatnonzero(level > reached)
    if not unlimited.size:
        return _shares(room, w)
    return _shares(np.minimum(room, reached[unlimited[0]] * shares), w)


# --- what a policy did --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A round of ADL measured; a ratio whose divisor is 0 is NaN."""

    raised: float  # H = sum h w [USD]
    severity: float  # theta = H / D: share of the deficit that winners paid
    profit_taken: float  # H / U: share of all winners' profit taken
    largest_haircut: float  # max h over winners with w > 0
    ptsr: float  # max (1 - h) w / (theta D): profitability to total solvency, section 3.1.2
    residual_ptsr: float  # max (1 - h) w / (D - H): the authors' corrected reading, against the deficit that is left
    pmr: float  # max (1 - h) w / (theta Delta): profitability to maximum solvency
    overshoot: float  # |H - B_need| [USD]: overshoot regret
    fairness_regret: float  # |max h - B_need / U| x B_need [USD]


def measure(endowment: ArrayLike, shortfall: ArrayLike, haircut: ArrayLike, needed: float) -> Outcome:
    """Measure haircuts against a deficit and the budget that was needed, B_need [USD].

    endowment: [winners] USD; shortfall: [losers] USD, (-equity)+; haircut: [winners] shares. Each metric is of one round; the
    paper's PTSR and PMR are expectations over rounds, so average them. Fairness regret follows the authors' published code:
    distance of the largest haircut from the smallest possible largest one, times the needed budget. That smallest is an integer
    programme over contracts there; with divisible positions it is pro-rata's B_need / U, which is used here, of w not of equity.
    """
    w, owed = _amounts("endowment", endowment), _amounts("shortfall", shortfall)
    h, needed = _parts("haircut", _like("haircut", haircut, w)), _budget(needed)
    capacity, deficit, largest = float(w.sum()), float(owed.sum()), float(owed.max(initial=0.0))
    raised = float(np.sum(h * w))
    kept = float(np.max((1.0 - h) * w, initial=0.0))
    severity = _ratio(raised, deficit)
    highest = float(np.max(h[w > 0.0], initial=0.0))
    fairest = min(needed / capacity, 1.0) if capacity > 0.0 else 0.0
    return Outcome(raised, severity, _ratio(raised, capacity), highest, _ratio(kept, raised), _ratio(kept, deficit - raised),
                   _ratio(kept, severity * largest), abs(raised - needed), abs(highest - fairest) * needed)


# --- checks ---------------------------------------------------------------------------------------------------------


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else float("nan")


def _shares(taken: Floats, w: Floats) -> Floats:
    return np.divide(taken, w, out=np.zeros_like(w), where=w > 0.0)


def _budget(budget: float) -> float:
    if not (np.isfinite(budget) and budget >= 0.0):
        raise InputError("budget must be a finite amount, 0 or more", "adl", budget, "give the USD to be raised")
    return float(budget)


def _amounts(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    wrong = array[~(np.isfinite(array) & (array >= 0.0))]
    if wrong.size:
        raise InputError(f"{name} must be finite and not negative", "adl", float(wrong[0]), "losses are 0 here: see endowments")
    return array


def _parts(name: str, values: ArrayLike) -> Floats:
    array = _amounts(name, values)
    if np.any(array > 1.0 + 1e-12):  # a haircut of 1 that was computed may be a bit above
        raise InputError(f"{name} is above 1", "adl", float(array.max()), "it is a share of a profit, so at most 1")
    return array


def _like(name: str, values: ArrayLike, endowment: ArrayLike) -> Floats:
    array, shape = np.asarray(values, dtype=np.float64), np.shape(endowment)
    if array.shape != shape:
        raise InputError(f"{name} has not one value a winner", "adl", array.shape, f"give {shape}, as the endowments")
    return array
