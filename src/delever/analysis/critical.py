"""How large an order may be before the forced selling it sets off exceeds the order itself, and before bad debt.

For a size N, over paths that are the same for every size (common random numbers):

    runaway    mean(forced sales with the order - without it) > N     units of what is traded
    bad debt   mean(bad debt with the order - without it) > a millionth of all debt, at least 1 USD

Neither need be monotone in N. So sizes are tried upwards, each twice the one before, and between the first that does it
and the one before it the edge is halved until it is known to 1 %. Whether a size between two that do not do it would,
nobody looks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from delever.analysis.edges import Edge, first_edge
from delever.analysis.samples import plainly, run_model, with_events
from delever.analysis.stated_limits import material
from delever.events.order import OrderEvent
from delever.model.errors import InputError, nearest
from delever.model.scenario import Order
from delever.model.spec import Spec
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.collect import together

PATHS = 20  # at most, if not told otherwise: a crash takes a second a path
SMALLEST, LARGEST = 2.0**-9, 20.0  # sizes tried, in sales that halve the price on the first venue of the order's way
RATIO = 2.0  # between sizes of the grid
ANY_SIZE = re.compile(r"^(\s*sell\s+)N(?=\s)")  # "sell N stETH"


def find_critical(world: World, order: Order | str, paths: int | None = None) -> dict[str, Any]:
    """Smallest sizes of an order at which selling runs away and at which there is bad debt; None: at none tried.

    order: "sell N stETH", an order of any size, or one of the world's own, which then is the one that varies. When,
    over what time and at what fee it comes is as in the world's own, else at once.
    """
    given = Order.parse(ANY_SIZE.sub(r"\g<1>1", order)) if isinstance(order, str) else order
    own, others = _split(world, given)
    count = min(world.scenario.paths, PATHS if paths is None else max(1, paths))
    search = Search(assemble(plainly(world)), own, given, others, count)
    found = {"runaway": search.edge(search.runs_away), "bad_debt": search.edge(search.fails)}
    asset, horizon = given.asset, world.scenario.horizon
    return {
        "asset": asset,
        "unit": asset,
        **{name: None if edge is None else edge[1] for name, edge in found.items()},
        **{f"{name}_bracket": None if edge is None else list(edge) for name, edge in found.items()},
        "largest_tried": max(search.points),
        "paths": search.paths,
        "horizon_s": horizon,
        "definition": {
            "runaway": f"smallest order whose mean forced sales of {search.traded} beyond those without it exceed it",
            "bad_debt": f"smallest order with mean bad debt beyond that without it above {search.material:.6g} USD",
        },
        "points": [search.points[size].row(search) for size in sorted(search.points)],
    }


def _split(world: World, order: Order) -> tuple[Spec, list[Spec]]:
    """The event that carries the order, and all others."""
    events = list(world.scenario.events)
    for at in reversed(range(len(events))):
        if getattr(events[at], "order", None) == order:
            return events.pop(at), events
    if order.asset not in world.assets:
        raise InputError("unknown asset", "order", order.asset, nearest(order.asset, world.assets))
    return OrderEvent(order=order), events


@dataclass
class Point:
    """What was found at one size: outcomes of the paths run so far."""

    size: float  # units of the asset
    forced: np.ndarray = field(default_factory=lambda: np.empty(0))  # [paths so far] units of what is traded
    bad: np.ndarray = field(default_factory=lambda: np.empty(0))  # [paths so far] USD

    def row(self, search: Search) -> dict[str, float | int]:
        """For the table of points; means are beyond those without the order, over the paths that were run."""
        done = len(self.bad)
        return {
            "order": self.size,
            "paths": done,
            "forced_sales": float(np.mean(self.forced - search.base.forced[:done])) / search.rate,
            "bad_debt": float(np.mean(self.bad - search.base.bad[:done])),
        }


def order_sizes(model: Model, asset: str, into: str | None = None) -> list[float]:
    """Sizes of a sale that are tried, units of the asset. InputError: it is sold where there is no venue."""
    halving = _halving(model, model.layout.asset(asset), into) / float(model.layout.tree.rate[model.layout.asset(asset)])
    steps = math.ceil(math.log(LARGEST / SMALLEST, RATIO) - 1e-9)
    return [float(f"{halving * min(LARGEST, SMALLEST * RATIO**k):.6g}") for k in range(steps + 1)]


def _halving(model: Model, sold: int, into: str | None) -> float:
    """The sale that halves the price on the first venue of the order's way, in units of what is traded."""
    tree, layout = model.layout.tree, model.layout
    markets = int(tree.sells[sold, layout.asset(into)]) if into is not None else 1
    price = 0.0  # log, of one unit traded in what the next market sells
    for m in tree.chain[sold, : min(markets, int(tree.length[sold]))]:
        venue = model.venues[m]
        if venue is not None:
            w = float(venue.node_w[venue.start]) * math.sqrt(2.0)  # w = 1 / sqrt(price)
            cell = min(int(np.searchsorted(venue.node_w, w, side="right")) - 1, len(venue.liquidity) - 1)
            quantity = float(venue.sold[cell] + (w - venue.node_w[cell]) * venue.liquidity[cell])
            return quantity / math.exp(price)
        price += float(model.start_price[m])
    raise InputError("is sold where there is no venue", "order", layout.assets[sold],
                     "its sale moves no price: add a venue for its pair")


