"""How leverage is spread over open interest, estimated from what falls liquidated in calmer data.

**Model.** Each day a share `turnover` of the open interest is opened anew, at about that day's average price. A position opened
may move against its owner by x [log price] before it falls liquidated; x is log-normal over notional,
`ln x ~ N(mu, sigma)`, cut off below the `floor` that the coin's maximum leverage leaves (1/leverage - maintenance rate). What
was opened a days ago and is still there has weight (1 - turnover)^a and has survived its excursions so far, so

    liquidated_t / OI_(t-1) = sum_a w_a [F(D_a,t) - F(D_a,t-1)] / sum_a w_a [1 - F(D_a,t-1)],   a = 1, 2, ...

with D_a,t the worst log move against the entry up to day t; of what is opened on day t itself half meets the day's
extreme. Feeds report a share `reporting` of what was liquidated: one factor a feed, 1 where the statistics are complete.

**Fit.** Quasi-Poisson: variance in proportion to the mean, so totals are met on average and no logarithm of zero is needed.
A grid over (mu, sigma, turnover, long-short shift); `reporting` has a closed form at each node. Weeks are drawn anew for the
standard errors (liquidations of neighbouring days belong together). Top-ups and partial closing are not modelled: x is the
*effective* distance, with what owners do about it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

MU = np.round(np.linspace(-4.0, 0.5, 31), 4)  # nodes of mu, median distance e^mu: 1.8 % to 165 % [log price]
SIGMA = np.array([0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.8, 2.1, 2.5])  # nodes of sigma [log of log price]
TURNOVER = np.array([0.1, 0.2, 0.35, 0.55, 0.8, 0.95])  # nodes of turnover [share a day]
SHIFT = np.arange(-3, 7)  # mu of shorts less mu of longs, in steps of MU
SHAPE = (len(MU), len(SIGMA), len(TURNOVER), len(SHIFT))
AGES = 30  # days that a position is followed
LEAST = 1e-12  # predicted share below which a logarithm stops
WEEK = 7  # days drawn together in the bootstrap
_Z = np.linspace(-8.0, 8.0, 3201)
_PHI = np.array([0.5 * math.erfc(-z / math.sqrt(2.0)) for z in _Z.tolist()])


@dataclass(frozen=True)
class Feed:
    """What one source says was liquidated, and the moves that should explain it. A row is a coin on a day, a group is what the
    feed reports as one number: a coin and day, or the day's total over coins."""

    name: str
    falls: np.ndarray  # [2, ages + 1, rows] worst log move against longs before and after the day; age 0: opened that day
    rises: np.ndarray  # [2, ages + 1, rows] the same against shorts
    floor: np.ndarray  # [rows] least distance that the maximum leverage leaves [log price]
    share: np.ndarray  # [rows] of the group's open interest in this coin
    group: np.ndarray  # [rows] number of its group
    day: np.ndarray  # [groups] days since 1970
    long: np.ndarray  # [groups] longs liquidated over open interest of the day before; of both sides if `short` is None
    short: np.ndarray | None  # [groups]
    complete: bool  # its reporting factor is 1

    def only(self, kept: np.ndarray) -> Feed:
        """Some of its groups; kept: [groups] bool."""
        rows, number = kept[self.group], np.cumsum(kept) - 1
        return Feed(self.name, self.falls[:, :, rows], self.rises[:, :, rows], self.floor[rows], self.share[rows],
                    number[self.group[rows]], self.day[kept], self.long[kept],
                    None if self.short is None else self.short[kept], self.complete)


@dataclass(frozen=True)
class Spread:
    """Leverage over open interest: distance to liquidation when a position is opened."""

    mu: float  # mean of ln x of longs, x in log price
    sigma: float  # standard deviation of ln x
    shift: float  # mu of shorts less mu of longs
    turnover: float  # share of open interest opened anew a day
    reporting: tuple[float, ...]  # share of liquidations that each feed reports

    def share_within(self, distance: np.ndarray, floor: float, short: bool = False) -> np.ndarray:
        """Share of notional, when opened, that falls liquidated within a log move; the coin's floor cuts it off."""
        mu = self.mu + (self.shift if short else 0.0)
        return _cut(np.asarray(distance, float), np.asarray(floor), mu, self.sigma)


# --- the model -------------------------------------------------------------------------------------------------------


def normal_share(z: np.ndarray) -> np.ndarray:
    """The standard normal distribution, to 1e-6.

    >>> normal_share(np.array([0.0])).tolist()
    [0.5]
    """
    return np.interp(z, _Z, _PHI)


def _cut(distance: np.ndarray, floor: np.ndarray, mu: float, sigma: float) -> np.ndarray:
    """F(x), the share opened closer than x, of a log-normal cut off below the floor."""
    below = normal_share((np.log(floor) - mu) / sigma)
    with np.errstate(divide="ignore"):
        inside = normal_share((np.log(distance) - mu) / sigma)
    return np.maximum(inside - below, 0.0) / np.maximum(1.0 - below, LEAST)


