"""A generalised Pareto tail: losses beyond a threshold, fitted by maximum likelihood, and quantiles far out.

    P(X - u > y | X > u) = (1 + shape y / scale)^(-1 / shape),      zeta = P(X > u)
    VaR(p) = u + scale / shape (((1 - p) / zeta)^-shape - 1),       1 - p < zeta
    ES(p)  = VaR(p) + (scale + shape (VaR(p) - u)) / (1 - shape),   shape < 1

Likelihood: with theta = shape / scale the best shape is mean ln(1 + theta y), and what is left is a function of theta alone
(Grimshaw). Errors of k exceedances (Smith): (1 + shape) / sqrt(k) of the shape, scale sqrt(2 (1 + shape) / k) of the scale. The
interval of VaR or ES holds the values under which the log likelihood, with the best shape and share beyond the threshold for
each, is within 1.92 of the greatest. Where paths count by weights v, so does their likelihood, and k is as many as they are worth
that count alike, (sum v)^2 / sum v^2.
Sources: Pickands 1975, Balkema and de Haan 1974; Smith 1985, Biometrika 72; Grimshaw 1993, Technometrics 35; McNeil, Frey and
Embrechts, Quantitative Risk Management, 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from delever.run.estimates import Drawn, Estimate, Z, each, effective, least, share

Factor = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of (shape, share beyond the threshold)
LEAST_SHAPE = -0.5  # at or below it maximum likelihood has no normal errors (Smith)
EXPONENTIAL = 1e-8  # a shape nearer to 0 is an exponential tail
GRID, REACH = 400, 50.0  # theta looked at, before the best is searched; largest theta times the median excess
NEAR = 1e-6  # of the least theta that is possible, 1 / largest excess
WITHIN = 1.920729410347062  # of the greatest log likelihood: half the 95 % quantile of chi squared
SHAPES = np.linspace(-0.8, 1.2, 101)  # from the best, looked at for each value
SHARES = np.linspace(-2.0, 2.0, 9)  # standard errors of the share beyond the threshold, likewise
HALVINGS = 30


class Fit(NamedTuple):
    """A tail."""

    threshold: float  # u
    share: float  # zeta, of paths beyond the threshold
    share_error: float  # its standard error
    shape: float
    scale: float
    excess: np.ndarray  # [exceedances] beyond the threshold
    weight: np.ndarray  # [exceedances] of each, adding up to `alike`

    @property
    def alike(self) -> float:
        """How many exceedances that count alike these are worth."""
        return float(self.weight.sum())

    @property
    def shape_error(self) -> float:
        """Standard error; nan where there is no normal one."""
        return (1.0 + self.shape) / math.sqrt(self.alike) if self.shape > LEAST_SHAPE else math.nan

    @property
    def scale_error(self) -> float:
        """Standard error; nan where there is no normal one."""
        return self.scale * math.sqrt(2.0 * (1.0 + self.shape) / self.alike) if self.shape > LEAST_SHAPE else math.nan

    def var(self, level: float) -> Estimate:
        """Quantile far out, with its interval."""
        return self.bounded(lambda shape, share: var_factor(shape, share, level))

    def expected_shortfall(self, level: float) -> Estimate:
        """Mean beyond it, with its interval; inf where the tail has none."""
        return self.bounded(lambda shape, share: shortfall_factor(shape, share, level))

    def values(self, level: float) -> tuple[float, float]:
        """Both without their intervals, which take long of many exceedances."""
        return self.value(self.by(lambda shape, share: var_factor(shape, share, level))), self.value(
            self.by(lambda shape, share: shortfall_factor(shape, share, level)))

    def by(self, factor: Factor) -> float:
        """A factor of this tail."""
        return float(factor(np.array([[self.shape]]), np.array([[self.share]]))[0, 0])

    def value(self, by: float) -> float:
        """threshold + scale x factor."""
        return self.threshold + self.scale * by if math.isfinite(by) else math.inf

    def bounded(self, factor: Factor) -> Estimate:
        """threshold + scale x factor(shape, share), with its interval; no upper end where no value is too high."""
        by = self.by(factor)
        if not math.isfinite(by) or math.isnan(self.shape_error):
            return self.value(by), math.nan, math.nan
        shapes = self.shape + SHAPES[:, None]
        shares = np.clip(self.share + SHARES * self.share_error, 1e-12, 1.0 - 1e-12)[None, :]
        factors = factor(shapes, shares)
        least = self.likelihood(np.array([[self.shape]]), np.array([[self.scale]]))[0, 0] - WITHIN

        def allowed(log_excess: float) -> bool:
            found = self.likelihood(np.broadcast_to(shapes, factors.shape), math.exp(log_excess) / factors)
            return bool((found - 0.5 * SHARES**2).max() >= least)

        best = math.log(self.scale * by)
        low, high = (edge(allowed, best, way) for way in (-1.0, 1.0))
        return self.threshold + math.exp(best), self.threshold + math.exp(low), self.threshold + math.exp(high)

    def likelihood(self, shape: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Of the excesses; -inf where one of them is beyond the end of the tail. shape, scale: [m, n]."""
        inside = (scale > 0.0) & np.isfinite(scale)
        scale = np.where(inside, scale, 1.0)
        z = 1.0 + (shape / scale)[..., None] * self.excess
        inside &= (z > 0.0).all(-1)
        flat = np.abs(shape) < EXPONENTIAL
        log = np.log(np.where(inside[..., None], z, 1.0)) @ self.weight
        power = np.where(flat, (self.weight @ self.excess) / scale, (1.0 + 1.0 / np.where(flat, 1.0, shape)) * log)
        return np.asarray(np.where(inside, -self.alike * np.log(scale) - power, -np.inf))


