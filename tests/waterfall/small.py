"""One exchange with one perp, as a user would write it: winners, losers and what stands behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.core.outcomes import ACCOUNTS_LIQUIDATED
from delever.core.state import State
from delever.core.tables import COVERED, DEFICIT, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state

Mapping = dict[str, Any]
Row = tuple[str, str, float, float, float]  # account, perp ("": collateral alone), units, entry price, collateral

INSURANCE, BACKSTOP, ADL, SOCIALISED = range(4)
NO_ORDERS: Mapping = {"stage": "market", "limit": "bankruptcy"}  # whoever owes more than he has is not sold


def positions(rows: Sequence[Row], **collateral: float) -> Book:
    """Cross-margined accounts. collateral: account=units of ETH that it also has."""
    table = [{"protocol": "ex", "account": account, "instrument": perp, "size": units if perp else None,
              "entry_price": entry if perp else None, "margin_mode": "cross", "collateral": margin}
             for account, perp, units, entry, margin in rows]
    table += [{"protocol": "ex", "account": account, "instrument": "", "size": None, "entry_price": None,
               "margin_mode": "cross", "collateral": units, "collateral_asset": "ETH"} for account, units in collateral.items()]
    return Book.from_table(pa.Table.from_pylist([{"collateral_asset": "USD"} | row for row in table]))


def exchange(rows: Sequence[Row], waterfall: Sequence[Any], move: float, eth: Mapping | None = None, **changes: Any) -> World:
    """BTC and ETH at 100 USD and a perp of each, infinitely deep, seen as they trade; BTC moves in the first step by `move`.

    Maintenance 5 %. waterfall: layers. eth: ETH that accounts hold as collateral. changes: parts of the world.
    """
    scenario: Mapping = {"horizon": 300, "step": 60, "paths": 2, "seed": 1, "prices": {"kind": "lognormal"},
                         "events": [{"at": 0, "kind": "price", "change": {"BTC": move}}]} | changes.pop("scenario", {})
    world: Mapping = {
        "as_of": "2025-01-01T00:00:00Z",
        "assets": {"BTC": {"price": 100.0}, "ETH": {"price": 100.0}, "BTC-PERP": {"perp": "BTC"}, "ETH-PERP": {"perp": "ETH"}},
        "protocols": {"ex": {
            "rules": {"kind": "exchange", "stages": changes.pop("stages", [NO_ORDERS])}, "waterfall": list(waterfall),
            "parameters": {"BTC-PERP": {"max_leverage": 10}, "ETH-PERP": {"max_leverage": 10}, "ETH": {"haircut": 0.1}},
            "book": positions(rows, **(eth or {}))}},
        "scenario": scenario}
    return worlds.load(world | changes)


class Run:
    """A world run step by step on all its paths; every step must conserve value."""

    def __init__(self, world: World) -> None:
        self.model: Model = assemble(world)
        paths = world.scenario.paths
        self.state: State = new_state(self.model, 0, paths)
        self.phases = phases(self.model, paths, ())
        self.cash = self.model.positions.reserve("ex", "USD")

    def steps(self, number: int = 1) -> Run:
        for _ in range(number):
            step(self.phases, self.state)
            assert residual(self.state, int(self.state.watch.counts[SLOTS])).max() < LIMIT
        return self

    def reserve(self, asset: str) -> int:
        return self.model.positions.reserve("ex", asset)

    def row(self, account: str) -> np.ndarray:
        """What an account holds now on the first path [legs]."""
        i = self.model.positions.accounts.index(account)
        touched = self.state.pool.touched
        for slot in range(int(self.state.watch.counts[SLOTS])):
            if touched.account[slot] == i and touched.path[slot] == 0:
                return touched.amount[slot].copy()
        return self.state.book.amount[i].copy()

    def units(self, account: str, asset: str = "BTC-PERP") -> float:
        """Units of a position or of collateral; cash is USD."""
        book, i = self.state.book, self.model.positions.accounts.index(account)
        g, row = int(book.signature[i]), self.row(account)
        first = int(book.first_debt[0])
        legs = [*range(book.collaterals[g]), *range(first, first + book.debts[g])]
        return float(sum(row[k] for k in legs if book.reserve[g, k] == self.reserve(asset)))

    def equity(self, account: str) -> float:
        """At the prices of now, collateral in full [USD]; funding is not paid in these worlds."""
        price = np.exp(self.state.seen.log_price[:, 0])
        return sum(self.units(account, asset) * price[self.reserve(asset)] for _, asset in self.model.positions.reserves)

    def dry(self, layer: int) -> float:
        return float(self.state.safety.dry[layer, 0, 0])

    @property
    def fund(self) -> float:
        return float(self.state.safety.fund[self.cash, 0])

    @property
    def standing(self) -> float:
        """Deficit that nobody has borne [USD]."""
        return float(self.state.ledgers.booked[DEFICIT, self.cash, 0])

    @property
    def covered(self) -> float:
        """Deficits that layers took away [USD]."""
        return float(self.state.ledgers.booked[COVERED, self.cash, 0])

    @property
    def liquidated(self) -> float:
        return float(self.state.ledgers.totals[ACCOUNTS_LIQUIDATED, 0, 0])

    def closed(self, path: int = 0) -> list[tuple[str, float, float, float]]:
        """(account, units, price, haircut) of the closings on a path."""
        c = self.state.closings
        return [(self.model.positions.accounts[c.account[i]], float(c.units[i]), float(c.price[i]), float(c.haircut[i]))
                for i in range(self.state.n_closings) if c.path[i] == path]


def run(world: World, number: int = 1) -> Run:
    """After so many steps."""
    return Run(world).steps(number)
