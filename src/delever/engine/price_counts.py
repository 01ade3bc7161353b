"""How prices stood on all paths over time, without keeping any path: counts of log-moves on a fixed grid.

    level of a price = floor(PER_E x (log price - log price at the start) + 1/2)

so a price that has not moved stands at level 0 exactly, and a level says a price to within half a step, 0.05 %. Counts are
whole numbers, so that chunks merge by adding, in any order; so are the weights of paths, which are known at the end alone.
"""

from __future__ import annotations

import numpy as np

from delever.core.state import State
from delever.engine.probes import BINS, UNIT, ends_of_bins, units_of

PER_E = 1024  # levels of a log-move of 1: a power of two, so that scaling rounds nothing
FARTHEST = 1 << 20  # levels: beyond it no run ends well (run/outcomes.py)
MOST = 1 << 18  # levels that are counted in place; of more, those that occur are sorted
SERIES, BIN, LEVEL, PATHS, WEIGHT = range(5)  # columns of the counts; the last: of these paths, in UNIT


class PriceCounts:
    """In how many paths which price stood at which level, at the ends of the bins of the horizon."""

    def __init__(self, steps: int, outside: np.ndarray, feeds: np.ndarray, start: np.ndarray, weighted: bool = False) -> None:
        """outside: markets whose outside price is told apart from their own; feeds: numbers of those that are watched;
        start: [watched feeds] their log answers at the start. Series are markets, then outside prices, then feeds.
        weighted: paths do not count alike, so that levels are kept until their weights are known."""
        self.ends = ends_of_bins(steps)
        self.outside, self.feeds, self.start = outside, feeds, start[:, None]
        self.weighted, self.kept = weighted, list[tuple[int, np.ndarray]]()  # time, level [series, P]
        self.found: list[np.ndarray] = []

    def observe(self, state: State) -> None:
        """At the end of each bin."""
        at = self.ends.get(state.step)
        if at is None:
            return
        markets, outside = state.markets, self.outside
        moved = np.concatenate([markets.price - markets.start[:, None],
                                markets.exogenous[outside] - markets.start_exogenous[outside, None],
                                state.feeds.answer[self.feeds] - self.start])  # [series, P]
        moved *= PER_E
        moved += 0.5
        np.floor(moved, out=moved)
        if not np.abs(moved).max(initial=0.0) < FARTHEST:  # nan too
            moved = np.clip(np.nan_to_num(moved), 1 - FARTHEST, FARTHEST - 1)
        if self.weighted:
            self.kept.append((at, moved.astype(np.int32)))
            return
        series, level, paths = counted(moved.astype(np.int64))
        self.found.append(np.column_stack([series, np.full(len(series), at), level, paths, UNIT * paths]))

    def counts(self, weight: np.ndarray) -> np.ndarray:
        """[rows, 5] series, bin, level, paths, weight. weight: [P] of each path."""
        units = units_of(weight)
        rows = [*self.found, *(weighed(level.astype(np.int64), at, units) for at, level in self.kept)]
        return np.concatenate(rows) if rows else np.zeros((0, 5), np.int64)


def counted(level: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(series, level, paths) of the levels that occur, in that order. level: [series, P]."""
    low = level.min(axis=1)
    width = level.max(axis=1) - low + 1
    first = np.concatenate([[0], np.cumsum(width)])  # where each series begins, all laid end to end
    if first[-1] > MOST:
        keys, paths = np.unique(level + FARTHEST + 2 * FARTHEST * np.arange(len(level))[:, None], return_counts=True)
        series, found = np.divmod(keys, 2 * FARTHEST)
        return series, found - FARTHEST, paths
    whole = np.bincount((level + (first[:-1] - low)[:, None]).ravel(), minlength=int(first[-1]))
    there = np.flatnonzero(whole)
    series = np.searchsorted(first, there, side="right") - 1
    return series, there - first[series] + low[series], whole[there]


def weighed(level: np.ndarray, at: int, units: np.ndarray) -> np.ndarray:
    """Rows of one time. level: [series, P]; units: [P] weights."""
    keys, which, paths = np.unique(level + FARTHEST + 2 * FARTHEST * np.arange(len(level))[:, None], return_inverse=True,
                                   return_counts=True)
    total = np.zeros(len(keys), np.int64)
    np.add.at(total, which.ravel(), np.broadcast_to(units, level.shape).ravel())
    series, found = np.divmod(keys, 2 * FARTHEST)
    return np.column_stack([series, np.full(len(keys), at), found - FARTHEST, paths, total])


def added(counts: list[np.ndarray]) -> np.ndarray:
    """Counts of several chunks as one, in the order of series, bin and level."""
    rows = np.concatenate(counts)
    keys, which = np.unique((rows[:, SERIES] * BINS + rows[:, BIN]) * 2 * FARTHEST + rows[:, LEVEL] + FARTHEST,
                            return_inverse=True)
    total = np.zeros((len(keys), rows.shape[1] - PATHS), np.int64)
    np.add.at(total, which.ravel(), rows[:, PATHS:])
    of, level = np.divmod(keys, 2 * FARTHEST)
    return np.column_stack([*np.divmod(of, BINS), level - FARTHEST, total])
