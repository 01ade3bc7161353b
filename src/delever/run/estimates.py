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
from typing import NamedTuple

import numpy as np

Estimate = tuple[float, float, float]  # value, low and high end of its 95 % interval
OneEach = np.ndarray | None  # [..., paths] how much each path counts; None: all alike
Z = 1.959963984540054  # 95 % of a normal lie within
OUTSIDE = 0.025  # chance left out on each side
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
SECTIONS, WIDE = 50, 16.0  # of a search over ln t, from e^-16 to e^16 spreads
SAME = 1e-12  # relative: sums of weights that differ by rounding


class Weights(NamedTuple):
    """How much paths count, and by which of two ways each was drawn: how many come from each is no matter of chance."""

    w: np.ndarray  # [paths]
    plainly: np.ndarray  # [paths] drawn as the world states


Drawn = Weights | None  # None: all paths were drawn alike, and count alike


def effective(w: np.ndarray) -> float:
    """How many paths that count alike these are worth, for a mean: (sum w)^2 / sum w^2."""
    return float(w.sum()) ** 2 / float(w @ w) if w.any() else 0.0


def around(value: float, influence: np.ndarray, drawn: Drawn = None) -> Estimate:
    """The interval of a value on which each path has this influence [paths]."""
    n, ways = len(influence), [] if drawn is None else [drawn.plainly, ~drawn.plainly]
    if n < 2:
        return value, math.nan, math.nan
    r = influence - influence.mean()
    for way in ways:
        r[way] -= r[way].mean() if way.any() else 0.0
    s = math.sqrt(float(r @ r) / (n - max(1, len(ways))) / n) if n > len(ways) else 0.0
    if not s > 0.0:
        return value, value, value
    g = float((r**3).mean()) / (s * math.sqrt(n)) ** 3 / math.sqrt(n)
    return value, value - s * float(unskewed(Z, np.float64(g))), value - s * float(unskewed(-Z, np.float64(g)))


def unskewed(z: float, g: np.ndarray | np.float64) -> np.ndarray:
    """t(z), above; z where there is no skewness to speak of."""
    some = np.abs(g) > 1e-6
    by = np.where(some, g, 1.0)
    return np.where(some, 3.0 / by * (np.cbrt(1.0 + by * (z - by / 6.0)) - 1.0), z)


def mean(x: np.ndarray, drawn: Drawn = None) -> Estimate:
    """Mean, with its interval."""
    w = each(drawn)
    return around(float(mean_at(x, w)), influence_on_mean(x, w), drawn)


def ratio(x: np.ndarray, y: np.ndarray, drawn: Drawn = None) -> Estimate:
    """Mean of x over mean of y, with the interval of its linear part (the delta method); nan where y is nothing.

        influence of a path = (x - R y) / mean(y),   R = mean(x) / mean(y)
    """
    w = each(drawn)
    below = float(mean_at(y, w))
    if not below:
        return math.nan, math.nan, math.nan
    r = float(mean_at(x, w)) / below
    return around(r, influence_on_mean((x - r * y) / below, w), drawn)


def among(drawn: Drawn, these: np.ndarray) -> Drawn:
    """How those of the paths count for which `these` [paths] is true."""
    return None if drawn is None else Weights(drawn.w[these], drawn.plainly[these])


def each(drawn: Drawn) -> OneEach:
    """How much each path counts."""
    return None if drawn is None else drawn.w


def influence_on_mean(x: np.ndarray, w: OneEach) -> np.ndarray:
    """Of each path."""
    return np.asarray(x - x.mean() if w is None else w * (x - mean_at(x, w)) * (len(w) / w.sum()))


def mean_at(x: np.ndarray, w: OneEach = None) -> np.ndarray:
    """Over the last axis."""
    return np.asarray(x.mean(-1) if w is None else (w * x).sum(-1) / w.sum(-1))


def quantile(x: np.ndarray, level: float, drawn: Drawn = None) -> Estimate:
    """Empirical quantile (the smallest value that a share `level` of paths do not exceed), with the order statistics
    between which it lies; nan where the paths are too few to bound it."""
    order, n = np.argsort(x, kind="stable"), len(x)
    first, last = counts_below(n, level) if drawn is None else weights_below(drawn, order, level)
    low, high = (float(x[order[i]]) if 0 <= i < n else math.nan for i in (first - 1, last))
    return float(ordered_at(x, level, each(drawn))), low, high


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


def weights_below(drawn: Weights, order: np.ndarray, level: float) -> tuple[int, int]:
    """The same where paths count by weights: the interval of the share that lies above holds 1 - level.

    order: of the paths, by value. Where nothing lies above (below), a share of -ln(OUTSIDE) times the next weight may.
    """
    total, nothing = float(drawn.w.sum()), np.zeros(len(order) + 1)
    above = through(drawn.w[order])
    p, square, cube = above / total, nothing.copy(), nothing.copy()
    for way in (drawn.plainly, ~drawn.plainly):
        w, n = np.where(way, drawn.w, 0.0)[order], max(1, int(way.sum()))
        c1, c2, c3 = through(w), through(w * w), through(w**3)
        s1, s2 = c1 - p * c1[0], (1.0 - p) ** 2 * c2 + p**2 * (c2[0] - c2)
        s3 = (1.0 - p) ** 3 * c3 - p**3 * (c3[0] - c3)
        square += s2 - s1 * s1 / n
        cube += s3 - 3.0 * s1 * s2 / n + 2.0 * s1**3 / n**2
    s = np.sqrt(np.maximum(square, 0.0))
    g = np.divide(cube, s**3, out=nothing, where=s**3 > 0.0)  # also where only the cube is below what a number can hold
    holds = (p - s / total * unskewed(Z, g) <= 1.0 - level) & (1.0 - level <= p - s / total * unskewed(-Z, g))
    holds[0] = level * total <= -math.log(OUTSIDE) * drawn.w[order[0]]
    holds[-1] = (1.0 - level) * total <= -math.log(OUTSIDE) * drawn.w[order[-1]]
    at = int(np.argmin(np.abs(p - (1.0 - level))))
    lower, upper = np.flatnonzero(~holds[:at]), np.flatnonzero(~holds[at + 1:])
    return int(lower[-1]) + 1 if len(lower) else 0, at + int(upper[0]) if len(upper) else len(order)


