"""A price that is held back: what is seen is what was looked up at the poke before, as with Maker's oracle security module.

    at each poke, every `hop` from the start of the run + `first`:   answer <- queued,   queued <- market + bias
so what is seen is between one and two hops old; `answer` and `queued` say what stands in both at the start. A poke that falls
into a halt is made when it ends; the times of the others stay. Pokes are on time and cost nobody a transaction (assumption: on
12 March 2020 they came up to 20 minutes into the hour). Source: makerdao/osm (osm.sol: poke, hop 3600 s).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.jit import kernel
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.model.quantity import Seconds
from delever.oracles.base import FeedPhase, FeedSpec

CLOCK = 1e-6  # [s]: block times are floats


class Osm(FeedSpec):
    """A delay of one poke."""

    kind: ClassVar[str] = "osm"
    hop: Seconds = Field(3600.0, gt=0, description="time between two pokes")
    first: Seconds | None = Field(None, ge=0, description="time of the first poke; null: a hop from the start")
    answer: float | None = Field(None, gt=0, description="price seen at the start; null: the market's")
    queued: float | None = Field(None, gt=0, description="price seen from the first poke on; null: the market's at the start")

    def start_answer(self, log_price: float) -> float:
        """As given, or the market's."""
        return math.log(self.answer) if self.answer is not None else log_price

    @property
    def heartbeat(self) -> float:
        """Every poke shows another price [s]."""
        return self.hop

    @property
    def delay(self) -> float:
        """From looking at a price until it is shown [s]."""
        return self.hop

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        rules = [[s.hop, s.hop if s.first is None else s.first, math.nan if s.queued is None else math.log(s.queued)]
                 for s in specs.values()]
        return Delayed(np.array([setting.feed(name) for name in specs], np.int64), np.array(rules))


@kernel
def poke(number: np.ndarray, rules: np.ndarray, time: float, active: np.ndarray, feeds: Feeds, halted: np.ndarray,
         price: np.ndarray) -> None:
    """number: [n] feeds of this kind; rules: [n, 3]; halted: [F, P] until when it does not look [s]; price: [M, P] log.

    Feeds.flight is what is queued, Feeds.land the next poke.
    """
    for i in range(number.shape[0]):
        f, hop = number[i], rules[i, 0]
        for p in range(active.shape[0]):
            if not active[p] or halted[f, p] > time or feeds.land[f, p] > time + CLOCK:
                continue
            now = feeds.constant[f] + feeds.bias[f]
            for t in range(feeds.market.shape[1]):
                if feeds.market[f, t] < 0:
                    break
                now += feeds.sign[f, t] * price[feeds.market[f, t], p]
            feeds.answer[f, p], feeds.flight[f, p], feeds.updated[f, p] = feeds.flight[f, p], now, time
            feeds.land[f, p] += (math.floor(max(time - feeds.land[f, p], 0.0) / hop) + 1.0) * hop


@kernel
def await_pokes(number: np.ndarray, feeds: Feeds, halted: np.ndarray, wake: np.ndarray) -> None:
    """A path wakes for the next poke."""
    for f in number:
        for p in range(wake.shape[0]):
            wake[p] = min(wake[p], max(feeds.land[f, p], halted[f, p]))


class Delayed(FeedPhase):
    """All feeds of the kind."""

    def __init__(self, number: np.ndarray, rules: np.ndarray) -> None:
        """number: [n]; rules: [n, 3] hop, first poke [s], log price queued, nan: the market's."""
        self.number, self.rules, self.begun = number, rules, False

    def observe(self, state: State) -> None:
        """In every block, on the paths that take part."""
        if not self.begun:
            self.begin(state)
        poke(self.number, self.rules, state.time, state.active, state.feeds, state.halts.feed, state.markets.price)

    def begin(self, state: State) -> None:
        """What is queued at the start, and the first poke."""
        feeds, start, self.begun = state.feeds, state.markets.start, True
        for f, (_, first, queued) in zip(self.number, self.rules, strict=True):
            market = feeds.constant[f] + sum(s * start[m] for m, s in zip(feeds.market[f], feeds.sign[f], strict=True) if m >= 0)
            feeds.flight[f], feeds.land[f] = market if math.isnan(queued) else queued, first

    def wake(self, state: State) -> None:
        """For the next poke."""
        await_pokes(self.number, state.feeds, state.halts.feed, state.wake)
