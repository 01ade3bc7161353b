"""Who bears what is lost, on every path, across lending and exchanges.

    lending      what its default waterfall bore, and the rest of its shortfall (suppliers)
    exchange     what each layer of its default waterfall bore, and what nobody did
    loss         all of it together [USD]
What a layer bears is declared by the layer itself: a column whose figure stands under `bore`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from delever.core.loans import SHORTFALL
from delever.run.collect import Declared, declared, numbers
from delever.run.estimates import Drawn, mean, quantile, tail_mean
from delever.run.figures import drawn_of
from delever.run.stress import Run

BORE = "bore"  # heading under which layers say what they bore
LEVEL = 0.95  # of VaR and expected shortfall
SCHEMA = pa.schema([
    pa.field("protocol", pa.string()), pa.field("who", pa.string(), metadata={"meaning": "who bears it"}),
    pa.field("mean_usd", pa.float64(), metadata={"unit": "USD", "meaning": "mean over paths"}),
    pa.field("low_usd", pa.float64(), metadata={"unit": "USD", "meaning": "its 95 % interval, of sampling alone"}),
    pa.field("high_usd", pa.float64(), metadata={"unit": "USD"})])


@dataclass(frozen=True)
class Losses:
    """What was lost. usd: [paths, bearers]; protocols, who: [bearers]."""

    protocols: tuple[str, ...]
    who: tuple[str, ...]
    usd: np.ndarray
    drawn: Drawn = None  # how paths count

    @cached_property
    def total(self) -> np.ndarray:
        """[paths] USD."""
        return np.asarray(self.usd.sum(axis=1))

    @property
    def mean(self) -> tuple[float, float, float]:
        """Mean over paths and its 95 % interval [USD]."""
        return mean(self.total, self.drawn)

    @property
    def var(self) -> tuple[float, float, float]:
        """95th percentile over paths and its interval [USD]."""
        return quantile(self.total, LEVEL, self.drawn)

    @property
    def expected_shortfall(self) -> tuple[float, float, float]:
        """Mean of the worst 5 % of paths and its interval [USD]."""
        return tail_mean(self.total, LEVEL, self.drawn)

    @property
    def table(self) -> pa.Table:
        """A row a bearer: mean over paths, interval."""
        found = [mean(column, self.drawn) for column in self.usd.T]
        return pa.table([self.protocols, self.who, *(pa.array([one[i] for one in found], pa.float64()) for i in range(3))],
                        schema=SCHEMA)


def bearers(run: Run) -> Losses:
    """Of a run, in the order of its protocols and of their layers."""
    layers = [one for one in declared(run.paths) if one.column.section and any(f.under == BORE for f in one.column.figures)]
    found: list[tuple[str, str, np.ndarray]] = []
    for name in run.world.protocols:
        mine = [(said(one), numbers(run.paths, one.field)) for one in layers if one.protocol == name]
        if name in run.world.lending:
            nobody = "suppliers" if not mine else "suppliers, what no layer bore"
            short = numbers(run.paths, f"{SHORTFALL.name}.{name}")
            mine = [(who, usd) for who, usd in mine if who != "nobody"]
            mine.append((nobody, np.maximum(short - sum((usd for _, usd in mine), np.zeros(len(short))), 0.0)))
        found += [(name, who, usd) for who, usd in mine]
    return Losses(tuple(p for p, _, _ in found), tuple(w for _, w, _ in found),
                  np.stack([usd for _, _, usd in found], axis=1) if found else np.zeros((run.paths.num_rows, 0)),
                  drawn_of(run.model, run.paths))


def said(one: Declared) -> str:
    """What a report calls a layer."""
    return next(f.label for f in one.column.figures if f.under == BORE)
