"""Mark prices of perps: what an exchange counts with, made of the index, of its own book and of funding.

    I = index, B = book,  gap_tau <- gap_tau + (1 - exp(-dt / tau)) (B - I - gap_tau)   once a step; 0 at the start
    index         I
    hyperliquid   median(I + gap_150s, B, book_30s)      book_30s: the average of B itself; the first B at the start
    binance       median(I (1 + rate t / T), I + gap_150s, B)    rate: last of funding; t: to the next payment; T: interval
Of an inverse perp I and B are USD a coin, as its exchange quotes it, and the answer is one over the mark.
A new answer once a step, in its first block, seen at once. While it is halted its answer stays, and its averages go on
(assumption); one that lies adds its bias to the logs of both I and B.
Source: hyperliquid.gitbook.io/hyperliquid-docs/trading/robust-price-indices: with two of three inputs, here without other
exchanges' perp prices, "the 30 second EMA of the median of best bid, best ask, and last trade price" is added. Binance,
"Mark Price and Price Index in USD-M Futures" (Median of Price 1, Price 2, Contract Price): its basis is a moving average of
2.5 minutes, here exponential (assumption), and since 18 September 2025 one of 30 s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.core.elementary import exp_, log_
from delever.core.jit import helper, kernel
from delever.core.setting import Setting, ragged
from delever.core.state import Feeds, State
from delever.model.asset import USD, Asset, perps
from delever.model.errors import InputError
from delever.model.quantity import Text
from delever.oracles.base import FeedPhase, FeedSpec

FORMULAS = ("index", "hyperliquid", "binance")
INDEX, HYPERLIQUID, BINANCE = range(3)
SHORT, LONG = 30.0, 150.0  # averages of the gap between book and index [s]
LEAST = 1e-9  # of the index: a mark at or below zero has no log


class Beside(NamedTuple):
    """What marks read beside the market that they are of. n: marks, T: markets of a pair, R: reserves, P: paths."""

    constant: np.ndarray  # [n] log price of the index pair: the part that does not move
    market: np.ndarray  # [n, T] its markets, -1 behind the last
    sign: np.ndarray  # [n, T] +1, -1
    reserve: np.ndarray  # [n] reserve of the perp, whose funding counts; -1: none
    every: np.ndarray  # [n] steps between two payments; 0: no funding
    rate: np.ndarray  # [R, P] last funding rate of an interval, shared with the phase that pays it
    step_length: float  # [s]
    sense: np.ndarray  # [n] -1: of an inverse perp, whose formula is in USD a coin and whose answer is coins a dollar; else 1


class Mark(FeedSpec):
    """Index, book and funding."""

    kind: ClassVar[str] = "mark"
    of: str = Field(examples=["ETH-PERP/USD"], description="the perp's pair: PERP/USD, of an inverse one PERP/COIN")
    index: Text | None = Field(None, description="pair whose market price is the index; null: what the perp follows, in USD")
    formula: Literal["index", "hyperliquid", "binance"] = Field(
        examples=["hyperliquid"], description="how the mark is made of index, book and funding")
    exchange: Text | None = Field(None, description="exchange whose funding counts; null: the one that the perp stands on")

    def index_pair(self, underlying: Mapping[str, str]) -> str:
        """The pair of the index. underlying: perp -> asset that it follows."""
        if self.index is not None:
            return self.index
        perp = self.of.partition("/")[0]
        if perp not in underlying:
            raise InputError("is no perp", path=("of",), value=self.of, remedy="name the `index` pair, or a perp's market")
        return f"{underlying[perp]}/{USD}"

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        formula = [FORMULAS.index(spec.formula) for spec in specs.values()]
        return MarkFeeds(np.array([setting.feed(name) for name in specs], np.int64), np.array(formula, np.int64),
                         beside(list(specs.values()), setting))


def beside(marks: Sequence[Mark], setting: Setting) -> Beside:
    """What marks read beside their own market."""
    underlying, every = perps(setting.world.assets), setting.funding_steps
    pairs = [setting.layout.pair_of(mark.index_pair(underlying)) for mark in marks]
    reserve = np.full(len(marks), -1)
    for i, mark in enumerate(marks):
        perp = mark.of.partition("/")[0]
        for r, (name, asset) in enumerate(setting.reserves):
            if asset == perp and mark.exchange in (None, name):
                reserve[i] = r
    market, sign = ragged([terms for _, terms in pairs])
    return Beside(np.array([constant for constant, _ in pairs]), market, sign, reserve,
                  np.where(reserve >= 0, every[reserve], 0), setting.funding_rate, setting.step_length,
                  np.array([-1.0 if is_inverse(mark.of, setting.world.assets) else 1.0 for mark in marks]))


def is_inverse(pair: str, assets: Mapping[str, Asset]) -> bool:
    """Whether a pair is the market of an inverse perp."""
    base = pair.partition("/")[0]
    return base in assets and assets[base].inverse


@helper
def add_up(constant: float, market: np.ndarray, sign: np.ndarray, price: np.ndarray, out: np.ndarray) -> None:
    """Log market price of a pair on every path. market, sign: [T]; price: [M, P]; out: [P]."""
    for p in range(out.shape[0]):
        out[p] = constant
    for t in range(market.shape[0]):
        if market[t] < 0:
            break
        row, factor = price[market[t]], sign[t]
        for p in range(out.shape[0]):
            out[p] += factor * row[p]


@helper
def average(gap: np.ndarray, share: float, index: np.ndarray, book: np.ndarray) -> None:
    """The average gap goes its share of the way. All [P], USD."""
    for p in range(gap.shape[0]):
        gap[p] += share * (book[p] - index[p] - gap[p])


@helper
def stay(until: np.ndarray, time: float, before: np.ndarray, answer: np.ndarray) -> None:
    """Where the feed is halted its answer is what it was. All [P]."""
    for p in range(answer.shape[0]):
        if until[p] > time:
            answer[p] = before[p]


@kernel
def sample(number: np.ndarray, formula: np.ndarray, share: np.ndarray, step: int, time: float, beside: Beside, feeds: Feeds,
           halted: np.ndarray, price: np.ndarray, gap: np.ndarray, work: np.ndarray) -> None:
    """New answers on all paths.

    share: [2] of the way that SHORT and LONG go; halted: [F, P] until when it does not look [s]; price: [M, P];
    gap: [2, n, P] averages of the book and of the gap [USD]; work: [4, P] scratch.
    """
    index, book, first, before = work[0], work[1], work[2], work[3]
    for i in range(number.shape[0]):
        f, r, every, long = number[i], beside.reserve[i], beside.every[i], gap[1, i]
        answer, bias, sense = feeds.answer[f], feeds.bias[f], beside.sense[i]
        for p in range(answer.shape[0]):
            before[p] = answer[p]
        if formula[i] == INDEX:
            add_up(beside.constant[i] + sense * bias, beside.market[i], beside.sign[i], price, answer)
            for p in range(answer.shape[0]):
                answer[p] *= sense
            stay(halted[f], time, before, answer)
            continue
        add_up(beside.constant[i] + sense * bias, beside.market[i], beside.sign[i], price, index)
        add_up(feeds.constant[f] + bias, feeds.market[f], feeds.sign[f], price, book)
        for p in range(index.shape[0]):
            index[p] = exp_(index[p])
        for p in range(book.shape[0]):
            book[p] = exp_(sense * book[p])
        average(long, share[1], index, book)
        if formula[i] == HYPERLIQUID:
            short = gap[0, i]
            for p in range(first.shape[0]):
                short[p] = short[p] + share[0] * (book[p] - short[p]) if step > 1 else book[p]
                first[p] = short[p]
        elif every > 0 and r >= 0:
            left, rate = (every - step % every) / every, beside.rate[r]
            for p in range(first.shape[0]):
                first[p] = index[p] * (1.0 + rate[p] * left)
        else:
            for p in range(first.shape[0]):
                first[p] = index[p]
        for p in range(answer.shape[0]):
            a, b, c = first[p], book[p], index[p] + long[p]
            first[p] = max(max(min(a, b), min(max(a, b), c)), LEAST * index[p])  # the median
        for p in range(answer.shape[0]):
            answer[p] = sense * log_(first[p])
        stay(halted[f], time, before, answer)


class MarkFeeds(FeedPhase):
    """All marks."""

    def __init__(self, number: np.ndarray, formula: np.ndarray, beside: Beside) -> None:
        """number, formula: [n] feeds and what they are."""
        self.number, self.formula, self.beside = number, formula, beside
        self.share = np.array([-math.expm1(-beside.step_length / tau) for tau in (SHORT, LONG)])
        self.gap = np.zeros((2, len(number), beside.rate.shape[1]))  # [2, n, P] averages of B and of B - I [USD]
        self.work = np.empty((4, beside.rate.shape[1]))

    def observe(self, state: State) -> None:
        """Once a step: in its first block, in which every path takes part."""
        if state.block == 1:
            sample(self.number, self.formula, self.share, state.step, state.time, self.beside, state.feeds, state.halts.feed,
                   state.markets.price, self.gap, self.work)
