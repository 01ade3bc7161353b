"""First passage of a diffusion: textbook values, the density integrated by hand, differences, limits."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from delever.analysis.hitting import BETWEEN, beyond, hitting, normal_cdf

DRIFTS = st.sampled_from((0.0, 1e-6, -1e-6, 1e-3, -1e-3)) | st.floats(-4.0, 4.0)


def test_the_normal_distribution_is_that_of_scipy() -> None:
    x = np.linspace(-37.0, 9.0, 1000)
    np.testing.assert_allclose(normal_cdf(x), stats.norm.cdf(x), rtol=1e-11)


def test_textbook_values() -> None:
    still = hitting(0.2, 0.0, 0.4, 1.0)  # reflection: twice the tail
    assert still.probability == pytest.approx(2.0 * stats.norm.cdf(-0.5), rel=1e-14)
    assert hitting(0.3, -0.5, 0.6, 1e9).probability == pytest.approx(math.exp(-2.0 * 0.5 * 0.3 / 0.36), rel=1e-12)
    there = hitting(0.3, 0.5, 0.6, 1e9)  # drift leads there: certain, after a / nu on average
    assert (there.probability, there.time) == (pytest.approx(1.0), pytest.approx(0.3 / 0.5, rel=1e-12))
    # Musiela and Rutkowski 2005, B.3: N((-a + nu t) / s) + exp(2 nu a / sigma^2) N((-a - nu t) / s)
    up = hitting(0.1, 0.05, 0.25, 0.5)
    s = 0.25 * math.sqrt(0.5)
    by_hand = stats.norm.cdf((0.025 - 0.1) / s) + math.exp(0.1 * 0.1 / 0.0625) * stats.norm.cdf((-0.025 - 0.1) / s)
    assert up.probability == pytest.approx(by_hand, rel=1e-14)
    assert pytest.approx(-stats.norm.pdf(0.0) * _zeta_half(), abs=1e-12) == BETWEEN
    assert beyond(0.1, 0.4, 0.25) == pytest.approx(0.1 + 0.5826 * 0.4 * 0.5, abs=1e-5)


def _zeta_half() -> float:
    """zeta(1/2), from the alternating series by Euler's transform."""
    terms, total = [(-1) ** k / math.sqrt(k + 1) for k in range(40)], 0.0
    sums = list(np.cumsum(terms))
    while len(sums) > 1:
        sums = [0.5 * (a + b) for a, b in pairwise(sums)]
    total = sums[0]
    return total / (1.0 - 2.0 ** 0.5)


@given(st.floats(0.02, 2.0), DRIFTS, st.floats(0.1, 2.0), st.floats(0.05, 3.0))
def test_probability_and_time_are_the_density_integrated(a: float, nu: float, sigma: float, tau: float) -> None:
    """f(t) = a / (sigma sqrt(2 pi t^3)) exp(-(a - nu t)^2 / (2 sigma^2 t)), over t = tau e^x."""
    x, dx = np.linspace(-16.0, 0.0, 20_001, retstep=True)
    t = tau * np.exp(x)
    density = a / (sigma * np.sqrt(2.0 * math.pi * t**3)) * np.exp(-((a - nu * t) ** 2) / (2.0 * sigma**2 * t)) * t
    weight = np.full(len(x), 2.0)
    weight[1::2], weight[[0, -1]] = 4.0, 1.0  # Simpson
    found = hitting(a, nu, sigma, tau)
    assert found.probability == pytest.approx(weight @ density * dx / 3.0, rel=1e-7, abs=1e-14)
    assert found.time == pytest.approx(weight @ (density * t) * dx / 3.0, rel=1e-7, abs=1e-14)


@given(st.floats(0.02, 1.0), DRIFTS, st.floats(0.2, 1.5), st.floats(0.1, 2.0))
def test_derivatives_are_differences(a: float, nu: float, sigma: float, tau: float) -> None:
    def p(**other: float) -> float:
        return float(hitting(**{"distance": a, "drift": nu, "volatility": sigma, "horizon": tau, **other}).probability)

    found, h = hitting(a, nu, sigma, tau), 1e-4
    assert found.by_distance == pytest.approx((p(distance=a + h * a) - p(distance=a - h * a)) / (2 * h * a), rel=1e-4, abs=1e-6)
    bend = (p(distance=a + 10 * h * a) - 2.0 * p() + p(distance=a - 10 * h * a)) / (10 * h * a) ** 2
    assert found.by_distance_twice == pytest.approx(bend, rel=1e-3, abs=1e-3 + 1e-8 / a**2)
    assert found.by_drift == pytest.approx((p(drift=nu + h) - p(drift=nu - h)) / (2 * h), rel=1e-4, abs=1e-6)
    assert found.by_volatility == pytest.approx((p(volatility=sigma + h) - p(volatility=sigma - h)) / (2 * h), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("sigma", [1e-3, 0.0])
def test_without_volatility_the_price_goes_straight(sigma: float) -> None:
    found = hitting([0.1, 0.1, 0.1], [0.3, 0.05, -0.3], sigma, 1.0)
    np.testing.assert_allclose(found.probability, [1.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.time, [1.0 / 3.0, 0.0, 0.0], atol=1e-6)


def test_limits() -> None:
    assert hitting(0.1, 0.0, 0.5, 0.0).probability == 0.0
    assert hitting(0.1, 0.0, 0.5, 1e-9).probability == pytest.approx(0.0, abs=1e-300)
    far = hitting([5.0, 20.0, 1e3], [1.0, -1.0, 30.0], 0.3, 1.0)
    assert (far.probability < 1e-30).all()
    assert np.isfinite(np.array(far)).all()
    near = hitting(1e-12, [-2.0, 2.0], 0.5, 1.0)
    np.testing.assert_allclose(near.probability, 1.0, atol=1e-9)
    steep = hitting(1.0, [60.0, -60.0], 0.1, 1.0)  # exp(2 nu a / sigma^2) is beyond the largest number
    np.testing.assert_allclose(steep.probability, [1.0, 0.0], atol=1e-15)
    drifts = hitting(0.3, np.linspace(-3.0, 3.0, 41), 0.5, 1.0).probability
    assert (np.diff(drifts) > 0.0).all()  # the more it drifts there, the more probable
