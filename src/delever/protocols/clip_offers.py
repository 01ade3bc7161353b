"""What open lots of Maker's auctions offer, and when they wake their paths."""

from __future__ import annotations

import numpy as np

from delever.core.english import CLOCK, seconds
from delever.core.jit import kernel
from delever.core.tables import OFFERED, Lots, Transactions
from delever.protocols.clip_formulas import OURS, must_reset, next_look


@kernel
def offer_lots(n_lots: int, lots: Lots, rules: np.ndarray, time: float, take_kind: int, redo_kind: int, active: np.ndarray,
               halted: np.ndarray, home: np.ndarray, rows: Transactions, n: int) -> int:
    """A row for each open lot: to buy from it, or to start it anew. The number of rows then. halted: [protocols, P]."""
    now = seconds(time)
    for k in range(n_lots):
        p, number = lots.path[k], lots.protocol[k]
        if not lots.open[k] or rules[number, p, OURS] == 0.0 or not active[p] or halted[number, p] > time:
            continue
        rows.path[n], rows.protocol[n], rows.state[n], rows.ref[n], rows.network[n] = p, number, OFFERED, k, home[number]
        rows.cause[n] = lots.cause[k]
        rows.give_asset[n] = lots.give_asset[k]
        if must_reset(now - lots.started[k], rules[number, p]):
            rows.kind[n], rows.get_asset[n] = redo_kind, lots.give_asset[k]
        else:
            rows.kind[n], rows.get_asset[n] = take_kind, lots.get_asset[k]
        n += 1
    return n


@kernel
def wake_for_lots(n_lots: int, lots: Lots, rules: np.ndarray, time: float, halted: np.ndarray, wake: np.ndarray) -> None:
    """Paths wake when a lot of theirs is next at another price, or must be started anew; one that must be already does not
    wake them: nothing changes but what keepers pay for gas, once a step."""
    now = seconds(time)
    for k in range(n_lots):
        p, number = lots.path[k], lots.protocol[k]
        if lots.open[k] and rules[number, p, OURS] > 0.0:
            at = next_look(lots.started[k], now, rules[number, p]) - CLOCK
            if halted[number, p] > time:
                at = max(at if at < np.inf else time, halted[number, p])
            wake[p] = min(wake[p], at)
