"""A world of two chains, and what happens in each of its blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from delever import worlds
from delever.core.phase import Phase
from delever.core.state import State
from delever.core.tables import EXECUTED, REVERTED, SLOTS
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.world import World
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state
from run.small import Leg, Mapping, book, loan

SLOW, FAST = 0, 1  # the chains: 12 s and 2 s
USD, ETH, POL = range(3)
CHAINS: Mapping = {"slow": {"block_time": 12, "room": 10, "base_fee": 20},
                   "fast": {"block_time": 2, "room": 10, "base_fee": 2, "native": "POL"}}
TERMS: Mapping = {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05},
                  "USD": {"liquidation_threshold": 0.8, "incentive": 0.05}}


def pool_of(name: str, network: str | None, legs: Sequence[Leg], **more: Any) -> Mapping:
    """A lending pool on a chain."""
    return {"rules": "aave.v3_0", "parameters": TERMS, "book": book(legs, name), "network": network, **more}


def two_chains(slow: Sequence[Leg] = (), fast: Sequence[Leg] = (), **changes: Any) -> World:
    """ETH at 1000 USD and infinitely deep; a pool on each chain that has loans; steps of a minute.

    changes: parts of the world; networks and scenario are merged.
    """
    scenario: Mapping = {"horizon": 60, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                         **changes.pop("scenario", {})}
    protocols = {name: pool_of(name, name, legs) for name, legs in (("slow", slow), ("fast", fast)) if legs}
    world: Mapping = {"as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}, "POL": {"price": 0.5}},
                      "protocols": protocols, "networks": CHAINS | changes.pop("networks", {}),
                      "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "scenario": scenario}
    return worlds.load(world | changes)


def crowd(count: int, name: str = "a") -> list[Leg]:
    """Equal loans of 8000 USD against 10 ETH: below 1 once ETH has fallen by 10 %; a call repays 4000 USD and earns 200."""
    return [leg for i in range(count) for leg in loan(f"{name}{i}", 10.0, 8000.0)]


@dataclass
class Diary:
    """What was carried out in each block, and what a test wants to see of it."""

    look: Callable[[State], Any] | None = None
    times: list[float] = field(default_factory=list)  # of blocks that were made
    done: list[tuple[float, int, int, int, int]] = field(default_factory=list)  # (time, network, kind, actor, path) executed
    failed: list[tuple[float, int, int, int, int]] = field(default_factory=list)  # reverted
    seen: list[Any] = field(default_factory=list)

    def record(self, state: State) -> None:
        """A block."""
        rows = state.transactions
        self.times.append(state.time)
        for i in range(state.n_rows):
            line = (state.time, int(rows.network[i]), int(rows.kind[i]), int(rows.actor[i]), int(rows.path[i]))
            if rows.state[i] == EXECUTED:
                self.done.append(line)
            elif rows.state[i] == REVERTED:
                self.failed.append(line)
        if self.look is not None:
            self.seen.append(self.look(state))


def play(world: World, look: Callable[[State], Any] | None = None, more: Sequence[Phase] = ()) -> tuple[Model, State, Diary]:
    """Run a world whole. more: phases of the test that offer rows of their own."""
    model = assemble(world)
    diary, chunk = Diary(look), phases(model, world.scenario.paths, ())
    chunk = replace(chunk, recorder=diary, placing=[*chunk.placing, *more], waiting=[*chunk.waiting, *more])
    state = new_state(model, 0, world.scenario.paths, chunk)
    for _ in range(model.steps):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max(initial=0.0)) < 1e-9
    return model, state, diary


def kind_of(world: World, name: str) -> int:
    """The number of a kind of transaction."""
    return next(kind.number for kind in phases(assemble(world), 1, ()).kinds if kind.name == name)


def at(times: Sequence[float]) -> list[float]:
    """Without the rounding of a clock."""
    return [float(t) for t in np.round(times, 6)]
