"""Marks: medians and averages by hand, when they change, and what their index is."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from delever.core.state import Feeds
from delever.model.errors import InputError
from delever.oracles.mark import FORMULAS, LEAST, Beside, Mark, MarkFeeds

BTC, PERP, ETH = 0, 1, 2  # markets
STEP = 30.0  # [s]: the averages go 1 - 1/e and 1 - e^-0.2 of the way


class Bench:
    """One mark of the perp on one path, with a perp's market and two others; answers as prices [USD]."""

    def __init__(self, formula: str, rate: float = 0.0, every: int = 0,
                 index: tuple[tuple[int, ...], tuple[float, ...]] = ((BTC,), (1.0,)), sense: float = 1.0) -> None:
        self.price = np.zeros((3, 1))  # [M, P]
        self.feeds = Feeds(np.zeros(1), np.array([[PERP]]), np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)),
                           np.zeros((1, 1)), np.full((1, 1), np.inf), np.zeros(1))
        self.halted = np.full((1, 1), -np.inf)  # [F, P] until when it does not look [s]
        beside = Beside(np.zeros(1), np.array([index[0]]), np.array([index[1]]), np.array([0 if every else -1]),
                        np.array([every]), np.full((1, 1), rate), STEP, np.array([sense]))
        self.phase = MarkFeeds(np.array([0]), np.array([FORMULAS.index(formula)]), beside)
        self.step = 0

    def at(self, index: float, book: float, block: int = 1, eth: float = 1.0) -> float:
        """The mark at these prices; a first block begins a step."""
        self.step += block == 1
        self.price[:, 0] = np.log([index, book, eth])
        self.phase.observe(SimpleNamespace(step=self.step, block=block, time=self.step * STEP,  # type: ignore[arg-type]
                                           feeds=self.feeds, halts=SimpleNamespace(feed=self.halted),
                                           markets=SimpleNamespace(price=self.price)))
        return math.exp(self.feeds.answer[0, 0])


def test_the_index_formula_is_blind_to_the_book() -> None:
    bench = Bench("index")
    assert bench.at(100.0, 130.0) == pytest.approx(100.0, rel=1e-14)
    assert bench.at(90.0, 10.0) == pytest.approx(90.0, rel=1e-14)


def test_hyperliquid_is_the_median_of_index_and_average_gap_book_and_average_book() -> None:
    bench, gap = Bench("hyperliquid"), 10.0 * (1.0 - math.exp(-0.2))
    assert bench.at(100.0, 110.0) == pytest.approx(110.0, rel=1e-14)  # the average book begins at the book
    gap, book = gap * math.exp(-0.2), 110.0 + (100.0 - 110.0) * (1.0 - math.exp(-1.0))
    assert bench.at(100.0, 100.0) == pytest.approx(100.0 + gap, rel=1e-14)  # 101.48 between 100 and 103.68
    gap, book = gap + (-4.0 - gap) * (1.0 - math.exp(-0.2)), book + (96.0 - book) * (1.0 - math.exp(-1.0))
    assert bench.at(100.0, 96.0) == pytest.approx(book, rel=1e-14)  # 98.83 between 96 and 100.49


def test_hyperliquid_lags_a_fall_of_both_index_and_book_by_neither() -> None:
    bench = Bench("hyperliquid")
    bench.at(100.0, 100.0)
    assert bench.at(80.0, 80.0) == pytest.approx(80.0, rel=1e-14)  # 80 twice, and an average of 92


@pytest.mark.parametrize(("rate", "book", "mark"), [
    (0.01, 100.5, 100.5),  # 100.09 < 100.5 < 100.75
    (0.004, 110.0, 100.0 + 10.0 * (1.0 - math.exp(-0.2))),  # 100.3 < 101.81 < 110
    (0.008, 104.0, 100.0 + 4.0 * (1.0 - math.exp(-0.2))),  # 100.6 < 100.73 < 104
    (0.012, 104.0, 100.9),  # 100.73 < 100.9 < 104
    (-0.02, 97.0, 98.5),  # 97 < 98.5 < 99.46
])
def test_binance_is_the_median_of_funding_to_come_average_and_book(rate: float, book: float, mark: float) -> None:
    bench = Bench("binance", rate, every=4)  # three of four parts of the interval are left in the first step
    assert bench.at(100.0, book) == pytest.approx(mark, rel=1e-13)


