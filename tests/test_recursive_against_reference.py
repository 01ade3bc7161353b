"""The engine against the plain implementation on random worlds whose owners enter and leave recursive positions."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.run.assemble import assemble
from delever.run.chunk import run_state
from reference.comparing import hold_together
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_recursive import recursive_world
from test_terms_against_reference import TermsResult, result, terms_differences

WORLDS = 90
BATCH = 30


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = recursive_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def by_engine(seed: int) -> list[TermsResult]:
    """Every path, by the engine, in one chunk; every token is accounted for."""
    world = recursive_world(seed)
    model = assemble(world)
    played = run_state(model, 0, world.scenario.paths, [])
    assert float(residual(played.state, int(played.state.watch.counts[SLOTS])).max()) < LIMIT
    columns = [value for one in played.mechanisms for value in (*one.columns(played.state), *one.counted(played.state))]
    return [result(world, model, played, columns, p) for p in range(world.scenario.paths)]


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    seeds = range(first, first + BATCH)
    hold_together(seeds, recursive_world, plainly, by_engine, terms_differences, most_excused=2, pushed=True)


LEAST = {"wind": 15, "unwind": 40, "reverted_wind": 10, "reverted_unwind": 5}  # in how many worlds on some path


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen = Counter(name for seed in range(WORLDS)
                   for name in {one for path in plainly(seed) for one, count in path.counts.items() if count > 0})
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen
