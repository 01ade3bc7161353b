"""How prices stood on all paths over time, without keeping any path: counts of log-moves on a fixed grid.

    level of a price = floor(PER_E x (log price - log price at the start) + 1/2)

so a price that has not moved stands at level 0 exactly, and a level says a price to within half a step, 0.05 %. Counts are
whole numbers, so that chunks merge by adding, in any order.
"""

from __future__ import annotations

import numpy as np

from delever.core.state import State
from delever.engine.probes import BINS, ends_of_bins

PER_E = 1024  # levels of a log-move of 1: a power of two, so that scaling rounds nothing
FARTHEST = 1 << 20  # levels: beyond it no run ends well (run/outcomes.py)
MOST = 1 << 18  # levels that are counted in place; of more, those that occur are sorted
SERIES, BIN, LEVEL, PATHS = range(4)  # columns of the counts


class PriceCounts:
    """In how many paths which price stood at which level, at the ends of the bins of the horizon."""

    def __init__(self, steps: int, outside: np.ndarray, feeds: np.ndarray, start: np.ndarray) -> None:
        """outside: markets whose outside price is told apart from their own; feeds: numbers of those that are watched;
        start: [watched feeds] their log answers at the start. Series are markets, then outside prices, then feeds."""
        self.ends = ends_of_bins(steps)
        self.outside, self.feeds, self.start = outside, feeds, start[:, None]
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
        series, level, paths = counted(moved.astype(np.int64))
        self.found.append(np.column_stack([series, np.full(len(series), at), level, paths]))

    @property
    def counts(self) -> np.ndarray:
        """[rows, 4] series, bin, level, paths."""
        return np.concatenate(self.found) if self.found else np.zeros((0, 4), np.int64)


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


def added(counts: list[np.ndarray]) -> np.ndarray:
    """Counts of several chunks as one, in the order of series, bin and level."""
    rows = np.concatenate(counts)
    keys, which = np.unique((rows[:, SERIES] * BINS + rows[:, BIN]) * 2 * FARTHEST + rows[:, LEVEL] + FARTHEST,
                            return_inverse=True)
    total = np.zeros(len(keys), np.int64)
    np.add.at(total, which.ravel(), rows[:, PATHS])
    of, level = np.divmod(keys, 2 * FARTHEST)
    return np.column_stack([*np.divmod(of, BINS), level - FARTHEST, total])
