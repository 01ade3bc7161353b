"""Bites: a vault that is unsafe gives a lot to the auction house. Nothing is paid for asking.

    lot = min(collateral, lump),   due = debt x lot / collateral,   tab = due x chop
A bite is one lot; a larger vault stays unsafe and may be bitten again, in the next block.
Source: makerdao/dss (cat.sol @016178e, before Liquidations 2.0). In double entry as clip_auction.py: the lot's units stay in
DEPOSITS and CASH and its debt in DEBTS until somebody pays.
"""

from __future__ import annotations

import numpy as np

from delever.core.english import LUMP, TAU
from delever.core.jit import allocates, helper, kernel
from delever.core.outcomes import ACCOUNTS_LIQUIDATED
from delever.core.tables import (
    EXECUTED,
    HIT,
    INCLUDED,
    NOBODY,
    NOTHING,
    REVERTED,
    Bids,
    BookTables,
    Ledgers,
    Lots,
    Reserves,
    Touched,
    Transactions,
)
from delever.protocols.vaults import chop_of, vault


@helper
def bite_of(ink: float, debt: float, lump: float) -> tuple[float, float]:
    """(units that go into a lot, debt that goes with them) of an unsafe vault."""
    if not (ink > 0.0 and debt > 0.0):
        return 0.0, 0.0
    if ink <= lump:
        return ink, debt
    return lump, debt * lump / ink


@kernel
def size_bites(picked: np.ndarray, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves,
               price: np.ndarray) -> None:
    """A bite brings nothing and gets nothing. price: [P, R] seen."""
    for i in picked:
        slot, p = rows.ref[i], rows.path[i]
        _, s, ink, debt, unsafe = vault(slot, p, touched, book, reserves, price)
        rows.give_asset[i], rows.get_asset[i] = reserves.asset[s], reserves.asset[s]
        rows.give[i], rows.get[i], rows.kept[i] = 0.0, 0.0, 0.0
        if not (unsafe and ink > 0.0 and debt > 0.0):
            rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING


@kernel
def put_up_one(picked: np.ndarray, lump: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray,
               sizes: np.ndarray) -> None:
    """Of each unsafe vault the debt and the units of one bite: sizes [2, slots]. lump: [slots] units."""
    for slot in picked:
        _, _, ink, debt, unsafe = vault(slot, 0, touched, book, reserves, price)
        if unsafe:
            sizes[1, slot], sizes[0, slot] = bite_of(ink, debt, lump[slot])


@kernel
@allocates
def bite(picked: np.ndarray, rows: Transactions, english: np.ndarray, now: float, touched: Touched, book: BookTables,
         reserves: Reserves, price: np.ndarray, ledgers: Ledgers, lots: Lots, bids: Bids, n: int) -> int:
    """Lots of unsafe vaults; rows of closed ones are used again, each by its own path. The number of rows of the table then.

    english: [protocols, terms]; now: [whole s].
    """
    free, after = np.full(price.shape[0], -1), np.empty(n, np.int64)
    for k in range(n - 1, -1, -1):
        if not lots.open[k]:
            after[k], free[lots.path[k]] = free[lots.path[k]], k
    d = book.first_debt[0]
    for i in picked:
        slot, p, number = rows.ref[i], rows.path[i], rows.protocol[i]
        if rows.state[i] != INCLUDED:
            continue
        r, s, ink, debt, unsafe = vault(slot, p, touched, book, reserves, price)
        units, due = bite_of(ink, debt, english[number, LUMP])
        if not unsafe or units <= 0.0:
            rows.state[i] = REVERTED
            continue
        k = free[p]
        if k >= 0:
            free[p] = after[k]
        else:
            k, n = n, n + 1
        whole = due >= debt
        gone = touched.amount[slot, 0] if whole else units / reserves.supply_index[r, p]
        cleared = touched.amount[slot, d] if whole else due / reserves.borrow_index[s, p]
        touched.amount[slot, 0] -= gone
        touched.amount[slot, d] -= cleared
        ledgers.scaled[0, r, p] -= gone
        ledgers.scaled[1, s, p] -= cleared
        lots.path[k], lots.protocol[k], lots.slot[k], lots.leg[k], lots.reserve[k], lots.open[k] = p, number, slot, 0, s, 1
        lots.get_asset[k], lots.give_asset[k], lots.cause[k] = reserves.asset[r], reserves.asset[s], rows.number[i]
        lots.units[k], lots.owed[k], lots.tab[k] = units, due, due * chop_of(slot, touched, book, reserves)
        lots.started[k], lots.top[k] = now, due
        bids.bid[k], bids.bidder[k], bids.until[k], bids.ends[k] = 0.0, NOBODY, np.inf, now + english[number, TAU]
        ledgers.totals[ACCOUNTS_LIQUIDATED, number, p] += 1.0 if touched.flags[slot] & HIT == 0 else 0.0
        touched.flags[slot] |= HIT
        rows.state[i] = EXECUTED
    return n


@kernel
def wake_for_bids(n_lots: int, lots: Lots, bids: Bids, english: np.ndarray, time: float, wake: np.ndarray) -> None:
    """A path wakes in the second after a bid, or an auction, has lapsed. What has lapsed already wakes nobody."""
    for k in range(n_lots):
        if lots.open[k] and english[lots.protocol[k], TAU] > 0.0:
            at = min(bids.until[k], bids.ends[k]) + 1.0
            if at > time:
                wake[lots.path[k]] = min(wake[lots.path[k]], at)