class Search:
    """Runs the order at one size after the other."""

    def __init__(self, model: Model, event: Spec, order: Order, others: list[Spec], paths: int) -> None:
        if not model.world.lending:
            raise InputError("no protocol of this world lends", "order", None,
                             "what is searched are sales of seized collateral and bad debt: write a size instead")
        self.model, self.event, self.order, self.others, self.paths = model, event, order, others, paths
        tree, layout = model.layout.tree, model.layout
        sold = layout.asset(self.order.asset)
        self.traded = layout.assets[int(tree.unwrapped[sold])]
        self.rate = float(tree.rate[sold])  # units traded in one of the asset
        self.material = material(model)  # [USD]
        self.points: dict[float, Point] = {}
        self.base = Point(0.0)
        self.run(self.base, paths)
        self.grid = order_sizes(model, order.asset, order.into)

    def run(self, point: Point, paths: int) -> None:
        """Run the size's next paths, up to this number."""
        done = len(point.bad)
        if done >= paths:
            return
        order = self.order.model_copy(update={"amount": point.size})
        events = [*self.others, self.event.model_copy(update={"order": order})] if point.size else self.others
        result = run_model(with_events(self.model, events), done, paths)
        point.forced = np.append(point.forced, np.asarray(result[f"forced_sales.{self.traded}"]))
        point.bad = np.append(point.bad, together(result, "bad_debt"))

    def runs_away(self, point: Point) -> bool:
        """Forced selling beyond the base exceeds the order, whatever the paths not run yet add."""
        beyond = point.forced.sum() - self.base.forced.sum()
        return bool(beyond > point.size * self.rate * self.paths)

    def fails(self, point: Point) -> bool:
        """Bad debt beyond the base is material, whatever the paths not run yet add."""
        return bool(point.bad.sum() - self.base.bad.sum() > self.material * self.paths)

    def decide(self, size: float, exceeds: Callable[[Point], bool]) -> bool:
        """Whether a size does it. Outcomes are sums of what is never negative, so few paths may decide that it does."""
        point = self.points.setdefault(size, Point(size))
        paths = max(1, len(point.bad))
        while True:
            self.run(point, paths)
            if exceeds(point) or paths >= self.paths:
                return exceeds(point)
            paths = min(self.paths, 2 * paths)

    def edge(self, exceeds: Callable[[Point], bool]) -> Edge | None:
        """See edges.py."""
        return first_edge(self.grid, lambda size: self.decide(size, exceeds))