def test_binance_counts_down_to_the_payment_and_starts_anew_in_the_step_of_it() -> None:
    bench = Bench("binance", rate=0.04, every=4)
    bench.phase.gap[1] = 1e6  # type: ignore[attr-defined]  # out of the way: the mark is the higher of book and funding
    marks = [bench.at(100.0, 101.5) for _ in range(5)]
    assert marks == pytest.approx([103.0, 102.0, 101.5, 104.0, 103.0], rel=1e-13)


def test_binance_without_funding_has_the_bare_index_in_its_place() -> None:
    assert Bench("binance", rate=0.5).at(100.0, 90.0) == pytest.approx(100.0 - 10.0 * (1.0 - math.exp(-0.2)), rel=1e-14)
    assert Bench("binance", rate=0.5).at(100.0, 110.0) == pytest.approx(100.0 + 10.0 * (1.0 - math.exp(-0.2)), rel=1e-14)


@pytest.mark.parametrize("formula", ["index", "hyperliquid", "binance"])
def test_a_mark_is_sampled_in_the_first_block_of_a_step_alone(formula: str) -> None:
    one, several = Bench(formula), Bench(formula)
    first = several.at(100.0, 104.0)
    assert several.at(50.0, 20.0, block=2) == first
    assert several.at(70.0, 90.0, block=3) == first
    assert [one.at(100.0, 104.0), one.at(99.0, 98.0)] == [first, several.at(99.0, 98.0)]
    assert several.phase.refresh(SimpleNamespace()) is False  # type: ignore[arg-type]


def test_an_index_may_be_made_of_several_markets() -> None:
    bench = Bench("index", index=((BTC, ETH, -1), (1.0, -1.0, 0.0)))
    assert bench.at(60_000.0, 7.0, eth=3000.0) == pytest.approx(20.0, rel=1e-14)


def test_a_mark_stays_above_zero_where_the_index_falls_below_the_old_gap() -> None:
    bench = Bench("binance", rate=-1e3, every=4)
    for _ in range(20):
        bench.at(1000.0, 1.0)
    assert bench.at(10.0, 10.0) == pytest.approx(LEAST * 10.0, rel=1e-12)


def test_without_an_index_it_is_what_the_perp_follows() -> None:
    spec = Mark(of="BTC-PERP/USD", formula="index")
    assert spec.index_pair({"BTC-PERP": "BTC"}) == "BTC/USD"
    assert Mark(of="BTC-PERP/USD", index="BTC/USDT", formula="index").index_pair({"BTC-PERP": "BTC"}) == "BTC/USDT"
    with pytest.raises(InputError, match=r"is no perp.*name the `index` pair"):
        spec.index_pair({})


@pytest.mark.parametrize("formula", ["index", "hyperliquid", "binance"])
def test_a_mark_that_is_halted_keeps_its_answer_while_its_averages_go_on(formula: str) -> None:
    stopped, free = Bench(formula), Bench(formula)
    for bench in (stopped, free):
        bench.at(100.0, 101.0)
    before, stopped.halted[:] = stopped.feeds.answer[0, 0], 2 * STEP + 1.0
    free.at(90.0, 92.0)
    stopped.at(90.0, 92.0)
    assert stopped.feeds.answer[0, 0] == before
    assert stopped.at(80.0, 83.0) == free.at(80.0, 83.0) != math.exp(before)


@pytest.mark.parametrize("formula", ["index", "hyperliquid", "binance"])
def test_a_mark_that_lies_sees_index_and_book_at_a_factor(formula: str) -> None:
    liar, honest = Bench(formula), Bench(formula)
    liar.feeds.bias[:] = math.log(0.9)
    for index, book in ((100.0, 101.0), (95.0, 90.0), (97.0, 99.0)):
        assert liar.at(index, book) == pytest.approx(0.9 * honest.at(index, book), rel=1e-12)


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_mark_of_an_inverse_perp_is_one_over_what_its_exchange_says(formula: str) -> None:
    """Its market is what a dollar is worth in the coin; index, average gap and funding are in dollars a coin."""
    linear, inverse = Bench(formula, rate=0.001, every=4), Bench(formula, rate=0.001, every=4, sense=-1.0)
    for index, book in ((100.0, 103.0), (90.0, 96.0), (95.0, 91.0), (130.0, 131.0)):
        assert inverse.at(index, 1.0 / book) == pytest.approx(1.0 / linear.at(index, book), rel=1e-13)


def test_a_lie_of_an_inverse_mark_is_of_its_answer() -> None:
    """A feed that says a tenth more says that a dollar is worth a tenth more of the coin."""
    bench = Bench("index", sense=-1.0)
    bench.feeds.bias[0] = math.log(1.1)
    assert bench.at(100.0, 1.0) == pytest.approx(1.1 / 100.0, rel=1e-13)
