"""Inventory: what an actor has of an asset on a chain beyond what he wants is sold on the market, over time.

    units = min(held - wanted, pace / price)     once a step, each asset and chain; unless its gas costs more than it is worth
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from delever.core.columns import OF, Column, Figure, Value, added, market_price, mean_of
from delever.core.holdings import SPARE, Purses, free
from delever.core.jit import kernel
from delever.core.orders import sell
from delever.core.phase import Kind
from delever.core.route import usd_price
from delever.core.state import State
from delever.core.tables import HOLDERS, OFFERED, Networks, Transactions, Tree


@kernel
def unwind(holder: int, into: int, pace: float, kind: int, wanted: np.ndarray, may: np.ndarray, rows: Transactions, n: int,
           networks: Networks, tree: Tree, price: np.ndarray, purses: Purses) -> int:
    """Offer it for sale; the number of rows then. pace: USD a step; wanted: [N, A] units; may: [N, A, P] whether now."""
    k = holder - HOLDERS
    for c in range(may.shape[0]):
        native = networks.native[c]
        for a in range(may.shape[1]):
            for p in range(may.shape[2]):
                more = purses.held[c, k, a, p] - wanted[c, a]
                if a == into or not (more > 0.0 and may[c, a, p]):
                    continue
                cost, in_usd = networks.gas[c, kind] * networks.base_fee[c, p] * 1e-9, usd_price(a, p, tree, price)
                has = free(c, holder, native, p, purses) * (1.0 - SPARE)
                units = min(more, pace / in_usd)
                if a == native:
                    units = min(units, has - cost)
                if has < cost or not units * in_usd > cost * usd_price(native, p, tree, price):
                    continue
                rows.path[n], rows.kind[n], rows.state[n], rows.network[n], rows.actor[n] = p, kind, OFFERED, c, holder
                rows.give_asset[n], rows.get_asset[n], rows.give[n], rows.most[n] = a, into, units, units
                rows.bid[n] = networks.base_fee[c, p]
                purses.reserved[c, k, a, p] += units
                purses.reserved[c, k, native, p] += cost
                n += 1
    return n


class Unwind(Kind):
    """A sale of inventory."""

    name: ClassVar[str] = "inventory"
    gas: ClassVar[float] = 300_000.0
    turn: ClassVar[int] = 3

    def __init__(self, sold_in: np.ndarray) -> None:
        """sold_in: [N, actors, A, P] step of the last sale."""
        self.sold_in = sold_in

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Sell."""
        rows = state.transactions
        state.room_for_sales(len(picked))
        state.n_sales = sell(picked, rows, state.sales, state.n_sales)
        self.sold_in[rows.network[picked], rows.actor[picked] - HOLDERS, rows.give_asset[picked], rows.path[picked]] = state.step


KEEPERS = "Keepers"  # section of a report
DRY = f"for which {OF} had not all the money or gas"
LACKED = Column("lacked_money", "count", f"calls that paid, counted in every block, {DRY}", (
    *mean_of("lacked_money", f"calls that paid, counted in every block, {DRY}"),
    Figure("ran_dry", "share_above", f"paths on which {OF} lacked money or gas for a call that would have paid", "share")),
    section=KEEPERS)
HELD = Column("inventory", "USD", f"what {OF} has beyond what he wants, at market prices", mean_of(
    "inventory", f"what {OF} has beyond what he wants at the end, at market prices"), section=KEEPERS, stock=True)


class Inventory:
    """What some actors have beyond what they want."""

    def __init__(self, wanted: np.ndarray, paths: int) -> None:
        """wanted: [N, actors, A] units."""
        self.wanted, self.sale = wanted, Unwind(np.zeros((*wanted.shape, paths), np.int32))
        self.lacked = np.zeros((wanted.shape[1], paths), np.int64)  # [actors, P] calls that they could not pay for in whole

    def offer(self, state: State, holder: int, into: int, pace: float) -> None:
        """In every block. pace: USD a step."""
        k = holder - HOLDERS
        if not pace > 0.0 or not (state.purses.held[:, k] > self.wanted[:, k, :, None]).any():
            return
        may = (self.sale.sold_in[:, k] != state.step) & state.active
        state.room_for_rows(may.size)
        state.n_rows = unwind(holder, into, pace, self.sale.number, self.wanted[:, k].copy(), may, state.transactions,
                              state.n_rows, state.networks, state.tree, state.markets.price, state.purses)

    def said(self, state: State, name: str, holder: int, into: int) -> list[Value]:
        """Of one actor: for how many calls his money was too little, and what he has not sold yet."""
        k = holder - HOLDERS
        more = np.maximum(state.purses.held[:, k] - self.wanted[:, k, :, None], 0.0)  # [N, A, P]
        rows = [more[c, a] * market_price(state, a) for c in range(len(more)) for a in range(more.shape[1]) if a != into]
        return [Value(LACKED, self.lacked[k], of=name), Value(HELD, added(rows, state.paths), of=name)]
