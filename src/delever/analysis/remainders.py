"""What a snapshot's totals hold beyond its known assets, shown both ways: held constant, and moving with the market."""

from __future__ import annotations

import numpy as np

from delever.analysis.valuation import chain, health, legs_of, remainders
from delever.model.asset import Asset, price_usd
from delever.model.book import COLLATERAL
from delever.model.world import World
from delever.run.assemble import Model, assemble

CONSTANT = "remainder constant"


def remainder_worlds(world: World) -> dict[str, World]:
    """The world with its remainder collateral held constant in USD, and moving with what backs most of the book.

    "remainder constant" and, for a book of staked ether, "remainder moving with ETH"; empty where no collateral leg
    is labelled remainder.
    """
    model = assemble(world)
    assets = {asset for (_, asset), sides in remainders(model).items() if COLLATERAL in sides}
    if not assets:
        return {}
    base = main_asset(model)
    constant, moving = world, world
    for name in sorted(assets):
        price, seizable = price_usd(name, world.assets), world.assets[name].seizable
        constant = constant.replace(f"assets.{name}", Asset(price=price, seizable=seizable))
        ratio = price / price_usd(base, world.assets)
        moving = moving.replace(f"assets.{name}", Asset(peg=base, ratio=ratio, seizable=seizable))
    return {CONSTANT: constant, f"remainder moving with {base}": moving}


def main_asset(model: Model) -> str:
    """The base asset that most of the collateral is, is pegged to or wraps, remainders aside; by value at the start."""
    legs, labelled = legs_of(model), remainders(model)
    value = np.bincount(legs.reserve[~legs.debt], health(legs, model.seen_price()).value[~legs.debt],
                        len(model.positions.reserves))
    total = dict.fromkeys(model.layout.markets, 0.0)
    for r, (protocol, asset) in enumerate(model.positions.reserves):
        markets = chain(model, asset)
        if markets and COLLATERAL not in labelled.get((protocol, asset), ()):
            total[model.layout.markets[markets[-1]]] += float(value[r])
    return max(total, key=lambda name: total[name])
