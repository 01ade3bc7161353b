"""Providers leave or come: the liquidity of a market is multiplied by a factor; no price moves.

    depth *= 1 + change     of bids, asks or both
Source: the scenario.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.events.base import Event
from delever.model.errors import InputError
from delever.model.quantity import Change
from delever.model.references import market
from delever.model.world import World

SIDES = {"both": (0, 1), "bids": (0,), "asks": (1,)}


class Depth(Event):
    """A change of markets' depth."""

    kind: ClassVar[str] = "depth"
    change: dict[str, Change] = Field(min_length=1, examples=["{ETH/USD: -50 %}"], description="by market")
    side: Literal["both", "bids", "asks"] = Field("both", description="whose depth; a sale meets bids, a purchase asks")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Markets with a venue, which keeps something."""
        for pair, change in self.change.items():
            market(pair, world, (*path, "change", pair))
            if not any(getattr(venue, "pair", None) == pair for venue in world.venues.values()):
                raise InputError("market has no venue", path=(*path, "change"), value=pair,
                                 remedy="without one it is infinitely deep: add one to venues")
            if change <= -1.0:
                raise InputError("leaves nothing", path=(*path, "change", pair), value=change,
                                 remedy="a side may lose less than 100 %")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All changes, by step."""
        changes: dict[int, list[tuple[int, int, float]]] = {}
        for spec in specs.values():
            for pair, change in spec.change.items():
                m = setting.layout.pairs.index(pair)
                changes.setdefault(setting.step_at(spec.at), []).extend((side, m, 1.0 + change) for side in SIDES[spec.side])
        return Depths(changes)


class Depths(Phase):
    """changes: by step (side, market, factor)."""

    def __init__(self, changes: dict[int, list[tuple[int, int, float]]]) -> None:
        self.changes = changes

    def happen(self, state: State) -> None:
        """What this step brings."""
        for side, m, factor in self.changes.get(state.step, ()):
            state.markets.depth[side, m] *= factor
