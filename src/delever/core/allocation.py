"""What vaults have in isolated markets, what they can pay out, and cash moved from one market to another.

Formulas in actors/vaults.py. n: vaults, m: (vault, market) pairs, P: paths.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.reserves import cash_of, owed_of, there_is
from delever.core.tables import (
    CASH,
    DEPOSITS,
    EXECUTED,
    INCLUDED,
    OFFERED,
    OWN_DEPOSITS,
    REVERTED,
    Ledgers,
    Reserves,
    Transactions,
)

BASE, LOSS, LOCKED, TARGET, FEE, JOINS, UNREST, UNBACKED = range(8)  # columns of terms [1/s]; TARGET, FEE, UNREST not
ASSET_OF, NETWORK, HOLDER, EVERY = range(4)  # columns of whole numbers; EVERY: steps between two moves, 0: none
STAYING, WAITING, PEAK, PAID_OUT, MOVED, STARTED, JOINED = range(7)  # rows of what is kept by path: shares, units a share, units


class Held(NamedTuple):
    """All vaults. n of them, m (vault, market) pairs."""

    whole: np.ndarray  # [n, columns]
    terms: np.ndarray  # [n, columns]
    first: np.ndarray  # [n + 1] where a vault's pairs begin
    reserve: np.ndarray  # [m]
    cap: np.ndarray  # [m] units
    claim: np.ndarray  # [m, P] units at index 1
    kept: np.ndarray  # [rows, n, P]
    mood: np.ndarray  # [2, n, P] factors of the day on who leaves, who joins
    sweep: np.ndarray  # [m] hazard that curators take its cash to the vault's first market [1/s]
    refill: np.ndarray  # [m] hazard that they bring some from there [1/s]
    brought: np.ndarray  # [m] units that they bring at a time
    covered: np.ndarray  # [m, P] bool: what its accounts owe is covered by their collateral, at market prices


@helper
def assets_of(i: int, p: int, held: Held, reserves: Reserves, ledgers: Ledgers) -> tuple[float, float]:
    """(what a vault has, what of it there is cash for), units."""
    whole, liquid = 0.0, 0.0
    for k in range(held.first[i], held.first[i + 1]):
        r = held.reserve[k]
        worth = held.claim[k, p] * reserves.supply_index[r, p]
        whole += worth
        liquid += min(worth, there_is(r, p, reserves, ledgers))
    return whole, liquid


@helper
def unbacked(i: int, p: int, held: Held, reserves: Reserves) -> float:
    """Units that a vault has in markets whose accounts owe more than they have, at market prices."""
    units = 0.0
    for k in range(held.first[i], held.first[i + 1]):
        if not held.covered[k, p]:
            units += held.claim[k, p] * reserves.supply_index[held.reserve[k], p]
    return units


@helper
def put(k: int, p: int, units: float, held: Held, reserves: Reserves, ledgers: Ledgers) -> None:
    """A vault supplies so much more to a market; less where it is negative."""
    r = held.reserve[k]
    held.claim[k, p] = max(held.claim[k, p] + units / reserves.supply_index[r, p], 0.0)
    ledgers.booked[DEPOSITS, r, p] += units
    ledgers.booked[OWN_DEPOSITS, r, p] += units


@kernel
def decide(step: float, held: Held, reserves: Reserves, ledgers: Ledgers) -> None:
    """Who wants to leave from now on. step: [s]"""
    kept, terms = held.kept, held.terms
    for i in range(terms.shape[0]):
        for p in range(kept.shape[2]):
            shares = kept[STAYING, i, p] + kept[WAITING, i, p]
            whole, liquid = assets_of(i, p, held, reserves, ledgers)
            if not (shares > 0.0 and whole > 0.0):
                continue
            worth = whole / shares
            kept[PEAK, i, p] = max(kept[PEAK, i, p], worth)
            h = (terms[i, BASE] + terms[i, LOSS] * (1.0 - worth / kept[PEAK, i, p])
                 + terms[i, LOCKED] * (1.0 - liquid / whole) + terms[i, UNBACKED] * unbacked(i, p, held, reserves) / whole)
            go = kept[STAYING, i, p] * (1.0 - exp_(-h * held.mood[0, i, p] * step))
            kept[STAYING, i, p] -= go
            kept[WAITING, i, p] += go


@kernel
def move(now: int, held: Held, reserves: Reserves, ledgers: Ledgers) -> None:
    """Vaults whose turn it is move cash from the market least lent out to the one most lent out. now: the step."""
    for i in range(held.terms.shape[0]):
        every, target = held.whole[i, EVERY], held.terms[i, TARGET]
        if every == 0 or now % every != 0:
            continue
        for p in range(held.claim.shape[1]):
            low, high, source, sink = target, target, -1, -1
            for k in range(held.first[i], held.first[i + 1]):
                cash, owed = cash_of(held.reserve[k], p, reserves, ledgers), owed_of(held.reserve[k], p, reserves, ledgers)
                used = owed / (max(cash, 0.0) + owed) if owed > 0.0 else 0.0
                if used < low and held.claim[k, p] > 0.0:
                    low, source = used, k
                if used > high and held.claim[k, p] * reserves.supply_index[held.reserve[k], p] < held.cap[k]:
                    high, sink = used, k
            if source < 0 or sink < 0:
                continue
            r, s = held.reserve[source], held.reserve[sink]
            spare = there_is(r, p, reserves, ledgers) - owed_of(r, p, reserves, ledgers) * (1.0 / target - 1.0)
            lacks = owed_of(s, p, reserves, ledgers) * (1.0 / target - 1.0) - max(cash_of(s, p, reserves, ledgers), 0.0)
            room = held.cap[sink] - held.claim[sink, p] * reserves.supply_index[s, p]
            units = min(min(spare, lacks), min(room, held.claim[source, p] * reserves.supply_index[r, p]))
            if units > 0.0:
                put(source, p, -units, held, reserves, ledgers)
                put(sink, p, units, held, reserves, ledgers)
                held.kept[MOVED, i, p] += units


@helper
def due(i: int, p: int, held: Held, reserves: Reserves, ledgers: Ledgers) -> float:
    """Units that those who wait can be paid now."""
    waiting = held.kept[WAITING, i, p]
    if not waiting > 0.0:
        return 0.0
    whole, liquid = assets_of(i, p, held, reserves, ledgers)
    return min(whole * waiting / (waiting + held.kept[STAYING, i, p]), liquid)


@kernel
def offer(held: Held, reserves: Reserves, ledgers: Ledgers, kind: int, active: np.ndarray, rows: Transactions, n: int) -> int:
    """Withdrawals of what waits, as far as there is cash; the number of rows then."""
    for i in range(held.terms.shape[0]):
        for p in range(active.shape[0]):
            units = due(i, p, held, reserves, ledgers) if active[p] else 0.0
            if not units > 0.0:
                continue
            r, a = held.reserve[held.first[i]], held.whole[i, ASSET_OF]
            rows.path[n], rows.kind[n], rows.state[n], rows.ref[n], rows.actor[n] = p, kind, OFFERED, i, held.whole[i, HOLDER]
            rows.give_asset[n], rows.get_asset[n], rows.network[n] = a, a, held.whole[i, NETWORK]
            rows.protocol[n], rows.get[n], rows.bid[n] = reserves.protocol[r], units, held.terms[i, FEE]
            n += 1
    return n


@kernel
def leave_empty(picked: np.ndarray, held: Held, reserves: Reserves, ledgers: Ledgers, rows: Transactions) -> None:
    """Revert withdrawals for which there is nothing. picked: row numbers."""
    for k in picked:
        if not due(rows.ref[k], rows.path[k], held, reserves, ledgers) > 0.0:
            rows.state[k] = REVERTED


@kernel
def withdraw(picked: np.ndarray, held: Held, reserves: Reserves, ledgers: Ledgers, rows: Transactions) -> None:
    """Pay what is there, from one market after the other."""
    for row in picked:
        if rows.state[row] != INCLUDED:
            continue
        i, p, kept = rows.ref[row], rows.path[row], held.kept
        units = min(rows.get[row], due(i, p, held, reserves, ledgers))
        whole, _ = assets_of(i, p, held, reserves, ledgers)
        shares, paid = kept[STAYING, i, p] + kept[WAITING, i, p], 0.0
        for k in range(held.first[i], held.first[i + 1]):
            r = held.reserve[k]
            part = min(units - paid, min(held.claim[k, p] * reserves.supply_index[r, p], there_is(r, p, reserves, ledgers)))
            if part > 0.0:
                put(k, p, -part, held, reserves, ledgers)
                paid += part
        kept[WAITING, i, p] = max(kept[WAITING, i, p] - shares * paid / whole, 0.0)
        kept[PAID_OUT, i, p] += paid
        ledgers.tokens[CASH, held.whole[i, ASSET_OF], p] -= paid
        ledgers.tokens[rows.actor[row], held.whole[i, ASSET_OF], p] += paid
        rows.get[row], rows.state[row] = paid, EXECUTED


@kernel
def who_wants(held: Held, reserves: Reserves, ledgers: Ledgers, time: float, wake: np.ndarray) -> None:
    """Somebody waits and there is cash: the next block."""
    for i in range(held.terms.shape[0]):
        for p in range(wake.shape[0]):
            if due(i, p, held, reserves, ledgers) > 0.0:
                wake[p] = min(wake[p], time)


@kernel
def worths(held: Held, reserves: Reserves, ledgers: Ledgers, out: np.ndarray) -> None:
    """What each vault has, and what those who wait have of it. out: [2, n, P] units."""
    for i in range(held.terms.shape[0]):
        for p in range(out.shape[2]):
            out[0, i, p], _ = assets_of(i, p, held, reserves, ledgers)
            waiting = held.kept[WAITING, i, p]
            shares = waiting + held.kept[STAYING, i, p]
            out[1, i, p] = out[0, i, p] * waiting / shares if shares > 0.0 else 0.0
