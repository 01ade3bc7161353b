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


def quantile(x: np.ndarray, level: float) -> Estimate:
    """Empirical quantile (the smallest value that a share `level` of paths do not exceed), with the order-statistic
    interval; nan where the paths are too few to bound it."""
    ordered, n = np.sort(x), len(x)
    at = min(n - 1, max(0, math.ceil(level * n) - 1))
    half = Z * math.sqrt(n * level * (1 - level))
    low, high = math.floor(level * n - half) - 1, math.ceil(level * n + half)
    return float(ordered[at]), float(ordered[low]) if low >= 0 else math.nan, float(ordered[high]) if high < n else math.nan


def share(hit: np.ndarray) -> Estimate:
    """Share of paths, with the Wilson interval."""
    n, p = len(hit), float(hit.mean())
    centre, scale = p + Z**2 / (2 * n), 1 + Z**2 / n
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n * n))
    return p, max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def tail_mean(x: np.ndarray, level: float) -> Estimate:
    """Mean of the worst (1 - level) of the paths, at least one of them."""
    return mean(np.sort(x)[-tail(len(x), level):])


def tail(n: int, level: float) -> int:
    """Paths beyond a level, of n: those that a quantile or a mean of the worst rests on."""
    return max(1, round((1 - level) * n))


def entropic(x: np.ndarray, level: float) -> Estimate:
    """Entropic value at risk of the sample, least in t > 0 of a function that is convex in t:

        EVaR = top + t ln(mean(exp((x - top) / t)) / (1 - level)),   top = max x

    By golden section over ln t. Where at least a share 1 - level of paths has the largest value, it is that value, and the
    sample says nothing of its error. Else the interval follows from the influence of each path at the best t:
        t (exp((x - top) / t) / mean - 1)
    Source: Ahmadi-Javid, Entropic Value-at-Risk (2012), J. Optim. Theory Appl. 155.
    """
    top, n = float(x.max()), len(x)
    below = x[x < top]
    if n - len(below) >= (1 - level) * n * (1 - 1e-12):
        return top, math.nan, math.nan
    spread = top - float(below.mean())

    def weights(t: float) -> np.ndarray:
        return np.asarray(np.exp((x - top) / t))

    def bound(u: float) -> float:
        t = spread * math.exp(u)
        return top + t * math.log(float(weights(t).mean()) / (1 - level))

    t = spread * math.exp(least(bound, -WIDE, WIDE))
    w = weights(t)
    share_of = w / w.mean()
    value, half = top + t * math.log(float(w.mean()) / (1 - level)), Z * t * float(share_of.std(ddof=1)) / math.sqrt(n)
    return value, value - half, value + half


def least(f: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that falls and then rises is least, by golden section."""
    a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    fa, fb = f(a), f(b)
    for _ in range(SECTIONS):
        if fa <= fb:
            high, b, fb = b, a, fa
            a = high - GOLDEN * (high - low)
            fa = f(a)
        else:
            low, a, fa = a, b, fb
            b = low + GOLDEN * (high - low)
            fb = f(b)
    return 0.5 * (low + high)
