"""A network is crowded for a time: its base fee and its room are multiplied.

    base fee' = base fee x factor       room' = max(1, floor(room x share left))      in whole steps
When it ends both are what they were; what the network itself has changed meanwhile is divided by the same factors.
Source: the scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Value
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.events.base import LASTED, Spell, outcome
from delever.model.errors import InputError
from delever.model.quantity import Ratio, Share, Text
from delever.model.references import known_name
from delever.model.world import World


class Congestion(Spell):
    """Of one network."""

    kind: ClassVar[str] = "congestion"
    network: Text | None = Field(None, description="the chain that is crowded; null: the only one")
    base_fee: Ratio = Field(1.0, gt=0, examples=[10], description="what its base fee is multiplied by")
    room: Share = Field(1.0, gt=0, description="share of its room that is left to this world, at least one transaction a block")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A network of the world, and something that changes."""
        if self.network is not None:
            known_name(self.network, world.networks, "network", (*path, "network"))
        elif not world.networks:
            raise InputError("the world has no network", path=(*path, "network"), remedy="without one nothing can be crowded")
        if self.base_fee == 1.0 and self.room == 1.0:
            raise InputError("changes nothing", path=(*path, "base_fee"), value=1, remedy="multiply `base_fee`, lessen `room`")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        return Crowds([Crowd(setting.network(spec.network, "scenario", "events", place, "network"), spec.steps(setting),
                             spec.base_fee, spec.room, place) for place, spec in specs.items()], setting.paths)


class Crowd(NamedTuple):
    """One of these events."""

    network: int
    steps: range  # in which it is in force
    base_fee: float  # factor
    room: float  # share left
    place: str  # of the event in scenario.events


class Crowds(Phase):
    """All of them; those of one network that overlap multiply, and may end in any order."""

    def __init__(self, crowds: Sequence[Crowd], paths: int) -> None:
        self.crowds = crowds
        self.fee, self.room = np.zeros((2, len(crowds), paths)), np.zeros((2, len(crowds), paths), np.int64)  # before, after

    def happen(self, state: State) -> None:
        """What this step ends, the latest first, and what it brings."""
        fee, room = state.networks.base_fee, state.networks.room
        for i, crowd in reversed(list(enumerate(self.crowds))):
            c = crowd.network
            if state.step == crowd.steps.stop:
                fee[c] = np.where(fee[c] == self.fee[1, i], self.fee[0, i], fee[c] / crowd.base_fee)
                room[c] = np.where(room[c] == self.room[1, i], self.room[0, i], np.rint(room[c] / crowd.room))
        for i, crowd in enumerate(self.crowds):
            c = crowd.network
            if state.step == crowd.steps.start:
                self.fee[0, i], self.room[0, i] = fee[c], room[c]
                fee[c] *= crowd.base_fee
                room[c] = np.maximum(np.floor(room[c] * crowd.room), 1.0)
                self.fee[1, i], self.room[1, i] = fee[c], room[c]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. For how long each made a difference: a base fee of 0 and a room of 1 stay what they are."""
        return [outcome(crowd.place, LASTED, len(range(crowd.steps.start, min(crowd.steps.stop, state.step + 1)))
                        * state.step_length * ((self.fee[0, i] != self.fee[1, i]) | (self.room[0, i] != self.room[1, i])))
                for i, crowd in enumerate(self.crowds)]
