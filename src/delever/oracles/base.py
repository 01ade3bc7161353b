"""A feed reports the log price of a pair of assets; protocols see prices composed of feeds.

The step calls `observe` in every block (it may offer transactions that answer), `refresh` between the slots of sequential
execution (feeds that read a market directly). A feed that is halted (state.halts.feed) does not look; one that lies adds
state.feeds.bias to what it looks at. Feeds write state.feeds and append to state.transactions; nothing else. Those that are
made of other feeds look after all others have, and again once a transaction has answered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from pydantic import Field

from delever.core.phase import Phase
from delever.core.setting import Layout, Setting
from delever.core.state import State
from delever.model.asset import Asset
from delever.model.errors import InputError
from delever.model.quantity import Text
from delever.model.references import known_name
from delever.model.spec import Spec
from delever.model.world import World


class FeedSpec(Spec, ABC):
    """A feed of the price of `of`."""

    of: str = Field(examples=["ETH/USD"], description="pair of assets, base/quote")
    venue: Text | None = Field(None, description="the venue of that pair whose price it looks at; null: the first that is named")
    reports: ClassVar[bool] = False  # answers by transactions
    moves: ClassVar[bool] = True  # its answer may change

    @classmethod
    @abstractmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One phase for all feeds of this kind; setting.feed(name) is the row of one in state.feeds."""

    def composed(self, layout: Layout, assets: Mapping[str, Asset]) -> tuple[float, list[tuple[int, float]]]:
        """What it looks at at the start: a constant, and markets whose log prices are added with their signs."""
        return layout.pair_of(self.of, self.venue)

    def start_answer(self, log_price: float) -> float:
        """Log price answered at the start, given the market's."""
        return log_price

    def start_age(self) -> float:
        """Age of that answer [s]."""
        return 0.0

    def parts(self) -> tuple[str, ...]:
        """The feeds that it is made of; none: it looks at a market itself."""
        return ()

    def together(self, answers: Sequence[float]) -> float:
        """Log price answered at the start, given those of its parts."""
        raise ValueError("it has no parts")

    def check_part(self, name: str, world: World, path: tuple[str | int, ...]) -> None:
        """A part is a feed of the same pair that looks at a market itself."""
        known_name(name, world.feeds, "feed", path)
        part = world.feeds[name]
        if isinstance(part, FeedSpec) and (part.of != self.of or part.parts()):
            what = f"answers {part.of}" if part.of != self.of else "is made of feeds itself"
            raise InputError(what, path=path, value=name, remedy=f"name a feed of {self.of} that looks at a market")


class FeedPhase(Phase):
    """Does nothing: the base of every feed phase."""

    composed: ClassVar[bool] = False  # made of other feeds

    def observe(self, state: State) -> None:
        """At the start of every block: look at the market; offer what is due."""

    def refresh(self, state: State) -> bool:
        """Read the market again within a block; whether there was anything to read."""
        return False
