"""The engine against the plain implementation on random worlds whose people have several accounts, and their brokers."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from delever.core import tables
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.chunk import run_state
from reference.comparing import hold_together
from reference.margin_results import ExchangeResult, as_engine_counts, exchange_differences
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_owners import broker_world, owners_world
from test_against_reference import EngineResult, differences
from test_exchanges_against_reference import by_engine as with_exchanges
from test_reserves_against_reference import ReservesResult, on_path, reserves_differences

LOANS, BROKERED = 100, 60
BATCH = 20


@cache
def loans(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = owners_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


@cache
def brokered(seed: int) -> tuple[Result, ...]:
    """The same of worlds with brokers."""
    world = broker_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def loans_by_engine(seed: int) -> list[tuple[ReservesResult, dict[str, float]]]:
    """Every path, by the engine, and what owners paid of each asset; every token is accounted for."""
    world = owners_world(seed)
    model = assemble(world)
    played = run_state(model, 0, world.scenario.paths, [])
    state = played.state
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT
    columns = [value for one in played.mechanisms for value in (*one.columns(state), *one.counted(state))]
    found = []
    for p in range(world.scenario.paths):
        one = on_path(world, model, played, columns, p)
        row = state.ledgers.tokens[tables.HOLDERS + list(world.actors).index("people"), :, p]
        one.house.lending.ledger |= {("people", asset): float(row[a]) for a, asset in enumerate(model.layout.assets)}
        found.append((one, {str(v.column.name): float(v.values[p]) for v in columns if v.of == "people"}))
    return found


def loans_differences(world: World, plain: Result, engine: tuple[ReservesResult, dict[str, float]]):
    yield from reserves_differences(world, plain, engine[0])
    if engine[1]["shifts"] != plain.counts["shifts"]:
        yield f"shifts: {plain.counts['shifts']} plain, {engine[1]['shifts']} engine"


def brokered_differences(world: World, plain: Result, engine: tuple[EngineResult, ExchangeResult]):
    lending, exchanges = engine
    yield from differences(world, as_engine_counts(world, plain), lending)
    yield from exchange_differences(world, plain, exchanges)


@pytest.mark.parametrize("first", range(0, LOANS, BATCH))
def test_the_engine_agrees_on_owners_of_several_loans(first: int) -> None:
    hold_together(range(first, first + BATCH), owners_world, loans, loans_by_engine, loans_differences, most_excused=3)


@pytest.mark.parametrize("first", range(0, BROKERED, BATCH))
def test_the_engine_agrees_on_brokers(first: int) -> None:
    hold_together(range(first, first + BATCH), broker_world, brokered, lambda seed: with_exchanges(broker_world(seed)),
                  brokered_differences, most_excused=2, pushed=True)
