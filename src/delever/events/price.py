"""The outside price of an asset moves, at once or with an even log-move over some time; what is pegged to it follows.

    e += ln(1 + change) / steps     in each of the steps
Source: the scenario.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.events.base import Event
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
        moves = np.zeros((setting.steps + 1, len(setting.layout.markets)))
        for spec in specs.values():
            first, parts = setting.step_at(spec.at), setting.parts(spec.over)
            for asset, change in spec.change.items():
                for k in range(first, min(first + parts, setting.steps + 1)):
                    moves[k, setting.layout.markets.index(asset)] += math.log1p(change) / parts
        return Moves(moves)


class Moves(Phase):
    """moves: [steps + 1, M]."""

    def __init__(self, moves: np.ndarray) -> None:
        self.moves: np.ndarray = moves

    def happen(self, state: State) -> None:
        """What this step brings."""
        state.moves += self.moves[state.step]
