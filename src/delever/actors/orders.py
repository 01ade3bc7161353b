"""An owner of a resting order: he sells what he holds once the market price is at or beyond a level.

    p = market price of the asset in `into`
    stop    p <= level: from then on, whatever the price does, until all is sold
    limit   p >= level: in blocks in which it is so; at its slot a transaction reverts (and pays its gas) where p < level again
A block gets all that is left, or at most `per_block`; what finds no room is offered again. A market order: how far a limit order
pushes the price below its level is up to `per_block`.
Source: stop and limit orders as any exchange has them; on a chain keepers send them for the owner, at his cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.columns import ASSET, OF, Column, Figure, Value, mean_of
from delever.core.jit import helper, kernel
from delever.core.orders import Order
from delever.core.phase import Kind, Phase
from delever.core.setting import Setting, ragged
from delever.core.state import State
from delever.core.tables import INCLUDED, OFFERED, REVERTED, Transactions
from delever.model.asset import USD, Asset
from delever.model.errors import InputError
from delever.model.quantity import Amount, Gwei, Ratio, Text
from delever.model.references import known_asset, known_name, market_of_venue
from delever.model.world import World

SOLD, BOUGHT, NETWORK, HOLDER, STOP, VENUE = range(6)  # columns of whole numbers
LEVEL, CONSTANT, PER_BLOCK, FEE = range(4)  # columns of terms


class RestingOrder(Actor):
    """One owner and his order."""

    kind: ClassVar[str] = "orders"
    asset: Text = Field(examples=["ETH"], description="what he sells")
    amount: Amount = Field(gt=0, examples=[500], description="units that he holds, all for sale; assumption")
    when: Literal["stop", "limit"] = Field(
        examples=["stop"], description="sells at or below the level (stop) or at or above it (limit)")
    level: Ratio = Field(examples=[1500], description="market price, units of `into` for one; assumption")
    into: Text | None = Field(None, description="what he sells for; null: what the asset's own market is quoted in")
    per_block: Amount | None = Field(None, gt=0, description="most units that he sells in a block; null: all at once; assumption")
    fee: Gwei = Field(20.0, ge=0, description="what he bids a unit of gas; assumption")
    network: Text | None = Field(None, description="the chain on which he sells; null: the only one")
    venue: Text | None = Field(None, description="where he sells, of the venues of a pair; null: wherever that brings most")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Two assets that trade, and a network."""
        known_asset(self.asset, world, (*path, "asset"))
        if self.asset == USD:
            raise InputError("sells USD", path=(*path, "asset"), value=USD, remedy="name an asset that has a price")
        if world.assets[self.asset].follows is not None:
            raise InputError("is a perp", path=(*path, "asset"), value=self.asset, remedy="name an asset of which units are held")
        if self.into is not None:
            known_asset(self.into, world, (*path, "into"))
        if self.into == self.asset:
            raise InputError("sells an asset for itself", path=(*path, "into"), value=self.into, remedy="name another asset")
        if self.network is not None:
            known_name(self.network, world.networks, "network", (*path, "network"))
        if self.venue is not None:
            market_of_venue(self.venue, world, (*path, "venue"))

    def bought(self, assets: Mapping[str, Asset]) -> str:
        """What he sells for."""
        if self.into is not None:
            return self.into
        name = self.asset
        while (wraps := assets[name].wraps) is not None:
            name = wraps
        return assets[name].below

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All owners of orders."""
        return RestingOrders(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: {self.amount:g} {self.asset} with a {self.when} at {self.level:g}"


@helper
def is_met(o: int, p: int, stop: bool, log_level: float, constant: float, market: np.ndarray, sign: np.ndarray,
           price: np.ndarray) -> bool:
    """Whether the market price is at or beyond the level. market, sign: [orders, T]; price: [M, P] log market prices."""
    now = constant
    for t in range(market.shape[1]):
        if market[o, t] < 0:
            break
        now += sign[o, t] * price[market[o, t], p]
    return now <= log_level if stop else now >= log_level


@kernel
def offer(left: np.ndarray, met: np.ndarray, whole: np.ndarray, terms: np.ndarray, market: np.ndarray, sign: np.ndarray,
          price: np.ndarray, kind: int, active: np.ndarray, rows: Transactions, n: int) -> int:
    """Offer what is due of each order; the number of rows then.

    left: [orders, P] units; met: [orders, P] stops that have been reached; whole, terms: [orders, columns].
    """
    for o in range(left.shape[0]):
        stop = whole[o, STOP] == 1
        for p in range(left.shape[1]):
            if not (active[p] and left[o, p] > 0.0):
                continue
            if not met[o, p]:
                if not is_met(o, p, stop, terms[o, LEVEL], terms[o, CONSTANT], market, sign, price):
                    continue
                met[o, p] = stop
            rows.path[n], rows.kind[n], rows.state[n], rows.ref[n], rows.actor[n] = p, kind, OFFERED, o, whole[o, HOLDER]
            rows.give_asset[n], rows.get_asset[n], rows.network[n] = whole[o, SOLD], whole[o, BOUGHT], whole[o, NETWORK]
            rows.give[n], rows.bid[n] = min(left[o, p], terms[o, PER_BLOCK]), terms[o, FEE]
            rows.venue[n] = whole[o, VENUE]
            n += 1
    return n


@kernel
def leave_unmet(picked: np.ndarray, whole: np.ndarray, terms: np.ndarray, market: np.ndarray, sign: np.ndarray,
                price: np.ndarray, rows: Transactions) -> None:
    """Revert limit orders whose price has gone. picked: row numbers."""
    for i in picked:
        o = rows.ref[i]
        if whole[o, STOP] == 0 and not is_met(o, rows.path[i], False, terms[o, LEVEL], terms[o, CONSTANT], market, sign, price):
            rows.state[i] = REVERTED


class RestingSale(Order):
    """The sale of a resting order."""

    def __init__(self, orders: RestingOrders) -> None:
        super().__init__(orders.left)
        self.orders = orders

    def check(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        it = self.orders
        leave_unmet(picked, it.whole, it.terms, it.market, it.sign, state.markets.price, state.transactions)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Sell what still stands."""
        self.check(state, picked)
        super().execute(state, picked[state.transactions.state[picked] == INCLUDED])


