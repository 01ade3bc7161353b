"""What is halted is not called, and stands: it is looked at again in every block, and when the halt ends.

A margin account waits for its exchange, and for every market that closing it would trade on; so nobody falls to the layers of a
default waterfall while his way out is closed. Transactions that trade on a halted market wait in engine/inclusion.py.
"""

from __future__ import annotations

import numpy as np

from delever.core.exchange_tables import Margins
from delever.core.jit import kernel
from delever.core.route import route_halted
from delever.core.state import State
from delever.core.tables import NOTHING, BookTables, Halts, Reserves, Touched, Transactions, Tree


@kernel
def strike(first: int, last: int, rows: Transactions, halted: np.ndarray, time: float, wake: np.ndarray) -> None:
    """Calls of protocols whose liquidations are halted are not to be taken; owners see them. halted: [protocols, P] until [s]."""
    for i in range(first, last):
        p, until = rows.path[i], halted[rows.protocol[i], rows.path[i]]
        if until > time:
            rows.state[i], wake[p] = NOTHING, min(wake[p], until)


@kernel
def leave_out(called: np.ndarray, n_called: int, touched: Touched, book: BookTables, reserves: Reserves, margins: Margins,
              tree: Tree, halts: Halts, time: float, wake: np.ndarray) -> int:
    """Keep those of called[:n_called] that can be closed now, in order; their number.

    Not those whose exchange liquidates nobody now, nor whose closing would trade on a halted market: of a perp that they hold,
    or on the way of their collateral to USD.
    """
    kept, first, asset = 0, book.first_debt[0], reserves.asset
    for j in range(n_called):
        slot = called[j]
        p, g = touched.path[slot], book.signature[touched.account[slot]]
        until = halts.liquidation[book.protocol[g], p]
        for k in range(first, first + book.debts[g]):
            m = margins.market[book.reserve[g, k]]
            if m >= 0 and touched.amount[slot, k] != 0.0:
                until = max(until, halts.trading[m, p])
        for k in range(1, book.collaterals[g]):
            if touched.amount[slot, k] > 0.0:
                until = max(until, route_halted(p, asset[book.reserve[g, k]], 0, -1, tree, halts.trading))
        if until > time:
            wake[p] = min(wake[p], until)
        else:
            called[kept] = slot
            kept += 1
    return kept


def leave_halted(state: State, first: int, last: int) -> None:
    """What is halted now is not called, and stands: rows first..last-1 of lending are struck, accounts of exchanges left out."""
    if last > first and (state.halts.liquidation > state.time).any():
        strike(first, last, state.transactions, state.halts.liquidation, state.time, state.wake)
    halted = max(table.max(initial=-np.inf) for table in (state.halts.liquidation, state.halts.trading))
    if state.n_called and halted > state.time:
        state.n_called = leave_out(state.pool.called, state.n_called, state.pool.touched, state.book, state.reserves,
                                   state.margins, state.tree, state.halts, state.time, state.wake)
