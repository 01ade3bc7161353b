"""The engine against the plain implementation on random worlds with inverse perps, options, and perps held both ways.

Exchanges that count in a coin stand beside linear ones and lending protocols; prices fall and rise by large steps.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.chunk import run_state
from delever.run.outcomes import tabulate_paths
from reference.books import Books, check_books
from reference.comparing import hold_together
from reference.margin import LEAST, MarginAccount, MarginExchange, perp_of
from reference.margin_results import ExchangeResult, as_engine_counts, exchange_differences, usd_differences
from reference.plain import Path, simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_coins import coin_world
from test_against_reference import EngineResult, differences
from test_exchanges_against_reference import of_state

WORLDS = 120
BATCH = 30
Engine = tuple[EngineResult, ExchangeResult, dict[str, float | None]]  # the last: its row of the table of paths


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = coin_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def by_engine(seed: int) -> list[Engine]:
    """Every path, by the engine."""
    world = coin_world(seed)
    model = assemble(world)
    played = run_state(model, 0, world.scenario.paths, [])
    rows = tabulate_paths(model, played.mechanisms, played.state).to_pylist()
    return [(*both, row) for both, row in zip(of_state(world, model, played.state), rows, strict=True)]


def all_differences(world: World, plain: Result, engine: Engine) -> Iterator[str]:
    """What the two do not agree on: lending and markets, exchanges, and what is reported in USD."""
    yield from differences(world, as_engine_counts(world, plain), engine[0])
    yield from exchange_differences(world, plain, engine[1])
    yield from usd_differences(world, plain, engine[2])


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    hold_together(range(first, first + BATCH), coin_world, plainly, by_engine, all_differences, most_excused=3, pushed=True)
