"""A push feed: reporters answer when the price has moved, or when the last answer has grown old; it lands late.

    an answer in flight:  offer it once  t >= land
    else observe o + bias:  o - answer >= ln(1 + deviation)  or  <= ln(1 - deviation)  or  old  ->  in flight, land = t + delay
    old         t - updated >= heartbeat                                        every answer sets the clock back
    with first  updated < first + floor((t - first) / heartbeat) heartbeat      none does: it has not answered since the last beat
Source: Chainlink data feeds (deviation threshold and heartbeat); ETH/USD on Ethereum 0.5 %, 3600 s. That its heartbeat keeps a
clock of its own is seen in its rounds of 2023 (examples/oracles).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Value
from delever.core.jit import kernel
from delever.core.phase import Kind
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.core.tables import EXECUTED, OFFERED, REPORTERS, Tally, Transactions
from delever.model.quantity import Gwei, Seconds, Share, Text
from delever.oracles.base import FeedPhase, FeedSpec

CLOCK = 1e-6  # [s]: block times are floats


class Push(FeedSpec):
    """Deviation or heartbeat."""

    kind: ClassVar[str] = "push"
    reports: ClassVar[bool] = True
    heartbeat: Seconds = Field(gt=0, examples=["1 h"], description="an answer older than this is renewed")
    deviation: Share = Field(gt=0, lt=1, examples=["0.5 %"], description="a move of the market that calls for an answer")
    first: Seconds | None = Field(None, ge=0,
                                 description="time of a heartbeat, of a clock that answers do not set back; null: they do")
    delay: Seconds = Field(default=0.0, ge=0, description="from the observation to the offer of the transaction")
    fee: Gwei = Field(default=30.0, ge=0, description="bid of the reporter, a unit of gas")
    answer: float | None = Field(default=None, gt=0, description="answer at the start; without one, the market's")
    age: Seconds = Field(default=0.0, ge=0, description="age of the answer at the start")
    network: Text | None = Field(default=None, description="the chain it answers on; null: the only one")

    def start_answer(self, log_price: float) -> float:
        """As given, or the market's."""
        return math.log(self.answer) if self.answer is not None else log_price

    def start_age(self) -> float:
        """As given."""
        return self.age

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        number = np.array([setting.feed(name) for name in specs], np.int64)
        network = np.array([setting.network(spec.network, "feeds", name, "network") for name, spec in specs.items()], np.int64)
        rules = np.array([[math.log1p(s.deviation), math.log1p(-s.deviation), s.heartbeat, s.delay, s.fee,
                           math.nan if s.first is None else s.first] for s in specs.values()])
        return PushFeeds(number, network, rules, setting.paths)


@kernel
def report(number: np.ndarray, network: np.ndarray, rules: np.ndarray, kind: int, time: float, active: np.ndarray, feeds: Feeds,
           halted: np.ndarray, price: np.ndarray, now: np.ndarray, rows: Transactions, n: int) -> int:
    """Offer what has landed or is due; the number of transactions then.

    number, network: [n] feeds of this kind; rules: [n, 6]; halted: [F, P] until when it does not look [s]; price: [M, P] log
    market prices; now: [P] scratch.
    """
    constant, market, sign = feeds.constant, feeds.market, feeds.sign
    path, state, ref, bid = rows.path, rows.state, rows.ref, rows.bid
    for i in range(number.shape[0]):
        f, rise, fall, heartbeat, delay = number[i], rules[i, 0], rules[i, 1], rules[i, 2], rules[i, 3]
        answer, updated, flight, land = feeds.answer[f], feeds.updated[f], feeds.flight[f], feeds.land[f]
        for p in range(now.shape[0]):
            now[p] = constant[f] + feeds.bias[f]
        for t in range(market.shape[1]):
            if market[f, t] < 0:
                break
            row, factor = price[market[f, t]], sign[f, t]
            for p in range(now.shape[0]):
                now[p] += factor * row[p]
        some, oldest, first = 0, time - heartbeat, rules[i, 5]
        if not math.isnan(first):
            oldest = first + math.floor((time - first + CLOCK) / heartbeat) * heartbeat - CLOCK
        for p in range(now.shape[0]):
            move = now[p] - answer[p]
            some += (move >= rise) | (move <= fall) | (updated[p] <= oldest) | (land[p] <= time)
        if some == 0:
            continue
        for p in range(now.shape[0]):
            if not active[p]:
                continue
            if land[p] == np.inf:
                move = now[p] - answer[p]
                if halted[f, p] > time or not (move >= rise or move <= fall or updated[p] <= oldest):
                    continue
                flight[p], land[p] = now[p], time + delay
            if land[p] <= time:
                path[n], rows.kind[n], state[n], ref[n], bid[n] = p, kind, OFFERED, f, rules[i, 4]
                rows.network[n], rows.actor[n] = network[i], REPORTERS
                n += 1
    return n


@kernel
def await_answers(number: np.ndarray, rules: np.ndarray, feeds: Feeds, halted: np.ndarray, wake: np.ndarray) -> None:
    """A path wakes when an answer in flight may land, or when the last one grows too old and the feed looks."""
    for i in range(number.shape[0]):
        land, updated, until = feeds.land[number[i]], feeds.updated[number[i]], halted[number[i]]
        heartbeat, first = rules[i, 2], rules[i, 5]
        for p in range(wake.shape[0]):
            beat = updated[p] + heartbeat
            if not math.isnan(first):
                beat = first + (math.floor((updated[p] - first + CLOCK) / heartbeat) + 1.0) * heartbeat
            wake[p] = min(wake[p], land[p] if land[p] < np.inf else max(beat, until[p]))


@kernel
def apply_answers(picked: np.ndarray, rows: Transactions, time: float, feeds: Feeds, tally: Tally) -> None:
    """Included answers become what is seen. picked: row numbers."""
    for j in picked:
        f, p = rows.ref[j], rows.path[j]
        feeds.answer[f, p], feeds.updated[f, p], feeds.land[f, p] = feeds.flight[f, p], time, np.inf
        rows.state[j] = EXECUTED
        tally.answers[p] += 1
        tally.mover[p] = rows.number[j]


class Answer(Kind):
    """The transaction by which a feed answers."""

    name: ClassVar[str] = "oracle"
    gas: ClassVar[float] = 100_000.0
    turn: ClassVar[int] = 0
    answers: ClassVar[bool] = True
    moves_seen: ClassVar[bool] = True

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        apply_answers(picked, state.transactions, state.time, state.feeds, state.tally)


ANSWERS = Column("oracle_answers", "count", "oracle answers that landed")


class PushFeeds(FeedPhase):
    """All push feeds."""

    def __init__(self, number: np.ndarray, network: np.ndarray, rules: np.ndarray, paths: int) -> None:
        """number, network: [n]; rules: [n, 6] ln(1 + deviation), ln(1 - deviation), heartbeat, delay, fee, first beat or nan."""
        self.number, self.network, self.rules, self.now, self.answer = number, network, rules, np.empty(paths), Answer()

    def kinds(self) -> Sequence[Kind]:
        """Answers."""
        return (self.answer,)

    def observe(self, state: State) -> None:
        """Offer answers."""
        state.room_for_rows(len(self.number) * state.paths)
        state.n_rows = report(self.number, self.network, self.rules, self.answer.number, state.time, state.active, state.feeds,
                              state.halts.feed, state.markets.price, self.now, state.transactions, state.n_rows)

    def wake(self, state: State) -> None:
        """For what is on its way, and for the heartbeat."""
        await_answers(self.number, self.rules, state.feeds, state.halts.feed, state.wake)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(ANSWERS, state.tally.answers)]
