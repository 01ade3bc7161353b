"""The path that loses most, step by step: what was liquidated when, because of what, and how much followed from liquidations.

Which path: the largest loss over lending and exchanges; where nothing is lost, the largest sum of liquidations; where there is
none, none. It is played again (run/replay.py). A row follows from a liquidation where one stands in the chain of what led to it,
which is within its step: the share is counted, a lower bound on what feedback does over longer times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.bearers import bearers
from delever.analysis.contagion import liquidated
from delever.engine.probes import Trace
from delever.run.assemble import Model, chains, phases
from delever.run.collect import declared
from delever.run.recorder import CALL, DRY, INCLUDED
from delever.run.replay import replay_watched
from delever.run.result import Result
from delever.run.stress import Run, trace_table

EARLY, LATE = 0.05, 0.95  # of what is liquidated: between these lies most of it
LEAST = 1.0  # a loss below is none [USD]


@dataclass(frozen=True, repr=False)
class Worst(Result):
    """One path of a run, played again.

    rows: Run's replay of it, without what only waited. trace: every step, as Run.trace. forced: rows that liquidate, by number in
    `rows` from 0.
    """

    path: int
    loss: float  # USD, all bearers together
    rows: pa.Table
    trace: pa.Table
    forced: tuple[int, ...]

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.rows

    def __repr__(self) -> str:
        return f"Path {self.path}: loses {self.loss:,.0f} USD, {self.liquidated:,.0f} USD liquidated in {len(self.forced):,} rows"

    @property
    def usd(self) -> np.ndarray:
        """What each forced row liquidates [forced] USD."""
        return np.array([self.rows["usd"][i].as_py() for i in self.forced], float)

    @property
    def liquidated(self) -> float:
        """All of it [USD]."""
        return float(self.usd.sum())

    @property
    def followed(self) -> float:
        """Share of what is liquidated that an earlier liquidation of the same step led to; 0 where nothing is."""
        because, forced = self.rows["because"].to_pylist(), set(self.forced)
        led = np.array([any(i in forced for i in chain(because, i)) for i in self.forced], bool)
        return float(self.usd[led].sum()) / self.liquidated if self.liquidated > 0.0 else 0.0

    @property
    def span(self) -> tuple[float, float]:
        """When 5 % and 95 % of what is liquidated had been [s]."""
        time, usd = np.array([self.rows["time"][i].as_py() for i in self.forced]), np.cumsum(self.usd)
        if not len(usd) or usd[-1] <= 0.0:
            return 0.0, 0.0
        first, last = (int(np.searchsorted(usd, level * usd[-1])) for level in (EARLY, LATE))
        return float(time[first]), float(time[min(last, len(time) - 1)])

    @property
    def dry(self) -> list[tuple[str, str, float]]:
        """(protocol, layer, time [s]) of each layer that could first not serve in full, in that order: exact, not by bins."""
        return [(row["protocol"], row["kind"], row["time"]) for row in self.rows.to_pylist() if row["outcome"] == DRY]


def chain(because: list[int | None], i: int) -> list[int]:
    """Rows that led to row i, from the nearest back."""
    out: list[int] = []
    at = because[i]
    while at is not None:
        out.append(at - 1)
        at = because[at - 1]
    return out


def worst_of(run: Run) -> int | None:
    """Number of the path that loses most, else of that with most liquidated; None: nothing is."""
    total = bearers(run).total
    if len(total) and float(total.max()) >= LEAST:
        return int(total.argmax())
    forced = np.sum([liquidated(run.paths, name) for name in run.world.protocols], axis=0)
    return int(np.argmax(forced)) if np.ndim(forced) and float(np.max(forced)) >= LEAST else None


def calls(run: Run, path: int) -> int:
    """Liquidations on a path, over all protocols."""
    return int(sum(run.paths[one.field][path].as_py() for one in declared(run.paths) if one.column.name == "liquidations"))


def worst(run: Run, path: int | None = None) -> Worst | None:
    """A path of a run, by default the one that loses most, played again; None where no path loses or liquidates anything."""
    chosen = worst_of(run) if path is None else path
    if chosen is None:
        return None
    model, probe = run.model, Trace([chosen], len(chains(run.world)))
    rows = replay_watched(model, chosen, (probe,), INCLUDED)
    forced = forced_rows(model, rows.to_pylist())
    return Worst(chosen, float(bearers(run).total[chosen]), rows, trace_table(model, probe.rows), forced)


def forced_rows(model: Model, rows: list[dict[str, Any]]) -> tuple[int, ...]:
    """Which rows liquidate: executed transactions of kinds that do, and what calls of engines change but the exchange's cash."""
    kinds = {kind.name for kind in phases(model, 1, ()).kinds if kind.liquidates}
    unit = {name: protocol.unit for name, protocol in model.world.protocols.items()}
    return tuple(i for i, row in enumerate(rows) if (row["kind"] in kinds and row["outcome"] == "executed") or (
        row["kind"] == CALL and (row["gives"] or row["gets"]) != unit[row["protocol"]]))
