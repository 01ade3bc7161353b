"""The engine against the plain implementation on random worlds with auctions, networks, policies, pairs of calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from delever.core import tables
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference.comparing import Worlds
from reference.setting import Result
from reference.worlds_house import house_world
from test_against_reference import EngineResult, close, differences, holders, one_path

WORLDS = 300
BATCH = 30


@dataclass
class HouseResult:
    """What else stands in the engine's tables of a path."""

    lending: EngineResult
    treasury: dict[tuple[str, str], float]  # per protocol and asset: units
    lots: list[tuple[str, float, float, float, float, float]]  # open ones, as Result.lots


def of_path(world: World, model: Model, played: Played, p: int) -> HouseResult:
    """What stands in the tables of path p."""
    state = played.state
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
        moved = sum(plain.turnover.get((holder, asset), 0.0) for holder in ("cash", "liquidators", "route"))
        if not close(units, engine.treasury[protocol, asset], moved):
            yield f"treasury of {protocol}: {units!r} plain, {engine.treasury[protocol, asset]!r} engine"
    if [lot[0] for lot in plain.lots] != [lot[0] for lot in engine.lots]:
        yield f"lots: {plain.lots} plain, {engine.lots} engine"
        return
    for ours, theirs in zip(plain.lots, engine.lots, strict=True):
        for what, a, b in zip(("units", "owed", "tab", "start", "top"), ours[1:], theirs[1:], strict=True):
            if not close(a, b, abs(ours[3])):
                yield f"{what} of the lot of {ours[0]}: {a!r} plain, {b!r} engine"


HOUSE = Worlds(house_world, of_path, house_differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    HOUSE.hold_together(range(first, first + BATCH), most_excused=1)


# in how many worlds it must have happened on some path
LEAST = {
    "kicks": 100, "kicks in parts": 40, "takes": 80, "takes in parts": 8, "redos": 30, "sold out": 30, "healed": 8,
    "reverted_kick": 10, "reverted_take": 8, "reverted_redo": 4,
    "trips": 100, "halted calls": 80, "halted lots": 10, "waited for a market": 40,
    "margin calls": 100, "lapsed margin calls": 80, "sold after a margin call": 80,
    "waits": 100, "slept": 100, "unfit": 100, "underbid": 40,
    "pairs": 50, "reverted_joint": 40, "reverted_claim": 60, "top_ups": 40, "answers": 100}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    """waits: for a block of its network; slept: a block of the clock in which nobody wanted anything."""
    seen = HOUSE.seen(range(WORLDS))
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen


def test_tokens_are_moved_and_never_made() -> None:
    assert HOUSE.made(range(0, WORLDS, 5)) == []
