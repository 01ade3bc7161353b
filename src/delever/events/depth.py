"""Providers leave or come: the liquidity of a market is multiplied by a factor; no price moves.

    depth *= 1 + change     of bids, asks or both, of a venue or of all venues of a pair
At -100 % a side is empty: what meets it is not traded.
Source: the scenario.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Value
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.events.base import Event, outcome
from delever.model.asset import perps
from delever.model.errors import InputError
from delever.model.quantity import DepthChange
from delever.model.references import markets_of
from delever.model.world import World

SIDES = {"both": (0, 1), "bids": (0,), "asks": (1,)}


class Depth(Event):
    """A change of markets' depth."""

    kind: ClassVar[str] = "depth"
    change: dict[str, DepthChange] = Field(min_length=1, examples=["{ETH/USD: -50 %}"], description="by market, or by venue")
    side: Literal["both", "bids", "asks"] = Field("both", description="whose depth; a sale meets bids, a purchase asks")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Markets with a venue; of a perp it keeps something."""
        for name, change in self.change.items():
            venues = markets_of(name, world, (*path, "change", name))
            if not venues:
                raise InputError("market has no venue", path=(*path, "change"), value=name,
                                 remedy="without one it is infinitely deep: add one to venues")
            perp = str(getattr(world.venues[venues[0]], "pair", "")).partition("/")[0] in perps(world.assets)
            if perp and change <= -1.0:
                raise InputError("leaves nothing", path=(*path, "change", name), value=change,
                                 remedy="a side of a perp's book may lose less than 100 %")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All changes, by step."""
        changes: dict[int, list[tuple[int, int, float]]] = {}
        sides = dict.fromkeys(specs, 0)
        for place, spec in specs.items():
            for name, change in spec.change.items():
                mine = [(side, m, 1.0 + change) for m in setting.layout.rows_of(name) for side in SIDES[spec.side]]
                changes.setdefault(setting.step_at(spec.at), []).extend(mine)
                sides[place] += len(mine) if change else 0
        return Depths(changes, sides)


CHANGED = Column("depth_changed", "count", "sides of markets whose depth it changed")


class Depths(Phase):
    """changes: by step (side, market, factor); sides: how many each event changes, by its place."""

    def __init__(self, changes: dict[int, list[tuple[int, int, float]]], sides: Mapping[str, int]) -> None:
        self.changes, self.sides = changes, sides

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [outcome(place, CHANGED, np.full(state.paths, count)) for place, count in self.sides.items()]

    def happen(self, state: State) -> None:
        """What this step brings."""
        for side, m, factor in self.changes.get(state.step, ()):
            state.markets.depth[side, m] *= factor
