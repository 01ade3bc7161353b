"""The replica is flox: the same ids in the same order and the same fund, bit for bit, mark by mark."""

from __future__ import annotations

import numpy as np
import pytest

from flox.books import Book, draw_book, draw_marks
from flox.replica import RANKINGS, Ranking, Rules, fixed
from flox.rival import Day, flox_day, replayed

FUND = 5e3  # USD; less than what these books lose, so that winners are asked


def assert_same(ours: Day, theirs: Day) -> None:
    """Every id, in order, and every dollar, bit for bit."""
    for mark, (a, b) in enumerate(zip(ours.outcomes, theirs.outcomes, strict=True)):
        assert (a.liquidated, a.deleveraged) == (b.liquidated, b.deleveraged), f"mark {mark}"
        assert (a.fund_delta, a.absorbed) == (b.fund_delta, b.absorbed), f"mark {mark}"
    assert ours.funds == theirs.funds


@pytest.mark.parametrize("short_share", [0.0, 0.5], ids=["long", "mixed"])
@pytest.mark.parametrize("seed", range(20))
def test_replica_is_flox_on_crash_days(seed: int, short_share: float) -> None:
    book, marks = draw_book(seed, 3000, short_share), draw_marks(seed, 300)
    ours = replayed(book, marks, FUND, Rules())
    assert_same(ours, flox_day(book, marks, FUND, Rules()))
    assert ours.funds[-1] == 0.0
    assert any(outcome.deleveraged for outcome in ours.outcomes)


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("seed", range(5))
def test_every_ranking_is_flox(seed: int, ranking: Ranking) -> None:
    rules = Rules(ranking=ranking, slippage=0.004, maintenance=0.01)
    book, marks = draw_book(seed, 1000, 0.5), draw_marks(seed, 200)
    ours = replayed(book, marks, 0.0, rules)
    assert_same(ours, flox_day(book, marks, 0.0, rules))
    assert sum(len(outcome.deleveraged) for outcome in ours.outcomes) > 5


@pytest.mark.parametrize("ranking", RANKINGS)
def test_equal_scores_go_by_account(ranking: Ranking) -> None:
    same = np.ones(40)
    book = Book(np.where(np.arange(40) % 2, -1.0, 1.0) * same, 100.0 * same, 2.0 * same)
    rules, marks = Rules(ranking=ranking), np.array([97.9, 97.5])
    ours = replayed(book, marks, 0.0, rules)
    assert_same(ours, flox_day(book, marks, 0.0, rules))
    assert 1 < len(ours.outcomes[0].deleveraged) < 20
    assert ours.outcomes[0].deleveraged == sorted(ours.outcomes[0].deleveraged)


def test_position_without_equity_is_ranked_by_profit_alone() -> None:
    book = Book(np.array([-1.0, -1.0, -2.0, 9.0]), np.array([150.0, 100.1, 100.1, 101.0]), np.array([100.0, 0.0, 0.0, 1.0]))
    ours = replayed(book, np.array([99.0]), 0.0, Rules())
    assert_same(ours, flox_day(book, np.array([99.0]), 0.0, Rules()))
    assert ours.outcomes[0].deleveraged[0] == 2
    assert ours.outcomes[0].liquidated == [3]


def test_positions_are_kept_in_hundred_millionths() -> None:
    grains = 1e-8 * np.array([0.4, 0.5, -0.5, 1.4, 2.5, -2.5])
    assert fixed(grains).tolist() == [0.0, 1e-8, -1e-8, 1e-8, 3e-8, -3e-8]
    book = Book(grains, np.where(grains > 0.0, 3.0, 1.0), np.zeros(6))
    ours = replayed(book, np.array([2.0]), 1.0, Rules(adl=False))
    assert_same(ours, flox_day(book, np.array([2.0]), 1.0, Rules(adl=False)))
    assert ours.outcomes[0].liquidated == [1, 2, 3, 4, 5]


def test_a_tier_holds_for_the_whole_notional() -> None:
    rules = Rules(tiers=((5_000.0, 0.01), (20_000.0, 0.03)))
    book, marks = draw_book(7, 1000, 0.5), draw_marks(7, 200)
    ours = replayed(book, marks, FUND, rules)
    assert_same(ours, flox_day(book, marks, FUND, rules))
    assert ours.outcomes[0].liquidated != replayed(book, marks, FUND, Rules()).outcomes[0].liquidated


def test_without_adl_the_rest_is_forgotten() -> None:
    rules, book, marks = Rules(adl=False), draw_book(1, 500, 0.5), draw_marks(1, 100)
    ours = replayed(book, marks, 100.0, rules)
    assert_same(ours, flox_day(book, marks, 100.0, rules))
    assert sum(outcome.uncovered for outcome in ours.outcomes) > 0.0
    assert not any(outcome.deleveraged for outcome in ours.outcomes)
