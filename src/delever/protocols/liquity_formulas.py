"""The arithmetic of Liquity: what liquidating one trove comes to, the stability pool's product and sums, the base rate.

    ratio      collateral x price / debt of a trove (ICR), of all of them (TCR); recovery mode iff TCR < CCR
    portions   ratio < MCR: min(debt, pool) is burned against the pool, pro rata collateral goes to it, the rest is redistributed
               (v2: to the pool at most POOL_GETS worth of what it burned, to others SPREAD_GETS; beyond that it is the owner's);
               in recovery mode nothing goes to the pool where ratio <= 1, and a trove with MCR <= ratio < TCR whose debt the
               pool covers gives debt x MCR / price of collateral for it; what is beyond is its owner's
    pool       P <- P (1 - debt / pool), S <- S + P coll / pool, P before;  a deposit d made at P0, S0 is now d P / P0 and has
               gained d (S - S0) / P0.  P < 1e-9 is multiplied by 1e9 and counts a scale; an emptied pool begins an epoch
    base rate  halves in 12 h, rises by share of supply redeemed / 2;  fee = base rate + floor
In real arithmetic but for P, which the contract cuts at 18 decimals: of a small P that is seen.
Source: liquity/dev @5174ecd0 (TroveManager.sol, StabilityPool.sol), as deployed on 5 April 2021.
"""

from __future__ import annotations

import math

from delever.core.elementary import exp_
from delever.core.jit import helper

# columns of terms
(MCR, CCR, COMPENSATION, RESERVE, KEEPS, COUNTS, FLOOR, HALF_LIFE, BETA, LEAST_DEBT, BASE, PER_CALL, SELLS, CAP, POOL_GETS,
 SPREAD_GETS) = range(16)
COLUMNS = 16
SCALE = 1e-9  # of P, below which it is scaled up
UNIT = 1e-18  # at which the contract cuts P
FINE = 2.0 ** -7  # above it a float64 is no finer than UNIT
LN_2 = math.log(2.0)
MINUTE = 60.0  # the base rate decays by whole ones [s]


@helper
def cut(x: float) -> float:
    """Rounded down to 18 decimals, where a float has them."""
    return math.floor(x / UNIT) * UNIT if x < FINE else x


@helper
def portions(coll: float, debt: float, ratio: float, price: float, pool: float, total_ratio: float, mcr: float
             ) -> tuple[float, float, float, bool]:
    """(debt burned, collateral given for it and for the rest, collateral left to the owner, whether it is liquidated at all).

    total_ratio: in recovery mode; inf stands for none, -inf for normal mode. pool: units that may be burned yet.
    """
    if ratio < mcr:
        return (0.0 if total_ratio > 0.0 and ratio <= 1.0 else min(debt, pool)), coll, 0.0, True
    if ratio < total_ratio and debt <= pool:
        capped = debt * mcr / price
        return debt, capped, max(coll - capped, 0.0), True
    return 0.0, 0.0, 0.0, False


@helper
def shared_out(coll: float, debt: float, burned: float, price: float, pool_gets: float, spread_gets: float
               ) -> tuple[float, float, float]:
    """(collateral to the pool, redistributed, left to the owner) of a trove of which `burned` is burned, less compensation.

    pool_gets, spread_gets: worth of collateral for a unit of debt, at most; inf: all of it.
    """
    part = coll * (burned / debt)
    sent = min(part, burned * pool_gets / price) if burned > 0.0 else part
    if not burned < debt:
        return sent, 0.0, part - sent
    rest = coll - part + (part - sent)
    spread = min(rest, (debt - burned) * spread_gets / price)
    return sent, spread, rest - spread


@helper
def product_after(product: float, debt: float, pool: float) -> tuple[float, bool, bool]:
    """(P, whether a scale begins, whether an epoch does) once `debt` of `pool` is burned."""
    left = cut((pool - debt) / pool)
    if not left > 0.0:
        return 1.0, False, True
    after = product * left
    if after < SCALE:
        return cut(after / SCALE), True, False
    return cut(after), False, False


@helper
def compounded(units: float, product: float, scales: int, now: float) -> float:
    """What is left of a deposit made at `product`, so many scales ago of the same epoch."""
    if scales > 1:
        return 0.0
    left = units * now / product * (SCALE if scales == 1 else 1.0)
    return left if left >= units * SCALE else 0.0


@helper
def gained(units: float, product: float, since: float, following: float) -> float:
    """Collateral that a deposit made at `product` has gained: S of its own scale since, and of the scale that followed."""
    return units * (since + following * SCALE) / product


@helper
def decayed(base_rate: float, since: float, half_life: float) -> float:
    """The base rate after so many seconds, of which whole minutes count."""
    return base_rate * exp_(-LN_2 * math.floor(since / MINUTE) * MINUTE / half_life)


@helper
def raised(base_rate: float, share: float, beta: float) -> float:
    """The base rate once such a share of the supply has been redeemed."""
    return min(base_rate + share / beta, 1.0)


@helper
def redemption_fee(base_rate: float, floor: float) -> float:
    """Share of the collateral that a redeemer leaves."""
    return min(base_rate + floor, 1.0)
