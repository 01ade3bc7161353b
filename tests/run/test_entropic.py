"""Entropic value at risk of a sample: closed forms, order among risk figures, and how many paths a figure rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.columns import Figure
from delever.run.estimates import entropic, tail, tail_mean
from delever.run.figures import rests_on


def test_of_a_normal_sample_it_is_the_closed_form() -> None:
    """m + s sqrt(-2 ln(1 - level))."""
    x = 3.0 + 2.0 * np.random.default_rng(7).normal(size=200_000)
    value, low, high = entropic(x, 0.95)
    assert low < 3.0 + 2.0 * math.sqrt(-2.0 * math.log(0.05)) < high
    assert value == pytest.approx(3.0 + 2.0 * math.sqrt(-2.0 * math.log(0.05)), rel=0.01)


def test_of_two_values_it_is_the_least_of_the_bound_by_a_grid() -> None:
    x = np.where(np.arange(1000) < 5, 100.0, 0.0)  # half a per cent of paths loses 100
    t = np.geomspace(1e-2, 1e4, 200_001)
    grid = 100.0 + t * np.log((0.005 + 0.995 * np.exp(-100.0 / t)) / 0.01)
    assert entropic(x, 0.99)[0] == pytest.approx(float(grid.min()), rel=1e-9)


def test_with_fewer_paths_than_the_tail_has_it_is_the_worst_path() -> None:
    value, low, high = entropic(np.arange(50.0), 0.99)
    assert value == 49.0 and math.isnan(low) and math.isnan(high)
    assert entropic(np.zeros(500), 0.99)[0] == 0.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=400), st.sampled_from([0.9, 0.95]))
def test_it_lies_between_the_mean_of_the_worst_and_the_worst(values: list[float], level: float) -> None:
    x = np.array(values)
    n = round(len(x) * (1 - level))
    found = entropic(x, level)[0]
    assert found <= x.max() * (1 + 1e-12)
    if n >= 1 and n == pytest.approx(len(x) * (1 - level)):
        assert found >= tail_mean(x, level)[0] * (1 - 1e-9) - 1e-9 * x.max()


def test_figures_say_on_how_many_paths_they_rest() -> None:
    values = np.array([np.nan] * 90 + [1.0] * 10)
    assert tail(500, 0.99) == 5
    assert rests_on(np.zeros(500), Figure("f", "quantile", "", level=0.95)) == 25
    assert rests_on(values, Figure("f", "mean_where", "")) == 10
    assert rests_on(values, Figure("f", "mean", "")) is None
