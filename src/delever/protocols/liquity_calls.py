"""Liquidation of troves on all paths: what may be called, what the caller gets for it, and the call in double entry.

    caller    gets COMPENSATION of the collateral, at most CAP, and what a trove has set aside (RESERVE: of the stablecoin, in v2
              of another asset), and gives nothing: he needs no capital
    offered   each trove by itself, lowest ratio first; or with per_call > 1 the so many lowest in one call (liquidateTroves)
    pool      what is deposited, and what troves have set aside, lies under BANDS in the token ledger; depositors sell the share
              SELLS of the collateral they gain at once, on the market (assumption)
Source: liquity/dev @5174ecd0 (TroveManager.sol).
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, LIQUIDATIONS, REPAID, SEIZED
from delever.core.tables import (
    BANDS,
    CASH,
    DEBTS,
    DEPOSITS,
    EXECUTED,
    INCLUDED,
    NOTHING,
    OFFERED,
    REVERTED,
    Ledgers,
    Reserves,
    Sales,
    SeenPrices,
    Transactions,
)
from delever.protocols.liquity_formulas import CAP, COMPENSATION, MCR, PER_CALL, RESERVE, SELLS, portions
from delever.protocols.liquity_system import (
    ASIDE,
    ASIDE_RESERVE,
    BURNED,
    CLOSED,
    COLL,
    COLLATERAL,
    COLLATERAL_RESERVE,
    COMP,
    DEBT,
    GAINED,
    IN_RECOVERY,
    LEFT_COLL,
    LEFT_DEBT,
    LOWEST,
    NETWORK,
    OFFSET,
    OPEN,
    POOL_COLL,
    PROTOCOL,
    SENT,
    SPREAD,
    SPREAD_COLL,
    STABLE,
    STABLE_RESERVE,
    STAKES,
    System,
    call,
    entire,
    from_the_lowest,
    in_recovery,
    look,
    room,
)


@helper
def price_of(p: int, s: System, seen: SeenPrices) -> float:
    """What the system sees: units of stablecoin for one of collateral."""
    like, log_price = seen.like, seen.log_price
    return exp_(log_price[like[s.of[COLLATERAL_RESERVE]], p] - log_price[like[s.of[STABLE_RESERVE]], p])


@helper
def set_aside(p: int, s: System, seen: SeenPrices) -> float:
    """What a trove has set aside, in stablecoin at the prices seen."""
    like, log_price = seen.like, seen.log_price
    return s.terms[RESERVE] * exp_(log_price[like[s.of[ASIDE_RESERVE]], p] - log_price[like[s.of[STABLE_RESERVE]], p])


@helper
def reward(p: int, k: int, price: float, scale: float, aside: float, s: System) -> float:
    """What liquidating a trove brings its caller, in collateral at the price seen; 0: it may not be liquidated.

    aside: what it has set aside [stablecoin].
    """
    sums, seen = s.sums[p], price / scale
    if not s.open[p, k] or sums[OPEN] <= 1.0:
        return 0.0
    coll, debt = entire(p, k, s)
    if not debt > 0.0:
        return 0.0
    ratio, pool, total = coll * seen / debt, room(p, scale, s), -np.inf
    if in_recovery(p, seen, s):
        total = sums[COLL] * seen / sums[DEBT]
    if ratio >= s.terms[MCR] and not pool > 0.0:
        return 0.0
    burned, given, _, may = portions(coll, debt, ratio, seen, pool, total, s.terms[MCR])
    if burned < debt and not sums[STAKES] > s.stake[p, k]:
        return 0.0
    return min(given * s.terms[COMPENSATION], s.terms[CAP]) + aside / price if may else 0.0


@helper
def queue(p: int, k: int, price: float, scale: float, s: System) -> int:
    """Fill `order` with the troves that a call of k asks for: itself, or the lowest; how many."""
    if s.terms[PER_CALL] <= 1.0:
        s.order[0] = k
        return 1
    n = from_the_lowest(p, np.inf, s)
    most = n - 1 if in_recovery(p, price / scale, s) else n
    return min(most, int(s.terms[PER_CALL]))


@helper
def size_call(i: int, k: int, price: float, scale: float, aside: float, s: System, rows: Transactions) -> None:
    """What a call of trove k brings; or say that there is nothing to do."""
    p, brings = rows.path[i], 0.0
    if s.terms[PER_CALL] <= 1.0:
        brings = reward(p, k, price, scale, aside, s)
    else:
        for j in range(queue(p, k, price, scale, s)):
            brings += reward(p, s.order[j], price, scale, aside, s)
    rows.give_asset[i], rows.get_asset[i] = s.of[STABLE], s.of[COLLATERAL]
    rows.give[i], rows.get[i], rows.kept[i] = 0.0, brings, 0.0
    if not brings > 0.0:
        rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING


@kernel
def offer_calls(kind: int, time: float, active: np.ndarray, halted: np.ndarray, s: System, reserves: Reserves, seen: SeenPrices,
                rows: Transactions, n: int) -> int:
    """A row for each trove that may be liquidated, path by path, lowest first; one for all with per_call > 1. halted: [P]."""
    sums, index = s.sums, reserves.borrow_index[s.of[STABLE_RESERVE]]
    for p in range(active.shape[0]):
        if not active[p]:
            continue
        price, scale = price_of(p, s, seen), index[p]
        look(p, s)
        recovery = in_recovery(p, price / scale, s)
        if recovery:
            s.told[IN_RECOVERY, p] = min(s.told[IN_RECOVERY, p], time)
        below = s.terms[MCR] * scale / price
        if recovery and room(p, scale, s) > 0.0:
            below = max(below, sums[p, COLL] / sums[p, DEBT])
        if halted[p] > time or sums[p, OPEN] <= 1.0 or not sums[p, LOWEST] < below:
            continue
        aside = set_aside(p, s, seen)
        for j in range(from_the_lowest(p, below, s)):
            k = s.order[j]
            if not reward(p, k, price, scale, aside, s) > 0.0:
                continue
            rows.path[n], rows.kind[n], rows.state[n], rows.ref[n] = p, kind, OFFERED, s.account[k]
            rows.protocol[n], rows.network[n], rows.most[n] = s.of[PROTOCOL], s.of[NETWORK], 0.0
            size_call(n, k, price, scale, aside, s, rows)
            n += 1
            if s.terms[PER_CALL] > 1.0:
                break
    return n


@kernel
def size_calls(picked: np.ndarray, place: np.ndarray, s: System, reserves: Reserves, seen: SeenPrices, rows: Transactions
               ) -> None:
    """These rows at what stands. place: [accounts] trove of each."""
    for i in picked:
        p = rows.path[i]
        scale = reserves.borrow_index[s.of[STABLE_RESERVE], p]
        size_call(i, place[rows.ref[i]], price_of(p, s, seen), scale, set_aside(p, s, seen), s, rows)


@kernel
def call_rows(picked: np.ndarray, place: np.ndarray, s: System, reserves: Reserves, seen: SeenPrices, ledgers: Ledgers,
              rows: Transactions, sales: Sales, n_sales: int) -> int:
    """Carry out included calls, one after the other; seen price levels are fresh. place: [accounts]. The number of sales then."""
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        p = rows.path[i]
        price, scale = price_of(p, s, seen), reserves.borrow_index[s.of[STABLE_RESERVE], p]
        n = queue(p, place[rows.ref[i]], price, scale, s)
        if not call(p, n, s.terms[PER_CALL] > 1.0, price, scale, s):
            rows.state[i] = REVERTED
            continue
        book_call(p, rows.actor[i], scale, s, seen.price, ledgers)
        rows.get[i] = s.done[p, COMP]
        rows.state[i] = EXECUTED
        sold = s.done[p, SENT] * s.terms[SELLS]
        if sold > 0.0:
            s.sums[p, POOL_COLL] -= sold
            sales.row[n_sales], sales.path[n_sales], sales.holder[n_sales], sales.forced[n_sales] = i, p, BANDS, 1
            sales.sold_asset[n_sales], sales.bought_asset[n_sales], sales.sold[n_sales] = s.of[COLLATERAL], s.of[STABLE], sold
            n_sales += 1
    return n_sales


@helper
def book_call(p: int, who: int, scale: float, s: System, price: np.ndarray, ledgers: Ledgers) -> None:
    """What the last call came to, in double entry. price: [P, R] seen [USD]."""
    a, b, r, t, number = s.of[COLLATERAL], s.of[STABLE], s.of[COLLATERAL_RESERVE], s.of[STABLE_RESERVE], s.of[PROTOCOL]
    done, tokens, booked, totals, told = s.done[p], ledgers.tokens, ledgers.booked, ledgers.totals, s.told
    burned, aside, left = done[BURNED] * scale, done[CLOSED] * s.terms[RESERVE], done[SENT] + done[COMP]
    tokens[who, a, p] += done[COMP]
    tokens[BANDS, a, p] += done[SENT]
    tokens[CASH, a, p] -= left
    booked[DEPOSITS, r, p] -= left
    tokens[BANDS, b, p] -= burned
    tokens[CASH, b, p] += burned
    tokens[BANDS, s.of[ASIDE], p] -= aside
    tokens[who, s.of[ASIDE], p] += aside
    booked[DEBTS, t, p] -= burned
    ledgers.turnover[a, p] += left
    ledgers.turnover[b, p] += burned
    ledgers.turnover[s.of[ASIDE], p] += aside
    totals[SEIZED, number, p] += left * price[p, r]  # what is redistributed stays with troves, and may be so again
    totals[REPAID, number, p] += burned * price[p, t]
    totals[LIQUIDATIONS, number, p] += 1.0
    totals[ACCOUNTS_LIQUIDATED, number, p] += done[CLOSED]
    told[OFFSET, p] += burned
    told[GAINED, p] += done[SENT]
    told[SPREAD, p] += done[LEFT_DEBT] * scale
    told[SPREAD_COLL, p] += done[LEFT_COLL]
