"""Intervals of estimates: how often they hold the truth, and what weights do to each figure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.coverage import Put, figures, judged
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from delever.run.estimates import (
    Weights,
    around,
    counts_below,
    effective,
    entropic,
    least_bound,
    mean,
    ordered_at,
    quantile,
    share,
    tail,
    tail_mean,
    tail_mean_at,
)

REPEAT, PATHS = 300, 1000
ALLOWED = 3.3 * math.sqrt(0.05 * 0.95 / REPEAT)  # Monte Carlo error of a coverage of 95 %


@pytest.mark.parametrize("shift", [0.0, -2.0])
def test_intervals_hold_the_truth_as_often_as_they_say(shift: float) -> None:
    """A put of which one path in seven pays, in closed form; drawn plainly, and around a fall. Both ends miss."""
    put, rng = Put(0.78, 0.2), np.random.default_rng(11)
    truths = figures(put.var, put.expected_shortfall, {0.0: put.beyond(0.0), 0.1: put.beyond(0.1)}, put.mean())
    rows = judged(truths, (put.draw(shift)(rng, PATHS) for _ in range(REPEAT)))
    assert len(rows) == 7
    assert {row["figure"]: row["holds"] for row in rows if abs(row["holds"] - 0.95) > ALLOWED} == {}


def test_a_put_s_closed_forms_are_those_of_a_large_sample() -> None:
    put = Put(0.9, 0.2)
    x, _ = put.draw(0.0)(np.random.default_rng(1), 400_000)
    assert x.mean() == pytest.approx(put.mean(), rel=0.01)
    assert ordered_at(x, 0.99) == pytest.approx(put.var(0.99), rel=0.01)
    assert tail_mean_at(x, 0.99) == pytest.approx(put.expected_shortfall(0.99), rel=0.01)
    assert (x > 0.05).mean() == pytest.approx(put.beyond(0.05), rel=0.01)


@pytest.mark.parametrize(("n", "level"), [(1000, 0.95), (1000, 0.99), (200, 0.5), (50, 0.9), (6, 0.5), (100_000, 0.999)])
def test_the_counts_below_a_quantile_are_those_of_a_binomial_test(n: int, level: float) -> None:
    """mid-p, by scipy."""
    first, last = counts_below(n, level)
    k = np.arange(n + 1)
    below = binom.cdf(k, n, level) - 0.5 * binom.pmf(k, n, level)
    allowed = k[(below > 0.025) & (1.0 - below > 0.025)]
    assert (first, last) == (allowed[0], allowed[-1])


def test_an_interval_of_symmetric_influence_is_the_normal_one_and_a_skewed_one_leans() -> None:
    even = np.tile([-1.0, 1.0], 500)
    half = 1.959963984540054 * math.sqrt(1000 / 999) / math.sqrt(1000)
    assert around(3.0, even) == pytest.approx((3.0, 3.0 - half, 3.0 + half))
    value, low, high = mean(np.where(np.arange(1000) < 10, 100.0, 0.0))
    assert value == 1.0 and high - value > 1.3 * (value - low) > 0.0


def test_too_few_paths_bound_nothing() -> None:
    x = np.arange(20.0)
    assert tail_mean(x, 0.95)[0] == 19.0 and all(map(math.isnan, tail_mean(x, 0.95)[1:]))
    assert math.isnan(quantile(x, 0.99)[2]) and not math.isnan(quantile(x, 0.99)[1])
    assert all(map(math.isnan, mean(np.ones(1))[1:]))
    value, low, high = tail_mean(np.zeros(1000), 0.95)
    assert value == low == 0.0 and math.isnan(high)  # none of the worst tells what is worse


weights = st.lists(st.tuples(st.sampled_from([0.0, 0.0, 1.0, 2.5, 7.0, 1e6]), st.integers(1, 4)), min_size=2, max_size=60)


@settings(max_examples=60, deadline=None)
@given(weights, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_path_that_counts_twice_is_two_paths(drawn: list[tuple[float, int]], level: float) -> None:
    x, times = np.array([one[0] for one in drawn]), np.array([one[1] for one in drawn])
    w, copies = times.astype(float), np.repeat(x, times)
    assert mean(x, Weights(w, np.ones(len(x), bool)))[0] == pytest.approx(copies.mean())
    assert share(x > 1.0, Weights(w, np.ones(len(x), bool)))[0] == pytest.approx((copies > 1.0).mean())
    order = np.sort(copies)
    assert order[max(0, math.ceil(level * len(copies) - 1e-9) - 1)] == ordered_at(x, level, w)
    assert least_bound(x, level, w)[0] == pytest.approx(float(least_bound(copies, level)[0]), rel=1e-9)
    if abs((1 - level) * len(copies) % 1.0) < 1e-9 or (1 - level) * len(copies) % 1.0 > 1 - 1e-9:
        assert tail_mean_at(x, level, w) == pytest.approx(float(tail_mean_at(copies, level)))


def test_equal_weights_change_no_figure() -> None:
    x = np.random.default_rng(2).exponential(size=500)
    even = Weights(np.full(500, 3.0), np.arange(500) % 4 == 3)
    for plain, weighted in ((mean(x), mean(x, even)), (quantile(x, 0.9), quantile(x, 0.9, even)),
                            (tail_mean(x, 0.9), tail_mean(x, 0.9, even)), (entropic(x, 0.95), entropic(x, 0.95, even)),
                            (share(x > 1.0), share(x > 1.0, even))):
        assert weighted[0] == pytest.approx(plain[0], rel=1e-12)
        assert weighted[1:] == pytest.approx(plain[1:], rel=0.06)
    assert tail(500, 0.9, x, even.w) == tail(500, 0.9) == 50
    assert effective(even.w) == pytest.approx(500.0)
