"""What paths say of a figure, with its 95 % interval: means, quantiles, shares, means of the worst."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Estimate = tuple[float, float, float]  # value, low and high end of its 95 % interval
Z = 1.959963984540054  # 95 % of a normal lie within
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
SECTIONS, WIDE = 50, 16.0  # of a search over ln t, from e^-16 to e^16 spreads


def mean(x: np.ndarray) -> Estimate:
    """Mean, with its normal interval."""
    m, half = float(x.mean()), Z * float(x.std(ddof=1)) / math.sqrt(len(x)) if len(x) > 1 else math.nan
    return m, m - half, m + half


def ratio(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Mean of x over mean of y, with the normal interval of its linear part (the delta method); nan where y is nothing.

        standard error = sd(x - R y) / (mean(y) sqrt(n)),   R = mean(x) / mean(y)
    """
    below = float(y.mean())
    if not below:
        return math.nan, math.nan, math.nan
    r = float(x.mean()) / below
    half = Z * float((x - r * y).std(ddof=1)) / (abs(below) * math.sqrt(len(x))) if len(x) > 1 else math.nan
    return r, r - half, r + half


def quantile(x: np.ndarray, level: float) -> Estimate:
    """Empirical quantile (the smallest value that a share `level` of paths do not exceed), with the order-statistic
    interval; nan where the paths are too few to bound it."""
    ordered, n = np.sort(x), len(x)
    half = Z * math.sqrt(n * level * (1 - level))
    low, high = math.floor(level * n - half) - 1, math.ceil(level * n + half)
    value = float(ordered_at(ordered, level))
    return value, float(ordered[low]) if low >= 0 else math.nan, float(ordered[high]) if high < n else math.nan


def ordered_at(x: np.ndarray, level: float) -> np.ndarray:
    """The smallest value that a share `level` of the last axis does not exceed."""
    n = x.shape[-1]
    return np.asarray(np.sort(x)[..., min(n - 1, max(0, math.ceil(level * n) - 1))])


def share(hit: np.ndarray) -> Estimate:
    """Share of paths, with the Wilson interval; of none it begins at nothing, of all it ends at all, without rounding."""
    n, p = len(hit), float(hit.mean())
    centre, scale = p + Z**2 / (2 * n), 1 + Z**2 / n
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n * n))
    return p, (centre - half) / scale if p > 0.0 else 0.0, (centre + half) / scale if p < 1.0 else 1.0


def yearly(chance: Estimate, years: float) -> Estimate:
    """Of something that happens by chance in so many years: that it does in one, every stretch of it being as risky."""
    value, low, high = (1.0 - (1.0 - p) ** (1.0 / years) for p in chance)
    return value, low, high


def tail_mean(x: np.ndarray, level: float) -> Estimate:
    """Mean of the worst (1 - level) of the paths, at least one of them."""
    return mean(worst(x, level))


def worst(x: np.ndarray, level: float) -> np.ndarray:
    """The largest of the last axis, of which a tail mean is one."""
    return np.asarray(np.sort(x)[..., -tail(x.shape[-1], level):])


def tail(n: int, level: float) -> int:
    """Paths beyond a level, of n: those that a quantile or a mean of the worst rests on."""
    return max(1, round((1 - level) * n))


def entropic(x: np.ndarray, level: float) -> Estimate:
    """Entropic value at risk of the sample. Its interval follows from the influence of each path at the best t:

        t (exp((x - top) / t) / mean - 1)
    Where the value is the largest of the sample, that says nothing of its error.
    """
    value, t = least_bound(x, level)
    if not t > 0.0:
        return float(value), math.nan, math.nan
    w = np.exp((x - x.max()) / t)
    half = Z * float(t) * float((w / w.mean()).std(ddof=1)) / math.sqrt(len(x))
    return float(value), float(value) - half, float(value) + half


def least_bound(x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """EVaR over the last axis, and its t: least in t > 0 of a function that is convex in t:

        EVaR = top + t ln(mean(exp((x - top) / t)) / (1 - level)),   top = max x

    By golden section over ln t. Where at least a share 1 - level of paths has the largest value, it is that value, and t 0.
    Source: Ahmadi-Javid, Entropic Value-at-Risk (2012), J. Optim. Theory Appl. 155.
    """
    top, n = x.max(-1), x.shape[-1]
    below = x < top[..., None]
    flat = n - below.sum(-1) >= (1 - level) * n * (1 - 1e-12)
    spread = np.where(flat, 1.0, top - np.where(below, x, 0.0).sum(-1) / np.maximum(below.sum(-1), 1))

    def bound(u: np.ndarray) -> np.ndarray:
        t = spread * np.exp(u)
        return np.asarray(top + t * np.log(np.exp((x - top[..., None]) / t[..., None]).mean(-1) / (1 - level)))

    u = least(bound, np.full(top.shape, -WIDE), np.full(top.shape, WIDE))
    return np.where(flat, top, bound(u)), np.where(flat, 0.0, spread * np.exp(u))


def least(f: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where functions that fall and then rise are least, each by a golden section of its own."""
    a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    fa, fb = f(a), f(b)
    for _ in range(SECTIONS):
        left = fa <= fb
        low, high = np.where(left, low, a), np.where(left, b, high)
        at = np.where(left, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        f_at = f(at)
        a, b = np.where(left, at, b), np.where(left, a, at)
        fa, fb = np.where(left, f_at, fb), np.where(left, fa, f_at)
    return np.asarray(0.5 * (low + high))
