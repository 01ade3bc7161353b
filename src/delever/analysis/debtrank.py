"""DebtRank: how far one's distress travels along who has lent to whom, before anybody defaults.

Sources: Battiston, Puliga, Kaushik, Tasca and Caldarelli (2012), "DebtRank: too central to fail?"; Bardoscia, Battiston, Caccioli
and Caldarelli (2015), "DebtRank: a microscopic foundation for shock propagation"; Bardoscia, Caccioli, Perotti, Vivaldo and
Caldarelli (2016), "Distress propagation in complex networks: the case of non-linear DebtRank".

    h[i]         distress: share of equity that is lost, from 0 to 1
    once         h[j] <- min(1, h[j] + sum over i of min(1, A[j, i] / E[j]) h[i]), of those i who were hit in the round before for
                 the first time: everybody passes on what he has then, once (2012)
    linear       h[j] <- min(1, h[j] + sum over i of A[j, i] / E[j] (q(h[i]) - q(h before[i]))): every loss is passed on
                 q(h) = h exp(a (h - 1)), a the convexity (2016); 0: a debt loses the share that its debtor's equity does (2015)
    DebtRank     sum of w (h - h at the start): what is lost beyond the shock, as a share of the whole

`once` understates where a circle of debts passes a loss on twice, `linear` counts it until it dies out. With no convexity and
nobody wiped out the linear one ends at h = (1 - A/E)^-1 h at the start, if the largest eigenvalue of A/E is below 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from delever.analysis.amounts import Floats, amounts, names_of, square
from delever.analysis.tables import Column, table
from delever.model.errors import InputError
from delever.run.result import Result

Method = Literal["once", "linear"]
SETTLED = 1e-13  # of equity: a round that adds no more to anybody ends it
MOST_ROUNDS = 100_000
WIPED_OUT = 1.0 - 1e-12  # distress


@dataclass(frozen=True, repr=False)
class DebtRank(Result):
    """What the failure of each does to the others.

    table: a row a node: its weight, DebtRank if it alone fails, how many others are wiped out with it, USD that these lose.
    distress: a row a pair: what one's failure takes of another's equity, share of 1.
    eigenvalue: the largest of A/E: above 1 small losses grow.
    """

    table: pa.Table
    distress: pa.Table
    method: Method
    eigenvalue: float

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        first = max(self.table.to_pylist(), key=lambda row: row["DebtRank"])
        return f"DebtRank ({self.method}) of {self.table.num_rows}: {first['name']} first, with {first['DebtRank']:.4g}"


def debtrank(exposures: ArrayLike, equity: ArrayLike, weights: ArrayLike | None = None, method: Method = "linear",
             convexity: float = 0.0, names: Sequence[str] | None = None) -> DebtRank:
    """DebtRank of everybody: who fails, what that does to the rest.

    exposures: [N, N] USD that a row has lent to a column; equity: [N] USD; weights: [N], what each counts, by default what he has
    lent; they are made to add up to 1. method: "once" (2012) or "linear"; convexity: of the linear one.

    >>> found = debtrank([[0, 1, 0], [10, 0, 3], [3, 2, 0]], [2, 5, 2], [10, 100, 30], "once")
    >>> [round(value, 7) for value in found.table["DebtRank"].to_pylist()]
    [0.9285714, 0.25, 0.6642857]
    """
    lent = square("exposures", exposures)
    count = len(lent)
    own, called = equities(equity, count), names_of(names, count)
    weight = weights_of(lent.sum(axis=1) if weights is None else amounts("weights", weights, count))
    end = np.array([spread(lent, own, shock, method, convexity) for shock in np.eye(count)])  # a row who fails
    others = end - np.eye(count)
    return DebtRank(
        table(
            Column("name", "", called),
            Column("weight", "share", weight, "what it counts of the whole"),
            Column("DebtRank", "share", others @ weight, "what the others lose of the whole if it fails, its own weight apart"),
            Column("wiped out", "count", np.sum(others >= WIPED_OUT, axis=1), "others whose equity is gone then"),
            Column("loss", "USD", others @ own, "of their equity"),
        ),
        table(
            Column("fails", "", np.repeat(called, count).tolist()),
            Column("other", "", called * count),
            Column("distress", "share", end.ravel(), "of the other's equity"),
        ),
        method,
        largest_eigenvalue(lent / own[:, None]),
    )


def spread(exposures: ArrayLike, equity: ArrayLike, shock: ArrayLike, method: Method = "linear", convexity: float = 0.0
           ) -> Floats:
    """Distress in the end [N], share of equity, after a shock [N], share of equity. See `debtrank` for the rest."""
    lent = square("exposures", exposures)
    own = equities(equity, len(lent))
    start = np.minimum(amounts("shock", shock, len(lent)), 1.0)
    if method == "once":
        return _once(lent / own[:, None], start)
    if method == "linear":
        return _linear(lent / own[:, None], start, float(amounts("convexity", convexity, 1)[0]))
    raise InputError("is unknown", "method", method, "choose once or linear")


def _once(leverage: Floats, start: Floats) -> Floats:
    """leverage: [N, N] lent by a row to a column, of the row's equity."""
    taken, distress, passed = np.minimum(leverage, 1.0), start, np.zeros(len(start), bool)
    while (passes := (distress > 0.0) & ~passed).any():
        distress = np.minimum(1.0, distress + taken @ np.where(passes, distress, 0.0))
        passed |= passes
    return distress


def _linear(leverage: Floats, start: Floats, convexity: float) -> Floats:
    def lost(distress: Floats) -> Floats:
        return distress * np.exp(convexity * (distress - 1.0))

    before, distress = np.zeros_like(start), start
    for _ in range(MOST_ROUNDS):
        before, distress = distress, np.minimum(1.0, distress + leverage @ (lost(distress) - lost(before)))
        if np.all(distress - before <= SETTLED):
            return distress
    raise InputError(f"has not settled after {MOST_ROUNDS:,} rounds", "debtrank", None,
                     "losses die out hardly: the largest eigenvalue of exposures / equity is next to 1")


def equities(values: ArrayLike, count: int) -> Floats:
    """[count] USD, all above 0: who has none has nothing to lose."""
    own = amounts("equity", values, count, "give USD above 0; leave out who has failed already")
    if not own.all():
        raise InputError("is 0", "equity", int(np.flatnonzero(own == 0.0)[0]), "leave out who has failed already")
    return own


def weights_of(values: Floats) -> Floats:
    """Shares that add up to 1."""
    if not values.sum() > 0.0:
        raise InputError("add up to 0", "weights", None, "give some; by default they are what each has lent")
    return values / values.sum()


def largest_eigenvalue(leverage: Floats) -> float:
    """The spectral radius of a matrix [N, N] that is nowhere negative."""
    return float(np.abs(np.linalg.eigvals(leverage)).max(initial=0.0))
