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

from delever.core.columns import Column, Phase, Value
from delever.core.jit import kernel
from delever.core.state import Feeds, State
from delever.core.tables import EXECUTED, OFFERED, ORACLE, REPORTERS, Transactions
from delever.model.quantity import Gwei, Seconds, Share
from delever.oracles.base import FeedPhase, FeedSpec


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
           now: np.ndarray, rows: Transactions, n: int, step_end: float, wake: np.ndarray) -> int:
    """Offer what has landed or is due; the number of transactions then.

    number: [n] feeds of this kind; rules: [n, 5]; price: [M, P] log market prices; now: [P] scratch.
    """
    constant, market, sign = feeds.constant, feeds.market, feeds.sign
    path, kind, state, ref, bid = rows.path, rows.kind, rows.state, rows.ref, rows.bid
    for i in range(number.shape[0]):
        f, rise, fall, heartbeat, delay = number[i], rules[i, 0], rules[i, 1], rules[i, 2], rules[i, 3]
        answer, updated, flight, land = feeds.answer[f], feeds.updated[f], feeds.flight[f], feeds.land[f]
        for p in range(now.shape[0]):
            now[p] = constant[f]
        for t in range(market.shape[1]):
            if market[f, t] < 0:
                break
            row, factor = price[market[f, t]], sign[f, t]
            for p in range(now.shape[0]):
                now[p] += factor * row[p]
        some, oldest = 0, time - heartbeat
        for p in range(now.shape[0]):
            move = now[p] - answer[p]
            some += (move >= rise) | (move <= fall) | (updated[p] <= oldest) | (land[p] <= time)
        if step_end > 0.0:
            for p in range(now.shape[0]):
                if active[p] and land[p] <= step_end:
                    wake[p] = min(wake[p], time)  # as main: looked at in every block until it has landed
        if some == 0:
            continue
        for p in range(now.shape[0]):
            if not active[p]:
                continue
            if land[p] == np.inf:
                move = now[p] - answer[p]
                if not (move >= rise or move <= fall or updated[p] <= oldest):
                    continue
                flight[p], land[p] = now[p], time + delay
            if land[p] <= step_end:
                wake[p] = min(wake[p], time)  # as main: looked at in every block until it has landed
            if land[p] <= time:
                path[n], kind[n], state[n], ref[n], bid[n] = p, ORACLE, OFFERED, f, rules[i, 4]
                n += 1
    return n


@kernel
def land_answers(picked: np.ndarray, rows: Transactions, time: float, feeds: Feeds, answers: np.ndarray) -> None:
    """Included answers become what is seen. picked: row numbers; answers: [P] count."""
    for j in picked:
        f, p = rows.ref[j], rows.path[j]
        feeds.answer[f, p], feeds.updated[f, p], feeds.land[f, p] = feeds.flight[f, p], time, np.inf
        rows.state[j] = EXECUTED
        answers[p] += 1


class PushFeeds(FeedPhase):
    """All push feeds."""

    def __init__(self, number: np.ndarray, rules: np.ndarray) -> None:
        self.number, self.rules, self.now = number, rules, np.empty(0)

    def observe(self, state: State) -> None:
        """Offer ORACLE transactions."""
        if len(self.now) != state.paths:
            self.now = np.empty(state.paths)
        state.room_for_rows(len(self.number) * state.paths)
        state.n_rows = report(self.number, self.rules, state.time, state.active, state.feeds, state.markets.price,
                              self.now, state.transactions, state.n_rows,
                              state.step * state.step_length if state.block < state.blocks else -np.inf, state.wake)


ANSWERS = Column("oracle_answers", "count", "oracle answers that landed")


class Answers(Phase):
    """The kind of transaction by which a feed answers."""

    name, gas, payer, looks, moves_seen, called = "oracle", 100_000.0, REPORTERS, False, True, False

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(ANSWERS, state.tally.answers)]

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Execute ORACLE transactions."""
        land_answers(picked, state.transactions, state.time, state.feeds, state.tally.answers)
