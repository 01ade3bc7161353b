"""The market's average over a window that every moment of it counts in alike, as pools let anybody reckon it.

    geometric     answer = u0 + (C(t) - C(t - W)) / W,         C = integral of  u - u0  over time            [log price; s]
    arithmetic    answer = u0 + ln((C(t) - C(t - W)) / W),     C = integral of  e^(u - u0)
A price counts from the block in which it is seen until the next one, so the newest has no weight yet. Before the start it stood
still at u0 (assumption). It looks in every block that its path takes part in, at least once a step, and costs nobody a
transaction; while it is halted it does not look, and what was seen last counts on. C is kept at the ends of steps and runs
straight in between: exact where a window is a whole number of steps, and where prices move within them as near as a step.
Source: Uniswap v2-core 1.0.1 (UniswapV2Pair: price0CumulativeLast, arithmetic), v3-core 1.0.1 (Oracle: tickCumulative).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from delever.core.elementary import exp_, log_
from delever.core.jit import helper, kernel
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.model.quantity import Seconds
from delever.oracles.base import FeedPhase, FeedSpec

OVER, BY_PRICE, START = range(3)  # columns of the rules


class Twap(FeedSpec):
    """An average over a window."""

    kind: ClassVar[str] = "twap"
    over: Seconds = Field(gt=0, examples=["30 min"], description="the window")
    mean: Literal["geometric", "arithmetic"] = Field(
        "geometric", description="of the log price, as Uniswap v3's pools, or of the price, as v2's")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        rules = np.array([[s.over, s.mean == "arithmetic", math.nan] for s in specs.values()])
        longest = min(math.ceil(rules[:, OVER].max() / setting.step_length), setting.steps)
        return Windows(np.array([setting.feed(name) for name in specs], np.int64), rules, longest + 2, setting.paths)


@helper
def weighed(move: float, arithmetic: bool) -> float:
    """What a log price counts for, by how far it is from the start."""
    return exp_(move) if arithmetic else move


@helper
def until(at: float, ring: np.ndarray, p: int, rest: float, last: int, length: float, time: float, now: float) -> float:
    """C at a moment. ring: [n, P] at the ends of steps up to the last; now: at `time`, later; rest: of what stood still."""
    if at <= 0.0:
        return at * rest
    k = min(int(at / length), last)
    before = ring[k % ring.shape[0], p]
    after, width = (now, time - k * length) if k == last else (ring[(k + 1) % ring.shape[0], p], length)
    return float(before + (after - before) * (at - k * length) / width)


@kernel
def close(number: np.ndarray, rules: np.ndarray, last: int, end: float, feeds: Feeds, total: np.ndarray, ring: np.ndarray
          ) -> None:
    """C at the end of step `last` [s], written to the ring; of feeds that are halted too. As in `average`."""
    for i in range(number.shape[0]):
        f = number[i]
        for p in range(total.shape[1]):
            seen = weighed(feeds.flight[f, p], rules[i, BY_PRICE] > 0.0)
            ring[i, last % ring.shape[1], p] = total[i, p] + seen * (end - feeds.updated[f, p])


@kernel
def average(number: np.ndarray, rules: np.ndarray, last: int, length: float, time: float, active: np.ndarray, feeds: Feeds,
            halted: np.ndarray, price: np.ndarray, total: np.ndarray, ring: np.ndarray) -> None:
    """number: [n] feeds of this kind; rules: [n, 3]; last: the step that has ended last, of this length [s]; halted: [F, P] until
    when it does not look [s]; price: [M, P] log; total: [n, P] C at the last look; ring: [n, steps, P] C at the ends of steps.

    Feeds.flight is the price seen last, less that of the start.
    """
    for i in range(number.shape[0]):
        f, over, by_price, start = number[i], rules[i, OVER], rules[i, BY_PRICE] > 0.0, rules[i, START]
        rest = weighed(0.0, by_price)
        for p in range(active.shape[0]):
            if not active[p] or halted[f, p] > time:
                continue
            total[i, p] += weighed(feeds.flight[f, p], by_price) * (time - feeds.updated[f, p])
            mean = (total[i, p] - until(time - over, ring[i], p, rest, last, length, time, total[i, p])) / over
            feeds.answer[f, p] = start + (log_(mean) if by_price else mean)
            move = feeds.constant[f] + feeds.bias[f] - start
            for t in range(feeds.market.shape[1]):
                if feeds.market[f, t] < 0:
                    break
                move += feeds.sign[f, t] * price[feeds.market[f, t], p]
            feeds.flight[f, p], feeds.updated[f, p] = move, time


class Windows(FeedPhase):
    """All feeds of the kind."""

    def __init__(self, number: np.ndarray, rules: np.ndarray, kept: int, paths: int) -> None:
        """number: [n]; rules: [n, 3] window [s], whether by price, log price at the start; kept: ends of steps remembered."""
        self.number, self.rules = number, rules
        self.total, self.ring = np.zeros((len(number), paths)), np.zeros((len(number), kept, paths))

    def observe(self, state: State) -> None:
        """In every block, on the paths that take part; all do in the first of a step."""
        last, length = state.step - 1, state.step_length
        if np.isnan(self.rules[0, START]):
            self.rules[:, START] = state.feeds.answer[self.number, 0]
        if state.block == 1:
            close(self.number, self.rules, last, last * length, state.feeds, self.total, self.ring)
        average(self.number, self.rules, last, length, state.time, state.active, state.feeds, state.halts.feed,
                state.markets.price, self.total, self.ring)