def worst_moves(opened: np.ndarray, low: np.ndarray, high: np.ndarray, ages: int = AGES) -> tuple[np.ndarray, np.ndarray]:
    """Worst log moves against longs and against shorts, each [2, ages + 1, days]: before the day, and up to its end.

    opened, low, high: [days] average, lowest and highest price of each day. Days before the series began: NaN.
    """
    days = len(opened)
    falls, rises = (np.full((2, ages + 1, days), np.nan) for _ in range(2))
    for age in range(min(ages + 1, days)):
        entry = np.log(opened[: days - age])
        for worst, extreme, sign in ((falls, np.log(low), -1.0), (rises, np.log(high), 1.0)):
            met = np.zeros(days - age)  # on the days between opening and the day before
            for between in range(1, age):
                met = np.maximum(met, sign * (extreme[between : between + days - age] - entry))
            worst[0, age, age:] = met
            worst[1, age, age:] = np.maximum(met, sign * (extreme[age:] - entry))
    return falls, rises


def liquidated_share(worst: np.ndarray, floor: np.ndarray, mu: float, sigma: float, turnover: np.ndarray) -> np.ndarray:
    """Expected liquidations over open interest of the day before [turnovers, rows]; worst: [2, ages + 1, rows]."""
    before, after = _cut(worst, floor, mu, sigma)
    met = np.nan_to_num(np.maximum(after - before, 0.0))
    weight = turnover[:, None] * (1.0 - turnover[:, None]) ** np.arange(worst.shape[1])  # [turnovers, ages + 1]
    standing = np.einsum("ta,ar->tr", weight[:, 1:], np.nan_to_num(1.0 - before[1:]))
    old = np.einsum("ta,ar->tr", weight[:, 1:], met[1:])
    return old / np.maximum(standing, LEAST) + 0.5 * turnover[:, None] * met[0]


