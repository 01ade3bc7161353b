"""The outside price of an asset moves, at once or with an even log-move over some time; what is pegged to it follows.

    e += ln(1 + change) / steps     in each of the steps
Source: the scenario.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.core.columns import OF, Column, Value
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.events.base import Event, outcome
from delever.model.quantity import Change, Seconds
from delever.model.references import priced
from delever.model.world import World


class Price(Event):
    """A move of assets' own market prices."""

    kind: ClassVar[str] = "price"
    pegged: ClassVar[bool] = False  # moves ratios of pegged assets
    change: dict[str, Change] = Field(min_length=1, examples=["{ETH: -20 %}"], description="by asset")
    over: Seconds = Field(0.0, ge=0, description="time over which the log-move is spread evenly")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Assets with a market of their own."""
        for asset in self.change:
            priced(asset, world, (*path, "change", asset), pegged_only=self.pegged)

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All moves of the scenario."""
        moves, asked = np.zeros((setting.steps + 1, len(setting.layout.markets))), []
        for place, spec in specs.items():
            first, parts = setting.step_at(spec.at), setting.parts(spec.over)
            for asset, change in spec.change.items():
                steps = range(first, min(first + parts, setting.steps + 1))
                for k in steps:
                    moves[k, setting.layout.markets.index(asset)] += math.log1p(change) / parts
                done = change if len(steps) == parts else math.expm1(math.log1p(change) * len(steps) / parts)
                asked.append(Move(place, setting.layout.asset(asset), change, done))
        return Moves(moves, asked)


class Move(NamedTuple):
    """A move of one asset."""

    place: str  # of its event
    asset: int
    change: float
    done: float  # of it within the run


MOVED = Column("price_moved", "share", f"what the event moved the price of {OF} by")


class Moves(Phase):
    """moves: [steps + 1, M]."""

    def __init__(self, moves: np.ndarray, asked: Sequence[Move]) -> None:
        self.moves: np.ndarray = moves
        self.asked = asked

    def happen(self, state: State) -> None:
        """What this step brings."""
        state.moves += self.moves[state.step]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [outcome(one.place, MOVED, np.full(state.paths, one.done), one.change, one.asset) for one in self.asked]
