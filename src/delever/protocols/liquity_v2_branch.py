"""A branch of Liquity v2 beyond its system of troves: interest that owners set, and the shutdown of the whole branch.

    interest   debt when last touched x rate x time: simple; what is redistributed bears none until then. POOL_YIELD of it is
               minted to depositors of the branch's pool (who are owed it, and cannot lose it), the rest is governance's
    shutdown   once all troves together are below SCR, for good: no interest, no redemption but urgent ones (liquity_v2_urgent.py)
               (assumption: somebody says so in the first block in which that is seen)
    zombie     a trove that a redemption left with less than LEAST_DEBT: passed over by redemptions, but for NEXT, the last one
               that still owed something, which is first in line
A book says what is owed, not for how long: all of it bears interest from the start, troves below LEAST_DEBT start as zombies.
Source: liquity/bold @00aa9df0 (TroveManager.sol, ActivePool.sol, BorrowerOperations.sol, Constants.sol).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.jit import helper, kernel
from delever.core.tables import BANDS, CASH, DEBTS, TREASURY, Ledgers, Reserves, SeenPrices
from delever.protocols.liquity_calls import price_of
from delever.protocols.liquity_formulas import LEAST_DEBT
from delever.protocols.liquity_system import COLL, DEBT, STABLE, STABLE_RESERVE, STALE, System, place

SCR, POOL_YIELD, BONUS = range(3)  # columns of Branch.terms
NEXT, ACCRUED_AT, DOWN_AT = range(3)  # columns of Branch.now
NOBODY_NEXT = -1.0
# rows of Branch.told: interest, of it the pool's; stablecoin handed in after shutdown, collateral that it brought
INTEREST, YIELD, URGENT, URGENT_COLL = range(4)
BRANCH_TOLD = 4


class Branch(NamedTuple):
    """One collateral. N: troves, P: paths."""

    terms: np.ndarray  # [3]
    rate: np.ndarray  # [N] interest [1/s]
    order: np.ndarray  # [N] troves, lowest rate first, of equals the first in the book
    principal: np.ndarray  # [P, N] debt that bears interest: all of it when the trove was last touched [units at index 1]
    zombie: np.ndarray  # [P, N] 1: it is one
    now: np.ndarray  # [P, 3] the zombie that is first in line; until when interest has been charged, shutdown [s], inf: never
    told: np.ndarray  # [BRANCH_TOLD, P] for results


@helper
def is_down(p: int, br: Branch) -> bool:
    """Whether it has been shut down."""
    return br.now[p, DOWN_AT] < np.inf


@helper
def touch(p: int, k: int, coll: float, debt: float, s: System, br: Branch) -> None:
    """What a trove has now is its own, and all of its debt bears interest."""
    place(p, k, coll, debt, s)
    br.principal[p, k] = debt


@helper
def redeemed_from(p: int, k: int, debt: float, scale: float, s: System, br: Branch) -> None:
    """A redemption has left a trove with so much debt: it may be a zombie now, and first in line. scale: interest index."""
    if not debt * scale < s.terms[LEAST_DEBT]:
        return
    if not br.zombie[p, k]:
        br.zombie[p, k] = 1
        if debt > 0.0:
            br.now[p, NEXT] = k
    elif not debt > 0.0:
        br.now[p, NEXT] = NOBODY_NEXT


@kernel
def accrue(time: float, active: np.ndarray, s: System, br: Branch, reserves: Reserves, ledgers: Ledgers) -> None:
    """Interest up to now, or to the shutdown, of the paths that take part, in double entry."""
    b, t, tokens, booked = s.of[STABLE], s.of[STABLE_RESERVE], ledgers.tokens, ledgers.booked
    for p in range(active.shape[0]):
        elapsed = min(time, br.now[p, DOWN_AT]) - br.now[p, ACCRUED_AT]
        if not active[p] or not elapsed > 0.0:
            continue
        br.now[p, ACCRUED_AT], total = time, 0.0
        for k in range(s.debt.shape[1]):
            if s.open[p, k]:
                due = br.principal[p, k] * br.rate[k] * elapsed
                s.debt[p, k] += due
                total += due
        if not total > 0.0:
            continue
        s.sums[p, DEBT] += total
        s.sums[p, STALE] = 1.0
        minted = total * reserves.borrow_index[t, p]
        earned = minted * br.terms[POOL_YIELD]
        tokens[CASH, b, p] -= earned
        tokens[BANDS, b, p] += earned
        booked[DEBTS, t, p] += minted
        booked[TREASURY, t, p] += minted - earned
        ledgers.turnover[b, p] += minted
        br.told[INTEREST, p] += minted
        br.told[YIELD, p] += earned


@kernel
def shut_down(time: float, active: np.ndarray, s: System, br: Branch, reserves: Reserves, seen: SeenPrices) -> None:
    """Branches of the paths that take part in which all troves together are below SCR at the price seen."""
    for p in range(active.shape[0]):
        if active[p] and not is_down(p, br):
            owed = s.sums[p, DEBT] * reserves.borrow_index[s.of[STABLE_RESERVE], p]
            if s.sums[p, COLL] * price_of(p, s, seen) < br.terms[SCR] * owed:
                br.now[p, DOWN_AT] = time
