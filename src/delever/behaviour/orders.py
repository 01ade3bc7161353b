"""Orders of a scenario: a holder sells so many units, at once or in equal parts over some steps.

A part is offered as a transaction in the first block of its step and again until it is included.
Source: the scenario; who sells and why is outside of the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from delever.core.jit import kernel
from delever.core.state import State
from delever.core.tables import EXECUTED, OFFERED, ORDER, ORDER_OWNERS, Sales, Transactions


@dataclass(frozen=True)
class Scheduled:
    """One order: parts of `units` [units of the asset] in steps first..last."""

    sold_asset: int
    bought_asset: int
    units: float
    first: int
    last: int
    fee: float  # bid [gwei]


@kernel
def offer(left: np.ndarray, sold: np.ndarray, bought: np.ndarray, fee: np.ndarray, active: np.ndarray, rows: Transactions, n: int
          ) -> int:
    """Offer what is left of each order. left: [orders, P] units."""
    for o in range(left.shape[0]):
        for p in range(left.shape[1]):
            if left[o, p] > 0.0 and active[p]:
                rows.path[n], rows.kind[n], rows.state[n], rows.ref[n] = p, ORDER, OFFERED, o
                rows.give_asset[n], rows.get_asset[n], rows.give[n], rows.bid[n] = sold[o], bought[o], left[o, p], fee[o]
                n += 1
    return n


@kernel
def fill(picked: np.ndarray, left: np.ndarray, rows: Transactions, sales: Sales, n: int) -> int:
    """Bring included orders to the market; the number of sales then."""
    for i in picked:
        o, p = rows.ref[i], rows.path[i]
        sales.row[n], sales.path[n], sales.holder[n], sales.sold[n] = i, p, ORDER_OWNERS, rows.give[i]
        sales.sold_asset[n], sales.bought_asset[n] = rows.give_asset[i], rows.get_asset[i]
        left[o, p] = 0.0
        rows.state[i] = EXECUTED
        n += 1
    return n


class Orders:
    """All orders of the scenario, and their kind of transaction."""

    name, gas, payer, looks, moves_seen, called = "order", 300_000.0, ORDER_OWNERS, False, False, False

    def __init__(self, orders: list[Scheduled], paths: int) -> None:
        self.orders = orders
        self.left = np.zeros((len(orders), paths))  # [orders, P] units due and not yet included
        self.fee = np.array([o.fee for o in orders])
        self.sold = np.array([o.sold_asset for o in orders], np.int64)
        self.bought = np.array([o.bought_asset for o in orders], np.int64)

    def schedule(self, state: State) -> None:
        """Once a step: what falls due."""
        for o, order in enumerate(self.orders):
            if order.first <= state.step <= order.last:
                self.left[o] += order.units

    def offer(self, state: State) -> None:
        """In every block."""
        if self.left.any():
            state.room_for_rows(self.left.size)
            state.n_rows = offer(self.left, self.sold, self.bought, self.fee, state.active, state.transactions, state.n_rows)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Carry out included orders."""
        state.room_for_sales(len(picked))
        state.n_sales = fill(picked, self.left, state.transactions, state.sales, state.n_sales)
