"""Small worlds with English auctions, and what their books must say after every step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.world import World
from protocols.clip_worlds import Diary, begin
from run.small import Leg, Mapping, one_market

RULES: Mapping = {"kind": "flip", "beg": 1.03, "ttl": 600, "tau": 86_400, "lump": 50}
KEEPER: Mapping = {"kind": "auction_keepers", "capital": {"USD": 1e6, "ETH": 10}, "discount": 0.05, "fee": 30}
NOTHING: Mapping = KEEPER | {"nothing": True, "fee": 200}


def flips(legs: Iterable[Leg], rules: Mapping | None = None, **changes: Any) -> World:
    """ETH at 1000 USD, mat 150 %, penalty 13 %; steps of a minute over two hours; one keeper with a million."""
    scenario = {"horizon": 7200, "step": 60} | changes.pop("scenario", {})
    parameters = {"ETH": {"liquidation_threshold": 1 / 1.5, "incentive": 0.13}} | changes.pop("parameters", {})
    actors = changes.pop("actors", {"keeper": KEEPER})
    return one_market(legs, rules=RULES | (rules or {}), parameters=parameters, scenario=scenario, actors=actors, **changes)


def played(world: World, paths: int = 1) -> tuple[State, Diary]:
    """To the end, with nothing lost on the way."""
    chunk, state, diary = begin(world, paths)
    for _ in range(world.scenario.steps):
        step(chunk, state)
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
        assert (state.purses.held >= -1e-9).all(), "nobody spends what he has not"
    return state, diary


def counted(diary: Diary, state: State, name: str) -> list[float]:
    """A counter of the auctions of the one protocol, by path."""
    for phase in diary.mechanisms:
        for value in phase.counted(state):
            if value.column.name == name:
                return [float(x) for x in value.values]
    raise AssertionError(name)
