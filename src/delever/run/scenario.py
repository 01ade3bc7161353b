"""What the scenario does to a model, step by step: moves of prices, changes of depth, orders."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from delever.behaviour.orders import Scheduled
from delever.model.errors import InputError
from delever.model.world import Shock

if TYPE_CHECKING:
    from delever.run.assemble import Model

SIDES = {"both": (0, 1), "bids": (0,), "asks": (1,)}


def step_of(shock: Shock, model: Model) -> int:
    """The step in which a shock falls: (k - 1) dt <= at < k dt."""
    return int(math.floor(shock.at / model.step_length + 1e-9)) + 1


def parts_of(shock: Shock, model: Model) -> int:
    """In how many steps, from the first on."""
    return max(1, round(shock.over / model.step_length))


def price_shocks(model: Model) -> np.ndarray:
    """Log-moves of markets by the scenario, [steps + 1, M]."""
    moves = np.zeros((model.steps + 1, len(model.layout.markets)))
    for i, shock in enumerate(model.world.scenario.shocks):
        for kind, changes in (("price", shock.price), ("peg", shock.peg)):
            for name, change in (changes or {}).items():
                if name not in model.layout.markets:
                    raise InputError("has no market of its own", f"scenario.shocks.{i}.{kind}", name,
                                     "shock what it wraps or is pegged to")
                first, parts = step_of(shock, model), parts_of(shock, model)
                for k in range(first, min(first + parts, model.steps + 1)):
                    moves[k, model.layout.markets.index(name)] += math.log1p(change) / parts
    return moves


def depth_shocks(model: Model) -> dict[int, list[tuple[int, int, float]]]:
    """Changes of depth by step: (side, market, factor)."""
    out: dict[int, list[tuple[int, int, float]]] = {}
    for i, shock in enumerate(model.world.scenario.shocks):
        for pair, change in (shock.depth or {}).items():
            m = model.layout.market(pair, f"scenario.shocks.{i}.depth")
            if model.venues[m] is None:
                raise InputError("market has no venue", f"scenario.shocks.{i}.depth", pair,
                                 "without one it is infinitely deep: add one to venues")
            if change <= -1.0:
                raise InputError("depth", f"scenario.shocks.{i}.depth.{pair}", change, "a side may lose less than 100 %")
            out.setdefault(step_of(shock, model), []).extend((side, m, 1.0 + change) for side in SIDES[shock.side])
    return out


def scheduled(model: Model) -> list[Scheduled]:
    """Orders of the scenario."""
    layout, out = model.layout, []
    for shock in model.world.scenario.shocks:
        order = shock.order
        if order is None:
            continue
        sold = layout.asset(order.asset)
        traded = int(layout.tree.unwrapped[sold])
        if order.into is not None:
            bought = layout.asset(order.into)
        else:
            bought = int(layout.tree.quote[layout.tree.chain[traded, 0]])
        first = step_of(shock, model)
        parts = parts_of(shock, model)
        out.append(Scheduled(sold, bought, order.amount / parts, first, first + parts - 1, shock.fee))
    return out
