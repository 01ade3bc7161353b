"""Reads assets with a rate, what fails of them, and who redeems or burns them, into what the plain implementation starts from."""

from __future__ import annotations

import math

from delever.model.world import World
from reference.conversion import Pair
from reference.redemption import Backed, Failure, Redeemer
from reference.setup_house import chain_of


def backed_of(world: World) -> dict[str, Backed]:
    """In the order of the assets."""
    return {name: Backed(name, asset.below, math.log(asset.rate), asset.growth,
                         math.inf if asset.reserve is None else asset.reserve)
            for name, asset in world.assets.items() if asset.peg is not None and asset.rate is not None}


def failures_of(world: World, block: float) -> list[Failure]:
    """block: of the world's clock [s]."""
    step, end, found = world.scenario.step, (world.scenario.steps + 1) * world.scenario.step, []
    for event in world.scenario.events:
        if event.kind == "default":
            k = int(event.at // step) + 1
            until = end if event.lasting is None else ((k - 1) * step + max(event.lasting, block)) * (1.0 + 1e-12)
            found.append(Failure(event.asset, k, math.log(1.0 + event.cut), event.lost, until if event.freezes else -math.inf))
    return found


def redeemers_of(world: World) -> list[Redeemer]:
    """In the order in which they are stated."""
    return [Redeemer(name, one.asset, one.capital, one.delay, math.inf if one.capacity is None else one.capacity / 86400.0,
                     one.fee, one.mint_fee, one.carry, one.threshold, one.bid, chain_of(world, one))
            for name, one in world.actors.items() if one.kind == "redeemers"]


def pairs_of(world: World) -> list[Pair]:
    """In the order in which they are stated."""
    return [Pair(name, one.asset, one.sister, one.supply, one.capital, one.spread, math.inf if one.pool is None else one.pool,
                 one.recovery, one.feed or "", one.threshold, one.bid, chain_of(world, one))
            for name, one in world.actors.items() if one.kind == "algorithmic"]
