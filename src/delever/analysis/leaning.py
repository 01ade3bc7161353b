"""Which move paths should be drawn around (scenario.tail): a pilot of a few hundred paths for each of a few, by what they tell.

Tried are falls of one asset by 1.5, 2.5 and 3.5 standard deviations over all of the horizon, a quarter and a sixteenth of it.
Judged by `alike`: as many paths that count alike as lie beyond the level are worth; drawn as stated it is (1 - level) x paths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from delever.analysis.samples import plainly, run_model
from delever.model.errors import InputError, nearest
from delever.model.scenario import Tail
from delever.model.world import World
from delever.prices.lognormal import Diffusion
from delever.run.assemble import Model, assemble
from delever.run.collect import numbers, together
from delever.run.estimates import ordered_at, tail
from delever.run.result import Result

DEVIATIONS = (1.5, 2.5, 3.5)  # of the asset over the stretch
PARTS = (1, 4, 16)  # stretches of the horizon
PATHS = 400  # of each
LEVEL = 0.99  # what a few hundred paths can tell of
DEEPEST = 0.95  # fall


@dataclass(frozen=True)
class Leaning(Result):
    """table: a row a move, the best first; world: the same with `scenario.tail` as the best, or without where none helps."""

    pictured: ClassVar[int] = 0
    world: World
    table: pa.Table
    plainly: float  # paths beyond the level, drawn as stated

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        chosen = self.world.scenario.tail
        return f"Leaning: {'none helps' if chosen is None else chosen.model_dump()}"


def lean(world: World, asset: str, column: str = "shortfall", level: float = LEVEL, paths: int = PATHS) -> Leaning:
    """The fall of an asset around which paths tell most of losses beyond a level. column: of the losses [USD].

    InputError: the prices draw nothing, the asset does not move by itself, or no path of the pilot loses anything.
    """
    model = assemble(plainly(world))
    if not isinstance(model.prices, Diffusion):
        raise InputError("draw nothing that could be drawn otherwise", "scenario.prices", world.scenario.prices.kind,
                         "take prices of kind lognormal")
    names = [model.layout.markets[m] for m in model.prices.number]
    if asset not in names:
        raise InputError("does not move by itself", "asset", asset, nearest(asset, names))
    step = float(np.sqrt((model.prices.load[names.index(asset)] ** 2).sum()))  # of its log price
    rows: list[dict[str, Any]] = []
    tried: set[tuple[int, float]] = set()
    for part in PARTS:
        width = max(1, model.steps // part)
        for some in DEVIATIONS:
            fall = math.expm1(-some * step * math.sqrt(width))
            if fall < -DEEPEST or (width, some) in tried:
                continue
            tried.add((width, some))
            over = width * model.step_length
            alike, value = judged(model, Tail(change={asset: fall}, over=over), column, level, paths)
            rows.append({"change": fall, "over": over, "deviations": some, "alike": alike, "quantile": value})
    rows.sort(key=lambda row: -row["alike"])
    if not any(row["quantile"] > 0.0 for row in rows):
        raise InputError("loses nothing on any path that counts: there is nothing to lean towards", "lean", column,
                         "take a higher level, more paths, or another column")
    best = next(row for row in rows if row["quantile"] > 0.0)
    stated = (1.0 - level) * paths
    chosen = {"change": {asset: best["change"]}, "over": best["over"]} if best["alike"] > stated else None
    return Leaning(plainly(world).replace("scenario.tail", chosen), pa.Table.from_pylist(rows, schema=SCHEMA), stated)


def judged(model: Model, drawn: Tail, column: str, level: float, paths: int) -> tuple[int, float]:
    """(paths alike beyond the level, its quantile) of a pilot."""
    scenario = model.world.scenario
    leaning = replace(model, prices=model.prices.toward(drawn, model.layout.markets, scenario.step, scenario.steps))
    found = run_model(leaning, 0, paths)
    x, w = together(found, column), numbers(found, "weight")
    return tail(paths, level, x, w), float(ordered_at(x, level, w))


SCHEMA = pa.schema([
    pa.field("change", pa.float64(), metadata={"unit": "share", "meaning": "fall of the asset"}),
    pa.field("over", pa.float64(), metadata={"unit": "s", "meaning": "stretch of the horizon in which it is"}),
    pa.field("deviations", pa.float64(), metadata={"unit": "number", "meaning": "standard deviations of the asset over it"}),
    pa.field("alike", pa.int64(), metadata={"unit": "count", "meaning": "paths beyond the level, as many as count alike"}),
    pa.field("quantile", pa.float64(), metadata={"unit": "USD", "meaning": "of the losses at the level, a rough estimate"})])
