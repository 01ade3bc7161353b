"""What befalls a vault by chance: days on which more leave or join, and curators who take cash out of a market or bring some.

Formulas in actors/vaults.py. n: vaults, m: (vault, market) pairs, P: paths.
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.allocation import ASSET_OF, HOLDER, JOINED, JOINS, MOVED, STAYING, UNREST, WAITING, Held, assets_of, put
from delever.core.elementary import exp_, log_
from delever.core.jit import helper, kernel
from delever.core.philox import THREE_QUARTERS, cos_of_turn, philox, stream, uniform
from delever.core.reserves import cash_of, owed_of, there_is
from delever.core.route import usd_price
from delever.core.tables import CASH, Ledgers, Liquidity, Reserves

DAYS, CURATORS = stream("vaults.days"), stream("vaults.curators")
LEAVING, JOINING = range(2)  # rows of mood
WHOLE = 0.99  # part that is lent out from which a market counts as lent out whole; assumption


@kernel
def feel(day: int, first_path: int, seed: np.ndarray, held: Held) -> None:
    """The mood of a day: factors of mean 1 on who leaves and who joins."""
    for i in range(held.terms.shape[0]):
        spread = held.terms[i, UNREST]
        for p in range(held.mood.shape[2]):
            w0, w1, _, _ = philox(np.uint64(first_path + p), np.uint64(day), np.uint64(i), DAYS, seed[0], seed[1])
            radius = math.sqrt(-2.0 * log_(uniform(w0)))
            for row, turn in ((LEAVING, w1), (JOINING, (w1 + THREE_QUARTERS) & np.uint64(0xFFFFFFFF))):
                held.mood[row, i, p] = exp_(spread * radius * cos_of_turn(turn) - 0.5 * spread * spread)


@kernel
def join(step: float, held: Held, reserves: Reserves, ledgers: Ledgers) -> None:
    """Who joins in a step pays into the first market, for shares at what they are worth. step: [s]"""
    for i in range(held.terms.shape[0]):
        k, a, who = held.first[i], held.whole[i, ASSET_OF], held.whole[i, HOLDER]
        if not held.terms[i, JOINS] > 0.0:
            continue
        for p in range(held.mood.shape[2]):
            whole, _ = assets_of(i, p, held, reserves, ledgers)
            shares = held.kept[STAYING, i, p] + held.kept[WAITING, i, p]
            units = whole * (exp_(held.terms[i, JOINS] * held.mood[JOINING, i, p] * step) - 1.0)
            if not (units > 0.0 and shares > 0.0):
                continue
            put(k, p, units, held, reserves, ledgers)
            ledgers.tokens[CASH, a, p] += units
            ledgers.tokens[who, a, p] -= units
            held.kept[STAYING, i, p] += shares * units / whole
            held.kept[JOINED, i, p] += units


@helper
def shift(k: int, to: int, p: int, most: float, held: Held, reserves: Reserves, ledgers: Ledgers) -> float:
    """Cash moved from one market to another of a vault: at most `most`, what it has there, what is there, room below the cap."""
    r, s = held.reserve[k], held.reserve[to]
    units = min(min(most, there_is(r, p, reserves, ledgers)), held.claim[k, p] * reserves.supply_index[r, p])
    units = min(units, held.cap[to] - held.claim[to, p] * reserves.supply_index[s, p])
    if not units > 0.0:
        return 0.0
    put(k, p, -units, held, reserves, ledgers)
    put(to, p, units, held, reserves, ledgers)
    return units


@kernel
def cover(units: np.ndarray, held: Held, reserves: Reserves, ledgers: Ledgers, liquidity: Liquidity) -> None:
    """Whether what accounts of a market have is worth what they owe, at market prices. units: [2, R] held, owed at the start."""
    tree, market = liquidity.tree, liquidity.markets.price
    for k in range(held.reserve.shape[0]):
        home = reserves.protocol[held.reserve[k]]
        for p in range(held.covered.shape[1]):
            worth = 0.0
            for r in range(units.shape[1]):
                if reserves.protocol[r] == home and (units[0, r] > 0.0 or units[1, r] > 0.0):
                    price = usd_price(reserves.asset[r], p, tree, market)
                    worth += (units[0, r] + ledgers.scaled[0, r, p]) * reserves.supply_index[r, p] * price
                    worth -= (units[1, r] + ledgers.scaled[1, r, p]) * reserves.borrow_index[r, p] * price
            held.covered[k, p] = worth >= 0.0


@kernel
def curate(now: int, step: float, first_path: int, seed: np.ndarray, held: Held, reserves: Reserves, ledgers: Ledgers) -> None:
    """Curators whose time has come take a market's cash to the first one, or bring some to one that is lent out and covered.

    now: number of the step; step: [s]
    """
    for i in range(held.terms.shape[0]):
        first = held.first[i]
        for k in range(first + 1, held.first[i + 1]):
            take, bring = 1.0 - exp_(-held.sweep[k] * step), 1.0 - exp_(-held.refill[k] * step)
            if take == 0.0 and bring == 0.0:
                continue
            r = held.reserve[k]
            for p in range(held.mood.shape[2]):
                w0, w1, _, _ = philox(np.uint64(first_path + p), np.uint64(now), np.uint64(k), CURATORS, seed[0], seed[1])
                if uniform(w0) < take:
                    held.kept[MOVED, i, p] += shift(k, first, p, np.inf, held, reserves, ledgers)
                owed = owed_of(r, p, reserves, ledgers)
                used_up = owed > 0.0 and owed >= WHOLE * (owed + max(cash_of(r, p, reserves, ledgers), 0.0))
                if uniform(w1) < bring and used_up and held.covered[k, p]:
                    held.kept[MOVED, i, p] += shift(first, k, p, held.brought[k], held, reserves, ledgers)
