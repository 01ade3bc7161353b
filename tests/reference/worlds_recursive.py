"""Random small worlds of owners who enter and leave recursive positions, beside all that moves terms."""

from __future__ import annotations

import random

from delever import worlds
from delever.model.world import World
from reference.events import Mapping
from reference.worlds_reserves import ReservesDraw
from reference.worlds_terms import DrawTerms


def recursive_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(recursive_mapping(seed))


def recursive_mapping(seed: int) -> Mapping:
    """Lending with cash and caps, and owners of one or two kinds of position on each protocol."""
    draw = ReservesDraw(random.Random(f"recursive {seed}"), seed)
    terms = DrawTerms(draw.rng, draw.world(), draw)
    world, rng = terms.whole(), random.Random(f"winders {seed}")
    horizon = world["scenario"]["horizon"]
    found = {}
    for name in terms.plain:
        for i, (collateral, debt) in enumerate(terms.pairs(name)[:2]):
            found[f"winders{i} of {name}"] = {
                "kind": "recursive", "protocol": name, "collateral": collateral, "debt": debt,
                "enters": rng.choice([None, 0.0, horizon * rng.random()]), "rounds": rng.choice([1, 3, 8]),
                "ltv": rng.choice([0.02, 0.1, 0.4]), "leaves": rng.choice([None, horizon * rng.random()]),
                "low": rng.choice([0.98, 1.03, 1.2]), "keep": rng.choice([1.0, 1.01, 1.05]),
                "by": rng.choice(["rounds", "rounds", "flash"]), "slippage": rng.choice([0.002, 0.01, 0.05]),
                "fee": rng.choice([13.0, 33.0, 1503.0])}
    actors = list((world["actors"] | found).items())
    rng.shuffle(actors)
    world["actors"] = dict(actors)
    return world