# --- the fit ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Predictions:
    """A feed at every node of the grid, without its reporting factor."""

    feed: Feed
    long: np.ndarray  # [mu, sigma, turnover, groups] share of open interest
    short: np.ndarray

    def at(self, node: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Longs and shorts [groups] at (mu, sigma, turnover, shift); a shift beyond the grid takes its end."""
        m, s, t, shift = node
        return self.long[m, s, t], self.short[_shifted(m, shift), s, t]


def _shifted(m: int, shift: int) -> int:
    return min(max(m + int(SHIFT[shift]), 0), len(MU) - 1)


def predict(feed: Feed) -> Predictions:
    """The feed's expected liquidations at every node."""
    groups = len(feed.day)
    out = np.empty((2, len(MU), len(SIGMA), len(TURNOVER), groups))
    for k, worst in enumerate((feed.falls, feed.rises)):
        for m, mu in enumerate(MU.tolist()):
            for s, sigma in enumerate(SIGMA.tolist()):
                rows = liquidated_share(worst, feed.floor, mu, sigma, TURNOVER) * feed.share
                for t in range(len(TURNOVER)):
                    out[k, m, s, t] = np.bincount(feed.group, rows[t], groups)
    return Predictions(feed, out[0], out[1])


@dataclass(frozen=True)
class Sums:
    """Sufficient sums of one feed by week: at a node, sum y ln p, sum p; and sum y."""

    score: np.ndarray  # [weeks, nodes]
    predicted: np.ndarray  # [weeks, nodes]
    observed: np.ndarray  # [weeks]
    complete: bool
    dispersion: float = 1.0  # variance over mean

    def reporting(self, weight: np.ndarray, level: float) -> np.ndarray:
        """The factor that meets the total, at every node; `level` where the statistics are complete."""
        predicted = weight @ self.predicted
        if self.complete:
            return np.full(len(predicted), level)
        return (weight @ self.observed) / np.maximum(predicted, LEAST)

    def likelihood(self, weight: np.ndarray, level: float) -> np.ndarray:
        """Quasi-likelihood at every node, weeks weighted."""
        factor = np.maximum(self.reporting(weight, level), LEAST)
        return ((weight @ self.observed) * np.log(factor) + weight @ self.score
                - factor * (weight @ self.predicted)) / self.dispersion


def sums(predictions: Predictions) -> Sums:
    """The sums by week over all nodes (mu, sigma, turnover, shift)."""
    feed = predictions.feed
    week, number = np.unique(feed.day // WEEK, return_inverse=True)
    score, total = np.zeros((2, len(week), *SHAPE))
    by_week = np.zeros((len(feed.day), len(week)))
    by_week[np.arange(len(feed.day)), number] = 1.0
    observed = feed.long if feed.short is None else feed.long + feed.short
    for shift in range(len(SHIFT)):
        moved = [_shifted(m, shift) for m in range(len(MU))]
        long, short = predictions.long, predictions.short[moved]
        if feed.short is None:
            value = feed.long * np.log(np.maximum(long + short, LEAST))
        else:
            value = feed.long * np.log(np.maximum(long, LEAST)) + feed.short * np.log(np.maximum(short, LEAST))
        score[..., shift] = np.moveaxis(value @ by_week, -1, 0)
        total[..., shift] = np.moveaxis((long + short) @ by_week, -1, 0)
    return Sums(score.reshape(len(week), -1), total.reshape(len(week), -1), observed @ by_week, feed.complete)


@dataclass(frozen=True)
class Fit:
    """The estimate, and its bootstrap."""

    best: Spread
    node: tuple[int, int, int, int]
    draws: tuple[Spread, ...]
    dispersion: tuple[float, ...]  # variance over mean of each feed
    likelihood: float  # quasi-likelihood of the best, all feeds


def fit(predictions: list[Predictions], draws: int = 0, seed: int = 0, level_spread: float = 0.0,
        turnover: float | None = None) -> Fit:
    """Estimate from all feeds together, with `turnover` given or fitted too.

    level_spread: uncertainty [log] of the open interest of complete feeds, drawn with the weeks. A feed weighs by its own
    dispersion: how far it scatters about its own best fit.
    """
    parts = [replace(part, dispersion=_dispersion(part, of)) for part, of in
             zip([sums(of) for of in predictions], predictions, strict=True)]
    allowed = np.ones(len(TURNOVER), bool) if turnover is None else np.isclose(TURNOVER, turnover)
    open_nodes = np.broadcast_to(allowed[:, None], SHAPE).ravel()
    node, best, likelihood = _best(parts, [np.ones(len(part.observed)) for part in parts], 1.0, open_nodes)
    generator = np.random.Generator(np.random.Philox(key=seed))
    drawn = []
    for _ in range(draws):
        weeks = [len(part.observed) for part in parts]
        weights = [generator.multinomial(n, np.full(n, 1.0 / n)).astype(float) for n in weeks]
        level = math.exp(level_spread * generator.standard_normal())
        drawn.append(_best(parts, weights, level, open_nodes)[1])
    return Fit(best, node, tuple(drawn), tuple(part.dispersion for part in parts), likelihood)


def _best(parts: list[Sums], weights: list[np.ndarray], level: float, open_nodes: np.ndarray
          ) -> tuple[tuple[int, int, int, int], Spread, float]:
    """The open node of highest quasi-likelihood, the estimate there, and the likelihood."""
    total = np.sum([part.likelihood(weight, level) for part, weight in zip(parts, weights, strict=True)], axis=0)
    flat = int(np.argmax(np.where(open_nodes, total, -np.inf)))
    m, s, t, k = (int(i) for i in np.unravel_index(flat, SHAPE))
    factors = tuple(float(part.reporting(weight, level)[flat]) for part, weight in zip(parts, weights, strict=True))
    shift = float(MU[_shifted(m, k)] - MU[m])
    return (m, s, t, k), Spread(float(MU[m]), float(SIGMA[s]), shift, float(TURNOVER[t]), factors), float(total[flat])


def _dispersion(part: Sums, predictions: Predictions) -> float:
    """Variance over mean of a day's total about the feed's own best fit: coins of one day err together."""
    node, spread, _ = _best([part], [np.ones(len(part.observed))], 1.0, np.ones(int(np.prod(SHAPE)), bool))
    seen, told = by_day(predictions, node, spread.reporting[0])
    return max(float(np.sum((seen - told) ** 2) / told.sum()), LEAST)


# --- out of sample ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """How well liquidations of days that the fit has not seen are foretold, day by day, over all coins of a feed."""

    days: int
    total: float  # predicted over observed, sum of all days
    rank: float  # rank correlation over days
    explained: float  # share of the variance of ln(liquidated / OI) explained; a constant foretells 0
    worst_days: float  # predicted over observed on the tenth of days with most liquidated

    def __str__(self) -> str:
        return (f"{self.days} days: predicted/observed {self.total:.2f}, on the worst tenth {self.worst_days:.2f}, "
                f"rank correlation {self.rank:.2f}, log variance explained {self.explained:.2f}")


def by_day(predictions: Predictions, node: tuple[int, int, int, int], reporting: float) -> tuple[np.ndarray, np.ndarray]:
    """Observed and expected, both sides and all groups of a day together [days]."""
    long, short = predictions.at(node)
    feed = predictions.feed
    observed = feed.long if feed.short is None else feed.long + feed.short
    _, number = np.unique(feed.day, return_inverse=True)
    return np.bincount(number, observed), np.bincount(number, reporting * (long + short))


def score(predictions: Predictions, node: tuple[int, int, int, int], reporting: float) -> Score:
    """The score of a fit, made on other days, on this feed."""
    seen, told = by_day(predictions, node, reporting)
    some = (seen > 0.0) & (told > 0.0)
    log_seen, log_told = np.log(seen[some]), np.log(told[some])
    worst = np.argsort(seen)[-max(len(seen) // 10, 1):]
    return Score(len(seen), float(told.sum() / seen.sum()),
                 float(np.corrcoef(_ranks(log_seen), _ranks(log_told))[0, 1]),
                 float(1.0 - np.mean((log_seen - log_told) ** 2) / np.var(log_seen)),
                 float(told[worst].sum() / seen[worst].sum()))


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(float)
