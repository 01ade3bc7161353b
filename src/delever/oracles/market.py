"""The market itself as the oracle: a protocol that reads the price of a pool when it acts.

    answer = log market price, always
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
        return MarketFeeds(np.array([setting.feed(name) for name in specs], np.int64))


@kernel
def read(number: np.ndarray, feeds: Feeds, price: np.ndarray) -> None:
    """number: [n] feeds of this kind; price: [M, P] log market prices."""
    constant, market, sign = feeds.constant, feeds.market, feeds.sign
    for f in number:
        answer = feeds.answer[f]
        for p in range(answer.shape[0]):
            answer[p] = constant[f]
        for t in range(market.shape[1]):
            if market[f, t] < 0:
                break
            row, factor = price[market[f, t]], sign[f, t]
            for p in range(answer.shape[0]):
                answer[p] += factor * row[p]


class MarketFeeds(FeedPhase):
    """All feeds that read a market."""

    def __init__(self, number: np.ndarray) -> None:
        self.number = number

    def observe(self, state: State) -> None:
        """At the start of a block."""
        read(self.number, state.feeds, state.markets.price)

    def refresh(self, state: State) -> bool:
        """Between slots."""
        read(self.number, state.feeds, state.markets.price)
        return True
