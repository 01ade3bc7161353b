"""Troves of Liquity on all paths: stakes, redistribution by indices, the stability pool, liquidation calls.

    trove      collateral = own + stake (L - L had), likewise the debt: what is redistributed raises L, and touches nobody
    stake      its collateral x (stakes / collateral of all troves) as these stood after the last liquidation
    a call     troves in turn, each by what the pool has left; then one offset and one redistribution of the sums, so that
               troves of one call bear nothing of each other's. In recovery mode the call goes on as in normal mode once the ratio
               of what it has left is at CCR again (mainnet: less what the pool took and, from the lowest, surplus; `counts`: all)
Debts are kept at interest index 1: inside, prices and the pool are divided by the index.
Source: liquity/dev @5174ecd0; of 2025, @39f1f7f8, what `keeps` and `counts` are for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.jit import helper
from delever.protocols.liquity_formulas import (
    CAP,
    CCR,
    COMPENSATION,
    COUNTS,
    KEEPS,
    MCR,
    POOL_GETS,
    SPREAD_GETS,
    portions,
    product_after,
    shared_out,
)

# columns of System.of; ASIDE is what a trove sets aside for whoever liquidates it
COLLATERAL, STABLE, COLLATERAL_RESERVE, STABLE_RESERVE, PROTOCOL, NETWORK, ASIDE, ASIDE_RESERVE = range(8)
(L_COLL, L_DEBT, STAKES, STAKES_THEN, COLL_THEN, COLL, DEBT, OPEN, POOL, POOL_COLL, PRODUCT, SCALES, EPOCH, AGE, BASE_RATE,
 RATE_AT, LOWEST, STALE) = range(18)  # columns of System.sums
SUMS = 18
BURNED, SENT, LEFT_DEBT, LEFT_COLL, COMP, SURPLUS, CLOSED, CALLED_DEBT = range(8)  # columns of System.done
DONE = 8
ROUNDING = 1e-9  # of all stakes: below it they are added up to see whether any is left
CLOSING = 2  # System.open of a trove that the call under way takes
# rows of System.told: debt burned, collateral gained for it; debt and collateral redistributed; stablecoin redeemed, collateral
# kept as its fee; redemptions; when the system first was in recovery mode [s]
OFFSET, GAINED, SPREAD, SPREAD_COLL, REDEEMED, FEES, REDEMPTIONS, IN_RECOVERY = range(8)
TOLD = 8


class System(NamedTuple):
    """One collateral and the stablecoin minted against it. N: troves, P: paths, W: scales and epochs of the pool, so far."""

    of: np.ndarray  # [8] numbers: collateral, stablecoin, their reserves, protocol, network, what is set aside, its reserve
    terms: np.ndarray  # [columns] as in liquity_formulas.py
    account: np.ndarray  # [N] in the book
    coll: np.ndarray  # [P, N] units, less what was redistributed to it since it was touched last
    debt: np.ndarray  # [P, N] units at interest index 1, likewise
    stake: np.ndarray  # [P, N]
    had_coll: np.ndarray  # [P, N] L that it has had
    had_debt: np.ndarray  # [P, N]
    open: np.ndarray  # [P, N] 1: still there
    surplus: np.ndarray  # [P, N] collateral that its owner may claim
    sums: np.ndarray  # [P, SUMS] of the whole system
    gains: np.ndarray  # [P, W, 2] S of each scale and epoch of the pool, and what rounding took off it
    done: np.ndarray  # [P, DONE] what the last call came to
    told: np.ndarray  # [TOLD, P] for results
    order: np.ndarray  # [N] scratch: troves, lowest ratio first
    ratio: np.ndarray  # [N] scratch: of each trove, then of those that a call closes what is left to their owners


@helper
def entire(p: int, k: int, s: System) -> tuple[float, float]:
    """(collateral, debt) of a trove, what was redistributed to it included."""
    stake, sums = s.stake[p, k], s.sums[p]
    return s.coll[p, k] + stake * (sums[L_COLL] - s.had_coll[p, k]), s.debt[p, k] + stake * (sums[L_DEBT] - s.had_debt[p, k])


@helper
def new_stake(p: int, coll: float, s: System) -> float:
    """Of a trove with so much collateral."""
    sums = s.sums[p]
    return coll if sums[COLL_THEN] <= 0.0 else coll * sums[STAKES_THEN] / sums[COLL_THEN]


@helper
def place(p: int, k: int, coll: float, debt: float, s: System) -> None:
    """Open a trove, or set what one has after what was redistributed to it is its own; its stake follows."""
    sums, before = s.sums[p], 0.0
    if s.open[p, k]:
        before = s.stake[p, k]
    else:
        sums[OPEN] += 1.0
    s.stake[p, k] = new_stake(p, coll, s)
    sums[STAKES] += s.stake[p, k] - before
    s.coll[p, k], s.debt[p, k], s.open[p, k] = coll, debt, 1
    s.had_coll[p, k], s.had_debt[p, k] = sums[L_COLL], sums[L_DEBT]
    sums[STALE] = 1.0


@helper
def close(p: int, k: int, s: System) -> None:
    """A trove is gone, and its stake."""
    sums = s.sums[p]
    sums[STAKES] -= s.stake[p, k]
    sums[OPEN] -= 1.0
    s.coll[p, k], s.debt[p, k], s.stake[p, k], s.open[p, k] = 0.0, 0.0, 0.0, 0
    sums[STALE] = 1.0


@helper
def look(p: int, s: System) -> None:
    """The least collateral a unit of debt that an open trove has."""
    sums, lowest = s.sums[p], np.inf
    if sums[STALE] == 0.0:
        return
    for k in range(s.coll.shape[1]):
        if s.open[p, k]:
            coll, debt = entire(p, k, s)
            if debt > 0.0:
                lowest = min(lowest, coll / debt)
    sums[LOWEST], sums[STALE] = lowest, 0.0


@helper
def from_the_lowest(p: int, below: float, s: System) -> int:
    """Fill `order` with the open troves that have less collateral a unit of debt than this, lowest first; how many.

    Of equal ones the first in the book comes first. Shell sort: it needs no room of its own.
    """
    order, ratio, n = s.order, s.ratio, 0
    for k in range(s.coll.shape[1]):
        if s.open[p, k]:
            coll, debt = entire(p, k, s)
            ratio[k] = coll / debt if debt > 0.0 else np.inf
            if ratio[k] < below:
                order[n] = k
                n += 1
    gap = n // 2
    while gap > 0:
        for i in range(gap, n):
            k, j = order[i], i
            while j >= gap and (ratio[order[j - gap]] > ratio[k] or (ratio[order[j - gap]] == ratio[k] and order[j - gap] > k)):
                order[j] = order[j - gap]
                j -= gap
            order[j] = k
        gap //= 2
    return n


@helper
def add(total: np.ndarray, x: float) -> None:
    """To a sum of two parts, without loss: gains of a small P are small beside those of a large one."""
    after = total[0] + x
    back = after - total[0]
    total[1] += (total[0] - (after - back)) + (x - back)
    total[0] = after


@helper
def since(then: np.ndarray, now: np.ndarray) -> float:
    """What such a sum has grown by."""
    return (now[0] - then[0]) + (now[1] - then[1])


@helper
def offset(p: int, burned: float, coll: float, s: System) -> None:
    """Burn so many units of stablecoin of the pool, which gets the collateral.

    Behind an epoch's last scale a column of `gains` stays empty: nobody gains of what came after it.
    """
    sums = s.sums[p]
    add(s.gains[p, int(sums[AGE])], coll / sums[POOL] * sums[PRODUCT])
    sums[PRODUCT], scale, epoch = product_after(sums[PRODUCT], burned, sums[POOL])
    sums[POOL] = 0.0 if epoch else sums[POOL] - burned
    sums[POOL_COLL] += coll
    if epoch:
        sums[EPOCH], sums[SCALES], sums[AGE] = sums[EPOCH] + 1.0, 0.0, sums[AGE] + 2.0
    elif scale:
        sums[SCALES], sums[AGE] = sums[SCALES] + 1.0, sums[AGE] + 1.0


@helper
def redistribute(p: int, debt: float, coll: float, s: System) -> None:
    """To all open troves, by stake."""
    sums = s.sums[p]
    sums[L_COLL] += coll / sums[STAKES]
    sums[L_DEBT] += debt / sums[STAKES]


@helper
def in_recovery(p: int, price: float, s: System) -> bool:
    """Whether all troves together are below CCR. price: over the index."""
    return s.sums[p, COLL] * price < s.terms[CCR] * s.sums[p, DEBT]


@helper
def room(p: int, scale: float, s: System) -> float:
    """What of the pool may be burned, in debt at index 1."""
    return max(s.sums[p, POOL] - s.terms[KEEPS], 0.0) / scale


@helper
def call(p: int, n: int, sequence: bool, price: float, scale: float, s: System) -> int:
    """Liquidate what may be of the first n troves of `order`, in one call; how many were. `done` has what it came to.

    sequence: from the lowest, so that it ends at the first that is left alone. price: of collateral in stablecoin;
    scale: interest index. Nothing is closed before it is known that the pool's product stays above 0, and that somebody is left
    to bear what is redistributed: else all of it reverts.
    """
    sums, terms, done, seen, closed = s.sums[p], s.terms, s.done[p], price / scale, 0
    recovery, pool, coll_left, debt_left = in_recovery(p, seen, s), room(p, scale, s), sums[COLL], sums[DEBT]
    taken = 0.0
    done[:] = 0.0
    for j in range(n):
        k = s.order[j]
        if s.open[p, k] != 1 or sums[OPEN] - closed <= 1.0:
            continue
        coll, debt = entire(p, k, s)
        ratio = coll * seen / debt if debt > 0.0 else np.inf
        if ratio >= terms[MCR] and (not recovery or pool <= 0.0):
            if sequence:
                break
            continue
        burned, given, surplus, may = portions(coll, debt, ratio, seen, pool,
                                               coll_left * seen / debt_left if recovery else -np.inf, terms[MCR])
        if not may:
            continue
        comp = min(given * terms[COMPENSATION], terms[CAP])
        sent, spread, over = shared_out(given - comp, debt, burned, seen, terms[POOL_GETS], terms[SPREAD_GETS])
        surplus += over
        s.open[p, k], s.order[closed], s.ratio[closed] = CLOSING, k, surplus
        closed += 1
        pool, debt_left, coll_left = max(pool - burned, 0.0), debt_left - burned, coll_left - sent
        if sequence or terms[COUNTS] > 0.0:
            coll_left -= surplus
        if terms[COUNTS] > 0.0:
            coll_left -= comp
        done[BURNED] += burned
        done[SENT] += sent
        done[LEFT_DEBT] += debt - burned
        done[LEFT_COLL] += spread
        done[COMP] += comp
        done[SURPLUS] += surplus
        done[CALLED_DEBT] += debt
        taken += s.stake[p, k]
        recovery = recovery and coll_left * seen < terms[CCR] * debt_left
    emptied = done[BURNED] > 0.0 and not product_after(sums[PRODUCT], done[BURNED] * scale, sums[POOL])[0] > 0.0
    alone = done[LEFT_DEBT] > 0.0 and not sums[STAKES] - taken > ROUNDING * sums[STAKES] and not staked(p, s) > 0.0
    if emptied or alone:
        for c in range(closed):
            s.open[p, s.order[c]] = 1
        return 0
    if closed:
        settle_call(p, closed, scale, s)
    return closed


@helper
def staked(p: int, s: System) -> float:
    """By all open troves that the call under way leaves alone."""
    stakes = 0.0
    for k in range(s.coll.shape[1]):
        if s.open[p, k] == 1:
            stakes += s.stake[p, k]
    return stakes


@helper
def settle_call(p: int, closed: int, scale: float, s: System) -> None:
    """Troves are closed, the sums of their call go to the pool and to those who are left; then everything is as later stakes
    find it. The first of `order` are closed, `ratio` says what each of their owners may claim.

    Stakes are added up anew: what many subtractions left of a large sum would be worth less the less is left.
    """
    sums, done = s.sums[p], s.done[p]
    done[CLOSED] = closed
    for c in range(closed):
        s.surplus[p, s.order[c]] += s.ratio[c]
        close(p, s.order[c], s)
    sums[STAKES] = staked(p, s)
    if done[BURNED] > 0.0:
        offset(p, done[BURNED] * scale, done[SENT], s)
    if done[LEFT_DEBT] > 0.0:
        redistribute(p, done[LEFT_DEBT], done[LEFT_COLL], s)
    sums[COLL] -= done[SENT] + done[COMP] + done[SURPLUS]
    sums[DEBT] -= done[BURNED]
    sums[STAKES_THEN], sums[COLL_THEN] = sums[STAKES], sums[COLL]
