"""A feed reports the log price of a pair of assets; protocols see prices composed of feeds.

The step calls `observe` in every block (it may offer ORACLE transactions), `refresh` between the slots of sequential
execution (feeds that read a market directly), and `land` for included ORACLE transactions. Feeds write
state.feeds and append to state.transactions; nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from delever.core.state import State
from delever.model.spec import Spec


class FeedSpec(Spec, ABC):
    """A feed of the price of `of`."""

    of: str = Field(description="pair of assets, base/quote")
    reports: ClassVar[bool] = False  # offers ORACLE transactions

    @classmethod
    @abstractmethod
    def phase(cls, specs: Sequence[FeedSpec], numbers: Sequence[int]) -> FeedPhase:
        """One phase for all feeds of this kind; numbers: their rows in state.feeds."""

    def start_answer(self, log_price: float) -> float:
        """Log price answered at the start, given the market's."""
        return log_price

    def start_age(self) -> float:
        """Age of that answer [s]."""
        return 0.0


class FeedPhase:
    """Does nothing: the base of every feed phase."""

    def observe(self, state: State) -> None:
        """Look at the market; offer what is due."""

    def refresh(self, state: State) -> bool:
        """Read the market again within a block; whether there was anything to read."""
        return False

