"""A sale on the market as a transaction: whoever sends it gives one asset and gets what the market pays in another."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from delever.core.jit import helper, kernel
from delever.core.phase import Kind
from delever.core.state import State
from delever.core.tables import EXECUTED, Sales, Transactions


@helper
def bring(k: int, sold: int, bought: int, units: float, rows: Transactions, sales: Sales, n: int) -> int:
    """An included row k sells units of one asset for another, and is executed; the number of sales then."""
    sales.row[n], sales.path[n], sales.holder[n], sales.forced[n] = k, rows.path[k], rows.actor[k], 0
    sales.sold_asset[n], sales.bought_asset[n], sales.sold[n] = sold, bought, units
    rows.state[k] = EXECUTED
    return n + 1


@kernel
def sell(picked: np.ndarray, rows: Transactions, sales: Sales, n: int) -> int:
    """Bring included orders to the market; the number of sales then."""
    for i in picked:
        n = bring(i, rows.give_asset[i], rows.get_asset[i], rows.give[i], rows, sales, n)
    return n


class Order(Kind):
    """A market order; `ref` is its row of what is left to sell."""

    name: ClassVar[str] = "order"
    gas: ClassVar[float] = 300_000.0
    turn: ClassVar[int] = 3
    trades: ClassVar[bool] = True

    def __init__(self, left: np.ndarray) -> None:
        """left: [orders, P] units due and not yet sold."""
        self.left = left

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Sell."""
        state.room_for_sales(len(picked))
        state.n_sales = sell(picked, state.transactions, state.sales, state.n_sales)
        self.left[state.transactions.ref[picked], state.transactions.path[picked]] -= state.transactions.give[picked]

    def take_back(self, state: State, picked: np.ndarray) -> None:
        """What found no buyer is left to sell."""
        rows = state.transactions
        self.left[rows.ref[picked], rows.path[picked]] += rows.unsold[picked]
