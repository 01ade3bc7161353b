"""A price feed goes wrong for a time: it stops, it sticks, or it lies by a factor.

    stops     it does not look, and its last answer grows old      in blocks of begin < t <= begin + lasting
    sticks    the same, but its last answer is renewed once a step: whoever asks for its age sees a fresh one
    lies      observed = market x factor                           in whole steps from that in which it falls
An answer that is in flight when it stops lands. Source: the scenario.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.columns import Value
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.events.base import LASTED, Halt, Halting, Spell, outcome
from delever.model.errors import InputError
from delever.model.quantity import Number, Text
from delever.model.references import known_name
from delever.model.world import World


class Feed(Spell):
    """One feed, and what is wrong with it."""

    kind: ClassVar[str] = "feed"
    feed: Text = Field(examples=["eth_usd"], description="the feed that goes wrong")
    does: Literal["stops", "sticks", "lies"] = Field(examples=["stops"], description="what is wrong with it")
    factor: Number | None = Field(None, gt=0, description="what it multiplies the price by that it looks at; lies")

    @model_validator(mode="after")
    def _factor(self) -> Self:
        if (self.does == "lies") != (self.factor is not None):
            what = "is missing" if self.factor is None else f"means nothing where a feed {self.does}"
            remedy = "say by what it multiplies the price, such as 0.9" if self.factor is None else "write `does: lies`"
            raise InputError(what, path=("factor",), value=self.factor, remedy=remedy)
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A feed of the world that looks at something."""
        known_name(self.feed, world.feeds, "feed", (*path, "feed"))
        if not getattr(world.feeds[self.feed], "moves", True):
            raise InputError("looks at nothing", path=(*path, "feed"), value=self.feed,
                             remedy="a fixed feed cannot go wrong: name one that looks at a market")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All that goes wrong."""
        found = [Wrong(setting.feed(spec.feed, "scenario", "events", place, "feed"), spec.does, spec.steps(setting),
                       math.log(spec.factor or 1.0), place) for place, spec in specs.items()]
        asked = [getattr(actor, "feed", None) for actor in setting.world.actors.values()]
        read = {setting.feed(feed) for feed in asked if feed is not None}
        return Faults(found, [Halt(setting.step_at(spec.at), "feed", wrong.feed, spec.until(setting), wrong.place)
                              for wrong, spec in zip(found, specs.values(), strict=True) if spec.does != "lies"], read)


class Wrong(NamedTuple):
    """One of these events."""

    feed: int
    does: str
    steps: range  # in which it is in force
    log_factor: float
    place: str  # of the event in scenario.events


class Faults(Halting):
    """All of them. Lies about one feed that overlap multiply."""

    def __init__(self, wrong: Sequence[Wrong], halts: Sequence[Halt], read: Collection[int]) -> None:
        """read: feeds that actors look at themselves."""
        super().__init__(halts)
        self.wrong, self.read = wrong, read

    def happen(self, state: State) -> None:
        """What this step brings, and what it ends."""
        super().happen(state)
        for one in self.wrong:
            if one.does == "lies":
                state.feeds.bias[one.feed] = 0.0
        for one in self.wrong:
            if state.step in one.steps and one.does == "lies":
                state.feeds.bias[one.feed] += one.log_factor
            elif state.step in one.steps and one.does == "sticks":
                state.feeds.updated[one.feed] = (state.step - 1) * state.step_length

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. For how long each went wrong: not at all where it lies by 1, or nobody reads it."""
        halted = {value.place: value for value in super().columns(state)}
        found = []
        for one in self.wrong:
            lied = len(range(one.steps.start, min(one.steps.stop, state.step + 1))) * state.step_length * (one.log_factor != 0.0)
            value = outcome(one.place, LASTED, np.full(state.paths, lied))
            read = one.feed in self.read or (state.seen.feed == one.feed).any()
            value = halted.get(value.place, value)
            found.append(value._replace(values=value.values * read))
        return found
