"""A feed that is believed only between bounds, of which the upper may rise with time: capped exchange rates, capped stablecoins.

    answer = min(max(answer of its part, ln least), ln(most (1 + growth t / year))) + bias        t: time since the start
It reads its part and costs no transaction. While it is halted its last answer stands.
Source: Aave's price caps (aave-capo: PriceCapAdapterBase, a yearly growth on the ratio of a snapshot, in a straight line;
PriceCapAdapterStable, a fixed cap such as 1.04).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.jit import kernel
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.model.errors import InputError
from delever.model.quantity import PerYear, Text
from delever.model.world import World
from delever.oracles.base import FeedPhase, FeedSpec

YEAR = 365.0 * 86400.0  # [s]


class Bounded(FeedSpec):
    """Another feed of the same pair, between bounds."""

    kind: ClassVar[str] = "bounded"
    feed: Text = Field(examples=["eth_usd"], description="the feed that it passes on")
    least: float | None = Field(None, gt=0, description="the lowest price that it answers; null: none")
    most: float | None = Field(None, gt=0, examples=[2100.0], description="the highest, at the start; null: none")
    growth: PerYear = Field(0.0, ge=0, description="what `most` gains in a year, in a straight line")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.least is None and self.most is None:
            raise InputError("has no bound", path=("most",), remedy="write `most: 1.04`, or `least`")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise InputError(f"is above most, {self.most:g}", path=("least",), value=self.least, remedy="lower it")
        if self.growth and self.most is None:
            raise InputError("has nothing to grow", path=("growth",), value=self.growth, remedy="it raises `most`: write that")
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A feed of its pair."""
        self.check_part(self.feed, world, (*path, "feed"))

    def parts(self) -> tuple[str, ...]:
        """The one."""
        return (self.feed,)

    def together(self, answers: Sequence[float]) -> float:
        """Within the bounds of the start."""
        low, high = self.logs
        return min(max(answers[0], low), high)

    @property
    def logs(self) -> tuple[float, float]:
        """Both bounds at the start [log price]."""
        return -math.inf if self.least is None else math.log(self.least), math.inf if self.most is None else math.log(self.most)

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        number = [(setting.feed(name), setting.feed(spec.feed, "feeds", name, "feed")) for name, spec in specs.items()]
        return Bounds(np.array(number, np.int64), np.array([[*spec.logs, spec.growth / YEAR] for spec in specs.values()]))


@kernel
def bound(number: np.ndarray, low: np.ndarray, high: np.ndarray, time: float, active: np.ndarray, feeds: Feeds, halted: np.ndarray
          ) -> None:
    """number: [n, 2] feeds and their parts; low, high: [n] log price now; halted: [F, P] until when a feed does not look [s]."""
    for i in range(number.shape[0]):
        f, part = number[i, 0], number[i, 1]
        for p in range(active.shape[0]):
            if active[p] and halted[f, p] <= time:
                feeds.answer[f, p] = min(max(feeds.answer[part, p], low[i]), high[i]) + feeds.bias[f]
                feeds.updated[f, p] = feeds.updated[part, p]


class Bounds(FeedPhase):
    """All feeds of the kind."""

    composed = True

    def __init__(self, number: np.ndarray, bounds: np.ndarray) -> None:
        """number: [n, 2] feeds and their parts; bounds: [n, 3] lowest, highest log price, growth [1/s]."""
        self.number, self.bounds = number, bounds

    def observe(self, state: State) -> None:
        """In every block, once the others have looked, on the paths that take part."""
        high = self.bounds[:, 1] + np.log1p(self.bounds[:, 2] * state.time)
        bound(self.number, self.bounds[:, 0].copy(), high, state.time, state.active, state.feeds, state.halts.feed)

    def refresh(self, state: State) -> bool:
        """Its part may have read the market again."""
        self.observe(state)
        return True
