"""First passage on the scenario's price paths: who has reached his boundary when, on which path, if nobody acts.

Accounts with a driver are told from the lowest value that it has had on a path: of those that share one, sorted by distance, all
up to it have been reached. Baskets are valued anew in every step. A start price that is shifted gives the same account once more
as a further row: the same draws, so differences are of the shift alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from delever.analysis.boundaries import Amounts, Boundaries
from delever.analysis.margins import MarginBook
from delever.analysis.outside_paths import walk
from delever.prices.base import Process
from delever.run.assemble import Model

AT_ONCE = 1000  # paths in a chunk
CELLS = 2_000_000  # accounts x paths x reserves of margin accounts that are valued at once
MANY = 0.05  # share of rows near enough that everybody is valued anew
ROUNDING = 1e-9  # of a distance
FINE = 1e-6  # log price over the horizon: drivers whose interest differs by less are one


@dataclass(frozen=True)
class Rows:
    """Accounts to follow. Axes: N rows, M markets, Q amounts."""

    account: np.ndarray  # [N]
    shift: np.ndarray  # [N, M] log price by which the start is moved
    amount: np.ndarray  # [N, Q] what is added up by path where the row is reached; 0 of rows that are shifted

    def some(self, which: np.ndarray) -> Rows:
        """Some of them."""
        return Rows(self.account[which], self.shift[which], self.amount[which])


@dataclass(frozen=True)
class Followed:
    """What came of the rows. Axes: N rows, K times, Q amounts, P paths."""

    reached: np.ndarray  # [N] number of paths
    time: np.ndarray  # [N] sum over these paths of the time of reaching it [s]
    totals: np.ndarray  # [K, Q, P] amounts of the rows that are reached by then


@dataclass
class Group(ABC):
    """Rows that are told in one way. at: [n] their numbers."""

    at: np.ndarray
    amount: np.ndarray  # [n, Q]
    reached: np.ndarray = field(init=False)
    time: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.reached, self.time = np.zeros(len(self.at)), np.zeros(len(self.at))

    @abstractmethod
    def begin(self, paths: int) -> None:
        """A chunk of paths."""

    @abstractmethod
    def look(self, time: float, moves: np.ndarray) -> None:
        """After a step. moves: [M, P] log moves since the start."""

    @abstractmethod
    def total(self) -> np.ndarray:
        """[Q, P] amounts of those reached so far."""


class Driven(Group):
    """Rows that have a driver, one after the other by driver, by distance. Axes: D drivers, n rows, P paths, Q amounts."""

    def __init__(self, drivers: Sequence[tuple[np.ndarray, np.ndarray, float, np.ndarray]], amount: np.ndarray) -> None:
        """drivers: of each the numbers of its rows, its vector [M], its growth [1/s], its rows' distances. amount: [N, Q]."""
        orders = [np.argsort(distance, kind="stable") for *_, distance in drivers]
        at = [rows[order] for (rows, *_), order in zip(drivers, orders, strict=True)]
        super().__init__(np.concatenate(at), amount[np.concatenate(at)])
        self.distance = [distance[order] for (*_, distance), order in zip(drivers, orders, strict=True)]
        self.vectors, self.growth = np.array([vector for _, vector, *_ in drivers]), np.array([one for *_, one, _ in drivers])
        ends = np.cumsum([0, *map(len, at)]).tolist()
        self.rows = [slice(*pair) for pair in pairwise(ends)]
        none = np.zeros(amount.shape[1])
        self.below = [np.vstack([none, np.cumsum(self.amount[rows], axis=0)]) for rows in self.rows]  # [n + 1, Q]

    def begin(self, paths: int) -> None:
        """See Group."""
        self.lowest, self.count = np.full((len(self.vectors), paths), np.inf), np.zeros((len(self.vectors), paths), np.int64)

    def look(self, time: float, moves: np.ndarray) -> None:
        """See Group."""
        now = np.minimum(self.vectors @ moves + self.growth[:, None] * time, 0.0)
        lower = now < self.lowest
        self.lowest[lower] = now[lower]
        for d in np.flatnonzero(lower.any(axis=1)).tolist():
            self.fell(d, time, np.flatnonzero(lower[d]))

    def fell(self, d: int, time: float, paths: np.ndarray) -> None:
        """Of one driver, on the paths on which it is lower than ever: whom it has reached by that."""
        n, before = self.rows[d], self.count[d, paths]
        new = np.searchsorted(self.distance[d], -self.lowest[d, paths], side="right")
        if np.array_equal(before, new):
            return
        size = n.stop - n.start
        hit = np.cumsum(np.bincount(before, minlength=size + 1) - np.bincount(new, minlength=size + 1))[:size]
        self.reached[n] += hit
        self.time[n] += time * hit
        self.count[d, paths] = new

    def total(self) -> np.ndarray:
        """See Group."""
        return np.asarray(sum(below[count].T for below, count in zip(self.below, self.count, strict=True)))


