"""A push feed: reporters answer when the price has moved, or when the last answer has grown old; it lands late.

    an answer in flight:  offer it once  t >= land
    else observe o:       o - answer >= ln(1 + deviation)  or  <= ln(1 - deviation)  or  t - updated >= heartbeat
                          -> in flight, land = t + delay
Source: Chainlink data feeds (deviation threshold and heartbeat); ETH/USD on Ethereum 0.5 %, 3600 s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from delever.core.jit import kernel
from delever.core.state import Feeds, State
from delever.core.tables import EXECUTED, OFFERED, ORACLE, Rows
from delever.model.quantity import Gwei, Seconds, Share
from delever.oracles.base import FeedPhase, FeedSpec, observed


class Push(FeedSpec):
    """Deviation or heartbeat."""

    kind: ClassVar[str] = "push"
    reports: ClassVar[bool] = True
    heartbeat: Seconds = Field(gt=0, description="an answer older than this is renewed")
    deviation: Share = Field(gt=0, lt=1, description="a move of the market that calls for an answer")
    delay: Seconds = Field(default=0.0, ge=0, description="from the observation to the offer of the transaction")
    fee: Gwei = Field(default=30.0, ge=0, description="bid of the reporter, a unit of gas")
    answer: float | None = Field(default=None, gt=0, description="answer at the start; without one, the market's")
    age: Seconds = Field(default=0.0, ge=0, description="age of the answer at the start")

    def start_answer(self, log_price: float) -> float:
        """As given, or the market's."""
        return math.log(self.answer) if self.answer is not None else log_price

    def start_age(self) -> float:
        """As given."""
        return self.age

    @classmethod
    def phase(cls, specs: Sequence[FeedSpec], numbers: Sequence[int]) -> FeedPhase:
        """One kernel call for all of them."""
        push = [spec for spec in specs if isinstance(spec, Push)]
        rules = np.array([[math.log1p(s.deviation), math.log1p(-s.deviation), s.heartbeat, s.delay, s.fee] for s in push])
        return PushFeeds(np.array(numbers, np.int64), rules)


@kernel
def report(number: np.ndarray, rules: np.ndarray, time: float, active: np.ndarray, feeds: Feeds, price: np.ndarray,
           rows: Rows, n: int) -> int:
    """Offer what has landed or is due; the number of transactions then. number: [n]; rules: [n, 5]; price: [M, P]."""
    constant, market, sign, answer, updated, flight, land = (feeds.constant, feeds.market, feeds.sign, feeds.answer,
                                                             feeds.updated, feeds.flight, feeds.land)
    path, kind, state, ref, bid = rows.path, rows.kind, rows.state, rows.ref, rows.bid
    for i in range(number.shape[0]):
        f, rise, fall, heartbeat, delay = number[i], rules[i, 0], rules[i, 1], rules[i, 2], rules[i, 3]
        for p in range(price.shape[1]):
            if not active[p]:
                continue
            if land[f, p] == np.inf:
                now = observed(f, p, constant, market, sign, price)
                move = now - answer[f, p]
                if move >= rise or move <= fall or time - updated[f, p] >= heartbeat:
                    flight[f, p], land[f, p] = now, time + delay
                    if delay > 0.0:
                        continue
                else:
                    continue
            elif time < land[f, p]:
                continue
            path[n], kind[n], state[n], ref[n], bid[n] = p, ORACLE, OFFERED, f, rules[i, 4]
            n += 1
    return n


@kernel
def land_answers(picked: np.ndarray, rows: Rows, time: float, feeds: Feeds, answers: np.ndarray) -> None:
    """Included answers become what is seen. picked: row numbers; answers: [P] count."""
    for j in picked:
        f, p = rows.ref[j], rows.path[j]
        feeds.answer[f, p], feeds.updated[f, p], feeds.land[f, p] = feeds.flight[f, p], time, np.inf
        rows.state[j] = EXECUTED
        answers[p] += 1


class PushFeeds(FeedPhase):
    """All push feeds."""

    def __init__(self, number: np.ndarray, rules: np.ndarray) -> None:
        self.number, self.rules = number, rules

    def observe(self, state: State) -> None:
        """Offer ORACLE transactions."""
        state.room_for_rows(len(self.number) * state.paths)
        state.n_rows = report(self.number, self.rules, state.time, state.active, state.feeds, state.markets.price,
                              state.rows, state.n_rows)


def land(state: State, picked: np.ndarray) -> None:
    """Execute ORACLE transactions."""
    land_answers(picked, state.rows, state.time, state.feeds, state.tally.answers)
