"""The engine against the plain implementation on random worlds with exchanges that call their accounts before they close them."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from reference.comparing import hold_together
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_margin import called_world
from test_exchanges_against_reference import both_differences, by_engine

WORLDS = 100
BATCH = 25
LEAST = {"called": 95, "margin calls": 95, "lapsed margin calls": 40, "sold after a margin call": 80, "halted calls": 30,
         "trips": 30}


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = called_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    hold_together(range(first, first + BATCH), called_world, plainly, lambda seed: by_engine(called_world(seed)),
                  both_differences, most_excused=2, pushed=True)


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen = Counter(name for seed in range(WORLDS) for name in {
        name for path in plainly(seed) for name, count in path.counts.items() if count > 0})
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen
