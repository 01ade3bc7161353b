"""How prices stood on all paths over time, without keeping any path: counts of log-moves on a fixed grid.

    level of a price = floor(PER_E x (log price - log price at the start) + 1/2)

so a price that has not moved stands at level 0 exactly, and a level says a price to within half a step, 0.05 %. Counts are
whole numbers, so that chunks merge by adding, in any order.
"""

from __future__ import annotations

import numpy as np

from delever.core.state import State
from delever.engine.probes import ends_of_bins

PER_E = 1024  # levels of a log-move of 1: a power of two, so that scaling rounds nothing
FARTHEST = 1 << 20  # levels: beyond it no run ends well (run/outcomes.py)
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
        level = np.floor(np.clip(np.nan_to_num(moved * PER_E), 1 - FARTHEST, FARTHEST - 1) + 0.5).astype(np.int64)
        keys, paths = np.unique(level + FARTHEST + 2 * FARTHEST * np.arange(len(level))[:, None], return_counts=True)
        series, level = np.divmod(keys, 2 * FARTHEST)
        self.found.append(np.column_stack([series, np.full(len(keys), at), level - FARTHEST, paths]))

    @property
    def counts(self) -> np.ndarray:
        """[rows, 4] series, bin, level, paths."""
        return np.concatenate(self.found) if self.found else np.zeros((0, 4), np.int64)


def added(counts: list[np.ndarray]) -> np.ndarray:
    """Counts of several chunks as one, in the order of series, bin and level."""
    rows = np.concatenate(counts)
    keys, which = np.unique(rows[:, :PATHS], axis=0, return_inverse=True)
    total = np.zeros(len(keys), np.int64)
    np.add.at(total, which.ravel(), rows[:, PATHS])
    return np.column_stack([keys, total])
