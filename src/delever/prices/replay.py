"""Replay of a table of prices: a real crisis, or paths made elsewhere.

    e = ln(price of the row in force at t) + what events bring;   rows are in force from their time on
Columns: `time` [s from the start], one column per asset (base: USD; pegged: ratio), and, if the paths differ, `path`
(0, 1, ...; path i replays i modulo their number). Assets without a column stay at their start price.
Source: the table; what it is from is the world's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from delever.core.jit import kernel
from delever.core.state import State
from delever.ingest.source import Source
from delever.model.errors import InputError, nearest
from delever.prices.base import PricePhase, PriceSpec, Process


class Replay(PriceSpec):
    """A table of prices."""

    kind: ClassVar[str] = "replay"
    data: str = Field(
        examples=["prices.csv"], description="table (.csv or .parquet) with column time [s] and one column per asset")

    def compile(self, markets: Sequence[str], source: Source, step_length: float, steps: int) -> Process:
        """See PriceSpec."""
        return Table(*levels(source.table(self.data), self.data, markets, step_length, steps))


def levels(table: pa.Table, where: str, markets: Sequence[str], step_length: float, steps: int
           ) -> tuple[np.ndarray, np.ndarray]:
    """Log prices in force at the end of each step [steps + 1, assets, paths of the table], and the assets' markets."""
    if "time" not in table.column_names:
        raise InputError("column", where, "time", "is missing: seconds from the start of the run")
    named = [name for name in table.column_names if name not in ("time", "path")]
    for name in named:
        if name not in markets:
            raise InputError("asset", where, name, nearest(name, markets))
    path = np.asarray(table["path"], np.int64) if "path" in table.column_names else np.zeros(len(table), np.int64)
    times, prices = np.asarray(table["time"], float), np.column_stack([np.asarray(table[name], float) for name in named])
    out = []
    for k in range(int(path.max()) + 1 if len(path) else 0):
        mine = np.nonzero(path == k)[0]
        time, price = times[mine], prices[mine]
        if not len(time) or (np.diff(time) <= 0).any():
            raise InputError("time", where, f"path {k}", "rows must come in rising order of time, each once")
        if time[0] > 0:
            raise InputError("time", where, float(time[0]), "the first row must be at 0, the start of the run")
        at = np.searchsorted(time, np.arange(steps + 1) * step_length * (1 + 1e-12), side="right") - 1
        bad = np.argwhere(~(price > 0))
        if len(bad):
            row, column = bad[0]
            raise InputError("price", f"{where}, row {mine[row] + 2}, column {named[column]}", price[row, column],
                             "prices are positive numbers")
        out.append(np.log(price)[at])
    if not out:
        raise InputError("table", where, "0 rows", "give at least the row at time 0")
    return np.ascontiguousarray(np.stack(out, axis=2)), np.array([list(markets).index(n) for n in named], np.int64)


@kernel
def put(first_path: int, number: np.ndarray, level: np.ndarray, shock: np.ndarray, exogenous: np.ndarray,
        start: np.ndarray) -> None:
    """level: [assets, paths of the table] of this step; shock: [M] so far; start: [M]."""
    for m in range(shock.shape[0]):
        for p in range(exogenous.shape[1]):
            exogenous[m, p] = start[m] + shock[m]
    for a in range(number.shape[0]):
        m = number[a]
        for p in range(exogenous.shape[1]):
            exogenous[m, p] = level[a, (first_path + p) % level.shape[1]] + shock[m]


class Table(Process):
    """level: [steps + 1, assets, paths of the table]; number: [assets] their markets."""

    def __init__(self, level: np.ndarray, number: np.ndarray) -> None:
        self.level, self.number = level, number

    def phase(self, paths: int) -> PricePhase:
        """See Process."""
        return Replaying(self.number, self.level)

    def spread(self, steps: int) -> float:
        """See Process."""
        return float((self.level[0] - self.level.min(axis=0)).mean()) if self.level.size else 0.0


class Replaying(PricePhase):
    """One kernel call a step."""

    def __init__(self, number: np.ndarray, level: np.ndarray) -> None:
        self.number, self.level = number, level
        self.moved = np.zeros(0)  # [M] by events, so far

    def move(self, state: State) -> None:
        """The row in force."""
        if not len(self.moved):
            self.moved = np.zeros(len(state.moves))
        self.moved += state.moves
        put(state.first_path, self.number, self.level[state.step], self.moved, state.markets.exogenous,
            state.markets.start_exogenous)
