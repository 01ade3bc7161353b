"""Four quantities of a whole world by name, that a sweep multiplies: volatility, depth, leverage, latency.

    volatility   of every price of the scenario
    depth        of every venue, from the start on (an event `depth`; no price moves by it)
    leverage     what loans owe, collateral staying what it is; on exchanges what is posted as margin is divided instead, so
                 that notional / margin is multiplied
    latency      of every feed the heartbeat, the delay, the averaging time and the hop
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from delever.analysis.relevering import scaled
from delever.analysis.shocks import FACTOR, parse_shocks
from delever.model.book import COLLATERAL, DEBT
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble

LATE = ("heartbeat", "delay", "over", "hop")  # fields of feeds that are times


def multiplied(world: World, quantity: str, value: object) -> World:
    """The world with a quantity multiplied. value: "x0.5" or "-50 %". InputError: it has none of it."""
    by = factor(quantity, value)
    return world if by == 1.0 else QUANTITIES[quantity](world, by)


def factor(quantity: str, value: object) -> float:
    """The number that a quantity is multiplied with."""
    text = str(value).strip()
    if FACTOR.fullmatch(text) is None and not (text.endswith("%") and text[:1] in "+-"):
        raise InputError("says no factor", quantity, value, "write x0.5, x2, -50 % or +100 %")
    found = 1.0 + parse_shocks(text, quantity)[0]
    if found <= 0.0:
        raise InputError("leaves nothing", quantity, value, "multiply by more than 0")
    return found


def _volatility(world: World, by: float) -> World:
    volatility: dict[str, float] = getattr(world.scenario.prices, "volatility", {})
    if not volatility:
        raise InputError("prices state none", "volatility", None, "use prices with a volatility: kind: lognormal")
    for asset, value in volatility.items():
        world = world.replace(f"scenario.prices.volatility.{asset}", f"{value * by * 100.0!r} %")
    return world


def _depth(world: World, by: float) -> World:
    pairs = dict.fromkeys(str(getattr(venue, "pair", "")) for venue in world.venues.values())
    if not pairs:
        raise InputError("there is no venue", "depth", None, "without one every market is infinitely deep: add some to venues")
    change = dict.fromkeys(pairs, f"{(by - 1.0) * 100.0!r} %")
    return world.replace("scenario.events", [*world.scenario.events, {"kind": "depth", "change": change}])


def _leverage(world: World, by: float) -> World:
    books = assemble(world).positions.book
    for name in (*world.loans, *world.exchanges):
        side, times = (COLLATERAL, 1.0 / by) if name in world.exchanges else (DEBT, by)
        book = books.of(name)
        world = scaled(world, name, book, np.where(np.array(book.legs["side"].to_pylist(), object) == side, times, 1.0))
    return world


def _latency(world: World, by: float) -> World:
    late: list[tuple[str, Any]] = [(f"feeds.{name}.{field}", getattr(feed, field)) for name, feed in world.feeds.items()
                                   for field in LATE if field in type(feed).model_fields and getattr(feed, field)]
    if not late:
        raise InputError("no feed of this world is late", "latency", None, "all read markets as they are: add a `kind: push`")
    for path, value in late:
        world = world.replace(path, value * by)
    return world


QUANTITIES: dict[str, Callable[[World, float], World]] = {
    "volatility": _volatility, "depth": _depth, "leverage": _leverage, "latency": _latency}
