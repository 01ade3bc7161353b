"""The engine against the plain implementation on random worlds whose terms move: votes, policies, caps, owners who lever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import pytest

from delever.core import tables
from delever.core.columns import Value
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.chunk import Played, run_state
from reference.comparing import hold_together
from reference.margin_results import INSIDE, ExchangeResult, as_engine_counts, exchange_differences, exchanges_on
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.setup_margin import is_exchange
from reference.worlds_terms import terms_world
from test_against_reference import close, differences
from test_reserves_against_reference import ReservesResult, on_path, reserves_differences

WORLDS = 150
BATCH = 30
OWNERS = ("loopers", "carry")  # kinds of actors


@dataclass
class TermsResult:
    """What the engine says of one path."""

    reserves: ReservesResult
    exchanges: ExchangeResult | None  # where there are any


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = terms_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def by_engine(seed: int) -> list[TermsResult]:
    """Every path, by the engine, in one chunk; every token is accounted for."""
    world = terms_world(seed)
    model = assemble(world)
    played = run_state(model, 0, world.scenario.paths, [])
    assert float(residual(played.state, int(played.state.watch.counts[SLOTS])).max()) < LIMIT
    columns = [value for one in played.mechanisms for value in (*one.columns(played.state), *one.counted(played.state))]
    return [result(world, model, played, columns, p) for p in range(world.scenario.paths)]


def result(world: World, model: Model, played: Played, columns: list[Value], p: int) -> TermsResult:
    """What stands in the engine's tables of path p."""
    found, state, assets = on_path(world, model, played, columns, p), played.state, model.layout.assets
    lending = found.house.lending
    for i, (name, actor) in enumerate(world.actors.items()):
        if actor.kind in OWNERS:
            row = state.ledgers.tokens[tables.HOLDERS + i, :, p]
            lending.ledger |= {(name, asset): float(row[a]) for a, asset in enumerate(assets)}
    if not any(is_exchange(protocol) for protocol in world.protocols.values()):
        return TermsResult(found, None)
    of = [world.protocols[list(world.protocols)[i]] for i in model.positions.tables.protocol[model.positions.tables.signature]]
    ledger = {key: units for key, units in lending.ledger.items() if key[1] == "USD" or not world.assets[key[1]].perp}
    for a, asset in enumerate(assets):
        if ("cash", asset) in ledger:
            ledger["cash", asset] = sum(float(state.ledgers.tokens[h, a, p]) for h in INSIDE)
    lending = replace(lending, ledger=ledger, amounts=[row for row, spec in zip(lending.amounts, of, strict=True) if not is_exchange(spec)],
                      deficit={key: units for key, units in lending.deficit.items() if not is_exchange(world.protocols[key[0]])})
    return TermsResult(replace(found, house=replace(found.house, lending=lending)), exchanges_on(world, model, state, p))


def terms_differences(world: World, plain: Result, engine: TermsResult) -> Iterator[str]:
    """What the two do not agree on."""
    if engine.exchanges is None:
        yield from reserves_differences(world, plain, engine.reserves)
        return
    yield from differences(world, as_engine_counts(world, plain), engine.reserves.house.lending)
    yield from exchange_differences(world, plain, engine.exchanges)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    hold_together(range(first, first + BATCH), terms_world, plainly, by_engine, terms_differences, most_excused=4, pushed=True)
