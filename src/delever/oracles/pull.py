"""A pull feed: whoever acts brings the newest price with him, and it says how sure it is of itself.

    answer = u + side x ln(1 + c)                        side: -1 lower, 0 middle, +1 upper        u: log market price + bias
    c = max(confidence, widens x s),   s^2 <- s^2 e^(-dt / over) + (u - u_last)^2              s: what it moved in about `over`
    c > refused: nobody believes it, and the last answer stands
It looks in every block that its path takes part in, at least once a step: what is older than that nobody would bring. That an
update costs next to nothing, and how the interval widens, are assumptions. A protocol that counts collateral at the lower and
debts at the upper end names two feeds.
Source: Pyth's price feeds (a pull oracle: an aggregate price and a confidence interval; lenders are told which end to take).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Value, mean_of
from delever.core.elementary import exp_, log_
from delever.core.jit import kernel
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.model.quantity import Seconds, Share
from delever.oracles.base import FeedPhase, FeedSpec

SIDES = {"lower": -1.0, "middle": 0.0, "upper": 1.0}
SIDE, LEAST, WIDENS, OVER, REFUSED = range(5)  # columns of the rules


class Pull(FeedSpec):
    """A price with a confidence interval."""

    kind: ClassVar[str] = "pull"
    takes: Literal["lower", "middle", "upper"] = Field("middle", description="which end of the interval is answered")
    confidence: Share = Field(0.0, ge=0, lt=1, examples=["0.1 %"], description="half the interval while nothing moves")
    widens: float = Field(0.0, ge=0, examples=[0.5], description="half the interval by what the price has moved in about `over`")
    over: Seconds = Field(300.0, gt=0, description="a move counts 1/e after it")
    refused: Share | None = Field(None, gt=0, examples=["2 %"], description="half an interval so wide is not believed")

    def start_answer(self, log_price: float) -> float:
        """The end of the interval that is answered."""
        return log_price + SIDES[self.takes] * math.log1p(self.confidence)

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        rules = [[SIDES[s.takes], s.confidence, s.widens, s.over, math.inf if s.refused is None else s.refused]
                 for s in specs.values()]
        return Pulls(np.array([setting.feed(name) for name in specs], np.int64), np.array(rules), setting.paths)


@kernel
def pull(number: np.ndarray, rules: np.ndarray, time: float, active: np.ndarray, feeds: Feeds, halted: np.ndarray,
         price: np.ndarray, moved: np.ndarray, refusals: np.ndarray) -> None:
    """number: [n] feeds of this kind; rules: [n, 5]; halted: [F, P] until when it does not look [s]; price: [M, P] log;
    moved: [n, P] s^2; refusals: [P], counted on.

    Feeds.flight is the price seen last, Feeds.land when [s].
    """
    for i in range(number.shape[0]):
        f = number[i]
        for p in range(active.shape[0]):
            if not active[p] or halted[f, p] > time:
                continue
            now = feeds.constant[f] + feeds.bias[f]
            for t in range(feeds.market.shape[1]):
                if feeds.market[f, t] < 0:
                    break
                now += feeds.sign[f, t] * price[feeds.market[f, t], p]
            move = now - feeds.flight[f, p]
            moved[i, p] = moved[i, p] * exp_((feeds.land[f, p] - time) / rules[i, OVER]) + move * move
            feeds.flight[f, p], feeds.land[f, p] = now, time
            half = max(rules[i, LEAST], rules[i, WIDENS] * math.sqrt(moved[i, p]))
            if half > rules[i, REFUSED]:
                refusals[p] += 1
                continue
            feeds.answer[f, p], feeds.updated[f, p] = now + rules[i, SIDE] * log_(1.0 + half), time


REFUSALS = Column("prices_refused", "count", "looks at pull feeds whose interval was too wide to be believed", mean_of(
    "prices_refused", "looks at pull feeds whose interval was too wide to be believed"), section="Oracles")


class Pulls(FeedPhase):
    """All feeds of the kind."""

    def __init__(self, number: np.ndarray, rules: np.ndarray, paths: int) -> None:
        """number: [n]; rules: [n, 5] side, least half interval, what it widens by, over [s], widest that is believed."""
        self.number, self.rules, self.begun = number, rules, False
        self.moved, self.refusals = np.zeros((len(number), paths)), np.zeros(paths, np.int64)

    def observe(self, state: State) -> None:
        """In every block, on the paths that take part."""
        feeds = state.feeds
        if not self.begun:  # what was seen at the start is the middle of the interval
            apart = self.rules[:, SIDE] * np.log1p(self.rules[:, LEAST])
            feeds.flight[self.number] = feeds.answer[self.number] - apart[:, None]
            feeds.land[self.number], self.begun = 0.0, True
        pull(self.number, self.rules, state.time, state.active, feeds, state.halts.feed, state.markets.price, self.moved,
             self.refusals)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(REFUSALS, self.refusals)]
