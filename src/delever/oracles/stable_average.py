"""A stablecoin's price over several pools: a mean by what they hold, in which a pool that is far from it hardly counts.

    q = sum of D p / sum of D,   e = ((p - q) / sigma)^2,   w = D e^(min e - e)
    answer = ln(sum of w p / sum of w) + bias       p: what the feeds of the pools answer; D: what these hold
Of two pools whose dollars part the larger decides; of three, those that agree. It asks nobody and costs no transaction: whoever
reads it reads its parts. While it is halted its last answer stands.
Source: curvefi/curve-stablecoin, AggregateStablePrice3 (30d7f48), which averages D over 50,000 s and leaves pools below 100,000
out; here D is stated and stays (assumption).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.elementary import exp_, log_
from delever.core.jit import helper, interpreted, kernel
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.model.quantity import Amount, Share, Text
from delever.model.world import World
from delever.oracles.base import FeedPhase, FeedSpec

PASSED = -41.446531673892821  # power below which the contract's exponential is 0


class StableAverage(FeedSpec):
    """Of feeds of the same pair, one of each pool."""

    kind: ClassVar[str] = "stable_average"
    feeds: dict[Text, Amount] = Field(
        min_length=1, examples=["{eth_usd: 20m}"], description="what the pool of each feed holds, units of the coin: its weight")
    sigma: Share = Field(0.001, gt=0, description="distance from their mean at which a pool counts 1/e of what it holds")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Feeds of its pair."""
        for name in self.feeds:
            self.check_part(name, world, (*path, "feeds", name))

    def parts(self) -> tuple[str, ...]:
        """As named."""
        return tuple(self.feeds)

    def together(self, answers: Sequence[float]) -> float:
        """At the start."""
        size = np.array([max(units, 1.0) for units in self.feeds.values()])
        with interpreted(len(size)):
            return agreed(0, len(size), 0, np.arange(len(size)), size, self.sigma, np.array(answers)[:, None])

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        part = [[setting.feed(name, "feeds", own, "feeds") for name in spec.feeds] for own, spec in specs.items()]
        size = [[max(units, 1.0) for units in spec.feeds.values()] for spec in specs.values()]
        return StableAverages(np.array([setting.feed(name) for name in specs], np.int64), np.cumsum([0, *map(len, part)]),
                              np.concatenate(part), np.concatenate(size), np.array([spec.sigma for spec in specs.values()]))


@helper
def agreed(first: int, last: int, p: int, part: np.ndarray, size: np.ndarray, sigma: float, answer: np.ndarray) -> float:
    """Log price of parts first..last-1 on path p. part: feeds, rows of answer [F, P]; size: of each part."""
    whole, worth, least, total, got = 0.0, 0.0, math.inf, 0.0, 0.0
    for k in range(first, last):
        whole += size[k]
        worth += size[k] * exp_(answer[part[k], p])
    mean = worth / whole
    for k in range(first, last):
        off = (exp_(answer[part[k], p]) - mean) / sigma
        least = min(least, off * off)
    for k in range(first, last):
        price = exp_(answer[part[k], p])
        off = (price - mean) / sigma
        power = least - off * off
        if power > PASSED:
            weight = size[k] * exp_(power)
            total += weight
            got += weight * price
    return log_(got / total)


@kernel
def average(number: np.ndarray, first: np.ndarray, part: np.ndarray, size: np.ndarray, sigma: np.ndarray, time: float,
            active: np.ndarray, feeds: Feeds, halted: np.ndarray) -> None:
    """number, sigma: [n]; first: [n + 1] where their parts begin; part: feeds; size: of each; halted: [F, P] until when [s]."""
    for i in range(number.shape[0]):
        f = number[i]
        for p in range(active.shape[0]):
            if active[p] and not halted[f, p] > time:
                feeds.answer[f, p] = agreed(first[i], first[i + 1], p, part, size, sigma[i], feeds.answer) + feeds.bias[f]
                feeds.updated[f, p] = time


class StableAverages(FeedPhase):
    """All feeds of the kind."""

    composed = True

    def __init__(self, number: np.ndarray, first: np.ndarray, part: np.ndarray, size: np.ndarray, sigma: np.ndarray) -> None:
        """number, sigma: [n]; first: [n + 1] where the parts of each begin; part: feeds; size: of each part."""
        self.number, self.first, self.part, self.size, self.sigma = number, first, part, size, sigma

    def observe(self, state: State) -> None:
        """In every block, once the others have looked, on the paths that take part."""
        average(self.number, self.first, self.part, self.size, self.sigma, state.time, state.active, state.feeds,
                state.halts.feed)

    def refresh(self, state: State) -> bool:
        """Its parts may have read the market again."""
        self.observe(state)
        return True
