"""A curve that moves: the rate at 90 % utilisation rises while more is lent out, and falls while less is.

    e = (u - 0.9) / (0.1 above, 0.9 below)            v = 50 a year x e
    rate at target *= exp(v dt), within 0.1 % and 200 % a year; at first 4 %
    r = average over the step of the rate at target x (1 + e (3 above, 3/4 below)),
        by (start + end + 2 x middle) / 4
Source: Morpho's AdaptiveCurveIRM (morpho-blue-irm, a1a87fd), exact against the contract, whose exponential is a polynomial of the
second order around whole powers of two: up to 0.83 % off a true one where a step is a week, 1e-14 where it is a minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from pydantic import Field

from delever.core.jit import helper, kernel
from delever.core.setting import Setting
from delever.model.quantity import PerYear
from delever.rates.base import YEAR, RateCurve, RatesPhase, Reserve

TARGET, STEEPNESS = 0.9, 4.0
LN2 = math.log(2.0)
SPEED = 50.0 / YEAR  # [1/s]
LEAST, MOST = 0.001 / YEAR, 2.0 / YEAR  # rate at target [1/s]


class Adaptive(RateCurve):
    """Morpho's curve; its constants are the contract's."""

    kind = "adaptive"

    at_target: PerYear = Field(0.04, ge=0.001, le=2, description="borrow rate at 90 % utilisation, at the start")

    @classmethod
    def phase(cls, specs: Mapping[Reserve, Adaptive], setting: Setting) -> Adapting:
        """See RateCurve."""
        return Adapting(specs, setting)


@helper
def on_curve(at_target: float, error: float) -> float:
    """The rate at a distance from the target."""
    return (((1.0 - 1.0 / STEEPNESS) if error < 0.0 else STEEPNESS - 1.0) * error + 1.0) * at_target


@helper
def within(rate: float) -> float:
    """Rate at target in its bounds [1/s]."""
    above = rate if rate > LEAST else LEAST
    return above if above < MOST else MOST


@helper
def roughly_exp(x: float, near: bool) -> float:
    """2^q (1 + d + d^2 / 2),  x = q ln 2 + d,  |d| <= ln 2 / 2: the contract's e^x. near: |x| < ln 2 / 2, so that q = 0."""
    if near or abs(x) < LN2 / 2.0:
        return 1.0 + x + x * x / 2.0
    q = int((x + (LN2 / 2.0 if x >= 0.0 else -LN2 / 2.0)) / LN2)
    d = x - q * LN2
    return math.ldexp(1.0 + d + d * d / 2.0, q)


@helper
def adapted(u: float, at_target: float, step: float, near: bool) -> tuple[float, float]:
    """(average borrow rate of the step, rate at target at its end), both [1/s]. step: [s]; near: see roughly_exp."""
    error = (u - TARGET) / ((1.0 - TARGET) if u > TARGET else TARGET)
    moved = SPEED * error * step
    end, middle = within(at_target * roughly_exp(moved, near)), within(at_target * roughly_exp(moved / 2.0, near))
    return on_curve((at_target + end + 2.0 * middle) / 4.0, error), end


@helper
def adapt_near(used: np.ndarray, step: float, target: np.ndarray, rate: np.ndarray) -> None:
    """A row, where no rate moves by half of ln 2 in a step: without a branch, several paths at a time. All [P]."""
    for p in range(used.shape[0]):
        rate[p], target[p] = adapted(used[p], target[p], step, True)


@helper
def adapt_far(used: np.ndarray, step: float, target: np.ndarray, rate: np.ndarray) -> None:
    """A row, of steps longer than that. All [P]."""
    for p in range(used.shape[0]):
        rate[p], target[p] = adapted(used[p], target[p], step, False)


@kernel
def adapt(used: np.ndarray, step: float, target: np.ndarray, rate: np.ndarray) -> None:
    """used: [n, P]; step: [s]; target: [n, P] rate at target, moved; rate: [n, P], written."""
    near = SPEED * step < LN2 / 2.0  # no use is further than 1 from the target
    for i in range(used.shape[0]):
        if near:
            adapt_near(used[i], step, target[i], rate[i])
        else:
            adapt_far(used[i], step, target[i], rate[i])


class Adapting(RatesPhase):
    """All curves that move."""

    def __init__(self, specs: Mapping[Reserve, Adaptive], setting: Setting) -> None:
        super().__init__(specs, setting)
        self.target = np.array([[spec.at_target / YEAR] * setting.paths for spec in specs.values()])  # [n, P]

    def rates(self, step_length: float) -> None:
        """See RatesPhase."""
        adapt(self.used, step_length, self.target, self.rate)
