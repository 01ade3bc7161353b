"""The role of an event: something that the scenario says happens, on every path, from a step on.

The phase of a kind serves all its events. `happen` is called once a step, before prices move; it may write what the event is
about: state.moves (log-moves of outside prices, which the price process adds), depth of markets, feeds, halts, networks,
ledgers in double entry. An event that sells or buys offers a transaction like anybody else (`offer`, `kinds`). What came about of
each event its phase says in a column (`outcome`): a run shows it beside what was asked, and warns of what had no effect.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Value
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.model.quantity import Seconds
from delever.model.spec import Spec


class Event(Spec, ABC):
    """What a user states about an event."""

    at: Seconds = Field(0.0, ge=0, description="when, from the start")

    @classmethod
    @abstractmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """One phase for all events of this kind, by their place in scenario.events."""


class Spell(Event, ABC):
    """An event that lasts. It begins with the step in which it falls."""

    lasting: Seconds | None = Field(None, gt=0, description="for how long, at least a block; null: to the end of the run")

    def begin(self, setting: Setting) -> float:
        """The beginning of its first step [s]."""
        return (setting.step_at(self.at) - 1) * setting.step_length

    def until(self, setting: Setting) -> float:
        """What is halted by it is so in blocks at t < until [s]: those of begin < t <= begin + lasting, at least one."""
        if self.lasting is None:
            return (setting.steps + 1) * setting.step_length
        blocks = max(math.floor(self.lasting / setting.tick + 1e-9), 1)  # of the world's clock
        return self.begin(setting) + (blocks + 0.5) * setting.tick

    def steps(self, setting: Setting) -> range:
        """The steps in which it is in force, where only whole steps can be."""
        first = setting.step_at(self.at)
        return range(first, setting.steps + 1 if self.lasting is None else first + setting.parts(self.lasting))


LASTED = Column("in_force", "s", "time within the run for which it was in force")


def outcome(place: str, column: Column, values: np.ndarray, asked: float = math.nan, asset: int = -1) -> Value:
    """What came about of the event at this place of scenario.events. values: [P]; asked: how much it asks for."""
    return Value(column, values, asset=asset, of=f"events.{place}", place=f"scenario.events.{place}", asked=asked)


class Halt(NamedTuple):
    """Something is halted on all paths: a row of a column of state.halts."""

    step: int  # in which it begins
    column: str
    row: int
    until: float  # [s]
    place: str  # of the event in scenario.events


class Halting(Phase):
    """Halts; where two overlap the later end counts. Paths wake when one ends."""

    def __init__(self, halts: Sequence[Halt]) -> None:
        self.halts = halts

    def happen(self, state: State) -> None:
        """What this step brings."""
        for halt in self.halts:
            if halt.step == state.step:
                row = getattr(state.halts, halt.column)[halt.row]
                np.maximum(row, halt.until, out=row)

    def wake(self, state: State) -> None:
        """When what is halted now goes on."""
        for halt in self.halts:
            if halt.step <= state.step and state.time < halt.until:
                np.minimum(state.wake, halt.until, out=state.wake)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. For how long each event halted something."""
        tick = state.step_length / state.blocks
        lasted = {halt.place: tick * math.floor((min(halt.until, state.time) - (halt.step - 1) * state.step_length) / tick + 1e-9)
                  for halt in self.halts}  # whole blocks
        return [outcome(place, LASTED, np.full(state.paths, seconds)) for place, seconds in lasted.items()]
