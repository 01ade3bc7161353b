"""What paths say of a figure, with its 95 % interval: means, quantiles, shares, means of the worst.

Paths count alike, or by weights w (scenario.tail): then a figure is that of the weighted sample, sum(w f(x)) / sum(w).

Intervals of means, of means of the worst and of EVaR follow from the influence r of each path on the value (their mean is 0),
corrected for skewness g = mean(r^3) / sd^3 / sqrt(n), because losses are nothing on most paths and much on few:

    value - t(Z) s  to  value - t(-Z) s,   s = sd / sqrt(n),   t(z) = 3 / g ((1 + g (z - g / 6))^(1/3) - 1)
Source: Hall, On the Removal of Skewness by Transformation (1992), J. R. Statist. Soc. B 54. An interval of a quantile holds the
values at which a test of "a share `level` lies below" does not reject. Measured: python -m benchmarks.coverage, docs/tails.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Estimate = tuple[float, float, float]  # value, low and high end of its 95 % interval
Weights = np.ndarray | None  # [paths]; None: all count alike
Z = 1.959963984540054  # 95 % of a normal lie within
OUTSIDE = 0.025  # chance left out on each side
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
SECTIONS, WIDE = 50, 16.0  # of a search over ln t, from e^-16 to e^16 spreads
SAME = 1e-12  # relative: sums of weights that differ by rounding


def effective(w: np.ndarray) -> float:
    """How many paths that count alike these are worth, for a mean: (sum w)^2 / sum w^2."""
    return float(w.sum()) ** 2 / float(w @ w) if w.any() else 0.0


def around(value: float, influence: np.ndarray) -> Estimate:
    """The interval of a value on which each path has this influence [paths]."""
    n = len(influence)
    if n < 2:
        return value, math.nan, math.nan
    s = float(influence.std(ddof=1)) / math.sqrt(n)
    if not s > 0.0:
        return value, value, value
    g = float(((influence - influence.mean()) ** 3).mean()) / (s * math.sqrt(n)) ** 3 / math.sqrt(n)
    return value, value - s * unskewed(Z, g), value - s * unskewed(-Z, g)


def unskewed(z: float, g: float) -> float:
    """t(z), above; z where there is no skewness to speak of."""
    return z if abs(g) < 1e-6 else 3.0 / g * float(np.cbrt(1.0 + g * (z - g / 6.0)) - 1.0)


def mean(x: np.ndarray, w: Weights = None) -> Estimate:
    """Mean, with its interval."""
    if w is None:
        m = float(x.mean())
        return around(m, x - m)
    m = float(mean_at(x, w))
    return around(m, w * (x - m) * (len(w) / w.sum()))


def mean_at(x: np.ndarray, w: Weights = None) -> np.ndarray:
    """Over the last axis."""
    return np.asarray(x.mean(-1) if w is None else (w * x).sum(-1) / w.sum(-1))


def quantile(x: np.ndarray, level: float, w: Weights = None) -> Estimate:
    """Empirical quantile (the smallest value that a share `level` of paths do not exceed), with the order statistics
    between which it lies; nan where the paths are too few to bound it."""
    order, n = np.argsort(x, kind="stable"), len(x)
    first, last = counts_below(n, level) if w is None else weights_below(w[order], level)
    low, high = (float(x[order[i]]) if 0 <= i < n else math.nan for i in (first - 1, last))
    return float(ordered_at(x, level, w)), low, high


def counts_below(n: int, level: float) -> tuple[int, int]:
    """Least and most paths of n below a quantile that a binomial test (mid-p) allows."""
    spread = math.sqrt(n * level * (1.0 - level))
    k = np.arange(max(0, math.floor(n * level - 10.0 * spread - 20.0)), min(n, math.ceil(n * level + 10.0 * spread + 20.0)) + 1)
    step = np.log((n - k[:-1]) / (k[:-1] + 1.0) * (level / (1.0 - level)))
    log = np.concatenate([[0.0], np.cumsum(step)])
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    below = np.cumsum(chance) - 0.5 * chance
    allowed = k[(below > OUTSIDE) & (1.0 - below > OUTSIDE)]
    return int(allowed[0]), int(allowed[-1])


def weights_below(w: np.ndarray, level: float) -> tuple[int, int]:
    """The same of weights in the order of their values: paths below, by a normal test on the share of weight above.

    That share p has the variance sum w^2 (above - p)^2 / (sum w)^2, which says how many paths alike it would come from.
    """
    total = float(w.sum())
    above, below = np.cumsum(w[::-1])[::-1], np.concatenate([[0.0], np.cumsum(w * w)])
    p = np.append(above, 0.0) / total  # [n + 1] share of weight above the first so many
    beyond = np.append(np.cumsum((w * w)[::-1])[::-1], 0.0)
    variance = (beyond * (1.0 - p) ** 2 + below * p**2) / total**2
    alike = p * (1.0 - p) / np.where(variance > 0.0, variance, 1.0)
    alike[0], alike[-1] = total / w[0], total / w[-1]
    out = np.abs(p - (1.0 - level)) * np.sqrt(alike) > Z * math.sqrt(level * (1.0 - level))
    at = int(np.argmin(np.abs(p - (1.0 - level))))
    lower, upper = np.flatnonzero(out[:at]), np.flatnonzero(out[at:])
    return int(lower[-1]) + 1 if len(lower) else 0, at + int(upper[0]) - 1 if len(upper) else len(w)


def ordered_at(x: np.ndarray, level: float, w: Weights = None) -> np.ndarray:
    """The smallest value that a share `level` of the last axis does not exceed."""
    n = x.shape[-1]
    if w is None:
        return np.asarray(np.sort(x)[..., min(n - 1, max(0, math.ceil(level * n) - 1))])
    order = np.argsort(x, -1, kind="stable")
    below = np.cumsum(np.take_along_axis(np.broadcast_to(w, x.shape), order, -1), -1)
    at = np.minimum((below < level * below[..., -1:] * (1.0 - SAME)).sum(-1), n - 1)
    return np.asarray(np.take_along_axis(np.take_along_axis(x, order, -1), at[..., None], -1)[..., 0])


def share(hit: np.ndarray, w: Weights = None) -> Estimate:
    """Share of paths, with the Wilson interval; of none it begins at nothing, of all it ends at all, without rounding.

    Weighted: of as many paths alike as have the same variance; where all or none are hit, of `effective` ones.
    """
    n, p = float(len(hit)), float(mean_at(hit, w))
    if w is not None:
        variance = float(((w * (hit - p)) ** 2).sum()) / float(w.sum()) ** 2
        n = p * (1.0 - p) / variance if variance > 0.0 and 0.0 < p < 1.0 else effective(w)
    centre, scale = p + Z**2 / (2 * n), 1 + Z**2 / n
    half = Z * math.sqrt(max(0.0, p * (1 - p)) / n + Z**2 / (4 * n * n))
    return p, (centre - half) / scale if p > 0.0 else 0.0, (centre + half) / scale if p < 1.0 else 1.0


def yearly(chance: Estimate, years: float) -> Estimate:
    """Of something that happens by chance in so many years: that it does in one, every stretch of it being as risky."""
    value, low, high = (1.0 - (1.0 - p) ** (1.0 / years) for p in chance)
    return value, low, high


def tail_mean(x: np.ndarray, level: float, w: Weights = None) -> Estimate:
    """Mean of the worst (1 - level) of the paths, at least one of them. Influence of a path, q being the quantile:

        max(x - q, 0) / (1 - level), less its mean
    nan where fewer than two are the worst.
    """
    value, n = float(tail_mean_at(x, level, w)), len(x)
    if tail(n, level, x, w) < 2:
        return value, math.nan, math.nan
    q = float(ordered_at(x, level, w))
    above = np.maximum(x - q, 0.0) / (1.0 - level)
    return around(value, mean_influence(above, w))


def mean_influence(x: np.ndarray, w: Weights) -> np.ndarray:
    """Of each path on the mean."""
    return np.asarray(x - x.mean() if w is None else w * (x - mean_at(x, w)) * (len(w) / w.sum()))


def tail_mean_at(x: np.ndarray, level: float, w: Weights = None) -> np.ndarray:
    """Mean of the largest of the last axis, of its share 1 - level."""
    if w is None:
        return np.asarray(np.sort(x)[..., -tail(x.shape[-1], level):].mean(-1))
    order = np.argsort(-x, -1, kind="stable")
    used = within(np.take_along_axis(np.broadcast_to(w, x.shape), order, -1), level)
    return np.asarray((used * np.take_along_axis(x, order, -1)).sum(-1) / used.sum(-1))


def within(w: np.ndarray, level: float) -> np.ndarray:
    """Of weights from the worst on, what lies within a share 1 - level of them; the last axis."""
    through = np.cumsum(w, -1)
    return np.clip((1.0 - level) * through[..., -1:] - (through - w), 0.0, w)


def tail(n: int, level: float, x: np.ndarray | None = None, w: Weights = None) -> int:
    """Paths beyond a level, of n: those that a quantile or a mean of the worst rests on; weighted, as many alike."""
    if w is None or x is None:
        return max(1, round((1 - level) * n))
    return max(1, round(effective(within(w[np.argsort(-x, kind="stable")], level))))


def entropic(x: np.ndarray, level: float, w: Weights = None) -> Estimate:
    """Entropic value at risk of the sample. Its interval follows from the influence of each path at the best t:

        t (exp((x - top) / t) / mean - 1)
    Where the value is the largest of the sample, that says nothing of its error.
    """
    value, t = least_bound(x, level, w)
    if not t > 0.0:
        return float(value), math.nan, math.nan
    grown = np.exp((x - x.max()) / t)
    return around(float(value), float(t) * mean_influence(grown / mean_at(grown, w), w))


def least_bound(x: np.ndarray, level: float, w: Weights = None) -> tuple[np.ndarray, np.ndarray]:
    """EVaR over the last axis, and its t: least in t > 0 of a function that is convex in t:

        EVaR = top + t ln(mean(exp((x - top) / t)) / (1 - level)),   top = max x

    By golden section over ln t. Where at least a share 1 - level of paths has the largest value, it is that value, and t 0.
    Source: Ahmadi-Javid, Entropic Value-at-Risk (2012), J. Optim. Theory Appl. 155.
    """
    top, n = x.max(-1), x.shape[-1]
    below = x < top[..., None]
    at_top = n - below.sum(-1) if w is None else np.where(below, 0.0, w).sum(-1)
    flat = at_top >= (1 - level) * (n if w is None else w.sum(-1)) * (1 - SAME)
    spread = np.where(flat, 1.0, top - np.where(below, x, 0.0).sum(-1) / np.maximum(below.sum(-1), 1))

    def bound(u: np.ndarray) -> np.ndarray:
        t = spread * np.exp(u)
        return np.asarray(top + t * np.log(mean_at(np.exp((x - top[..., None]) / t[..., None]), w) / (1 - level)))

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
