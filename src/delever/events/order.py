"""A holder sells so many units on the market, at once or in equal parts over some steps.

A part is offered as a transaction in the first block of its step and again until it is included. Who states no bid bids 20 gwei,
or the base fee of the moment where that is more (assumption: somebody who must sell pays what it takes).
Source: the scenario; who sells and why is outside of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import BeforeValidator, Field

from delever.core.columns import ASSET, Column, Value
from delever.core.jit import kernel
from delever.core.orders import Order
from delever.core.phase import Kind, Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import OFFERED, ORDER_OWNERS, Transactions
from delever.events.base import Event, outcome
from delever.model.asset import USD
from delever.model.errors import InputError
from delever.model.quantity import Gwei, Seconds, Text
from delever.model.references import known_asset, market_of_venue
from delever.model.scenario import Order as Sale
from delever.model.scenario import read_order
from delever.model.world import World


class OrderEvent(Event):
    """An order of the scenario."""

    kind: ClassVar[str] = "order"
    order: Annotated[Sale, BeforeValidator(read_order)] = Field(
        examples=["sell 50,000 stETH"], description="a sale on the market")
    over: Seconds = Field(0.0, ge=0, description="time over which it is spread evenly")
    fee: Gwei | None = Field(None, ge=0, description="what it bids a unit of gas; null: 20, or the base fee where that is more")
    network: Text | None = Field(None, description="the chain it is sent on; null: the only one")
    venue: Text | None = Field(None, description="where it trades, of the venues of a pair; null: wherever that brings most")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Assets with a price."""
        known_asset(self.order.asset, world, (*path, "order", "asset"))
        if self.order.asset == USD:
            raise InputError("sells USD", path=(*path, "order"), remedy="sell an asset that has a price")
        if self.order.into is not None:
            known_asset(self.order.into, world, (*path, "order", "into"))
        if self.venue is not None:
            market_of_venue(self.venue, world, (*path, "venue"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All orders of the scenario."""
        return Orders([scheduled(spec, setting, place) for place, spec in specs.items()], setting.paths)


USUAL = 20.0  # bid of who states none, where the base fee is not more [gwei]; assumption


class Scheduled(NamedTuple):
    """One order: parts of `units` [units of the asset] in steps first..last."""

    sold_asset: int
    bought_asset: int
    units: float
    first: int
    last: int
    fee: float | None  # bid [gwei]; None: USUAL, or the base fee where that is more
    network: int
    place: str  # of the event in scenario.events
    venue: int = 0  # see Transactions


def scheduled(spec: OrderEvent, setting: Setting, place: str) -> Scheduled:
    """The order as numbers; without `into` it is sold for what its own market is quoted in."""
    layout, order = setting.layout, spec.order
    sold = layout.asset(order.asset)
    first_market = layout.tree.chain[layout.tree.unwrapped[sold], 0]
    bought = layout.asset(order.into) if order.into is not None else int(layout.tree.quote[first_market])
    first, parts = setting.step_at(spec.at), setting.parts(spec.over)
    network = setting.network(spec.network, "scenario", "events", place, "network")
    return Scheduled(sold, bought, order.amount / parts, first, first + parts - 1, spec.fee, network, place,
                     setting.venue(spec.venue, sold, bought, "scenario", "events", place, "venue"))


@kernel
def offer(left: np.ndarray, terms: np.ndarray, fee: np.ndarray, base_fee: np.ndarray, kind: int, active: np.ndarray,
          rows: Transactions, n: int) -> int:
    """Offer what is left of each order.

    left: [orders, P] units; terms: [orders, 5] sold and bought asset, network, venue, whether it bids at least the base fee;
    base_fee: [networks, P].
    """
    for o in range(left.shape[0]):
        for p in range(left.shape[1]):
            if left[o, p] > 0.0 and active[p]:
                rows.path[n], rows.kind[n], rows.state[n], rows.ref[n], rows.actor[n] = p, kind, OFFERED, o, ORDER_OWNERS
                rows.give_asset[n], rows.get_asset[n], rows.network[n] = terms[o, 0], terms[o, 1], terms[o, 2]
                rows.give[n], rows.bid[n], rows.venue[n] = left[o, p], fee[o], terms[o, 3]
                if terms[o, 4]:
                    rows.bid[n] = max(fee[o], base_fee[terms[o, 2], p])
                n += 1
    return n


SOLD = Column("sold_by", ASSET, "units of {asset} that the order sold")


class Orders(Phase):
    """All orders, and their kind of transaction."""

    def __init__(self, orders: Sequence[Scheduled], paths: int) -> None:
        self.orders = orders
        self.left = np.zeros((len(orders), paths))  # [orders, P] units due and not yet included
        self.fee = np.array([USUAL if order.fee is None else order.fee for order in orders])
        self.terms = np.array([[order.sold_asset, order.bought_asset, order.network, order.venue, order.fee is None]
                               for order in orders], np.int64)
        self.order = Order(self.left)

    def kinds(self) -> Sequence[Kind]:
        """Orders."""
        return (self.order,)

    def happen(self, state: State) -> None:
        """What falls due."""
        for o, order in enumerate(self.orders):
            if order.first <= state.step <= order.last:
                self.left[o] += order.units

    def offer(self, state: State) -> None:
        """In every block."""
        if self.left.any():
            state.room_for_rows(self.left.size)
            state.n_rows = offer(self.left, self.terms, self.fee, state.networks.base_fee, self.order.number, state.active,
                                 state.transactions, state.n_rows)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What each sold, of what was to be sold."""
        return [outcome(order.place, SOLD, sold, order.units * (order.last - order.first + 1), order.sold_asset)
                for order, sold in zip(self.orders, self.sold(state), strict=True)]

    def sold(self, state: State) -> list[np.ndarray]:
        """Units of each order that came to the market up to now [P]: due, less what is left."""
        due = [order.units * min(max(state.step - order.first + 1, 0), order.last - order.first + 1) for order in self.orders]
        return [units - left for units, left in zip(due, self.left, strict=True)]