def edge(allowed: Callable[[float], bool], inside: float, way: float) -> float:
    """Where what is allowed ends, from a point inside; inf or -inf where it does not within a factor of e^8."""
    step = 0.05
    while allowed(inside + way * step):
        step *= 2.0
        if step > 8.0:
            return math.copysign(math.inf, way)
    near, far = inside + way * step / 2.0 * (step > 0.05), inside + way * step
    for _ in range(HALVINGS):
        middle = 0.5 * (near + far)
        near, far = (middle, far) if allowed(middle) else (near, middle)
    return near


def fit(x: np.ndarray, threshold: float, drawn: Drawn = None) -> Fit:
    """The tail of a sample beyond a threshold. x: [paths]. ValueError: nothing lies beyond it."""
    beyond = x > threshold
    if not beyond.any():
        raise ValueError("nothing lies beyond the threshold")
    w = each(drawn)
    y, v = x[beyond] - threshold, np.ones(int(beyond.sum())) if w is None else w[beyond]
    v = v * (effective(v) / v.sum())
    part, low, high = share(beyond, drawn)
    return Fit(float(threshold), part, (high - low) / (2.0 * Z), *likeliest(y, v), y, v)


def likeliest(y: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """(shape, scale) of excesses y > 0 that count v."""
    mean, top, total = float(v @ y / v.sum()), float(y.max()), float(v.sum())

    def shape_at(theta: np.ndarray) -> np.ndarray:
        return np.asarray((np.log1p(theta[:, None] * y) @ v) / total)

    def loss(theta: np.ndarray) -> np.ndarray:
        """Minus the likelihood of an exceedance, with the best shape."""
        shape = shape_at(theta)
        tiny = np.abs(theta) * mean < EXPONENTIAL
        scale = np.where(tiny, mean, shape / np.where(tiny, 1.0, theta))
        return np.asarray(np.where(shape <= -1.0, np.inf, np.log(np.maximum(scale, 1e-300)) + np.where(tiny, 1.0, 1.0 + shape)))

    below = -np.geomspace(1.0 - NEAR, 1e-6, GRID // 2) / top
    theta = np.concatenate([below, [0.0], np.geomspace(1e-6 / mean, REACH / float(np.median(y)), GRID // 2)])
    values = loss(theta)
    at = int(np.argmin(values))
    best = float(least(loss, np.array([theta[max(at - 1, 0)]]), np.array([theta[min(at + 1, len(theta) - 1)]]))[0])
    shape = float(shape_at(np.array([best]))[0])
    return (0.0, mean) if abs(best) * mean < EXPONENTIAL else (shape, shape / best)


def var_factor(shape: np.ndarray, share: np.ndarray, level: float) -> np.ndarray:
    """(VaR - threshold) / scale."""
    ratio, flat = np.log(share / (1.0 - level)), np.abs(shape) < EXPONENTIAL
    return np.asarray(np.where(flat, ratio, np.expm1(shape * ratio) / np.where(flat, 1.0, shape)))


def shortfall_factor(shape: np.ndarray, share: np.ndarray, level: float) -> np.ndarray:
    """(ES - threshold) / scale; inf where there is none."""
    var, some = var_factor(shape, share, level), shape < 1.0
    return np.asarray(np.where(some, var + (1.0 + shape * var) / np.where(some, 1.0 - shape, 1.0), np.inf))
