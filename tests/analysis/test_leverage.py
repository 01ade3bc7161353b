"""The spread of leverage: the model against closed forms, and the fit on books whose spread is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from delever.analysis import leverage
from delever.analysis.leverage import MU, SHIFT, SIGMA, TURNOVER, Feed, liquidated_share, worst_moves

TRUE = (14, 4, 2, 5)  # node of mu, sigma, turnover, shift
DAYS, AGES = 240, 12


def prices(seed: int, days: int = DAYS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average, low and high of days, volatile enough to liquidate."""
    random = np.random.Generator(np.random.Philox(seed))
    middle = np.cumsum(random.normal(0.0, 0.04, days))
    down, up = np.abs(random.normal(0.0, 0.03, (2, days)))
    return np.exp(middle), np.exp(middle - down), np.exp(middle + up)


def feed(seed: int, reporting: float, complete: bool, sides: bool, noise: float = 0.0) -> Feed:
    """A feed made by the model itself at the true node."""
    falls, rises = (worst[:, :, AGES:] for worst in worst_moves(*prices(seed), ages=AGES))
    rows = falls.shape[2]
    floor = np.full(rows, 0.01)
    m, s, t, k = TRUE
    random = np.random.Generator(np.random.Philox(seed + 1))
    seen = []
    for worst, mu in ((falls, MU[m]), (rises, MU[m + SHIFT[k]])):
        share = liquidated_share(worst, floor, float(mu), float(SIGMA[s]), TURNOVER)[t]
        seen.append(reporting * share * np.exp(noise * random.standard_normal(rows) - noise**2 / 2))
    long, short = (seen[0], seen[1]) if sides else (seen[0] + seen[1], None)
    return Feed("made", falls, rises, floor, np.ones(rows), np.arange(rows), np.arange(rows), long, short, complete)


def test_worst_moves_count_from_the_entry_and_only_after_it() -> None:
    opened, low, high = np.array([100.0, 100, 100]), np.array([90.0, 95, 80]), np.array([101.0, 110, 105])
    falls, rises = worst_moves(opened, low, high, ages=2)
    assert falls[:, 0, 2] == pytest.approx([0.0, math.log(100 / 80)])  # opened on the day
    assert falls[:, 2, 2] == pytest.approx([math.log(100 / 95), math.log(100 / 80)])  # the low of the opening day is left out
    assert rises[:, 2, 2] == pytest.approx([math.log(1.1), math.log(1.1)])
    assert np.isnan(falls[:, 2, 1]).all()


def test_nobody_is_liquidated_twice_nor_below_the_floor() -> None:
    worst = np.full((2, AGES + 1, 1), 0.3)  # no new extreme on the day, except for what is opened then
    worst[:, 0] = 0.0
    assert liquidated_share(worst, np.array([0.01]), -1.0, 1.0, TURNOVER) == pytest.approx(0.0)
    worst[1] = 0.005  # less than the least distance that the leverage allows
    worst[0] = 0.0
    assert liquidated_share(worst, np.array([0.01]), -1.0, 1.0, TURNOVER) == pytest.approx(0.0)


def test_a_first_move_takes_the_share_opened_closer_than_it() -> None:
    worst = np.zeros((2, AGES + 1, 1))
    worst[1, 1:] = 0.2
    z = [(math.log(x) + 1.0) / 0.9 for x in (0.2, 0.01)]
    inside, below = (0.5 * math.erfc(-value / math.sqrt(2)) for value in z)
    share = liquidated_share(worst, np.array([0.01]), -1.0, 0.9, TURNOVER)
    assert share == pytest.approx((inside - below) / (1 - below), abs=1e-6)


def test_a_move_takes_no_less_than_a_smaller_one() -> None:
    small, large = np.zeros((2, AGES + 1, 1)), np.zeros((2, AGES + 1, 1))
    small[1], large[1] = 0.1, 0.25
    low, high = (liquidated_share(worst, np.array([0.01]), -1.0, 1.5, TURNOVER) for worst in (small, large))
    assert (high > low).all()


@pytest.fixture(scope="module")
def made() -> list[leverage.Predictions]:
    """A feed that reports an eighth of each side, and a complete one of both sides together; with noise."""
    return [leverage.predict(feed(1, 0.125, False, True, 0.3)), leverage.predict(feed(2, 1.0, True, False, 0.3))]


def test_the_fit_finds_the_spread_and_the_share_reported(made: list[leverage.Predictions]) -> None:
    found = leverage.fit(made, turnover=float(TURNOVER[TRUE[2]])).best
    move = np.array([0.05, 0.1, 0.2])
    m, s, _, k = TRUE
    true = leverage.Spread(float(MU[m]), float(SIGMA[s]), float(MU[m + SHIFT[k]] - MU[m]), float(TURNOVER[TRUE[2]]), ())
    for short in (False, True):
        assert found.share_within(move, 0.01, short) == pytest.approx(true.share_within(move, 0.01, short), rel=0.15)
    assert found.reporting[0] == pytest.approx(0.125, rel=0.15)
    assert found.reporting[1] == 1.0


def test_without_noise_the_fit_is_the_true_node() -> None:
    exact = [leverage.predict(feed(1, 0.125, False, True)), leverage.predict(feed(2, 1.0, True, False))]
    found = leverage.fit(exact)  # both are foretold without error: no feed may weigh infinitely
    assert found.node == TRUE
    assert found.best.reporting[0] == pytest.approx(0.125)
    assert leverage.score(exact[0], found.node, found.best.reporting[0]).explained == pytest.approx(1.0)


def test_bootstrap_follows_its_seed_and_spreads(made: list[leverage.Predictions]) -> None:
    first, again, other = (leverage.fit(made, 20, seed, 0.3).draws for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len({draw.mu for draw in first}) > 1


def test_a_constant_explains_nothing_and_the_truth_nearly_all(made: list[leverage.Predictions]) -> None:
    part = made[0]
    kept = part.feed.day >= DAYS // 2
    second = leverage.Predictions(part.feed.only(kept), part.long[..., kept], part.short[..., kept])
    assert leverage.score(second, TRUE, 0.125).explained > 0.8
    mean = leverage.Predictions(second.feed, np.full_like(second.long, second.feed.long.mean()),
                                np.full_like(second.short, second.feed.short.mean()))
    assert leverage.score(mean, TRUE, 1.0).explained <= 0.0
