"""A coin worth one USD with a pool of its own, an order that pushes it off par, and who redeems it."""

from __future__ import annotations

from typing import Any

import numpy as np

from delever import worlds
from delever.core.state import State
from delever.core.tables import HOLDERS, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.world import World
from delever.run.assemble import assemble, phases
from delever.run.collect import collect, mechanisms_of
from delever.run.start import new_state
from run.small import Mapping, book, loan

USD, ETH, COIN = range(3)
DEEP = 1000.0  # units of each side of the pool
DUMPED = 250.0


def coin_world(*, coin: Mapping | None = None, redeemers: Mapping | None = None, dumped: float = DUMPED, fee: float = 0.0,
               pool: Mapping | None = None, events: list[Mapping] | None = None, **changes: Any) -> World:
    """COIN at 1 USD; DUMPED units sold at the start; redeemers with all they need, at once, unless a test says otherwise."""
    scenario: Mapping = {"horizon": 600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                         "events": [{"kind": "order", "order": f"sell {dumped} COIN"}, *(events or [])],
                         **changes.pop("scenario", {})}
    actors: Mapping = {"liquidators": {"kind": "liquidators", "rule": "always"}}
    if redeemers is not None:
        actors["redeemers"] = {"kind": "redeemers", "asset": "COIN", "capital": 1e9, "carry": 0.0, "threshold": 1e-9, **redeemers}
    return worlds.load({
        "as_of": "2024-01-01T00:00:00Z",
        "assets": {"ETH": {"price": 1000.0}, "COIN": {"peg": "USD", "ratio": 1.0, "rate": 1.0, **(coin or {})}},
        "protocols": {"pool": {"rules": "aave.v3_0", "book": book(loan("a", 10.0, 1000.0)), "parameters": {
            name: {"liquidation_threshold": 0.8, "incentive": 0.05} for name in ("ETH", "USD")}}},
        "venues": {"coin": pool or {"kind": "constant_product", "pair": "COIN/USD", "reserves": {"COIN": DEEP, "USD": DEEP},
                                    "fee": fee}},
        "actors": actors, "execution": {"rounds": 3}, "scenario": scenario, **changes})


def ends(world: World) -> tuple[State, dict[str, np.ndarray]]:
    """All paths to the end, conserving value in every step; and what is said of it, by name."""
    acting = phases(model := assemble(world), world.scenario.paths, ())
    state = new_state(model, 0, world.scenario.paths, acting)
    for _ in range(model.steps):
        step(acting, state)
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    return state, {value.column.name: value.values for value in collect(mechanisms_of(acting), state)}


def price(state: State, p: int = 0) -> float:
    """Log price of the coin."""
    return float(state.markets.price[state.backing.market[0], p])


def gained(state: State, asset: int, p: int = 0) -> float:
    """What the redeemers gained, units."""
    return float(state.ledgers.tokens[HOLDERS + 1, asset, p])


__all__ = ["COIN", "DEEP", "DUMPED", "ETH", "HOLDERS", "USD", "coin_world", "ends", "gained", "price"]
