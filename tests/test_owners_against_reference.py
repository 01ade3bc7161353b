"""The engine against the plain implementation on random worlds whose people have several accounts, and their brokers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from delever.core import tables
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference.comparing import Worlds, hold_together
from reference.margin_results import ExchangeResult, as_engine_counts, exchange_differences
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.setup_margin import is_exchange
from reference.worlds_owners import broker_world, owners_world
from test_against_reference import EngineResult, differences
from test_exchanges_against_reference import by_engine as with_exchanges
from test_reserves_against_reference import ReservesResult, on_path, reserves_differences

LOANS, BROKERED = 100, 60
BATCH = 20


@cache
def brokered(seed: int) -> tuple[Result, ...]:
    """The same of worlds with brokers."""
    world = broker_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def loans_on_path(world: World, model: Model, played: Played, p: int) -> tuple[ReservesResult, dict[str, float]]:
    """What stands in the tables of path p, and what owners paid of each asset."""
    found, people = on_path(world, model, played, p), tables.HOLDERS + list(world.actors).index("people")
    row = played.state.ledgers.tokens[people, :, p]
    found.house.lending.ledger |= {("people", asset): float(row[a]) for a, asset in enumerate(model.layout.assets)}
    columns = [value for one in played.mechanisms for value in (*one.columns(played.state), *one.counted(played.state))]
    return found, {str(v.column.name): float(v.values[p]) for v in columns if v.of == "people"}


def loans_differences(world: World, plain: Result, engine: tuple[ReservesResult, dict[str, float]]
                      ) -> Iterator[str]:
    """What the two do not agree on."""
    yield from reserves_differences(world, plain, engine[0])
    if engine[1]["shifts"] != plain.counts["shifts"]:
        yield f"shifts: {plain.counts['shifts']} plain, {engine[1]['shifts']} engine"


def brokered_by_engine(seed: int) -> list[tuple[EngineResult, ExchangeResult]]:
    """Every path of a world with brokers, by the engine."""
    return with_exchanges(broker_world(seed))


def brokered_differences(world: World, plain: Result, engine: tuple[EngineResult, ExchangeResult]) -> Iterator[str]:
    """What the two do not agree on; what owners pay the network is looked at in the other worlds."""
    lending, exchanges = engine
    ledger = {key: units for key, units in plain.ledger.items() if key[0] != "people"}
    yield from differences(world, as_engine_counts(world, replace(plain, ledger=ledger)), lending)
    yield from exchange_differences(world, plain, exchanges)


LENT = Worlds(owners_world, loans_on_path, loans_differences)


@pytest.mark.parametrize("first", range(0, LOANS, BATCH))
def test_the_engine_agrees_on_owners_of_several_loans(first: int) -> None:
    LENT.hold_together(range(first, first + BATCH), most_excused=3)  # calls cut to the same cash bid alike but for rounding


@pytest.mark.parametrize("first", range(0, BROKERED, BATCH))
def test_the_engine_agrees_on_brokers(first: int) -> None:
    hold_together(range(first, first + BATCH), broker_world, brokered, brokered_by_engine, brokered_differences,
                  most_excused=1, pushed=True)


# in how many worlds it must have happened on some path
LEAST = {
    "shifts": 50, "shift net": 28, "shift repay": 32, "shift add": 28, "shift before a call": 10, "shift into a vault": 20,
    "shift within a protocol": 18, "shift over the cap": 3, "reverted_shift": 30, "top_ups": 18, "liquidations": 60,
    "shifts, sequential": 30, "shifts, batched": 13, "shifts, 0 networks": 16, "shifts, 1 networks": 9, "shifts, 2 networks": 15,
    "shifts, 2 protocols": 28, "shifts, 3 protocols": 12, "little cash": 60, "low": 30}
LEAST_BROKERED = {
    "netted loans": 18, "netted margin accounts": 40, "called": 40, "let go": 15, "shifts": 9, "margin calls": 10,
    "lending": 20, "lending and exchange spared": 12, "two brokers": 10, "some protocols": 15}


def happened(world: World, paths: tuple[Result, ...]) -> set[str]:
    """What there is in a world, and what happened on some path."""
    found = {name for path in paths for name, count in path.counts.items() if count > 0}
    if "shifts" in found:
        lends = sum(not is_exchange(protocol) for protocol in world.protocols.values())
        found |= {f"shifts, {world.execution.mode}", f"shifts, {len(world.networks)} networks", f"shifts, {lends} protocols"}
    return found


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    """little cash: somewhere less than is owed."""
    seen: Counter[str] = Counter()
    for seed in range(LOANS):
        world = owners_world(seed)
        paths = LENT.plain(seed)
        found = happened(world, paths)
        found |= {"low"} if world.actors["people"].low > 1.0 else set()
        found |= {"little cash"} if any(r.least < math.inf for path in paths for r in path.reserves.values()) else set()
        seen.update(found)
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen


def test_random_worlds_with_brokers_show_what_they_are_meant_to_show() -> None:
    """let go: somebody is spared in one block and called in another."""
    seen: Counter[str] = Counter()
    for seed in range(BROKERED):
        world = broker_world(seed)
        found = happened(world, brokered(seed))
        brokers = [spec for spec in world.policies.values() if spec.kind == "prime_broker"]
        found |= {"two brokers"} if len(brokers) > 1 else set()
        found |= {"some protocols"} if any(spec.protocols for spec in brokers) else set()
        found |= {"lending"} if not all(map(is_exchange, world.protocols.values())) else set()
        found |= {"lending and exchange spared"} if {"netted loans", "netted margin accounts"} <= found else set()
        seen.update(found)
    assert {name: seen[name] for name, least in LEAST_BROKERED.items() if seen[name] < least} == {}, seen
