"""What paths say of a figure, with its 95 % interval: means, quantiles, shares, means of the worst."""

from __future__ import annotations

import math

import numpy as np

Estimate = tuple[float, float, float]  # value, low and high end of its 95 % interval
Z = 1.959963984540054  # 95 % of a normal lie within


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
    worst = np.sort(x)[-max(1, round((1 - level) * len(x))):]
    return mean(worst)