RESTING = "Resting orders"  # section of a report
UNITS_SOLD = Column("order_sold", ASSET, "units that an order sold", (
    *mean_of("order_sold", f"units of {OF} that the order sold"),
    Figure("probability_of_order", "share_above", f"paths on which the order sold {OF}", "share")), section=RESTING)
UNITS_LEFT = Column("order_left", ASSET, "units that an order has still to sell", mean_of(
    "order_left", f"units of {OF} that the order has still to sell at the end"), section=RESTING, stock=True)


class RestingOrders(Phase):
    """All orders. T: markets of a pair."""

    def __init__(self, specs: Mapping[str, RestingOrder], setting: Setting) -> None:
        layout, assets = setting.layout, setting.world.assets
        pairs = [layout.pair_of(f"{spec.asset}/{spec.bought(assets)}") for spec in specs.values()]
        self.market, self.sign = ragged([terms for _, terms in pairs])  # [orders, T]
        ways = [(layout.asset(spec.asset), layout.asset(spec.bought(assets))) for spec in specs.values()]
        self.whole = np.array([[*way, setting.network(spec.network, "actors", name, "network"), setting.holder(name),
                                spec.when == "stop", setting.venue(spec.venue, *way, "actors", name, "venue")]
                               for (name, spec), way in zip(specs.items(), ways, strict=True)], np.int64)
        self.terms = np.array([[math.log(spec.level), constant, np.inf if spec.per_block is None else spec.per_block, spec.fee]
                               for spec, (constant, _) in zip(specs.values(), pairs, strict=True)])
        amount = np.array([spec.amount for spec in specs.values()])
        self.names, self.amount = tuple(specs), amount
        self.left = np.repeat(amount[:, None], setting.paths, axis=1)  # [orders, P] units
        self.met = np.zeros(self.left.shape, np.bool_)  # [orders, P] stops that have been reached
        self.sale = RestingSale(self)

    def kinds(self) -> Sequence[Kind]:
        """Sales."""
        return (self.sale,)

    def offer(self, state: State) -> None:
        """In every block."""
        state.room_for_rows(self.left.size)
        state.n_rows = offer(self.left, self.met, self.whole, self.terms, self.market, self.sign, state.markets.price,
                             self.sale.number, state.active, state.transactions, state.n_rows)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What each sold, and what is left of it."""
        return [value for o, name in enumerate(self.names) for value in (
            Value(UNITS_SOLD, self.amount[o] - self.left[o], asset=int(self.whole[o, SOLD]), of=name, place=f"actors.{name}",
                  asked=float(self.amount[o])),
            Value(UNITS_LEFT, self.left[o], asset=int(self.whole[o, SOLD]), of=name))]