class Valued(Group):
    """Rows that are valued path by path."""

    def begin(self, paths: int) -> None:
        """See Group."""
        self.hit = np.zeros((len(self.at), paths), np.bool_)

    def total(self) -> np.ndarray:
        """See Group."""
        return np.asarray(self.amount.T @ self.hit)


class Lending(Valued):
    """Baskets of lending accounts.

    Who is far from his boundary is not valued in every step. Where all that a row holds and owes adds up to `gross` at the last
    valuation of everybody, and nothing has moved by more than d in logs since then, it has lost at most gross (e^d - 1):

        a row may have come to its boundary only if   ln(1 + spare / gross) <= d
    """

    def __init__(self, at: np.ndarray, rows: Rows, amounts: Amounts) -> None:
        super().__init__(at, rows.amount)
        self.vectors, self.growth = amounts.vectors, amounts.growth[rows.account]
        self.weight = amounts.weight[rows.account] * np.exp(rows.shift @ amounts.vectors.T)
        self.fastest = float(np.abs(self.growth).max(initial=0.0))

    def begin(self, paths: int) -> None:
        """See Group."""
        super().begin(paths)
        self.then, self.moved = -math.inf, np.zeros((len(self.vectors), paths))  # nobody was valued yet
        self.near, self.order = np.zeros(0), np.zeros(0, np.int64)

    def look(self, time: float, moves: np.ndarray) -> None:
        """See Group."""
        now = self.vectors @ moves
        d = float(np.abs(now - self.moved).max(initial=0.0)) + self.fastest * (time - self.then)
        some = self.order[: int(np.searchsorted(self.near, d * (1.0 + ROUNDING), side="right"))]
        if self.then < 0.0 or len(some) > MANY * len(self.at):
            some = self.watch(time, now)
        new = (self.value(some, time, now) < 0.0) & ~self.hit[some]
        count = new.sum(axis=1)
        self.reached[some] += count
        self.time[some] += time * count
        self.hit[some] |= new

    def watch(self, time: float, now: np.ndarray) -> np.ndarray:
        """Value everybody, and order rows by how far they are; those that are not yet reached on every path."""
        left = np.flatnonzero(~self.hit.all(axis=1))
        each = self.weight[left] * np.exp(self.growth[left] * time)
        spare = np.maximum(np.where(self.hit[left], np.inf, each @ np.exp(now)), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.log1p(spare / (np.abs(each) @ np.exp(now))).min(axis=1)
        far = np.where(np.isnan(far), np.inf, far)  # holds and owes nothing
        order = np.argsort(far, kind="stable")
        self.then, self.moved, self.near, self.order = time, now, far[order], left[order]
        return left

    def value(self, some: np.ndarray, time: float, now: np.ndarray) -> np.ndarray:
        """What some rows have to spare [n, P], USD."""
        return np.asarray((self.weight[some] * np.exp(self.growth[some] * time)) @ np.exp(now))


class Margined(Valued):
    """Baskets of margin accounts."""

    def __init__(self, at: np.ndarray, rows: Rows, book: MarginBook, moves: np.ndarray) -> None:
        """moves: [R, M] of reserves by markets."""
        super().__init__(at, rows.amount)
        self.book, self.moves, self.price = book, moves, book.model.seen_price()
        self.shifted = np.exp(rows.shift @ moves.T)  # [n, R]
        self.account = np.searchsorted(book.accounts, rows.account)

    def begin(self, paths: int) -> None:
        """See Group."""
        super().begin(paths)
        size = max(1, CELLS // (paths * len(self.price)))
        self.parts = [(slice(i, i + size), self.book.repeated(self.account[i:i + size], paths))
                      for i in range(0, len(self.at), size)]

    def look(self, time: float, moves: np.ndarray) -> None:
        """See Group."""
        new = (self.spare(moves) < 0.0) & ~self.hit
        count = new.sum(axis=1)
        self.reached += count
        self.time += time * count
        self.hit |= new

    def spare(self, moves: np.ndarray) -> np.ndarray:
        """What the rows have to spare [n, P], USD."""
        out, seen = np.zeros(self.hit.shape), np.exp(self.moves @ moves).T  # [P, R]
        for part, book in self.parts:
            times = (self.shifted[part][:, None] * seen).reshape(-1, len(self.price))
            standing = book.at(self.price, times)
            out[part] = (standing.equity - standing.maintenance).reshape(-1, moves.shape[1])
        return out


def groups_of(model: Model, rows: Rows, found: Boundaries, amounts: Amounts, moves: np.ndarray) -> list[Group]:
    """The rows by how they are told."""
    driver, groups, driven = found.driver[rows.account], list[Group](), list[tuple[np.ndarray, np.ndarray, float, np.ndarray]]()
    horizon = model.steps * model.step_length
    growth = np.round(found.growth[rows.account] * horizon / FINE) * FINE / horizon
    kinds, number = np.unique(np.stack([driver, growth]), axis=1, return_inverse=True)
    order = np.argsort(number.ravel(), kind="stable")
    edges = np.searchsorted(number.ravel()[order], np.arange(kinds.shape[1] + 1))
    for k in range(kinds.shape[1]):
        if kinds[0, k] >= 0:
            at, vector = order[edges[k]:edges[k + 1]], found.vectors[int(kinds[0, k])]
            distance = found.distance[rows.account[at]] + rows.shift[at] @ vector
            driven.append((at, vector, float(kinds[1, k]), distance))
    if driven:
        groups.append(Driven(driven, rows.amount))
    lends = model.positions.tables.margin[model.positions.tables.signature[rows.account]] == 0
    baskets = np.flatnonzero((driver < 0) & lends), np.flatnonzero((driver < 0) & ~lends)
    if len(baskets[0]):
        groups.append(Lending(baskets[0], rows.some(baskets[0]), amounts))
    if len(baskets[1]):
        groups.append(Margined(baskets[1], rows.some(baskets[1]), MarginBook(model), moves))
    return groups


def follow(model: Model, process: Process, jumps: np.ndarray, paths: int, rows: Rows, groups: Sequence[Group],
           marks: Sequence[int]) -> Followed:
    """Run the prices. marks: steps after which amounts are added up."""
    totals = np.zeros((len(marks), rows.amount.shape[1], paths))
    for first in range(0, paths, AT_ONCE):
        count = min(AT_ONCE, paths - first)
        for group in groups:
            group.begin(count)
        for step, moves in walk(model, process, jumps, first, count):
            for group in groups:
                group.look(step * model.step_length, moves)
            for k in [k for k, mark in enumerate(marks) if mark == step]:
                totals[k, :, first:first + count] = sum(group.total() for group in groups)
    reached, time = np.zeros(len(rows.account)), np.zeros(len(rows.account))
    for group in groups:
        reached[group.at], time[group.at] = group.reached, group.time
    return Followed(reached, time, totals)
