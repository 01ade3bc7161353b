"""The engine against the plain implementation on random worlds whose pairs have several venues that are apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import pytest

from delever.core import tables
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.chunk import run_state
from reference.comparing import hold_together
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_venues import venues_world
from test_against_reference import close
from test_house_against_reference import HouseResult, house_differences, of_path

WORLDS = 120
BATCH = 30


@dataclass
class VenuesResult:
    """What else stands in the engine's tables of a path, by venue."""

    house: HouseResult
    venues: dict[str, tuple[float, float, float, float, float, float]]  # s, u, depth of bids and asks, fees in and out


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = venues_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def by_engine(seed: int) -> list[VenuesResult]:
    """Every path, by the engine, in one chunk; every token is accounted for."""
    world = venues_world(seed)
    model = assemble(world)
    state = run_state(model, 0, world.scenario.paths, []).state
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT
    found = []
    for p in range(world.scenario.paths):
        house, markets = of_path(world, model, state, p), state.markets
        for number, (name, actor) in enumerate(world.actors.items()):
            if actor.kind == "venue_arbitrageurs":
                row = state.ledgers.tokens[tables.HOLDERS + number, :, p]
                house.lending.ledger |= {(name, asset): float(row[a]) for a, asset in enumerate(model.layout.assets)}
        found.append(VenuesResult(house, {name: (
            float(markets.consumed[m, p]), float(markets.price[m, p]), *map(float, markets.depth[:, m, p]),
            *map(float, markets.fee[:, m, p])) for name, m in model.layout.venues.items()}))
    return found


def venues_differences(world: World, plain: Result, engine: VenuesResult) -> Iterator[str]:
    """What the two do not agree on. What is known of a venue's s is the scale of what it and its traders have."""
    turnover, virtual = Counter(plain.turnover), Counter(plain.virtual)
    for venue in plain.venues:
        virtual[venue.asset] = max(virtual[venue.asset], venue.virtual())
    for actor in plain.desks:
        for asset, units in ((actor.pair, virtual[actor.pair]),
                             (world.assets[actor.pair].below, virtual[actor.pair] * math.exp(plain.log_price[actor.pair]))):
            turnover[actor.name, asset] += units
    yield from house_differences(world, replace(plain, turnover=dict(turnover), virtual=dict(virtual)), engine.house)
    for venue in plain.venues:
        if venue.profile is None:
            continue
        s, u, *rest = engine.venues[venue.venue]
        moved = max(plain.turnover.get((holder, venue.asset), 0.0) for holder in ("venues", "makers"))
        if not close(venue.s, s, moved + venue.virtual()):
            yield f"sold into {venue.venue}: {venue.s!r} plain, {s!r} engine"
        if not close(venue.u(venue.s), u, 1.0):
            yield f"log price of {venue.venue}: {venue.u(venue.s)!r} plain, {u!r} engine"
        for what, a, b in zip(("bids", "asks", "fee in", "fee out"),
                              (*venue.depth, venue.profile.fee_in, venue.profile.fee_out), rest, strict=True):
            if not close(a, b, 0.0):
                yield f"{what} of {venue.venue}: {a!r} plain, {b!r} engine"


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    hold_together(range(first, first + BATCH), venues_world, plainly, by_engine, venues_differences, most_excused=2)
