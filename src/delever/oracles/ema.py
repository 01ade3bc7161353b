"""An exponential moving average of the market, as Curve's pools keep of their own price.

    answer <- answer + (1 - e^(-s/T)) (market + bias - answer),   s since it last looked, T averaging time    [log price; s]
It looks in every block that its path takes part in, at least once a step, and costs nobody a transaction. While it is halted
it does not look; what it missed then counts with the price that it finds.
Source: curvefi/curve-stablecoin (the oracles of crvUSD's markets average pools' prices over 866 s, a half-life of 10 min); the
contract averages the price itself, this the log (1e-4 of a move of 1 %).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.elementary import exp_
from delever.core.jit import kernel
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.model.quantity import Seconds
from delever.oracles.base import FeedPhase, FeedSpec


class Ema(FeedSpec):
    """An average over time."""

    kind: ClassVar[str] = "ema"
    over: Seconds = Field(866.0, gt=0, description="averaging time: an old price counts 1/e after it")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        return Averages(np.array([setting.feed(name) for name in specs], np.int64), np.array([s.over for s in specs.values()]))


@kernel
def look(number: np.ndarray, over: np.ndarray, time: float, active: np.ndarray, feeds: Feeds, halted: np.ndarray,
         price: np.ndarray) -> None:
    """number, over: [n] feeds of this kind, [s]; halted: [F, P] until when it does not look [s]; price: [M, P] log."""
    constant, market, sign = feeds.constant, feeds.market, feeds.sign
    for i in range(number.shape[0]):
        f = number[i]
        answer, updated = feeds.answer[f], feeds.updated[f]
        for p in range(answer.shape[0]):
            if not active[p] or halted[f, p] > time:
                continue
            now = constant[f] + feeds.bias[f]
            for t in range(market.shape[1]):
                if market[f, t] < 0:
                    break
                now += sign[f, t] * price[market[f, t], p]
            answer[p] += (1.0 - exp_((updated[p] - time) / over[i])) * (now - answer[p])
            updated[p] = time


class Averages(FeedPhase):
    """All feeds of the kind."""

    def __init__(self, number: np.ndarray, over: np.ndarray) -> None:
        self.number, self.over = number, over

    def observe(self, state: State) -> None:
        """In every block, on the paths that take part."""
        look(self.number, self.over, state.time, state.active, state.feeds, state.halts.feed, state.markets.price)
