"""The engine against the plain implementation on random worlds with Compound v3 beside other lending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from delever.core.tables import DEPOSITS, OWN_DEPOSITS, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.chunk import run_state
from reference.comparing import hold_together
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_comet import comet_world
from test_against_reference import close, differences
from test_house_against_reference import HouseResult, of_path

WORLDS = 30
BATCH = 15


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = comet_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def by_engine(seed: int) -> list[HouseResult]:
    """Every path, by the engine, in one chunk; every token is accounted for, and so is every surplus."""
    world = comet_world(seed)
    model = assemble(world)
    state = run_state(model, 0, world.scenario.paths, []).state
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT
    assert (state.ledgers.booked[OWN_DEPOSITS] >= state.ledgers.booked[DEPOSITS]).all(), "what was seized is not negative"
    return [of_path(world, model, state, p) for p in range(world.scenario.paths)]


def comet_differences(world: World, plain: Result, engine: HouseResult) -> Iterator[str]:
    """What the two do not agree on. Stocks and reserves are known to the rounding of what accounts had."""
    yield from differences(world, plain, engine.lending)
    size: Counter[tuple[str, str]] = Counter()
    for account in setting_of(world, 0).accounts:
        for leg in (*account.collateral, *account.debt):
            size[account.protocol, leg.asset] += abs(leg.amount)
    for where, units in plain.treasury.items():
        if not close(units, engine.treasury[where], size[where]):
            yield f"treasury of {where}: {units!r} plain, {engine.treasury[where]!r} engine"


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    hold_together(range(first, first + BATCH), comet_world, plainly, by_engine, comet_differences, most_excused=1)


# in how many worlds it must have happened on some path
LEAST = {"absorbed with a surplus": 10, "absorbed with bad debt": 9, "bought": 9, "reverted_absorb": 2,
         "reverted_buy_collateral": 2, "declined": 10}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen = Counter(name for seed in range(WORLDS) for name in {
        name for path in plainly(seed) for name, count in path.counts.items() if count > 0})
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen
