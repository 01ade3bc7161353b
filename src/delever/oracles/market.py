"""The market itself as the oracle: a protocol that reads the price of a pool when it acts.

    answer = log market price + bias, always; while it is halted, what it was
Source: spot-price oracles, as before time-weighted ones; the textbook case of a price that the liquidation itself moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from delever.core.jit import kernel
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.oracles.base import FeedPhase, FeedSpec


class Market(FeedSpec):
    """Reads the venue."""

    kind: ClassVar[str] = "market"

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        return MarketFeeds(np.array([setting.feed(name) for name in specs], np.int64), setting.paths)


@kernel
def read(number: np.ndarray, feeds: Feeds, active: np.ndarray, halted: np.ndarray, time: float, price: np.ndarray,
         before: np.ndarray) -> None:
    """number: [n] feeds of this kind; active: [P], a path that sleeps keeps its answer, whoever else is awake;
    halted: [F, P] until when it does not look [s]; price: [M, P] log market prices; before: [P] scratch.
    """
    constant, market, sign = feeds.constant, feeds.market, feeds.sign
    for f in number:
        answer, until, stuck = feeds.answer[f], halted[f], 0
        for p in range(answer.shape[0]):
            stuck += until[p] > time or not active[p]
        for p in range(answer.shape[0]):
            before[p] = answer[p]
            answer[p] = constant[f] + feeds.bias[f]
        for t in range(market.shape[1]):
            if market[f, t] < 0:
                break
            row, factor = price[market[f, t]], sign[f, t]
            for p in range(answer.shape[0]):
                answer[p] += factor * row[p]
        if stuck:
            for p in range(answer.shape[0]):
                if until[p] > time or not active[p]:
                    answer[p] = before[p]


class MarketFeeds(FeedPhase):
    """All feeds that read a market."""

    def __init__(self, number: np.ndarray, paths: int) -> None:
        self.number, self.before = number, np.empty(paths)

    def observe(self, state: State) -> None:
        """At the start of a block."""
        read(self.number, state.feeds, state.active, state.halts.feed, state.time, state.markets.price, self.before)

    def refresh(self, state: State) -> bool:
        """Between slots."""
        self.observe(state)
        return True
