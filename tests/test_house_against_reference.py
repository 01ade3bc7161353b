"""The engine against the plain implementation on random worlds with auctions, networks, policies, pairs of calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from delever.core import tables
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.chunk import run_state
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_house import house_world
from test_against_reference import EngineResult, close, differences, holders, one_path

WORLDS = 300
BATCH = 30
EXCUSED = 1e-12  # relative distance of anything from what decides, below which rounding does


@dataclass
class HouseResult:
    """What else stands in the engine's tables of a path."""

    lending: EngineResult
    treasury: dict[tuple[str, str], float]  # per protocol and asset: units
    lots: list[tuple[str, float, float, float, float, float]]  # open ones, as Result.lots


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = house_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def by_engine(seed: int) -> list[HouseResult]:
    """Every path, by the engine, in one chunk; every token is accounted for."""
    world = house_world(seed)
    model = assemble(world)
    state = run_state(model, 0, world.scenario.paths, []).state
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT
    return [of_path(world, model, state, p) for p in range(world.scenario.paths)]


def of_path(world: World, model: Model, state: State, p: int) -> HouseResult:
    """What stands in the tables of path p."""
    ledgers, lots, touched, reserves = state.ledgers, state.lots, state.pool.touched, model.positions.reserves
    bidders = [name for name, actor in world.actors.items() if actor.bids]
    fixed = {name: row for name, row in holders(world).items() if row < tables.HOLDERS or name == "owners"}
    rows = fixed | {name: tables.HOLDERS + list(world.actors).index(name) for name in bidders}
    tokens = {(name, asset): float(ledgers.tokens[row, a, p]) for name, row in rows.items()
              for a, asset in enumerate(model.layout.assets)}
    mine = [k for k in range(state.n_lots) if lots.open[k] and lots.path[k] == p]
    return HouseResult(
        lending=replace(one_path(world, model, state, p), ledger=tokens),
        treasury={reserve: float(ledgers.booked[tables.TREASURY, r, p]) for r, reserve in enumerate(reserves)},
        lots=[(model.positions.accounts[touched.account[lots.slot[k]]], *(float(column[k]) for column in (
            lots.units, lots.owed, lots.tab, lots.started, lots.top))) for k in mine])


def house_differences(world: World, plain: Result, engine: HouseResult) -> Iterator[str]:
    """What the two do not agree on."""
    yield from differences(world, plain, engine.lending)
    for (protocol, asset), units in plain.treasury.items():
        moved = sum(plain.turnover.get((holder, asset), 0.0) for holder in ("cash", "liquidators"))
        if not close(units, engine.treasury[protocol, asset], moved):
            yield f"treasury of {protocol}: {units!r} plain, {engine.treasury[protocol, asset]!r} engine"
    if [lot[0] for lot in plain.lots] != [lot[0] for lot in engine.lots]:
        yield f"lots: {plain.lots} plain, {engine.lots} engine"
        return
    for ours, theirs in zip(plain.lots, engine.lots, strict=True):
        for what, a, b in zip(("units", "owed", "tab", "start", "top"), ours[1:], theirs[1:], strict=True):
            if not close(a, b, abs(ours[3])):
                yield f"{what} of the lot of {ours[0]}: {a!r} plain, {b!r} engine"