def through(w: np.ndarray) -> np.ndarray:
    """[n + 1] sums of what stands behind the first 0, 1, ... n."""
    return np.append(np.cumsum(w[::-1])[::-1], 0.0)


def ordered_at(x: np.ndarray, level: float, w: OneEach = None) -> np.ndarray:
    """The smallest value that a share `level` of the last axis does not exceed."""
    n = x.shape[-1]
    if w is None:
        return np.asarray(np.sort(x)[..., min(n - 1, max(0, math.ceil(level * n) - 1))])
    order = np.argsort(x, -1, kind="stable")
    below = np.cumsum(np.take_along_axis(np.broadcast_to(w, x.shape), order, -1), -1)
    at = np.minimum((below < level * below[..., -1:] * (1.0 - SAME)).sum(-1), n - 1)
    return np.asarray(np.take_along_axis(np.take_along_axis(x, order, -1), at[..., None], -1)[..., 0])


def share(hit: np.ndarray, drawn: Drawn = None) -> Estimate:
    """Share of paths, with the Wilson interval; of none it begins at nothing, of all it ends at all, without rounding.

    Weighted: that of a mean, within 0 and 1; where none or all are hit, Wilson's of `effective` paths.
    """
    n, p = float(len(hit)), float(mean_at(hit, each(drawn)))
    if drawn is not None:
        if hit.any() and not hit.all():
            _, low, high = mean(hit, drawn)
            return p, max(low, 0.0), min(high, 1.0)
        n = effective(drawn.w)
    centre, scale = p + Z**2 / (2 * n), 1 + Z**2 / n
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n * n))
    return p, (centre - half) / scale if p > 0.0 else 0.0, (centre + half) / scale if p < 1.0 else 1.0


def yearly(chance: Estimate, years: float) -> Estimate:
    """Of something that happens by chance in so many years: that it does in one, every stretch of it being as risky."""
    value, low, high = (1.0 - (1.0 - p) ** (1.0 / years) for p in chance)
    return value, low, high


def tail_mean(x: np.ndarray, level: float, drawn: Drawn = None) -> Estimate:
    """Mean of the worst (1 - level) of the paths, at least one of them. Influence of a path, q being the quantile:

        max(x - q, 0) / (1 - level), less its mean
    nan where fewer than two are the worst; no upper end where all of these are alike: they say nothing of what is worse.
    """
    w = each(drawn)
    value = float(tail_mean_at(x, level, w))
    if tail(len(x), level, x, w) < 2:
        return value, math.nan, math.nan
    above = np.maximum(x - float(ordered_at(x, level, w)), 0.0) / (1.0 - level)
    return around(value, influence_on_mean(above, w), drawn) if above.any() else (value, value, math.nan)


def tail_mean_at(x: np.ndarray, level: float, w: OneEach = None) -> np.ndarray:
    """Mean of the largest of the last axis, of its share 1 - level."""
    if w is None:
        return np.asarray(np.sort(x)[..., -tail(x.shape[-1], level):].mean(-1))
    order = np.argsort(-x, -1, kind="stable")
    used = within(np.take_along_axis(np.broadcast_to(w, x.shape), order, -1), level)
    return np.asarray((used * np.take_along_axis(x, order, -1)).sum(-1) / used.sum(-1))


def within(w: np.ndarray, level: float) -> np.ndarray:
    """Of weights from the worst on, what lies within a share 1 - level of them; the last axis."""
    so_far = np.cumsum(w, -1)
    return np.clip((1.0 - level) * so_far[..., -1:] - (so_far - w), 0.0, w)


def tail(n: int, level: float, x: np.ndarray | None = None, w: OneEach = None) -> int:
    """Paths beyond a level, of n: those that a quantile or a mean of the worst rests on; weighted, as many alike."""
    if w is None or x is None:
        return max(1, round((1 - level) * n))
    return max(1, round(effective(within(w[np.argsort(-x, kind="stable")], level))))


def entropic(x: np.ndarray, level: float, drawn: Drawn = None) -> Estimate:
    """Entropic value at risk of the sample. Its interval follows from the influence of each path at the best t:

        t (exp((x - top) / t) / mean - 1)
    Where the value is the largest of the sample, that says nothing of its error.
    """
    w = each(drawn)
    value, t = least_bound(x, level, w)
    if not t > 0.0:
        return float(value), math.nan, math.nan
    grown = np.exp((x - x.max()) / t)
    return around(float(value), float(t) * influence_on_mean(grown / mean_at(grown, w), w), drawn)


def least_bound(x: np.ndarray, level: float, w: OneEach = None) -> tuple[np.ndarray, np.ndarray]:
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
